"""Cost of a training, from its settings."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from msrnn.analysis.cost import Cost, Workload
from msrnn.nn.models import build_model
from msrnn.settings import ModelSettings, RunSettings


def workload_of(settings: RunSettings, sequence: Sequence[int], processes: int = 1) -> Workload:
    """Return what each process computes at a time, for sequences of shape (time, channel, y, x); precision is known."""
    height, width = sequence[-2:]
    batch = settings.batch_size // (settings.accumulate * processes)
    assert settings.precision != "auto"
    return Workload((height, width), settings.context, settings.horizon, batch, settings.precision)


def cost_of(model: ModelSettings, channels: int, workload: Workload) -> Cost:
    """Compute the cost in all memory modes.

    Raises:
        SettingsError: there is no such model.
    """
    return Cost(partial(build_model, replace(model, memory="keep"), channels), workload)
