"""Memory modes of training: hold all activations of a recurrence, or hold states and compute the rest again.

Training through T steps with `keep` holds all activations of all steps. `step` holds the state after each step and
computes the rest again during the backward pass (Chen et al. 2016, https://arxiv.org/abs/1604.06174);
`sqrt` holds the state of about sqrt(T) steps, computes each stretch between them again, and within it each step.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.checkpoint import checkpoint

from msrnn.settings import Memory

MODES: tuple[Memory, ...] = get_args(Memory)
"""Memory modes, from most memory to least."""

Carry = TypeVar("Carry")
Output = tuple[Tensor, ...]
Body = Callable[[Carry, int], tuple[Carry, Output]]


def scan(body: Body[Carry], carry: Carry, steps: int, memory: str) -> list[Output]:
    """Run `carry, output = body(carry, t)` for t = 0 ... steps - 1; return the outputs. `memory` is one of `MODES`."""
    if memory == "keep" or not torch.is_grad_enabled():
        return _run(body, carry, 0, steps)[1]
    stepwise: Body[Carry] = partial(_recomputed, body)
    if memory == "step":
        return _run(stepwise, carry, 0, steps)[1]
    stretch = stretch_length(steps)
    outputs: list[Output] = []
    for start in range(0, steps, stretch):
        carry, part = _recomputed(_run, stepwise, carry, start, min(start + stretch, steps))
        outputs += part
    return outputs


def stretch_length(steps: int) -> int:
    """Return the number of steps between stored states in mode `sqrt`."""
    return math.isqrt(steps - 1) + 1


def _run(body: Body[Carry], carry: Carry, start: int, stop: int) -> tuple[Carry, list[Output]]:
    outputs = []
    for t in range(start, stop):
        carry, output = body(carry, t)
        outputs.append(output)
    return carry, outputs


def _recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return function(*arguments); its activations are computed again when the backward pass needs them."""
    # Tensors inside tuples would be held by the checkpoint itself, out of reach of a checkpoint around it.
    leaves, structure = tree_flatten(arguments)

    def flat(*leaves: Any) -> Any:
        return function(*tree_unflatten(leaves, structure))

    return checkpoint(flat, *leaves, use_reentrant=False)
