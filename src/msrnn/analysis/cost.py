"""The cost of training a model, before it is run: parameters, arithmetic and memory, in closed form.

A layer at scale s has 1/s^2 of the pixels, so its arithmetic, the activations that autograd keeps and its state are
1/s^2 of those of the same layer at full resolution (MS-RNN, arXiv 2206.03010). What one layer costs in one time step is
read off the cell itself, by following two steps with fake tensors, which have sizes and no memory; any cell has a
cost, also one's own. The number of steps and the memory mode come in closed form: with T steps, A bytes of activations
and H bytes of state per step,

- `keep` saves T A and computes a forward pass and its gradient;
- `step` saves T H, needs A once more during the backward pass, and computes each step twice;
- `sqrt` saves k H, where k is the number of stretches of S = ceil(sqrt(T)) steps, needs what `step` needs for S steps
  once more, and computes each step three times, but for the last of each stretch.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from msrnn.analysis.counting import Meter, owners
from msrnn.device import autocast
from msrnn.errors import MessagePart, Setting
from msrnn.nn.forecaster import Forecaster
from msrnn.nn.recompute import MODES, stretch_length
from msrnn.settings import Memory


@dataclass(frozen=True)
class Workload:
    """The computation to cost: sequences of one batch, and the precision.

    `size` is height and width in pixels, `precision` one of "32", "64" and "bf16" (autocast).
    """

    size: tuple[int, int]
    context: int
    horizon: int
    batch: int = 1
    precision: str = "32"

    @property
    def steps(self) -> int:
        """Time steps of the roll-out."""
        return self.context + self.horizon - 1


class PartCost(NamedTuple):
    """Cost of embed, a layer or the head; bytes and FLOPs are those of one time step."""

    name: str
    scale: int
    parameters: int
    flops: int
    """FLOPs of the forward pass."""
    activations: int
    """Bytes that autograd keeps with memory "keep"."""
    state: int
    """Bytes that the next step needs."""


class Trace(NamedTuple):
    """Counts of a model's training step: bytes and FLOPs, weights and frames left out."""

    saved: int
    """Left by the forward pass for the backward pass."""
    peak: int
    flops: int
    saved_by: Counter[str]
    """Bytes saved by each part of the model."""
    flops_by: Counter[str]
    """FLOPs of the forward pass, by part of the model."""


class Cost:
    """Costs of one training step of a model, and of a forecast.

    Args:
        build: makes the model; called where tensors have no memory.
        workload: what is computed.
    """

    def __init__(self, build: Callable[[], Forecaster], workload: Workload) -> None:
        self.build = build
        self.workload = workload
        self._traces: dict[tuple[str, int], Trace] = {}
        with FakeTensorMode():
            model = self._model("keep")
            self.patch = model.patch
            """Edge in pixels of the patches that the model works on."""
            self.parameters = sum(parameter.numel() for parameter in model.parameters())
            """Number of learnt weights."""
            self.weight_bytes = sum(parameter.nbytes for parameter in model.parameters())
            frames = _frames(model, workload, workload.steps + 1)
            self.input_bytes = frames.nbytes
            """Bytes of the frames of one batch."""
            self._frame_bytes = frames[:, 0, : model.out_channels].nbytes
            self.step_peak = self._step_peak(model, frames)
            """Most bytes alive at once while forecasting frame by frame: one step, its state and its output."""
            forecast = workload.horizon * self._frame_bytes
            self.forecast_peak = max(2 * forecast, forecast + self.step_peak)
            """Most bytes alive at once while forecasting, the forecast included."""
        self.parts = self._parts(model)

    @property
    def forward_flops(self) -> int:
        """FLOPs of a forward pass over the whole sequence."""
        return self.workload.steps * sum(part.flops for part in self.parts)

    @property
    def total(self) -> PartCost:
        """All parts together."""
        sums = (sum(part[i] for part in self.parts) for i in range(2, len(PartCost._fields)))  # type: ignore[misc]
        return PartCost("all", 0, *sums)

    def training_flops(self, memory: str) -> int:
        """FLOPs of a forward and backward pass, recomputation included, in a memory mode."""
        steps = self.workload.steps
        # The first convolution needs no gradient of frames that are given; the traces have one such frame.
        given = (self.workload.context - 1) * self.parts[0].flops
        if memory == "sqrt":
            again = (steps - self._stretches) * sum(part.flops for part in self.parts)
            return self._linear("step", "flops", steps) + again - given
        return self._linear(memory, "flops", steps) - given

    def saved(self, memory: str) -> int:
        """Bytes that the forward pass leaves for the backward pass in a memory mode; weights and frames left out."""
        steps = self.workload.steps
        if memory != "sqrt":
            return self._linear(memory, "saved", steps)
        outputs = steps * self._frame_bytes
        return outputs + self._linear("step", "saved", 1) - self._frame_bytes + (self._stretches - 1) * self._carried

    def peak(self, memory: str) -> int:
        """Most bytes alive at once in a training step, gradients of weights included; weights and frames not."""
        steps = self.workload.steps
        if memory != "sqrt":
            return self._peak(memory, steps)
        stretch = stretch_length(steps)
        outputs = (steps - stretch) * self._frame_bytes
        return outputs + (self._stretches - 1) * self._carried + self._peak("step", stretch)

    def training_bytes(self, memory: str) -> int:
        """Compute the bytes that training takes.

        They are the peak; weights, Adam's two moments and the last step's gradients, which are kept until the backward
        pass; and a batch of frames.
        """
        return self.peak(memory) + 4 * self.weight_bytes + self.input_bytes

    @property
    def _stretches(self) -> int:
        """Into how many `sqrt` divides the steps."""
        return math.ceil(self.workload.steps / stretch_length(self.workload.steps))

    @property
    def _carried(self) -> int:
        """Bytes from one step to the next: the state, and the last output."""
        return self._slope("step", "saved") - self._frame_bytes

    def _peak(self, memory: str, steps: int) -> int:
        if steps <= LONG:
            return self._trace(memory, steps).peak
        return self._trace(memory, LONG).peak + (steps - LONG) * self._slope(memory, "saved")

    def _slope(self, memory: str, what: str) -> int:
        slope: int = getattr(self._trace(memory, LONG), what) - getattr(self._trace(memory, SHORT), what)
        return slope

    def _linear(self, memory: str, what: str, steps: int) -> int:
        short: int = getattr(self._trace(memory, SHORT), what)
        return short + (steps - SHORT) * self._slope(memory, what)

    def _trace(self, memory: str, steps: int) -> Trace:
        """A training step on a short sequence with one given frame."""
        key = memory, steps
        if key not in self._traces:
            with FakeTensorMode():
                model = self._model(memory)
                self._traces[key] = follow(model, _frames(model, self.workload, steps + 1), 1, self.workload.precision)
        return self._traces[key]

    def _step_peak(self, model: Forecaster, frames: Tensor) -> int:
        """Most bytes alive in one step in the middle of a forecast, with its state and output."""
        meter = Meter()
        with meter, torch.no_grad(), autocast(self.workload.precision, frames.device.type):
            _, state = model.step(frames[:, 0])
            model.step(frames[:, 1], state)
        return meter.peak

    def _model(self, memory: str) -> Forecaster:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if self.workload.precision == "64" else default)
        try:
            model = self.build()
        finally:
            torch.set_default_dtype(default)
        model.memory = memory
        return model

    def _parts(self, model: Forecaster) -> tuple[PartCost, ...]:
        scales = model.pyramid.scales
        layers = zip((f"layer {i}" for i in range(len(scales))), scales, model.pyramid.cells, strict=True)
        modules = [("embed", 1, model.embed), *layers, ("head", 1, model.head)]
        if model.pyramid.shared is not None:
            modules.append(("shared", 1, model.pyramid.shared))  # computes inside the layers
        short, long = (self._trace("keep", steps) for steps in (SHORT, LONG))
        stateful = [self._trace("step", steps).saved_by for steps in (SHORT, LONG)]
        return tuple(
            PartCost(
                name,
                scale,
                sum(parameter.numel() for parameter in module.parameters()),
                long.flops_by[name] - short.flops_by[name],
                long.saved_by[name] - short.saved_by[name],
                stateful[1][name] - stateful[0][name],
            )
            for name, scale, module in modules
        )


def fastest_that_fits(cost: Cost, available: int | None) -> Memory | None:
    """The mode that computes least again and takes at most `available` bytes (None: any number); None, if none does."""
    return next((mode for mode in MODES if available is None or cost.training_bytes(mode) <= available), None)


def ways_to_fit(cost: Cost, available: int, accumulate: int = 1) -> list[tuple[MessagePart, ...]]:
    """List what would make a training fit into memory, the least change first, as parts of a message.

    Args:
        cost: of a batch, or of one part of it.
        available: bytes.
        accumulate: in how many parts the batch is worked through.
    """
    if mode := fastest_that_fits(cost, available):
        return [("It fits with ", Setting("model.memory", mode), ".")]
    ways: list[tuple[MessagePart, ...]] = []
    work = cost.workload
    least = min(MODES, key=cost.training_bytes)
    with_least = (" ", Setting("model.memory", least))
    if work.precision == "32":
        half = Cost(cost.build, replace(work, precision="bf16"))
        if mode := fastest_that_fits(half, available):
            ways.append(("It fits with ", Setting("precision", "bf16"), " ", Setting("model.memory", mode), "."))
    one = Cost(cost.build, replace(work, batch=1))
    if (needed := one.training_bytes(least)) <= available and work.batch > 1:
        each = (cost.training_bytes(least) - needed) / (work.batch - 1)
        most = 1 + int((available - needed) / each)
        parts = next(
            parts for parts in range(1, work.batch + 1) if work.batch % parts == 0 and work.batch <= parts * most
        )
        more = Setting("accumulate", accumulate * parts)
        ways.append(("It fits with ", more, *with_least, ", the same training in more parts."))
    share = (available - 4 * cost.weight_bytes) / (needed - 4 * cost.weight_bytes)
    edge = int(math.sqrt(max(share, 0) * math.prod(work.size))) // STEP * STEP
    while STEP <= edge < min(work.size):
        if Cost(cost.build, replace(work, size=(edge, edge), batch=1)).training_bytes(least) <= available:
            crop = (Setting("data.crop", (edge, edge)), " ", Setting("batch_size", 1))
            ways.append(("It fits with ", *crop, *with_least, "."))
            break
        edge -= STEP
    nothing = ("No memory mode, precision, batch or crop makes it fit: lower ", Setting("model.hidden_channels"), ".")
    return ways or [nothing]


STEP = 8
"""Crops that are advised are multiples of it, in pixels."""
SHORT, LONG = 1, 2
"""Lengths in steps of the sequences that are followed: the second step costs as much as any later one."""


def _frames(model: Forecaster, workload: Workload, length: int) -> Tensor:
    shape = (workload.batch, length, model.in_channels, *workload.size)
    return torch.empty(shape, dtype=model.embed.weight.dtype)


def follow(model: Forecaster, frames: Tensor, context: int, precision: str = "32") -> Trace:
    """Count while a model makes a training step; the memory mode is the model's own. Gradients of weights stay."""
    meter = Meter()
    with meter, owners(meter, model), autocast(precision, frames.device.type):
        predictions, auxiliary = model(frames, context=context)
    saved_by, flops_by = Counter(meter.bytes), Counter(meter.flops)
    with meter:
        loss = (predictions - frames[:, 1:, : model.out_channels]).square().sum() + auxiliary
        torch.autograd.backward(loss)
    return Trace(saved_by.total(), meter.peak, meter.flops.total(), saved_by, flops_by)
