"""Training losses: (predictions, truth), both (batch, time, channel, y, x) in [0, 1], to a scalar."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from msrnn.units import RAIN_WEIGHTS, pixel_from_rate


def paper(predictions: Tensor, truth: Tensor) -> Tensor:
    """Squared plus absolute error, summed over pixels, mean over samples and steps (MS-RNN's released code)."""
    return _squared_plus_absolute(predictions - truth, torch.ones_like(truth))


def mse(predictions: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error."""
    return (predictions - truth).square().mean()


def balanced(predictions: Tensor, truth: Tensor) -> Tensor:
    """As `paper`, each pixel weighted by its true rain rate (Shi et al. 2017); pixels as the paper maps rain."""
    thresholds = torch.tensor([pixel_from_rate(rate) for rate, _ in RAIN_WEIGHTS], device=truth.device)
    weights = torch.tensor([1.0, *(weight for _, weight in RAIN_WEIGHTS)], dtype=truth.dtype, device=truth.device)
    bins = torch.bucketize(truth.detach().float().contiguous(), thresholds, right=True)
    return _squared_plus_absolute(predictions - truth, weights[bins])


def gdl(predictions: Tensor, truth: Tensor) -> Tensor:
    """`paper` plus the gradient difference (Mathieu et al. 2016, https://arxiv.org/abs/1511.05440, alpha = 1)."""
    total = paper(predictions, truth)
    for axis in (-2, -1):
        difference = predictions.diff(dim=axis).abs() - truth.diff(dim=axis).abs()
        total = total + difference.abs().sum(dim=(2, 3, 4)).mean()
    return total


def _squared_plus_absolute(error: Tensor, weights: Tensor) -> Tensor:
    return (weights * (error.square() + error.abs())).sum(dim=(2, 3, 4)).mean()


class Loss(NamedTuple):
    function: Callable[[Tensor, Tensor], Tensor]
    sums_over_pixels: bool
    """Its gradients grow with the frame's area."""


LOSSES = {
    "paper": Loss(paper, True),
    "mse": Loss(mse, False),
    "balanced": Loss(balanced, True),
    "gdl": Loss(gdl, True),
}
