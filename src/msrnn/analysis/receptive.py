"""Receptive fields in space and time: those that the structure allows, and those that the weights use."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d, pad, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from msrnn.nn.forecaster import Forecaster

WHOLE = 0
"""The width of a receptive field that reached the edge of the strip that was looked at."""


def theoretical(model: Forecaster, steps: int, strip: int = 1024) -> NDArray[np.int64]:
    """Width of the receptive field of every layer's hidden state, by the number of steps back in time.

    Structure alone decides: a pixel of a strip of frames is made NaN, and whatever becomes NaN afterwards has seen it,
    whichever the weights. Along warps (TrajGRU, MotionRNN) it is that at zero flow; flows can reach anywhere. Where
    resampling makes it differ from pixel to pixel, the largest.

    Args:
        model: its weights are not used and not changed.
        steps: how many frames to look back, the current one included.
        strip: how many pixels to look at along one axis.

    Returns:
        (steps, layer): pixels along one axis, in the frame `lag` steps back; `WHOLE` if it leaves the strip.
    """
    model = copy.deepcopy(model).double().eval()  # float32 convolutions may mix pixels (Winograd)
    for parameter in model.parameters():
        parameter.data.zero_()
    multiple = model.multiple
    width = strip + -strip % multiple
    frame = torch.zeros(
        multiple, model.in_channels, multiple, width, dtype=torch.float64, device=model.embed.weight.device
    )
    seen = torch.arange(multiple) + width // 2
    frame[torch.arange(multiple), :, 0, seen] = torch.nan  # one sample per position in a block of the coarsest layer
    state, widths = None, []
    with torch.no_grad(), _PoisonedFunctions(), _PoisonedLocalAttention():  # type: ignore[no-untyped-call]
        for _ in range(steps):
            _, state = model.step(frame, state)
            edges = [model.patch * scale for scale in model.pyramid.scales]
            widths.append([_width(h, edge) for (h, *_), edge in zip(state.layers, edges, strict=True)])
            frame = torch.zeros_like(frame)
    return np.array(widths)


def _width(h: Tensor, edge: int) -> int:
    """Count the strip's pixels that one pixel of `h`, which stands for `edge` x `edge` of them, sees."""
    sees = h.isnan().any(dim=1).any(dim=1).cpu().numpy()
    if sees[:, 0].any() or sees[:, -1].any():
        return WHOLE
    sample, pixel = np.nonzero(sees)
    # Sample s is about the pixel s to the right of the first one; the picture repeats after as many as there are.
    offset, position = sample - edge * pixel, pixel % (len(sees) // edge)
    return max(int(np.ptp(offset[position == p])) + 1 for p in set(position.tolist()))


class _PoisonedFunctions(TorchFunctionMode):
    """Lets NaN spread through bilinear samples and attention as through everything else.

    Through samples it spreads from where they are read, and from positions; through attention, whose products are not
    computed, from any key and value to all queries.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if function is scaled_dot_product_attention:
            query, key, value = (x.isnan().any(dim=-1, keepdim=True) for x in args[:3])
            lost = query | (key | value).any(dim=-2, keepdim=True)
            return torch.zeros_like(args[0]).masked_fill(lost, torch.nan)
        if function is not grid_sample:
            return function(*args, **kwargs)
        x, grid = args
        lost = grid.isnan().any(dim=-1).unsqueeze(1)
        read = function(x.isnan().to(x.dtype), grid.nan_to_num(), **kwargs) > 1e-6  # a shift of rounding reads nothing
        return torch.where(lost | read, torch.nan, function(x.nan_to_num(), grid.nan_to_num(), **kwargs))


class _PoisonedLocalAttention(TorchDispatchMode):
    """NaN spreads from a key or value to the queries whose window it lies in; tiles, which are larger, are not seen."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function is not torch.ops.msrnn.local_attention.default:
            return function(*args, **(kwargs or {}))
        *tensors, window = args
        query, key, value = (x.isnan().any(dim=1, keepdim=True).to(x.dtype) for x in tensors)
        before, after = window // 2, window - 1 - window // 2
        around = pad(torch.maximum(key, value), (before, after, before, after))
        lost = query + max_pool2d(around, window, stride=1) > 0
        result, log_sum = function(*(x.nan_to_num() for x in tensors), window)
        return result.masked_fill(lost, torch.nan), log_sum


def effective(model: Forecaster, frames: Tensor, horizon: int = 1) -> NDArray[np.float64]:
    """Measure how strongly the centre of the last predicted frame depends on each pixel of the context.

    Luo et al. 2016, https://arxiv.org/abs/1701.04128.

    Args:
        model: with the weights that matter.
        frames: (batch, T, in_channels, y, x), the context, on any device; influences are averaged over the batch.
        horizon: which predicted frame, counted from 1.

    Returns:
        (T, y, x): absolute gradients of the central pixel's value, summed over channels, as shares of their total.
    """
    model = copy.deepcopy(model).requires_grad_(False)
    model.memory = "step"
    frames = frames.to(model.embed.weight)
    *_, channels, height, width = frames.shape
    influence = frames.new_zeros(frames.shape[1], height, width)
    future = frames.new_zeros(1, horizon, channels, height, width)  # never read
    for number in range(len(frames)):  # one at a time takes the least memory
        context = frames[number : number + 1].detach().clone().requires_grad_()
        predictions, _ = model(torch.cat((context, future), dim=1), context=context.shape[1])
        (gradient,) = torch.autograd.grad(predictions[:, -1, :, height // 2, width // 2].sum(), context)
        influence += gradient.abs().sum(dim=2)[0]
    return (influence / influence.sum()).cpu().double().numpy()


def width_of_share(influence: NDArray[np.float64], share: float) -> int:
    """Edge in pixels of the smallest square around the centre that holds that share of what (y, x) sums to."""
    height, width = influence.shape
    wanted = share * float(influence.sum())
    for radius in range(max(height, width)):
        rows = slice(max(height // 2 - radius, 0), height // 2 + radius + 1)
        columns = slice(max(width // 2 - radius, 0), width // 2 + radius + 1)
        if float(influence[rows, columns].sum()) >= wanted:
            return 2 * radius + 1
    return 2 * int(max(height, width)) - 1
