"""One convolution in place of a sum of convolutions, or of a convolution of concatenated tensors."""

from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn


def convolve(*terms: tuple[Any, ...]) -> Tensor:
    """Compute conv_1 * [x_1, ...] + conv_2 * [x_2, ...] + ..., where [a, b] is concatenation of channels.

    All inputs go through a single convolution, unless the result is so small that joining the weights takes longer
    than adding up. Concatenations, of which autograd would keep copies, are made again in the backward pass.

    Args:
        *terms: each an nn.Conv2d and the tensors (batch, channel, y, x) that it reads. All convolutions have the same
            output channels, kernel, stride, padding and dilation, and one group.

    Returns:
        (batch, output channel, y, x).
    """
    convs: list[nn.Conv2d] = [conv for conv, *_ in terms]
    inputs: list[Tensor] = [x for _, *tensors in terms for x in tensors]
    first = convs[0]
    if len(inputs) == 1:
        return first(inputs[0])  # type: ignore[no-any-return]
    pixels = inputs[0].shape[0] * inputs[0].shape[2] * inputs[0].shape[3]
    if len(terms) > 1 and pixels * first.out_channels < sum(conv.weight.numel() for conv in convs):
        return sum((convolve(term) for term in terms[1:]), start=convolve(terms[0]))
    geometry = (first.stride, first.padding, first.dilation)
    assert all((c.stride, c.padding, c.dilation) == geometry and c.groups == 1 for c in convs)
    assert all(c.padding_mode == "zeros" for c in convs)
    weights = [conv.weight for conv in convs]
    biases = [conv.bias for conv in convs if conv.bias is not None]
    return _Joined.apply(geometry, len(inputs), len(convs), *inputs, *weights, *biases)  # type: ignore[no-any-return, no-untyped-call]


def compute_dtype(weight: Tensor) -> torch.dtype:
    """Return the dtype in which a convolution computes: autocast's, if it is on, or the weight's."""
    kind = weight.device.type
    autocast = kind != "meta" and torch.is_autocast_enabled(kind) and weight.dtype != torch.float64
    return torch.get_autocast_dtype(kind) if autocast else weight.dtype


def _join(tensors: list[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.cat([x.to(dtype) for x in tensors], dim=1) if len(tensors) > 1 else tensors[0].to(dtype)


class _Joined(torch.autograd.Function):
    """Joined convolution that saves its inputs and weights for the backward pass, not their concatenations."""

    @staticmethod
    def forward(ctx: Any, geometry: tuple[Any, ...], inputs: int, convs: int, *tensors: Tensor) -> Tensor:
        xs, weights, biases = _parts(tensors, inputs, convs)
        ctx.geometry, ctx.counts, ctx.dtype = geometry, (inputs, convs), compute_dtype(weights[0])
        ctx.save_for_backward(*tensors)
        bias = sum(biases[1:], start=biases[0]).to(ctx.dtype) if biases else None
        stride, padding, dilation = geometry
        return torch.conv2d(_join(xs, ctx.dtype), _join(weights, ctx.dtype), bias, stride, padding, dilation)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once: under recomputation a second reading fails
        xs, weights, biases = _parts(saved, *ctx.counts)
        needed = ctx.needs_input_grad[3:]
        of_inputs, of_weights, of_biases = _parts(needed, *ctx.counts)
        joined = _join(weights, ctx.dtype)
        d_weight, d_bias = None, None
        d_xs: list[Any] = [None] * len(xs)
        if any(of_weights + of_biases):
            _, d_weight, d_bias = _gradients(ctx, grad, xs, joined, [False, any(of_weights), any(of_biases)])
        if any(of_inputs):  # the state before the first frame needs none
            columns = compress(_split(joined, xs), of_inputs)
            w = joined if all(of_inputs) else _join(list(columns), ctx.dtype)
            wanted = list(compress(xs, of_inputs))
            d_x, _, _ = _gradients(ctx, grad, wanted, w, [True, False, False])
            parts = iter(_split(d_x, wanted))
            d_xs = [next(parts) if needs else None for needs in of_inputs]
        d_weights = [None] * len(weights) if d_weight is None else _split(d_weight, weights)
        grads = zip((*d_xs, *d_weights, *[d_bias] * len(biases)), saved, needed, strict=True)
        return (None, None, None, *(g.to(x.dtype) if needs else None for g, x, needs in grads))


def _split(x: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Split `x` by the channel counts of `like`; the inverse of `_join`."""
    return list(torch.split(x, [one.shape[1] for one in like], dim=1))


def _gradients(ctx: Any, grad: Tensor, xs: list[Tensor], weight: Tensor, which: list[bool]) -> Any:
    """Return the gradients of the joined `xs`, the weight and the bias; None where `which` is False."""
    stride, padding, dilation = ctx.geometry
    transposed, output_padding, groups = False, [0, 0], 1
    return torch.ops.aten.convolution_backward(
        grad,
        _join(xs, ctx.dtype),
        weight,
        [len(weight)],
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        which,
    )


def _parts(values: Any, inputs: int, convs: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Split one sequence into the entries of inputs, of weights and of biases."""
    return list(values[:inputs]), list(values[inputs : inputs + convs]), list(values[inputs + convs :])
