"""Figures of an experiment, and the report that holds them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from msrnn.analysis.analyze import central
from msrnn.analysis.receptive import effective
from msrnn.analysis.summary import draw_influence
from msrnn.atomic import written
from msrnn.data import open_data
from msrnn.experiment.comparison import Entry, Results
from msrnn.experiment.plan import is_plain
from msrnn.nn.models import MODELS
from msrnn.plots.figures import (
    RUN_COLOURS,
    label_lead_times,
    plain_label,
    plot_frames,
    run_colours,
    save_figure,
    tidy,
)
from msrnn.runs.predictor import Predictor, load
from msrnn.scores import Score
from msrnn.scores.results import MODEL
from msrnn.scores.table import direction
from msrnn.tables import Table


def write_report(results: Results, grids: Mapping[str, Sequence[Table]], device: str = "auto") -> Path:
    """Write report.md and its figures into the experiment's folder.

    It holds tables, scores against lead time, memory against score, forecasts side by side, effective receptive fields.
    Forecasts and receptive fields are those of each model's first seed, on the first test sequence.
    """
    folder = results.plan.folder
    text = [f"# {results.plan.title}\n", CAPTION]
    for data in results.plan.data:
        text += [grid.markdown() for grid in grids[data]]
        for name, what, figure in _figures(results, data, device):
            path = folder / f"{data}-{name}.png"
            save_figure(figure, path)
            text.append(f"![{what}]({path.name})\n\n{what}.\n")
    path = folder / "report.md"
    with written(path) as partial:
        partial.write_text("\n".join(text), encoding="utf-8")
    return path


CAPTION = (
    "Scores over all lead times, mean and standard deviation over seeds. Differences are means over the seeds that\n"
    "both models have, with 95 % intervals of the mean that many test sequences and, where there are several seeds,\n"
    "many seeds would have.\n"
)


def _figures(results: Results, data: str, device: str) -> Iterator[tuple[str, str, Figure]]:
    """Name, caption, figure."""
    entries = results.of(data)
    if not entries:
        return
    main = [score for score in results.scores(data) if score.threshold is None][:4]
    what = "Scores against lead time, mean and range of the seeds; dashed: plain stacks"
    yield "lead-times", what, _lead_times(entries, main)
    yield (
        "memory",
        "Memory of training against score; an arrow leads from what a model is compared with",
        _memory(results, data, main[0]),
    )
    predictors = {entry.model: load(entry.trials[0].path, device) for entry in entries}
    values = _first_sequence(predictors[entries[0].model])
    yield (
        "forecasts",
        "The first test sequence, and forecasts of each model's first seed",
        _forecasts(predictors, values),
    )
    what = (
        "Effective receptive fields of the next frame, of each model's first seed: brightness is the logarithm of the "
        "influence, squares hold 50 % and 90 % of it"
    )
    yield "receptive-fields", what, _receptive_fields(predictors, values)


def _is_plain(entry: Entry) -> bool:
    return is_plain(entry.trials[0].document["model"])


def _colours(entries: Sequence[Entry]) -> dict[str, str]:
    """Give each model the colour of its cell."""
    cells = {entry.model: MODELS[entry.trials[0].document["model"]["name"]].cell for entry in entries}
    kinds = list(dict.fromkeys(cells.values()))
    if len(kinds) == 1:  # variants of one cell
        return run_colours(cells)
    return {model: RUN_COLOURS[kinds.index(cell) % len(RUN_COLOURS)] for model, cell in cells.items()}


def _lead_times(entries: Sequence[Entry], scores: Sequence[Score]) -> Figure:
    columns = min(2, len(scores))
    rows = -(-len(scores) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    colours = _colours(entries)
    first = entries[0].evaluations[0]
    for axes, score in zip(grid.flat, scores, strict=False):
        tidy(axes)
        label_lead_times(axes, first, score)
        for entry in entries:
            seeds = np.array([[e.value(MODEL, score, lead) for lead in first.leads] for e in entry.evaluations])
            colour, label = colours[entry.model], plain_label(entry.model)
            style = "--" if _is_plain(entry) else "-"
            axes.fill_between(first.lead_times, seeds.min(0), seeds.max(0), color=colour, alpha=0.15, linewidth=0)
            axes.plot(first.lead_times, seeds.mean(0), style, color=colour, marker="o", markersize=3, label=label)
    lines = grid[0, 0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=min(4, -(-len(entries) // 2)), fontsize=8, frameon=False)
    return figure


def _memory(results: Results, data: str, score: Score) -> Figure:
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    entries = results.of(data)
    colours = _colours(entries)
    points = {entry.model: (entry.training_bytes / 2**20, float(np.mean(entry.values(score)))) for entry in entries}
    arrows = [(other.model, entry.model) for entry in entries if (other := results.other(entry))]
    ends = [*arrows, *((to, start) for start, to in arrows)]
    for entry in entries:
        model, colour = entry.model, colours[entry.model]
        axes.scatter(
            *points[model], s=44, facecolors="none" if _is_plain(entry) else colour, edgecolors=colour, zorder=3
        )
        upwards = sum(points[to][1] - points[start][1] for start, to in ends if start == model) > 0
        place = (0, -16) if upwards else (0, 7)  # where its arrows are not
        axes.annotate(model, points[model], place, textcoords="offset points", ha="center", fontsize=8)
    for start, to in arrows:
        style = {"arrowstyle": "->", "color": colours[to], "alpha": 0.5, "shrinkA": 5, "shrinkB": 5}
        axes.annotate("", points[to], points[start], arrowprops=style)
    axes.margins(0.15)
    axes.set(xlabel="memory of training, MiB", ylabel=entries[0].evaluations[0].name(score) + direction(score.name))
    return figure


def _first_sequence(predictor: Predictor) -> Tensor:
    """Values (time, channel, y, x) of the test; all models of an experiment see the same."""
    settings = predictor.settings
    data = open_data(settings.data, settings.context, settings.horizon, settings.seed, predictor.field)
    return data.held_out("test")[0]


def _forecasts(predictors: Mapping[str, Predictor], values: Tensor) -> Figure:
    first = next(iter(predictors.values()))
    context, rain = first.settings.context, first.field.is_rain

    def shown(frames: Tensor) -> np.ndarray:
        return (first.field.rates(frames) if rain else first.field.to_network(frames)[0])[:, 0].numpy()

    rows = {"truth": shown(values)}
    for model, predictor in predictors.items():
        forecast = torch.from_numpy(predictor.predict(values[:context].numpy()))
        rows[model] = shown(torch.cat((values[:context], forecast)))
    return plot_frames(rows, context, rain)


def _receptive_fields(predictors: Mapping[str, Predictor], values: Tensor) -> Figure:
    columns = min(4, len(predictors))
    rows = -(-len(predictors) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.75 * rows), layout="constrained")
    for number, (model, predictor) in enumerate(predictors.items(), 1):
        frames, _ = predictor.field.to_network(central(values[None, : predictor.settings.context]))
        influence = effective(predictor.model, frames)
        draw_influence(figure.add_subplot(rows, columns, number), influence, model)
    return figure
