"""Bilinear warping along flow fields, for TrajGRU and MotionRNN."""

import torch
from torch import Tensor
from torch.nn import functional


def warp(x: Tensor, flows: Tensor) -> Tensor:
    """Sample `x` at p + flow(p), bilinear, zero outside the frame, for several flows at once.

    Args:
        x: (batch, C, y, x).
        flows: (batch, 2 L, y, x) in pixels; channels 2l and 2l + 1 are (u, v) of flow l, u along x and v along y.

    Returns:
        (batch, C L, y, x); channel c L + l is channel c of `x`, warped by flow l. Zero flow is the identity.
    """
    batch, _, height, width = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)  # positions in bfloat16 would be off by pixels
    u, v = flows.to(dtype).reshape(batch, -1, 2, height, width).unbind(dim=2)
    column = torch.arange(width, dtype=dtype, device=x.device)
    row = torch.arange(height, dtype=dtype, device=x.device).unsqueeze(1)
    # Pixel centres of a frame that spans [-1, 1]; unlike the spacing between corners this is defined for one pixel.
    grid = torch.stack(((2 * (column + u) + 1) / width - 1, (2 * (row + v) + 1) / height - 1), dim=-1)
    # grid_sample answers in the grid's size: with the L flows stacked along y, x is read L times and never copied.
    stacked = functional.grid_sample(x.to(dtype), grid.flatten(1, 2), align_corners=False).to(x.dtype)
    return stacked.reshape(batch, -1, height, width)
