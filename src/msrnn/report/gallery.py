"""Sequences of a report: truth, forecasts and differences as strips of frames for the page to play."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from msrnn.data import Field, HeldOut
from msrnn.data.grid import area_mean
from msrnn.evaluation.contenders import Contender, Task
from msrnn.plots.colours import DIFFERENCE, GREY, RAIN, RAIN_DIFFERENCE, ColourScale
from msrnn.scores.results import Evaluation

LEAST_EDGE = 96
"""Larger frames are shrunk to no less than that, however little room there is."""


@dataclass
class Shown:
    """A sequence, and forecasts of it."""

    title: str
    rank: str
    """Best, median or worst."""
    score: float
    truth: np.ndarray
    """(time, y, x): rain in mm/h, other data in [0, 1]."""
    forecasts: dict[str, np.ndarray]
    """A run's name to frames like the truth; those of the context are the given ones."""


@dataclass
class Panel:
    """One animation."""

    label: str
    is_difference: bool
    image: str
    """A PNG as a data URI: all frames, one below the other."""
    height: int
    width: int


def choose(evaluation: Evaluation, count: int) -> list[tuple[str, int]]:
    """The best, median and worst sequences by the evaluation's ranking score: rank and number, best first.

    Sequences whose score is undefined - of rain, where it is dry - are left out.
    """
    values = np.array([value for _, value in evaluation.sequences])
    ranks = np.argsort(values if evaluation.protocol["ranked_by"][0] == "mse" else -values, kind="stable")
    order = [number for number in ranks.tolist() if np.isfinite(values[number])]
    if len(order) <= count:
        cuts = np.linspace(0, len(order), 4).round().astype(int)
        groups = [order[a:b] for a, b in pairwise(cuts)]
    else:
        each = [count // 3 + (place < count % 3) for place in (0, 2, 1)]
        middle = (len(order) - each[1]) // 2
        groups = [order[: each[0]], order[middle : middle + each[1]], order[len(order) - each[2] :]]
    return [(rank, number) for rank, group in zip(("best", "median", "worst"), groups, strict=True) for number in group]


def forecast_of(
    chosen: Sequence[tuple[str, int]],
    evaluation: Evaluation,
    dataset: HeldOut,
    task: Task,
    contenders: Mapping[str, Contender],
    device: torch.device,
) -> list[Shown]:
    """Forecasts of the chosen sequences by every contender; of several channels the first."""
    field, found = task.field, []
    for rank, number in chosen:
        values = dataset[number][None].to(device)
        frames, valid = field.to_network(values)
        box = _known(values)
        truth = _shown(field, frames, values)[0, :, 0][box]
        forecasts = {}
        for name, contender in contenders.items():
            with torch.no_grad():
                made = contender(values, frames)
            forecast = _shown(field, made.frames.clamp(0, 1), made.values)[0, :, 0]
            forecast = forecast.masked_fill(~valid[0, task.context :, 0].cpu(), torch.nan)
            forecasts[name] = torch.cat((truth[: task.context], forecast[box])).numpy()
        title, score = evaluation.sequences[number]
        found.append(Shown(title, rank, score, truth.numpy(), forecasts))
    return found


def _known(values: Tensor) -> tuple[slice, slice, slice]:
    """All frames, and the rows and columns that hold a value in any of them."""
    known = ~values.isnan().flatten(0, 2).all(dim=0)
    rows, columns = (known.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    return slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _shown(field: Field, frames: Tensor, values: Tensor) -> Tensor:
    """Rain in mm/h; other data in [0, 1]."""
    shown = field.rates(values) if field.is_rain else frames.masked_fill(values.isnan(), torch.nan)
    return shown.cpu().float()


def panels(shown: Shown, rain: bool, edge: int) -> list[Panel]:
    """The animations of a sequence, of pictures with at most so many pixels along an edge."""
    scale, of_difference = (RAIN, RAIN_DIFFERENCE) if rain else (GREY, DIFFERENCE)
    truth = _shrunk(shown.truth, edge)
    found = [_panel("truth", truth, scale, is_difference=False)]
    for name, frames in shown.forecasts.items():
        forecast = _shrunk(frames, edge)
        found.append(_panel(name, forecast, scale, is_difference=False))
        found.append(_panel(f"{name} - truth", forecast - truth, of_difference, is_difference=True))
    return found


def _shrunk(frames: np.ndarray, edge: int) -> np.ndarray:
    largest = max(frames.shape[-2:])
    if largest <= edge:
        return frames
    height, width = (max(1, round(size * edge / largest)) for size in frames.shape[-2:])
    return area_mean(torch.from_numpy(frames), (height, width)).numpy()


def _panel(label: str, frames: np.ndarray, scale: ColourScale, is_difference: bool) -> Panel:
    length, height, width = frames.shape
    image = Image.fromarray(scale.classes(frames).reshape(length * height, width), mode="P")
    image.putpalette(scale.palette.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    return Panel(label, is_difference, uri, height, width)
