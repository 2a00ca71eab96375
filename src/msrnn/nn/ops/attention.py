"""Attention of every pixel to the window around it, for PrecipLSTM, in little memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

TILE = 16
"""Edge of a tile in pixels: the queries of one tile are computed at a time."""


def local_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Compute softmax attention of each pixel p to the offsets -(w // 2) ... w - 1 - w // 2 in both directions.

    Logits are q(p) . k(p + offset), not scaled. Offsets outside the frame count with logit 0 and value 0. Logits exist
    for one tile of queries at a time, forward and backward: beyond inputs and outputs, a larger frame takes no more
    memory, and a larger window only as much as one tile needs. There are first derivatives only.

    Args:
        query, key, value: (batch, channel, y, x).
        window: w, the edge of the window in pixels, at least 1.

    Returns:
        (batch, channel, y, x).
    """
    result: Tensor = _attend(query, key, value, window)[0]
    return result


class _Tile(NamedTuple):
    """Rectangle of queries, and the rectangle of keys in the frame that any of them reaches."""

    queries: tuple[slice, slice]
    keys: tuple[slice, slice]
    reach: Tensor
    """(queries, keys) bool: which query reaches which key."""
    outside: Tensor
    """(queries, 1): number of a query's offsets that lie outside the frame."""


class _Span(NamedTuple):
    """Extent of a tile along one axis: its queries, start to stop, and the keys that they reach, first to last."""

    start: int
    stop: int
    first: int
    last: int


def _spans(size: int, window: int) -> Iterator[_Span]:
    before, after = window // 2, window - 1 - window // 2
    for start in range(0, size, TILE):
        stop = min(start + TILE, size)
        yield _Span(start, stop, max(start - before, 0), min(stop + after, size))


def _tiles(height: int, width: int, window: int, like: Tensor) -> Iterator[_Tile]:
    def spans(size: int) -> list[tuple[slice, slice, Tensor]]:
        found = []
        for start, stop, first, last in _spans(size, window):
            keys, queries = (torch.arange(*ends, device=like.device) for ends in ((first, last), (start, stop)))
            offset = keys - queries.unsqueeze(1)
            reach = (offset >= -(window // 2)) & (offset <= window - 1 - window // 2)
            found.append((slice(start, stop), slice(first, last), reach))
        return found

    columns = spans(width)
    for rows_q, rows_k, reach_y in spans(height):
        for columns_q, columns_k, reach_x in columns:
            reach = (reach_y[:, None, :, None] & reach_x[None, :, None, :]).flatten(2).flatten(0, 1)
            outside = window**2 - reach.sum(dim=1, keepdim=True)
            yield _Tile((rows_q, columns_q), (rows_k, columns_k), reach, outside.to(like.dtype))


def _cut(x: Tensor, area: tuple[slice, slice], dtype: torch.dtype) -> Tensor:
    """Cut a rectangle out of x, (batch, channel, y, x); the result is (batch, pixel, channel)."""
    return x[:, :, *area].flatten(2).transpose(1, 2).to(dtype)


def _paste(x: Tensor, area: tuple[slice, slice], part: Tensor) -> None:
    """Add `part`, (batch, pixel, channel), to a rectangle of x, (batch, channel, y, x)."""
    target = x[:, :, *area]
    target += part.transpose(1, 2).reshape(target.shape)


def _full_precision(like: Tensor) -> AbstractContextManager[None]:
    """Return a context without autocast."""
    device = like.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def attend(query: Tensor, key: Tensor, value: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Compute `local_attention` tile by tile, without autograd.

    Returns:
        The attention, and the log of each query's softmax denominator, (batch, 1, y, x).
    """
    dtype = torch.promote_types(query.dtype, torch.float32)  # unscaled logits are too large for bfloat16
    result = torch.zeros_like(query)
    log_sum = _one_channel(query)
    with _full_precision(query):
        for tile in _tiles(query.shape[2], query.shape[3], window, log_sum):
            q, k, v = (_cut(x, a, dtype) for x, a in ((query, tile.queries), (key, tile.keys), (value, tile.keys)))
            logits = (q @ k.transpose(1, 2)).masked_fill_(~tile.reach, -torch.inf)
            # The offsets outside the frame as one more key of value 0, with logit 0 once for each of them.
            normaliser = torch.logaddexp(logits.logsumexp(dim=2, keepdim=True), tile.outside.log())
            _paste(result, tile.queries, (torch.exp_(logits.sub_(normaliser)) @ v).to(result.dtype))
            log_sum[:, :, *tile.queries] = normaliser.transpose(1, 2).reshape(log_sum[:, :, *tile.queries].shape)
    return result, log_sum


def attend_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, result: Tensor, log_sum: Tensor, window: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of query, key and value; the logits are computed again."""
    dtype = log_sum.dtype
    grads = [torch.zeros_like(x, dtype=dtype) for x in (query, key, value)]
    # sum over keys of p dp, which the softmax's derivative subtracts, is result . grad
    mean_all = (result.to(dtype) * grad.to(dtype)).sum(dim=1, keepdim=True)
    with _full_precision(query):
        for tile in _tiles(query.shape[2], query.shape[3], window, log_sum):
            q, g, normaliser, mean = (_cut(x, tile.queries, dtype) for x in (query, grad, log_sum, mean_all))
            k, v = (_cut(x, tile.keys, dtype) for x in (key, value))
            logits = (q @ k.transpose(1, 2)).masked_fill_(~tile.reach, -torch.inf)
            p = torch.exp_(logits.sub_(normaliser))
            _paste(grads[2], tile.keys, p.transpose(1, 2) @ g)
            d_logits = p.mul_((g @ v.transpose(1, 2)).sub_(mean))
            _paste(grads[0], tile.queries, d_logits @ k)
            _paste(grads[1], tile.keys, d_logits.transpose(1, 2) @ q)
    d_query, d_key, d_value = (g.to(x.dtype, copy=True) for g, x in zip(grads, (query, key, value), strict=True))
    return d_query, d_key, d_value


_attend = torch.library.custom_op("msrnn::local_attention", mutates_args=())(attend)
_attend_backward = torch.library.custom_op("msrnn::local_attention_backward", mutates_args=())(attend_backward)


def _one_channel(like: Tensor) -> Tensor:
    batch, _, height, width = like.shape
    return like.new_empty(batch, 1, height, width, dtype=torch.promote_types(like.dtype, torch.float32))


@_attend.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, window: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(query), _one_channel(query)


@_attend_backward.register_fake
def _(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.window = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*tensors, *output)


def _differentiate(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    return *_attend_backward(grad, *ctx.saved_tensors, ctx.window), None


_attend.register_autograd(_differentiate, setup_context=_save)


def _products(shape: torch.Size, window: int) -> int:
    """Count the multiplications of one product of all queries, of that shape, with the keys of their tiles."""
    batch, channels, height, width = shape
    rows, columns = (
        sum((span.stop - span.start) * (span.last - span.first) for span in _spans(size, window))
        for size in (height, width)
    )
    return batch * channels * rows * columns


@register_flop_formula(torch.ops.msrnn.local_attention)
def _flops(query: torch.Size, key: torch.Size, value: torch.Size, window: int, **_: Any) -> int:
    return 2 * 2 * _products(query, window)


@register_flop_formula(torch.ops.msrnn.local_attention_backward)
def _flops_backward(grad: torch.Size, *rest: Any, **_: Any) -> int:
    *_tensors, window = rest
    return 5 * 2 * _products(grad, window)
