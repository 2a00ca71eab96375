"""The contract between a recurrent cell and the pyramid that drives it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypedDict

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class Step(NamedTuple):
    """Result of one time step of one cell."""

    h: Tensor
    """Output of the layer, (batch, channel, y, x)."""
    state: State
    """Next state; it begins with the layer's output."""
    m: Tensor | None = None
    """Next spatiotemporal memory, of a cell with `climbs`."""
    auxiliary: Tensor | None = None
    """Scalar term of the auxiliary loss, of a cell with a `shared` module: a mean over samples, its weight included."""


class Surroundings(TypedDict, total=False):
    """Keyword arguments that a cell declares a need of; all tensors are (batch, channel, y, x) at the cell's scale."""

    m: Tensor
    """Spatiotemporal memory, if `climbs`."""
    previous: Tensor
    """Output of the layer below one step ago, if `previous = "below"`."""
    shared: nn.Module
    """Module that all layers use, if `shared(channels)` returns one."""


@dataclass(frozen=True)
class Place:
    """Position of a cell in the network: layer `layer` of `depth`, counted from 0."""

    layer: int
    depth: int

    @property
    def first(self) -> bool:
        return self.layer == 0

    @property
    def last(self) -> bool:
        return self.layer == self.depth - 1


class Cell(nn.Module, ABC):
    """One time step of one recurrent layer: `h, state, *_ = cell(x, state)`.

    `x` and `h` are (batch, channel, y, x) of the same shape; `state` is a tuple of tensors that begins with `h`. A cell
    owns no state, no size and no device. It declares any further need as a class attribute; `forward` then takes
    keyword arguments (`Surroundings`) and returns more fields of `Step`:

    - `climbs = True`: takes and returns `m`, the spatiotemporal memory that climbs the layers within a step and goes
      from the top layer to the bottom layer of the next step.
    - `previous = "below"`: takes `previous`, the output of the layer below one step ago. Layer 0 has no layer below:
      `at` has to put another class there.
    - `shared(channels)` returns a module that all layers use: takes it as `shared`, returns `auxiliary`.

    The constructor takes `channels`, `kernel_size` and options of the cell's own by name; these become options of
    `create_model`, and go to every class that `at` returns. Never write into x, state or m: they are shared.
    """

    states: ClassVar[int]
    """Number of tensors in the state, all of the input's shape; for other shapes override `initial_state`."""
    climbs: ClassVar[bool] = False
    """True if the cell takes and returns the spatiotemporal memory m."""
    previous: ClassVar[str | None] = None
    """Output of one step ago that the cell takes: None, or that of the layer "below"."""
    multiple: ClassVar[int] = 1
    """Divisor of the height and width that the cell accepts, at its own scale."""
    sampling: ClassVar[str] = "scheduled"
    """Default schedule of training: a name in `msrnn.training.scheduled_sampling.SCHEDULES`."""
    ms_name: ClassVar[str | None] = None
    """Name of the multi-scale model, if not "ms-" plus the cell's name."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.channels = channels
        self.kernel_size = kernel_size

    @abstractmethod
    def forward(self, *arguments: Any, **surroundings: Any) -> Step:
        """Compute one time step: `forward(self, x, state)`, followed by the keywords of `Surroundings` declared."""

    @classmethod
    def at(cls, place: Place) -> "type[Cell]":
        """Return the class of the cell at `place`: this one, unless the model has another structure there."""
        return cls

    @classmethod
    def shared(cls, channels: int) -> nn.Module | None:
        """Return a module that all layers use, or None."""
        return None

    def initial_state(self, zeros: Tensor) -> State:
        """Return the state before the first frame; `zeros` is shaped as the layer's input, (batch, channel, y, x)."""
        return (zeros,) * self.states

    def conv(self, inputs: int, outputs: int, kernel_size: int | None = None, bias: bool = True) -> nn.Conv2d:
        """Return a convolution with "same" padding from `inputs` to `outputs` times the hidden channels."""
        kernel = self.kernel_size if kernel_size is None else kernel_size
        return nn.Conv2d(inputs * self.channels, outputs * self.channels, kernel, padding=kernel // 2, bias=bias)


def gated_input(i: Tensor, g: Tensor) -> Tensor:
    """Compute sigma(i) tanh(g): the input that an LSTM's gate lets through."""
    return torch.sigmoid(i) * torch.tanh(g)


def lstm_update(i: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """Compute sigma(f) c + sigma(i) tanh(g): the update of a cell state that every LSTM here shares."""
    return torch.sigmoid(f) * c + gated_input(i, g)


def mix(gate: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Compute gate a + (1 - gate) b: the update of a GRU and of a highway."""
    dtype = torch.promote_types(torch.promote_types(gate.dtype, a.dtype), b.dtype)
    return torch.lerp(b.to(dtype), a.to(dtype), gate.to(dtype))


Transform = Callable[[Tensor], Tensor]


def mogrify(x: Tensor, h: Tensor, q: Transform, r: Transform) -> tuple[Tensor, Tensor]:
    """Gate x and h with each other in five rounds, before an LSTM reads them (Melis et al. 2020, arXiv 1909.01792)."""
    for number in range(5):
        if number % 2 == 0:
            x = 2 * (torch.sigmoid(q(h)) * x)
        else:
            h = 2 * (torch.sigmoid(r(x)) * h)
    return x, h
