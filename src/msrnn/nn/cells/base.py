"""What a recurrent cell is: the contract between a cell and the pyramid that drives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Place:
    """Where in the network a cell stands: layer `layer` of `depth`, counted from 0."""

    layer: int
    depth: int

    @property
    def first(self) -> bool:
        return self.layer == 0

    @property
    def last(self) -> bool:
        return self.layer == self.depth - 1


class Cell(nn.Module):
    """One time step of one recurrent layer: `h, state = cell(x, state)`.

    `x` and `h` are (batch, channel, y, x) of the same shape; `state` is a tuple of tensors that begins with `h`. A cell
    owns no state, no size and no device. What else it needs it declares as class attributes, and is then called, and
    answers, with more:

    - `climbs = True`: it takes part in the memory m that climbs the layers within a step and goes from the top layer to
      the bottom layer of the next. Called as `cell(x, state, m)`, answers `h, state, m`.
    - `previous = "below"`: it also gets what the layer below gave one step ago, at its own scale:
      `cell(x, state, m, previous)`. Layer 0 has no layer below: `at` has to put another class there.
    - `shared(channels)` returns a module that all layers use: the pyramid owns it and hands it over as the last
      argument; the cell answers with one value more, its scalar term of the auxiliary loss in this step (a mean over
      samples, its weight included).

    The constructor takes `channels`, `kernel_size` and options of the cell's own by name; these become options of
    `create_model`, and go to every class that `at` returns. Never write into x, state or m: they are shared.
    """

    states: ClassVar[int]
    """Tensors of the state, all of the input's shape; a cell with others overrides `initial_state`."""
    climbs: ClassVar[bool] = False
    """Whether it takes part in the climbing memory m."""
    previous: ClassVar[str | None] = None
    """None, or "below"."""
    multiple: ClassVar[int] = 1
    """What height and width at the cell's own scale must be divisible by."""
    sampling: ClassVar[str] = "scheduled"
    """How the model is trained by default: a name in `msrnn.training.scheduled_sampling.SCHEDULES`."""
    ms_name: ClassVar[str | None] = None
    """The name of the multi-scale model where it is not "ms-" and the cell's."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.channels = channels
        self.kernel_size = kernel_size

    @classmethod
    def at(cls, place: Place) -> "type[Cell]":
        """The class that stands at `place`: this one, unless the model has another structure there."""
        return cls

    @classmethod
    def shared(cls, channels: int) -> nn.Module | None:
        """A module that all layers use, or None."""
        return None

    def initial_state(self, zeros: Tensor) -> State:
        """State before the first frame; `zeros` has the shape of this layer's input."""
        return (zeros,) * self.states

    def conv(self, inputs: int, outputs: int, kernel_size: int | None = None, bias: bool = True) -> nn.Conv2d:
        """Convolution with "same" padding from `inputs` to `outputs` times the hidden channels."""
        kernel = self.kernel_size if kernel_size is None else kernel_size
        return nn.Conv2d(inputs * self.channels, outputs * self.channels, kernel, padding=kernel // 2, bias=bias)


def gated_input(i: Tensor, g: Tensor) -> Tensor:
    """What an LSTM gate lets in: sigma(i) tanh(g)."""
    return torch.sigmoid(i) * torch.tanh(g)


def lstm_update(i: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    """sigma(f) c + sigma(i) tanh(g): the memory update that every LSTM here shares."""
    return torch.sigmoid(f) * c + gated_input(i, g)


def mix(gate: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """gate a + (1 - gate) b: the update of a GRU and of highways."""
    dtype = torch.promote_types(torch.promote_types(gate.dtype, a.dtype), b.dtype)
    return torch.lerp(b.to(dtype), a.to(dtype), gate.to(dtype))


Transform = Callable[[Tensor], Tensor]


def mogrify(x: Tensor, h: Tensor, q: Transform, r: Transform) -> tuple[Tensor, Tensor]:
    """x and h gate each other in five rounds, before an LSTM sees them (Melis et al. 2020, arXiv 1909.01792)."""
    for number in range(5):
        if number % 2 == 0:
            x = 2 * (torch.sigmoid(q(h)) * x)
        else:
            h = 2 * (torch.sigmoid(r(x)) * h)
    return x, h
