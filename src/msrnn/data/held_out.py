"""Sequences that forecasts are scored on."""

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset


class HeldOut(Dataset[Tensor]):
    """Sequences (time, channel, y, x) in order; here they have nothing in common."""

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def fingerprint(self) -> int:
        """Tells these sequences from others."""
        raise NotImplementedError

    def title(self, number: int) -> str:
        """When a sequence begins, or which it is."""
        return f"sequence {number + 1}"

    def blocks(self, least: int) -> tuple[np.ndarray, str]:
        """For each sequence the number of its block, and what blocks are. Different blocks have little in common.

        They are the largest there are at least so many of.
        """
        return np.arange(len(self)), "sequences"
