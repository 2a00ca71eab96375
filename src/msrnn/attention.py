"""Attention of every pixel to the window around it, for PrecipLSTM, without ever holding window x pixels numbers."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 16
"""Edge of the square of queries that is worked on at a time, in pixels."""


def local_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Softmax attention of each pixel p to the offsets -(w // 2) ... w - 1 - w // 2 in both directions.

    Logits are q(p) . k(p + offset), not scaled. Offsets outside the frame take part with logit 0 and value 0. All
    tensors are (batch, channel, y, x). Logits exist for one tile of queries at a time, forward and backward: memory
    beyond inputs and outputs grows neither with the frame nor, beyond one tile, with the window. `window` is at least
    1; there are first derivatives only.
    """
    return _LocalAttention.apply(query, key, value, window)  # type: ignore[no-any-return, no-untyped-call]


class _Tile(NamedTuple):
    """A rectangle of queries, the rectangle of in-frame keys in reach of any, and which reaches which."""

    queries: tuple[slice, slice]
    keys: tuple[slice, slice]
    reach: Tensor
    """(queries, keys) bool"""
    outside: Tensor
    """(queries, 1): how many of its offsets lie outside the frame"""


def _tiles(height: int, width: int, window: int, like: Tensor) -> Iterator[_Tile]:
    def spans(size: int) -> list[tuple[slice, slice, Tensor]]:
        before, after = window // 2, window - 1 - window // 2
        found = []
        for start in range(0, size, TILE):
            stop = min(start + TILE, size)
            first, last = max(start - before, 0), min(stop + after, size)
            offset = torch.arange(first, last, device=like.device) - torch.arange(
                start, stop, device=like.device
            ).unsqueeze(1)
            found.append((slice(start, stop), slice(first, last), (offset >= -before) & (offset <= after)))
        return found

    columns = spans(width)
    for rows_q, rows_k, reach_y in spans(height):
        for columns_q, columns_k, reach_x in columns:
            reach = (reach_y[:, None, :, None] & reach_x[None, :, None, :]).flatten(2).flatten(0, 1)
            outside = window**2 - reach.sum(dim=1, keepdim=True)
            yield _Tile((rows_q, columns_q), (rows_k, columns_k), reach, outside.to(like.dtype))


def _cut(x: Tensor, area: tuple[slice, slice], dtype: torch.dtype) -> Tensor:
    """(batch, pixel, channel) of a rectangle of a (batch, channel, y, x)."""
    return x[:, :, *area].flatten(2).transpose(1, 2).to(dtype)


def _paste(x: Tensor, area: tuple[slice, slice], part: Tensor) -> None:
    """Add (batch, pixel, channel) to that rectangle of `x`."""
    target = x[:, :, *area]
    target += part.transpose(1, 2).reshape(target.shape)


def _full_precision(like: Tensor) -> AbstractContextManager[None]:
    """No autocast, where the device has one."""
    device = like.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


class _LocalAttention(torch.autograd.Function):
    """Keeps q, k, v, the result and one number per query (log of the softmax's denominator); recomputes logits."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
        batch, _, height, width = query.shape
        dtype = torch.promote_types(query.dtype, torch.float32)  # unscaled logits are too large for bfloat16
        result = torch.zeros_like(query)
        log_sum = query.new_empty(batch, 1, height, width, dtype=dtype)
        with _full_precision(query):
            for tile in _tiles(height, width, window, log_sum):
                q, k, v = (_cut(x, a, dtype) for x, a in ((query, tile.queries), (key, tile.keys), (value, tile.keys)))
                logits = (q @ k.transpose(1, 2)).masked_fill_(~tile.reach, -torch.inf)
                # The offsets outside the frame as one more key: logit 0 as often as they are many, value 0.
                normaliser = torch.logaddexp(logits.logsumexp(dim=2, keepdim=True), tile.outside.log())
                _paste(result, tile.queries, (torch.exp_(logits.sub_(normaliser)) @ v).to(result.dtype))
                log_sum[:, :, *tile.queries] = normaliser.transpose(1, 2).reshape(log_sum[:, :, *tile.queries].shape)
        ctx.save_for_backward(query, key, value, result, log_sum)
        ctx.window = window
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, result, log_sum = ctx.saved_tensors
        dtype = log_sum.dtype
        grads = [torch.zeros_like(x, dtype=dtype) for x in (query, key, value)]
        # sum over keys of p dp, which the softmax's derivative subtracts, is result . grad
        mean_all = (result.to(dtype) * grad.to(dtype)).sum(dim=1, keepdim=True)
        with _full_precision(query):
            for tile in _tiles(query.shape[2], query.shape[3], ctx.window, log_sum):
                q, g, normaliser, mean = (_cut(x, tile.queries, dtype) for x in (query, grad, log_sum, mean_all))
                k, v = (_cut(x, tile.keys, dtype) for x in (key, value))
                logits = (q @ k.transpose(1, 2)).masked_fill_(~tile.reach, -torch.inf)
                p = torch.exp_(logits.sub_(normaliser))
                _paste(grads[2], tile.keys, p.transpose(1, 2) @ g)
                d_logits = p.mul_((g @ v.transpose(1, 2)).sub_(mean))
                _paste(grads[0], tile.queries, d_logits @ k)
                _paste(grads[1], tile.keys, d_logits.transpose(1, 2) @ q)
        d_query, d_key, d_value = (g.to(x.dtype) for g, x in zip(grads, (query, key, value), strict=True))
        return d_query, d_key, d_value, None
