"""Measure how fast a model trains and forecasts on this machine, and how much memory it holds."""

import json
import platform
import statistics
import textwrap
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msrnn.analysis.cost import Cost, Workload, follow
from msrnn.atomic import written
from msrnn.device import autocast, processor, set_memory_format
from msrnn.errors import Setting, SettingsError
from msrnn.nn.forecaster import Forecaster
from msrnn.tables import Column, Table

KEYS = [Column(name, align="<") for name in ("model", "memory", "precision")]
NUMBERS = {"train s": 3, "forecast s": 3, "frames/s": 1, "TFLOP/s": 3, "saved MiB": 3, "peak MiB": 3}
"""Headings of what is measured, and digits after the point."""


@dataclass(frozen=True)
class Measurement:
    """One model, memory mode and precision. Times are medians; memory is counted without weights and frames."""

    model: str
    memory: str
    precision: str
    training_seconds: float
    """Seconds of a forward and backward pass over a batch."""
    forecast_seconds: float
    """Seconds of a forecast of a batch from its context."""
    frames_per_second: float
    """Frames that training goes through."""
    tflops: float
    """10^12 FLOPs a second in training, recomputation included."""
    saved_mib: float
    """Held between the forward and the backward pass."""
    peak_mib: float
    """Most held at once in training, gradients of weights included."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Identify the measurement when benchmarks are compared."""
        return self.model, self.memory, self.precision

    @property
    def numbers(self) -> tuple[float, ...]:
        """List the measured numbers, in the order of `NUMBERS`."""
        return tuple(astuple(self)[3:])


def machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine that numbers are measured on."""
    about = {
        "date": str(date.today()),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor("model name") or platform.processor() or "unknown",
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
    return about


@dataclass(frozen=True)
class Benchmark:
    """Measurements, with the machine and the workload."""

    rows: tuple[Measurement, ...]
    about: dict[str, Any]
    """The machine and the workload."""

    @classmethod
    def read(cls, path: Path) -> "Benchmark":
        """Read the file that `save` wrote.

        Raises:
            SettingsError: it cannot be read, or is something else.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(Measurement(**row) for row in document["rows"]), document["about"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SettingsError(f"{path}: expected a file that msrnn benchmark wrote ({error})") from error

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        with written(path) as partial:
            partial.write_text(
                json.dumps({"about": self.about, "rows": [asdict(row) for row in self.rows]}, indent=1),
                encoding="utf-8",
            )

    def table(self) -> str:
        """Write the measurements as Markdown."""
        about = textwrap.wrap(", ".join(f"{name} {value}" for name, value in self.about.items()), 80)
        columns = [*KEYS, *(Column(name, form=f".{digits}f") for name, digits in NUMBERS.items())]
        rows = [(*row.key, *row.numbers) for row in self.rows]
        return "\n".join((*about, "", Table("", columns, rows).markdown()))

    def check_like(self, keys: Collection[tuple[str, str, str]], work: Mapping[str, Any]) -> None:
        """Refuse what is not to be compared with this: other work, or none of it (`Measurement.key`).

        Raises:
            SettingsError: it is so.
        """
        for name, value in work.items():
            if self.about.get(name) != value:
                raise SettingsError(
                    Setting("compare"), f": {name} there {self.about.get(name)}, here {value}: nothing to compare"
                )
        there = [row.key for row in self.rows]
        if not set(there) & set(keys):
            raise SettingsError(Setting("compare"), f": nothing in common; there are {', '.join(map(' '.join, there))}")

    def compared(self, before: "Benchmark", name: str) -> str:
        """Divide each number by that of another benchmark, where both have it."""
        lines = [f"Divided by {name}:", ""]
        differ = [
            f"{key}: {value} here, {before.about.get(key)} there"
            for key, value in self.about.items()
            if value != before.about.get(key)
        ]
        lines += [*differ, *[""] * bool(differ)]
        old = {row.key: row for row in before.rows}
        rows = []
        for row in self.rows:
            before_it = old[row.key].numbers if row.key in old else (0.0,) * len(NUMBERS)  # not measured there
            ratios = (a / b if b else None for a, b in zip(row.numbers, before_it, strict=True))
            rows.append((*row.key, *ratios))
        columns = [*KEYS, *(Column(name, form=".3f") for name in NUMBERS)]
        return "\n".join((*lines, Table("", columns, rows).markdown()))


def measure(
    build: Callable[[str], Forecaster],
    models: Sequence[str],
    modes: Sequence[str],
    precisions: Sequence[str],
    workload: Workload,
    device: torch.device,
    repeats: int = 5,
    compiled: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Benchmark:
    """Measure every model in every memory mode and precision, all in turn, `repeats` times over.

    Args:
        build: makes the model of a name.
        models: names.
        modes: memory modes.
        precisions: of "32", "64" and "bf16".
        workload: what is computed; its precision does not count.
        device: where.
        repeats: how many times each is timed, after one run that is not.
        compiled: time steps go through torch.compile.
        report: called with a line about what is being done.
    """
    cases: list[tuple[str, str, str, _Case]] = []
    for name in models:
        for precision in precisions:
            report(f"{name}, {precision}: counting")
            work = Workload(workload.size, workload.context, workload.horizon, workload.batch, precision)
            cost = Cost(lambda name=name: build(name), work)  # type: ignore[misc]
            model = build(name)
            model.to(device)
            if precision == "64":
                model.double()
            set_memory_format(model, device)
            cases += [(name, mode, precision, _Case(model, mode, work, cost, device)) for mode in modes]
    if device.type != "cuda":
        for *_, case in cases:
            case.count_memory()  # before anything is compiled
    if compiled:
        for model in {id(case.model): case.model for *_, case in cases}.values():
            model.compile()
    if device.type == "cuda":
        for *_, case in cases:
            case.measure_memory()
    for number in range(repeats + 1):
        for name, mode, precision, case in cases:
            report(f"round {number} of {repeats}: {name}, {mode}, {precision}")
            case.time()
    about = machine(device) | work_of(workload, cases[0][3].model.pyramid.channels)
    about |= {"compiled": compiled, "repeats": repeats}
    return Benchmark(tuple(case.row(name, mode, precision) for name, mode, precision, case in cases), about)


def work_of(workload: Workload, hidden: int) -> dict[str, Any]:
    """Describe the workload in words."""
    height, width = workload.size
    described = f"{workload.context} -> {workload.horizon} frames of {height}x{width}, batch {workload.batch}"
    return {"workload": described, "hidden channels": hidden}


class _Case:
    """A model in a mode, with what was measured."""

    def __init__(self, model: Forecaster, memory: str, workload: Workload, cost: Cost, device: torch.device) -> None:
        self.model, self.memory, self.workload, self.cost, self.device = model, memory, workload, cost, device
        shape = (workload.batch, workload.steps + 1, model.in_channels, *workload.size)
        self.frames = torch.rand(shape, device=device, dtype=model.embed.weight.dtype)
        self.training: list[float] = []
        self.forecast: list[float] = []
        self.saved = self.peak = 0

    def _predict(self) -> Tensor:
        self.model.memory = self.memory
        with autocast(self.workload.precision, self.device.type):
            predictions, auxiliary = self.model(self.frames, context=self.workload.context)
        # the loss belongs to the caller: as small as it can be
        loss: Tensor = predictions.square().mean() + auxiliary
        return loss

    def count_memory(self) -> None:
        """The tensors of eager mode; what is compiled cannot be watched."""
        self.model.memory = self.memory
        self.saved, self.peak, *_ = follow(self.model, self.frames, self.workload.context, self.workload.precision)
        self.model.zero_grad()

    def measure_memory(self) -> None:
        """Measure memory by the GPU's allocator."""
        torch.autograd.backward(self._predict())  # libraries allocate workspaces the first time
        self.model.zero_grad()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        loss = self._predict()
        self.saved = torch.cuda.memory_allocated(self.device) - before
        torch.autograd.backward(loss)
        self.peak = torch.cuda.max_memory_allocated(self.device) - before
        self.model.zero_grad()

    def time(self) -> None:
        self.training.append(self._seconds(lambda: torch.autograd.backward(self._predict())))
        self.model.zero_grad()
        self.forecast.append(self._seconds(self._forecast))

    def _forecast(self) -> None:
        with autocast(self.workload.precision, self.device.type):
            self.model.forecast(self.frames[:, : self.workload.context], self.workload.horizon)

    def _seconds(self, function: Callable[[], object]) -> float:
        self._wait()
        start = time.perf_counter()
        function()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def row(self, name: str, memory: str, precision: str) -> Measurement:
        training, forecast = (statistics.median(times[1:]) for times in (self.training, self.forecast))
        return Measurement(
            model=name,
            memory=memory,
            precision=precision,
            training_seconds=training,
            forecast_seconds=forecast,
            frames_per_second=self.frames.shape[0] * self.frames.shape[1] / training,
            tflops=self.cost.training_flops(memory) / training / 1e12,
            saved_mib=self.saved / 2**20,
            peak_mib=self.peak / 2**20,
        )
