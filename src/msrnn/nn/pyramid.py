"""One time step through a stack of recurrent cells, each at its own scale, with skips between them."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import index
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from msrnn.nn.cells.base import Cell, Place, State, Step, Surroundings
from msrnn.nn.ops.rescale import resample


class PyramidState(NamedTuple):
    """State of the network between two time steps."""

    layers: tuple[State, ...]
    """State of each layer, bottom first."""
    m: Tensor | None
    """Spatiotemporal memory at the top layer's scale; None if the cells have none."""


def _mirror(layer: int, scales: Sequence[int]) -> set[int]:
    """Return the last earlier layer of the same scale, for a layer at which the resolution rises."""
    if scales[layer] >= scales[layer - 1]:
        return set()
    return {max((j for j in range(layer) if scales[j] == scales[layer]), default=layer - 1)}


def _unet3p(layer: int, scales: Sequence[int]) -> set[int]:
    """Return, for a layer after the coarsest, all encoder layers not coarser than it and all earlier decoder layers."""
    bottom = scales.index(max(scales))
    if layer <= bottom:
        return set()
    return {j for j in range(layer) if j > bottom or scales[j] <= scales[layer]}


SKIPS: dict[str, Callable[[int, Sequence[int]], set[int]]] = {
    "none": lambda layer, scales: set(),
    "mirror": _mirror,
    "unet3+": _unet3p,
    "full": lambda layer, scales: set(range(layer)),
}
"""Rules by name: which earlier layers' outputs are added to a layer's input, beside that of the layer below."""


def check_scales(scales: Sequence[int]) -> tuple[int, ...]:
    """Return `scales` as a tuple; raise a ValueError that explains which scales are possible."""
    given = scales
    try:
        scales = tuple(map(index, scales))
    except TypeError:
        scales = ()
    if not scales or min(scales) < 1:
        raise ValueError(f"scales must be positive integers, one per layer, e.g. (1, 2, 4, 4, 2, 1), got {given!r}")
    for below, above in pairwise(scales):
        if above not in (below, 2 * below) and below != 2 * above:
            raise ValueError(
                f"neighbouring scales must be equal or differ by a factor of 2, got {below} next to {above} in {scales}"
            )
    return scales


class Pyramid(nn.Module):
    """Cells of one type at `scales` of the resolution, with `skips` (MS-RNN, arXiv 2206.03010, section 3).

    A plain stack is the pyramid with every scale 1. Only the pyramid resamples: a layer's input, the
    spatiotemporal memory and the output of the layer below one step ago. Resampling has no weights.
    """

    def __init__(
        self, cell: type[Cell], channels: int, kernel_size: int, scales: Sequence[int], skips: str, **cell_options: Any
    ) -> None:
        super().__init__()
        if skips not in SKIPS:
            raise ValueError(f"no skips {skips!r}; choose from {', '.join(SKIPS)}")
        self.scales = check_scales(scales)
        self.skips = skips
        self.channels = channels
        self.climbs = cell.climbs
        depth = len(self.scales)
        classes = [cell.at(Place(layer, depth)) for layer in range(depth)]
        for layer, c in enumerate(classes):
            if c.previous not in (None, "below") or (c.previous and layer == 0):
                raise ValueError(
                    f'{c.__name__}.previous must be None or "below", and None in layer 0 (its `at` puts another class '
                    f"there), got {c.previous!r} in layer {layer}"
                )
        self.cells = nn.ModuleList(c(channels, kernel_size, **cell_options) for c in classes)
        self.shared = cell.shared(channels)
        self.sources = [
            sorted(SKIPS[skips](layer, self.scales) - {layer - 1}) if layer else [] for layer in range(depth)
        ]
        """Earlier layers whose outputs are added to the input, for each layer."""
        self.multiple = math.lcm(*(scale * c.multiple for scale, c in zip(self.scales, classes, strict=True)))
        """Divisor of the height and width that the pyramid accepts."""

    def initial_state(self, batch: int, height: int, width: int, **options: Any) -> PyramidState:
        """Return a zero state for inputs (batch, channels, height, width); `options` are dtype and device."""
        zeros = {s: torch.zeros(batch, self.channels, height // s, width // s, **options) for s in set(self.scales)}
        cells = cast(Iterable[Cell], self.cells)
        layers = tuple(cell.initial_state(zeros[s]) for cell, s in zip(cells, self.scales, strict=True))
        return PyramidState(layers, zeros[self.scales[-1]] if self.climbs else None)

    def forward(self, x: Tensor, state: PyramidState) -> tuple[Tensor, PyramidState, Tensor]:
        """Compute one time step.

        Args:
            x: (batch, channels, y, x), height and width divisible by `multiple`.
            state: the state that the last step returned, or `initial_state`.

        Returns:
            The top layer's output in the shape of x, the next state, and the auxiliary loss, a scalar.
        """
        scales = self.scales
        m = state.m
        m_scale = scales[-1]
        auxiliary = x.new_zeros(())
        outputs: list[Tensor] = []
        states: list[State] = []
        for layer, (cell, scale) in enumerate(zip(self.cells, scales, strict=True)):
            below = resample(outputs[-1], scales[layer - 1], scale) if layer else resample(x, 1, scale)
            inputs = sum((resample(outputs[j], scales[j], scale) for j in self.sources[layer]), start=below)
            around: Surroundings = {}
            if m is not None:
                around["m"] = resample(m, m_scale, scale)
            if cell.previous == "below":
                around["previous"] = resample(state.layers[layer - 1][0], scales[layer - 1], scale)
            if self.shared is not None:
                around["shared"] = self.shared
            step = cell(inputs, state.layers[layer], **around)
            self._check(cell, step)
            m, m_scale = step.m, scale
            if step.auxiliary is not None:
                auxiliary = auxiliary + step.auxiliary
            outputs.append(step.h)
            states.append(step.state)
        return resample(outputs[-1], scales[-1], 1), PyramidState(tuple(states), m), auxiliary

    def _check(self, cell: nn.Module, step: Any) -> None:
        """Raise a TypeError unless `step` is a `Step` with the fields that the cell has declared, and no others."""
        forward = f"{type(cell).__name__}.forward"
        if not isinstance(step, Step):
            raise TypeError(f"{forward} must return a msrnn.Step, got {type(step).__name__}")
        if (step.m is not None) != self.climbs:
            raise TypeError(f"{forward} must return m if the model's cell has climbs = True, and only then")
        if (step.auxiliary is not None) != (self.shared is not None):
            raise TypeError(f"{forward} must return auxiliary if the cells have a shared module, and only then")
