"""A score that the package does not have, written as a user would."""

import torch
from torch import Tensor

from msrnn.scores import Score, SummedScores
from msrnn.scores.base import PIXELS


class WorstError(SummedScores):
    """worst: the largest absolute error of a sequence's frame, mean over sequences."""

    def __init__(self, leads: int, resamples: int = 0) -> None:
        super().__init__(leads, 2, resamples)

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """Sequences, and their largest errors."""
        worst = (forecast - truth).abs().amax(dim=PIXELS)
        return torch.stack([torch.ones_like(worst), worst], dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        count, worst = sums.unbind(dim=-2)
        return {Score("worst"): worst / count}
