"""Bilinear warping along flow fields, for TrajGRU and MotionRNN."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

GROUPS = 8
"""Most groups into which channels are split on a CPU. Each group is warped as a sample of its own, because torch's CPU
kernels run in parallel over samples only."""


def warp(x: Tensor, flows: Tensor) -> Tensor:
    """Sample `x` at p + flow(p), bilinear, zero outside the frame, for several flows at once.

    Args:
        x: (batch, C, y, x).
        flows: (batch, 2 L, y, x) in pixels; channels 2l and 2l + 1 are (u, v) of flow l, u along x and v along y.

    Returns:
        (batch, C L, y, x); channel c L + l is channel c of `x`, warped by flow l. Zero flow is the identity. There are
        first derivatives only.
    """
    return _Warp.apply(x, flows)  # type: ignore[no-any-return, no-untyped-call]


class _Warp(torch.autograd.Function):
    """Warp that saves its inputs only; positions are computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, flows: Tensor) -> Tensor:
        ctx.save_for_backward(x, flows)
        pictures, grid = _grid_sample_arguments(x, flows)
        # The result has the grid's size: with the L flows stacked along y, x is read L times and never copied.
        stacked = functional.grid_sample(pictures, grid, align_corners=False).to(x.dtype)
        return stacked.reshape(len(x), -1, *x.shape[2:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        x, flows = ctx.saved_tensors
        height, width = x.shape[2:]
        pictures, grid = _grid_sample_arguments(x, flows)
        d_stacked = grad.to(grid.dtype).reshape(len(pictures), pictures.shape[1], -1, width)
        bilinear, zeros, aligned = 0, 0, False
        d_pictures, d_grid = torch.ops.aten.grid_sampler_2d_backward(
            d_stacked, pictures, grid, bilinear, zeros, aligned, [ctx.needs_input_grad[0], True]
        )
        d_u, d_v = d_grid.reshape(len(x), -1, flows.shape[1] // 2, height, width, 2).sum(dim=1).unbind(dim=-1)
        d_flows = torch.stack((d_u * (2 / width), d_v * (2 / height)), dim=2).reshape(flows.shape).to(flows.dtype)
        return d_pictures.reshape(x.shape).to(x.dtype) if ctx.needs_input_grad[0] else None, d_flows


def _grid_sample_arguments(x: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the arguments of grid_sample: groups of channels as samples, and positions with all flows stacked in y."""
    batch, channels, height, width = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)  # positions in bfloat16 would be off by pixels
    u, v = flows.to(dtype).reshape(batch, -1, 2, height, width).unbind(dim=2)
    column = torch.arange(width, dtype=dtype, device=x.device)
    row = torch.arange(height, dtype=dtype, device=x.device).unsqueeze(1)
    # Pixel centres of a frame that spans [-1, 1]; unlike the spacing between corners this is defined for one pixel.
    grid = torch.stack(((2 * (column + u) + 1) / width - 1, (2 * (row + v) + 1) / height - 1), dim=-1).flatten(1, 2)
    groups = math.gcd(channels, GROUPS) if x.device.type == "cpu" else 1
    return x.to(dtype).reshape(batch * groups, -1, height, width), grid.repeat_interleave(groups, dim=0)
