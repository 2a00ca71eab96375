"""Sequences that a model is trained on and that its forecasts are scored on."""

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset


class Drawn(Dataset[Tensor]):
    """Sequences (time, channel, y, x) by their number."""

    def __len__(self) -> int:
        raise NotImplementedError

    def title(self, number: int) -> str:
        """Where a sequence comes from, or which it is."""
        return f"sequence {number + 1}"


class HeldOut(Drawn):
    """Sequences in order; here they have nothing in common."""

    @property
    def fingerprint(self) -> int:
        """Tells these sequences from others."""
        raise NotImplementedError

    def blocks(self, least: int) -> tuple[np.ndarray, str]:
        """For each sequence the number of its block, and what blocks are. Different blocks have little in common.

        They are the largest there are at least so many of.
        """
        return np.arange(len(self)), "sequences"
