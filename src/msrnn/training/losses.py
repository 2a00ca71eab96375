"""Training losses: (predictions, truth, weights), all (batch, time, channel, y, x), frames in [0, 1], to a scalar."""

import inspect
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from msrnn.errors import Setting, SettingsError


def pixel_weights(valid: Tensor) -> Tensor:
    """Compute the weights of pixels: 0, if not `valid` (bool); else 1 over the valid share of the sample."""
    share = valid.float().mean(dim=(1, 2, 3, 4), keepdim=True)
    return valid / share.masked_fill(share == 0, 1)


def paper(predictions: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Compute squared plus absolute error, summed over pixels, mean over samples and steps (MS-RNN's code)."""
    error = predictions - truth
    return (weights * (error.square() + error.abs())).sum(dim=(2, 3, 4)).mean()


def mse(predictions: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Compute the mean squared error."""
    return (weights * (predictions - truth).square()).mean()


def gdl(predictions: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Add the gradient difference to `paper` (Mathieu et al. 2016, https://arxiv.org/abs/1511.05440, alpha = 1)."""
    total = paper(predictions, truth, weights)
    for axis in (-2, -1):
        difference = predictions.diff(dim=axis).abs() - truth.diff(dim=axis).abs()
        last = weights.shape[axis] - 1
        both = torch.minimum(weights.narrow(axis, 0, last), weights.narrow(axis, 1, last))
        total = total + (both * difference.abs()).sum(dim=(2, 3, 4)).mean()
    return total


class Loss(NamedTuple):
    """A loss, and how training handles it."""

    function: Callable[[Tensor, Tensor, Tensor], Tensor]
    sums_over_pixels: bool = True
    """Its gradients grow with the frame's area."""
    by_rain: bool = False
    """Pixels are weighted by `rain_weights` too."""

    def check(self, shape: Sequence[int]) -> None:
        """Raise a SettingsError if it is no scalar function of predictions, truth and weights of this shape."""
        wanted = (Setting("loss"), " must be a function of predictions, truth and weights")
        try:
            inspect.signature(self.function).bind(None, None, None)
        except TypeError as error:
            raise SettingsError(*wanted, f": {error}") from error
        predictions = torch.full(tuple(shape), 0.5, requires_grad=True)
        with torch.random.fork_rng(devices=[]):
            made = self.function(predictions, torch.zeros_like(predictions), torch.ones_like(predictions))
        if not isinstance(made, Tensor) or made.shape != () or not made.requires_grad:
            got = f"a tensor of shape {tuple(made.shape)}" if isinstance(made, Tensor) else repr(made)
            follow = " to a scalar tensor that autograd can follow to the predictions"
            raise SettingsError(*wanted, f"{follow}; it gives {got}")


LOSSES = {
    "paper": Loss(paper),
    "mse": Loss(mse, sums_over_pixels=False),
    "balanced": Loss(paper, by_rain=True),
    "gdl": Loss(gdl),
}
