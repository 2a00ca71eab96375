"""Counting what a computation holds in memory and how much it computes, while it runs."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from msrnn.nn.forecaster import Forecaster

OUTSIDE = "other"
"""The owner of what no part of a model makes."""


class Meter(TorchDispatchMode):
    """While it is on: bytes of the storages that are made and alive, now and at most, and floating-point operations.

    A storage counts once, from the operation that makes it until the last tensor that uses it is gone, whoever holds
    it: a variable, autograd, a hook. Storages that an operation gets and that were made before do not count, so
    parameters and inputs are left out. Scratch memory inside an operation is not seen. Works with fake tensors, which
    have sizes and no memory.

    FLOPs are those of `torch.utils.flop_counter` (convolutions and products of matrices; a multiply and an add are
    two), of warps and of attention; element-wise arithmetic is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        """Most bytes alive at once."""
        self.owner = OUTSIDE
        """Whose the next operations are."""
        self.bytes: Counter[str] = Counter()
        """Bytes alive, by owner."""
        self.flops: Counter[str] = Counter()
        """FLOPs so far, by owner."""
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    @property
    def alive(self) -> int:
        """Bytes alive."""
        return self.bytes.total()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self._seen.update(_storages((args, kwargs)))
        result = function(*args, **kwargs)
        for storage in _storages(result):
            if storage not in self._seen:
                self._seen.add(storage)
                size, owner = storage.nbytes(), self.owner
                self.bytes[owner] += size
                weakref.finalize(storage, self._died, owner, size)
        self.peak = max(self.peak, self.alive)
        packet = function._overloadpacket
        formula: Callable[..., int] | None = FORMULAS.get(packet) or flop_registry.get(packet)
        if formula is not None:
            self.flops[self.owner] += formula(*args, **kwargs, out_val=result)
        return result

    def _died(self, owner: str, size: int) -> None:
        self.bytes[owner] -= size


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    return (value.untyped_storage() for value in tree_iter(values) if isinstance(value, Tensor))


aten = torch.ops.aten
BILINEAR = 8
"""FLOPs of one bilinear sample: four products, added up, counted like those of a convolution."""


def _warp_flops(x: Tensor, grid: Tensor, *_: Any, out_val: Tensor) -> int:
    return BILINEAR * out_val.numel()


def _warp_backward_flops(grad: Tensor, *_: Any, out_val: Any) -> int:
    return 2 * BILINEAR * grad.numel()  # of what is sampled, and of where


FORMULAS: dict[Any, Callable[..., int]] = {
    aten.grid_sampler_2d: _warp_flops,
    aten.grid_sampler_2d_backward: _warp_backward_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[aten._scaled_dot_product_flash_attention],
    aten._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        aten._scaled_dot_product_flash_attention_backward
    ],
}
"""FLOPs that torch's counter does not know: warps, and attention on a CPU."""


@contextmanager
def owners(meter: Meter, model: Forecaster) -> Iterator[None]:
    """While it is on, what `model` computes is owned by "embed", "layer 0" ... and "head", in this order of time.

    The resampling of a layer's input belongs to the layer.
    """
    names = ["embed", *(f"layer {number}" for number in range(len(model.pyramid.cells))), "head"]
    hooks = []
    for module, following in zip((model.embed, *model.pyramid.cells, model.head), (*names[1:], OUTSIDE), strict=True):
        hooks.append(module.register_forward_hook(lambda *_, following=following: setattr(meter, "owner", following)))
    hooks.append(model.embed.register_forward_pre_hook(lambda *_: setattr(meter, "owner", names[0])))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
