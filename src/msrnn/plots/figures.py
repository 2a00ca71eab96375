"""Figures: score against lead time, training curves, strips of frames. All are matplotlib's."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from msrnn.atomic import written
from msrnn.plots.colours import GREY, MISSING, RAIN
from msrnn.scores import Score
from msrnn.scores.results import CONSTANT, EXTRAPOLATION, MODEL, PERSISTENCE, Evaluation
from msrnn.scores.table import direction

RUN_COLOURS = ("#2f7fd0", "#e4762b", "#2ba36a", "#b653a8", "#a0772f", "#d0485a", "#5b6fd8", "#4aa3a8")
"""Colours of runs, in turn; they are distinct on white and on black."""
BASELINE_STYLES: dict[str, dict[str, Any]] = {
    PERSISTENCE: {"color": "#8b919b", "linestyle": (0, (5, 2))},
    CONSTANT: {"color": "#a8a14a", "linestyle": (0, (1, 1.5))},
    EXTRAPOLATION: {"color": "#8f7fc0", "linestyle": (0, (4, 1.5, 1, 1.5))},
}
Metrics = Sequence[Mapping[str, float]]
"""Lines of a run's metrics.jsonl."""


def run_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each run."""
    return {name: RUN_COLOURS[place % len(RUN_COLOURS)] for place, name in enumerate(names)}


def plot_scores(
    evaluations: Mapping[str, Evaluation], score: Score | str, colours: Mapping[str, str] | None = None
) -> Figure | None:
    """A score against lead time, with its interval where there is one.

    Args:
        evaluations: name of a run to its evaluation; baselines are drawn as the first that has them found them.
        score: which; of a name alone, the one without threshold and window.
        colours: of the runs; by default `run_colours`.

    Returns:
        The figure; None, if there is no value to draw.

    Raises:
        ValueError: an evaluation has no such score.
    """
    score = Score(score) if isinstance(score, str) else score
    for name, evaluation in evaluations.items():
        if score not in evaluation.scores:
            raise ValueError(f"{name} has no score {score}; choose from {', '.join(map(str, evaluation.scores))}")
    colours = colours or run_colours(evaluations)
    figure, axes = _axes((4.2, 3.0))
    lines: list[tuple[str, Evaluation, str, dict[str, Any]]] = [
        (name, one, MODEL, {"color": colours[name], "linewidth": 2}) for name, one in evaluations.items()
    ]
    for baseline, style in BASELINE_STYLES.items():
        having = next((one for one in evaluations.values() if baseline in one.models), None)
        if having is not None:
            lines.append((baseline, having, baseline, style))
    drawn = False
    for name, evaluation, model, style in lines:
        rows = [evaluation.row(model, score, lead) for lead in evaluation.leads]
        leads = evaluation.lead_times
        drawn = drawn or any(np.isfinite(row.value) for row in rows)
        axes.plot(leads, [row.value for row in rows], label=plain_label(name), marker="o", markersize=3, **style)
        low, high = [row.low for row in rows], [row.high for row in rows]
        if len(leads) == 1:
            axes.vlines(leads, low, high, color=style["color"], alpha=0.5)
        axes.fill_between(leads, low, high, color=style["color"], alpha=0.18, linewidth=0)
    if not drawn:
        return None
    label_lead_times(axes, next(iter(evaluations.values())), score)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def plot_training(runs: Mapping[str, Metrics], colours: Mapping[str, str] | None = None) -> Figure | None:
    """Training loss and validation MSE against optimiser steps, both logarithmic.

    Args:
        runs: name of a run to the lines of its metrics.jsonl.
        colours: of the runs; by default `run_colours`.

    Returns:
        The figure; None, if no run has logged anything.
    """
    colours = colours or run_colours(runs)
    figure = Figure(figsize=(8.6, 3.0), layout="constrained")
    for column, (key, title) in enumerate((("train/loss", "training loss"), ("validation/mse", "validation mse"))):
        axes = figure.add_subplot(1, 2, column + 1)
        tidy(axes)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.set_yscale("log")
        for name, lines in runs.items():
            points = [(line["step"], line[key]) for line in lines if key in line]
            label = plain_label(name) if column == 0 else None
            axes.plot(*np.reshape(points, (-1, 2)).T, ".-", color=colours[name], label=label)
        if not any(key in line for lines in runs.values() for line in lines):
            axes.text(0.5, 0.5, "none logged yet", transform=axes.transAxes, ha="center")
    if not any(runs.values()):
        return None
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def plot_frames(rows: Mapping[str, np.ndarray], context: int, rain: bool = False, columns: int = 10) -> Figure:
    """Strips of frames, a row for each entry, as papers show them.

    Args:
        rows: label to frames (time, y, x) in [0, 1], or in mm/h; all of the same shape.
        context: how many of the frames were given.
        rain: frames are rain rates in mm/h, and get radar colours and a legend.
        columns: so many frames are shown, evenly spread.
    """
    scale = RAIN if rain else GREY
    length, height, width = next(iter(rows.values())).shape
    shown = np.unique(np.linspace(0, length - 1, min(columns, length)).round().astype(int))
    tall, legend = 1.3 * len(rows) * height / width + 0.4, (0.8, 2.2) if rain else (0, 0)
    figure = Figure(figsize=(1.25 * len(shown) + legend[0], max(tall, legend[1])), layout="constrained")
    grid = figure.subplots(len(rows), len(shown), squeeze=False)
    for axes_row, (label, frames) in zip(grid, rows.items(), strict=True):
        for axes, number in zip(axes_row, shown, strict=True):
            axes.imshow(scale.colour(frames[number]), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
        axes_row[0].set_ylabel(label, fontsize=9)
    for axes, number in zip(grid[0], shown, strict=True):
        axes.set_title(f"given {number + 1}" if number < context else f"+{number - context + 1}", fontsize=9)
    if rain:
        marks = [*reversed(RAIN.legend[1:]), ("no data", MISSING)]
        patches = [Patch(color="#{:02x}{:02x}{:02x}".format(*colour), label=label) for label, colour in marks]
        figure.legend(
            handles=patches, title=RAIN.units, loc="outside right upper", fontsize=7, title_fontsize=8, frameon=False
        )
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as .png, .pdf or .svg."""
    with written(Path(path)) as partial:
        figure.savefig(partial, dpi=160)


def as_svg(figure: Figure, name: str) -> str:
    """A figure as SVG to stand in a page: its text and axes have the page's colour.

    Args:
        figure: what to draw.
        name: tells its identifiers from those of other figures in the page.
    """
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'id="(\w+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="|url\()#(\w+)', rf"\1#{name}-\2", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return text.replace("#000000", "currentColor")


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    return figure, axes


def plain_label(name: str) -> str:
    """A name as a label: no formula, and not hidden."""
    return name.replace("$", r"\$").lstrip("_") or "run"


def label_lead_times(axes: Axes, evaluation: Evaluation, score: Score) -> None:
    """Axes of a score against `lead_times`."""
    axes.set_xlabel("lead time, minutes" if evaluation.protocol["step_minutes"] else "lead time, frames")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 1.5, 2, 3, 5, 6, 10]))
    axes.set_title(evaluation.name(score) + direction(score.name), fontsize=10)


def tidy(axes: Axes) -> None:
    """Give axes the look of all figures here."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.tick_params(labelsize=8)
