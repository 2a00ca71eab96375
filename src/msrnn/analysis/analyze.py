"""Analyse a model or a run that a user names."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msrnn.analysis.cost import Workload
from msrnn.analysis.receptive import effective, theoretical
from msrnn.analysis.summary import LAGS, Analysis
from msrnn.analysis.workload import cost_of
from msrnn.data import open_data
from msrnn.device import find_device, free_memory
from msrnn.nn.models import MODELS, PLAIN, build_model, counterpart, mirrored_scales
from msrnn.runs.predictor import Predictor
from msrnn.settings import Memory, ModelSettings

LARGEST = 64
"""Edge in pixels of the frames on which effective receptive fields are measured, at most."""
SEQUENCES = 2
"""Number of sequences that effective receptive fields are measured on."""
Influence = NDArray[np.float64]


def analyze_model(settings: ModelSettings, channels: int, workload: Workload, device: str = "auto") -> Analysis:
    """A model that is not trained yet, beside the plain stack or the pyramid of the same cell.

    Raises:
        SettingsError: the settings are not possible, or there is no such device.
    """
    size = [min(edge, LARGEST) for edge in workload.size]
    draw = torch.Generator().manual_seed(0)
    frames = torch.rand(SEQUENCES, min(workload.context, LAGS[-1] + 1), channels, *size, generator=draw)

    def influence(one: ModelSettings) -> Influence:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = build_model(one, channels)
        return effective(model, frames)

    return _analysis(settings, channels, workload, device, influence)


def analyze_run(
    predictor: Predictor,
    size: tuple[int, int] | None,
    context: int,
    horizon: int,
    batch: int,
    precision: str,
    memory: Memory | None = None,
    device: str = "auto",
) -> Analysis:
    """Analyze a trained model; the effective receptive field is that of its weights, on sequences of its test data.

    Args:
        predictor: the model.
        size: height and width of frames; by default those of the sequences it was trained on.
        context, horizon: frames that are given and predicted.
        batch: sequences at a time.
        precision: of the computation.
        memory: mode of training; by default the run's.
        device: where it is to be trained.
    """
    settings = predictor.settings
    data = open_data(settings.data, settings.context, settings.horizon, settings.seed, predictor.field)
    height, width = size or data.training(1)[0].shape[-2:]
    workload = Workload((height, width), context, horizon, batch, precision)
    test = data.held_out("test")
    values = torch.stack([test[number] for number in range(min(len(test), SEQUENCES))])
    frames, _ = predictor.field.to_network(central(values[:, : settings.context]))

    def influence(one: ModelSettings) -> Influence | None:
        return effective(predictor.model, frames) if one.name == settings.model.name else None

    model = replace(settings.model, memory=memory or settings.model.memory)
    return _analysis(model, frames.shape[2], workload, device, influence)


def central(frames: Tensor) -> Tensor:
    """Crop frames (..., y, x) to the centre that effective receptive fields are measured on."""
    top, left = (max(0, (edge - LARGEST) // 2) for edge in frames.shape[-2:])
    return frames[..., top : top + LARGEST, left : left + LARGEST]


def _analysis(
    settings: ModelSettings,
    channels: int,
    workload: Workload,
    device: str,
    influence: Callable[[ModelSettings], Influence | None],
) -> Analysis:
    where = find_device(device)
    build_model(replace(settings, hidden_channels=4), channels)  # says what is wrong with the settings
    other = counterpart(settings.name)
    depth = len(settings.scales or PLAIN)
    scales = (1,) * depth if MODELS[other].scales == PLAIN else mirrored_scales(depth)
    both = settings, replace(settings, name=other, scales=scales, skips=None)
    steps = min(workload.steps, LAGS[-1] + 1)
    small = (build_model(replace(one, hidden_channels=4), channels) for one in both)  # structure is the same
    return Analysis(
        names=tuple(one.name for one in both),
        costs=tuple(cost_of(one, channels, workload) for one in both),
        memory=settings.memory,
        device=str(where),
        available=free_memory(where),
        fields=tuple(theoretical(model, steps, strip=4 * max(workload.size)) for model in small),
        influences=tuple(influence(one) for one in both),
    )
