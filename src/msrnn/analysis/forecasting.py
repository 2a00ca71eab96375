"""The cost of a forecast, before it is made: time, measured on one step, and memory, counted."""

import time
from dataclasses import replace

import torch

from msrnn.analysis.cost import Workload
from msrnn.analysis.workload import cost_of
from msrnn.device import autocast, find_device, has_fast_bfloat16, set_memory_format
from msrnn.nn.models import build_model
from msrnn.settings import ModelSettings, Precision
from msrnn.tables import BYTES, Table, scale_of


def forecast_table(
    settings: ModelSettings, channels: int, workload: Workload, precision: Precision | None = None, device: str = "auto"
) -> Table:
    """Tabulate what a forecast costs in each precision.

    Time is that of one time step after a first, times the steps. Memory is the most that is alive at once while frames
    are made one by one, as `msrnn predict` does: weights, context, one step and its state.

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
    shown: list[Precision] = ["32", "bf16"] if has_fast_bfloat16(where) else ["32"]
    works = [replace(workload, precision=one) for one in ([precision] if precision else shown)]
    held = [_bytes(settings, channels, work) for work in works]
    unit, divisor = scale_of(min(held), BYTES)
    rows = [
        (work.precision, _rounded(_seconds(settings, channels, work, where)), _rounded(bytes_ / divisor))
        for work, bytes_ in zip(works, held, strict=True)
    ]
    height, width = workload.size
    model = f"{settings.name}, hidden {settings.hidden_channels}"
    model += f", patch {settings.patch}" if settings.patch > 1 else ""
    title = f"{model}, {height}x{width}, forecast of {workload.context} -> {workload.horizon} frames, {where}"
    return Table(title, ["precision", "seconds, about", f"{unit} at most"], rows)


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
    frame = torch.rand(workload.batch, channels, *workload.size, device=device, dtype=model.embed.weight.dtype)
    with torch.no_grad(), autocast(workload.precision, device.type):
        state = None
        for _ in range(2):  # the first warms up
            began = time.perf_counter()
            _, state = model.step(frame, state)
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
    return workload.steps * (time.perf_counter() - began)


def _rounded(number: float) -> str:
    """Write a number with at least two digits."""
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"
