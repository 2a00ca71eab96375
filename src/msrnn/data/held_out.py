"""Sequences that a model is trained on and that its forecasts are scored on."""

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset


class Drawn(Dataset[Tensor]):
    """Sequences (time, channel, y, x) by their number."""

    def __len__(self) -> int:
        raise NotImplementedError

    def title(self, number: int) -> str:
        """Say where a sequence comes from, or which it is."""
        return f"sequence {number + 1}"


class HeldOut(Drawn):
    """Sequences in a fixed order; here they have nothing in common."""

    @property
    def fingerprint(self) -> int:
        """Number that tells these sequences from others."""
        raise NotImplementedError

    def blocks(self, least: int) -> tuple[np.ndarray, str]:
        """Return the block number of each sequence, and the kind of block. Blocks have little in common.

        They are the largest there are at least so many of.
        """
        return np.arange(len(self)), "sequences"
