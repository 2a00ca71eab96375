"""The cost of a forecast, before it is made: time, measured on a part of a frame, and memory, counted."""

import statistics
import time
from dataclasses import replace

import torch

from msrnn.analysis.cost import Workload
from msrnn.analysis.workload import cost_of
from msrnn.device import autocast, find_device, has_fast_bfloat16, set_memory_format
from msrnn.nn.models import build_model, pair
from msrnn.settings import ModelSettings, Precision
from msrnn.tables import BYTES, Column, Table, scale_of

LARGEST = 256
"""Edge in pixels of the part of a frame that is timed, at most."""
TIMED = 3
"""Time steps that are timed, after one that is not."""


def forecast_table(
    settings: ModelSettings, channels: int, workload: Workload, precision: Precision | None = None, device: str = "auto"
) -> Table:
    """Tabulate what a forecast costs: a model, beside the plain stack or the pyramid of the same cell.

    Time is that of some time steps on a part of a frame, in proportion to pixels and steps. Memory is the most that is
    alive at once while frames are made one by one, as `msrnn predict` does: weights, context, one step and its state.

    Args:
        settings: the model.
        channels: of a frame.
        workload: what is computed; its precision does not count.
        precision: of the computation; by default float32, and bfloat16 where the device has it fast.
        device: where.

    Raises:
        SettingsError: the settings are not possible, or there is no such device.
    """
    where = find_device(device)
    both = pair(settings)
    shown: list[Precision] = ["32", "bf16"] if has_fast_bfloat16(where) else ["32"]
    works = [replace(workload, precision=one) for one in ([precision] if precision else shown)]
    held = [[_bytes(one, channels, work) for one in both] for work in works]
    unit, divisor = scale_of(min(map(min, held)), BYTES)
    rows = [
        (f"seconds, about, in {work.precision}", *(_rounded(_seconds(one, channels, work, where)) for one in both))
        for work in works
    ]
    for work, bytes_ in zip(works, held, strict=True):
        rows.append((f"{unit} at most, in {work.precision}", *(_rounded(one / divisor) for one in bytes_)))
    height, width = workload.size
    title = f"A forecast of {workload.horizon} frames from {workload.context}, {height}x{width}, on {where}"
    columns = [Column("", align="<", width=28), *(Column(one.name, width=16) for one in both)]
    return Table(title, columns, rows)


def _rounded(number: float) -> str:
    """Write a number with two or three digits."""
    return f"{number:.2g}" if number < 1 else f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _bytes(settings: ModelSettings, channels: int, workload: Workload) -> int:
    cost = cost_of(settings, channels, workload)
    context = cost.input_bytes * workload.context // (workload.steps + 1)
    return cost.weight_bytes + context + cost.step_peak


def _seconds(settings: ModelSettings, channels: int, workload: Workload, device: torch.device) -> float:
    """Estimate the seconds of a forecast."""
    with torch.random.fork_rng():
        model = build_model(replace(settings, memory="keep"), channels)
    if workload.precision == "64":
        model.double()
    set_memory_format(model.to(device), device)
    part = [min(edge, LARGEST) for edge in workload.size]
    frame = torch.rand(workload.batch, channels, *part, device=device, dtype=model.embed.weight.dtype)
    times, state = [], None
    with torch.no_grad(), autocast(workload.precision, device.type):
        for _ in range(1 + TIMED):
            began = time.perf_counter()
            _, state = model.step(frame, state)
            if frame.is_cuda:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
    pixels = (_padded(workload.size, model.multiple), _padded(part, model.multiple))
    return workload.steps * statistics.median(times[1:]) * pixels[0] / pixels[1]


def _padded(size: tuple[int, int] | list[int], multiple: int) -> int:
    """Count the pixels of a frame that is padded to a multiple."""
    height, width = (edge + -edge % multiple for edge in size)
    return height * width
