"""Resampling from one scale of the pyramid to another."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def resample(x: Tensor, scale: int, to_scale: int) -> Tensor:
    """Resample x from 1/scale of the resolution to 1/to_scale, by max pooling down or bilinearly up.

    x is (batch, channel, y, x); it is returned itself if the scales are equal.
    """
    if to_scale > scale:
        return functional.max_pool2d(x, to_scale // scale)
    if to_scale == scale:
        return x
    if scale == 2 * to_scale and torch.compiler.is_compiling():
        return _Doubled.apply(x)  # type: ignore[no-any-return, no-untyped-call]
    return _bilinear(x, scale / to_scale)


def _bilinear(x: Tensor, factor: float) -> Tensor:
    up = functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    # Autocast would go on in float32. (torch 2.11 compiles a conversion that changes nothing to a gradient of zero.)
    return up if up.dtype == x.dtype else up.to(x.dtype)


class _Doubled(torch.autograd.Function):
    """Bilinear doubling whose gradient is a sum of shifted pixels.

    torch.compile makes the gradient of `interpolate` a scatter, pixel by pixel with atomic additions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _bilinear(x, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        wide = grad.to(torch.promote_types(grad.dtype, torch.float32))
        # A pixel weighs 3/4 in the two nearest of its row and 1/4 in the next two; beyond the edge in the edge itself.
        wide = functional.pad(wide, (1, 1, 1, 1), mode="replicate")
        wide = 0.75 * (wide[:, :, 1:-1:2] + wide[:, :, 2::2]) + 0.25 * (wide[:, :, :-2:2] + wide[:, :, 3::2])
        wide = 0.75 * (wide[..., 1:-1:2] + wide[..., 2::2]) + 0.25 * (wide[..., :-2:2] + wide[..., 3::2])
        return wide.to(grad.dtype)
