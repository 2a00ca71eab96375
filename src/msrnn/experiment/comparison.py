"""Results of an experiment's trials, as tables."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from msrnn.analysis.cost import Cost
from msrnn.analysis.workload import cost_of, workload_of
from msrnn.atomic import written
from msrnn.errors import Setting, SettingsError
from msrnn.experiment.plan import Plan, Trial, frames_of, training_bytes
from msrnn.experiment.workers import is_done
from msrnn.runs.directory import RunDirectory
from msrnn.scores import SCORES, Score
from msrnn.scores.bootstrap import LEVEL, interval
from msrnn.scores.results import COMPARABLE, MODEL, Evaluation, resample_key, short
from msrnn.scores.table import is_shown
from msrnn.settings import settings_from
from msrnn.tables import Table


class Difference(NamedTuple):
    """Between two models."""

    value: float
    low: float
    high: float
    """Upper end of the interval; NaN if there is none."""

    def __str__(self) -> str:
        value, *bounds = _alike((self.value, self.low, self.high), (self.high - self.low) / 2)
        between = "" if math.isnan(self.low) else f" [{', '.join(bounds)}]"
        return f"{'+' * (self.value > 0)}{value}{between}"


def _alike(numbers: Sequence[float], spread: float) -> list[str]:
    """Write numbers with two digits of the spread, without the zero before the point."""
    if not 0 < spread < math.inf:
        return [short(number) for number in numbers]
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    return [re.sub(r"^(-?)0\.", r"\1.", f"{number:.{decimals}f}") for number in numbers]


@dataclass(frozen=True)
class Entry:
    """A model on data: all its seeds that are done."""

    data: str
    model: str
    trials: list[Trial]
    evaluations: list[Evaluation]
    seconds: dict[int, float]
    """Seconds of each training, by seed."""
    cost: Cost
    training_bytes: int
    """Bytes of training, with weights, Adam and a batch of frames."""

    def values(self, score: Score) -> list[float]:
        """List the score of each seed, over all leads."""
        return [evaluation.value(MODEL, score) for evaluation in self.evaluations]

    @property
    def by_seed(self) -> dict[int, Evaluation]:
        """Evaluations."""
        return {trial.seed: evaluation for trial, evaluation in zip(self.trials, self.evaluations, strict=True)}

    def mean_seconds(self, seeds: Collection[int]) -> float:
        """Average the duration of the trainings with these seeds."""
        return float(np.mean([self.seconds[seed] for seed in seeds]))

    @property
    def flops_per_sequence(self) -> float:
        """FLOPs of the forward pass over one sequence."""
        return self.cost.forward_flops / self.cost.workload.batch


@dataclass(frozen=True)
class Results:
    """All that is done of an experiment."""

    plan: Plan
    entries: dict[tuple[str, str], Entry]
    """Entries by data and model."""

    def of(self, data: str) -> list[Entry]:
        """The models that are done on these data, in the order of the table."""
        return [entry for (place, _), entry in self.entries.items() if place == data]

    def scores(self, data: str) -> list[Score]:
        """Those that every trial has on these data and that a table shows."""
        first, *others = (evaluation for entry in self.of(data) for evaluation in entry.evaluations)
        shared = [score for score in first.scores if all(score in other.scores for other in others)]
        return [score for name in SCORES if is_shown(name, "experiment") for score in shared if score.name == name]

    def other(self, entry: Entry) -> Entry | None:
        """Find the entry that a model is compared with, if it is done."""
        return self.entries.get((entry.data, self.plan.against.get(entry.model, "")))


def collect(plan: Plan) -> Results:
    """Collect the trials that are done.

    Raises:
        SettingsError: a run directory is damaged, or trials cannot be compared.
    """
    entries: dict[tuple[str, str], Entry] = {}
    for data in plan.data:
        done = {model: [trial for trial in plan.of(data, model) if is_done(trial)] for model in plan.models}
        done = {model: trials for model, trials in done.items() if trials}
        if done:
            frames = frames_of(settings_from(next(iter(done.values()))[0].document))
            entries |= {(data, model): _entry(data, model, trials, frames) for model, trials in done.items()}
    _check_comparable(entries)
    return Results(plan, entries)


def _check_comparable(entries: Mapping[tuple[str, str], Entry]) -> None:
    """Check that all trials on the same data were scored alike."""
    first: dict[str, tuple[Trial, Evaluation]] = {}
    for entry in entries.values():
        for trial, evaluation in zip(entry.trials, entry.evaluations, strict=True):
            other, reference = first.setdefault(entry.data, (trial, evaluation))
            differ = [what for key, what in COMPARABLE.items() if evaluation.protocol[key] != reference.protocol[key]]
            if differ:
                raise SettingsError(
                    f"{trial.path} and {other.path} cannot be compared, their {' and '.join(differ)} differ: evaluate "
                    "both again, or choose another ",
                    Setting("out"),
                )


def difference(ours: Mapping[int, Evaluation], theirs: Mapping[int, Evaluation], score: Score) -> Difference | None:
    """Average the difference of two models over the seeds that both have; None, if there are none.

    The interval is of the mean that many seeds and many test sequences would have: Student's of the seeds and the
    bootstrap's of the sequences, put together as independent errors are. Of one seed it is the bootstrap's alone; with
    too few sequences for a bootstrap there is none.
    """
    pairs = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    if not pairs:
        return None
    values = [a.value(MODEL, score) - b.value(MODEL, score) for a, b in pairs]
    key, mean = resample_key(MODEL, score), float(np.mean(values))
    resampled = torch.stack([torch.from_numpy(a.resamples[key] - b.resamples[key]) for a, b in pairs]).mean(dim=0)
    low, high = map(float, interval(resampled, pairs[0][0].protocol["blocks"]))
    by_seed = 0.0
    if len(values) > 1:
        error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        by_seed = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Difference(mean, mean - math.hypot(mean - low, by_seed), mean + math.hypot(high - mean, by_seed))


def _entry(data: str, model: str, trials: list[Trial], frames: Sequence[int]) -> Entry:
    directories = [RunDirectory(trial.path) for trial in trials]
    evaluations = [Evaluation.load(directory.scores) for directory in directories]
    seconds = {trial.seed: one.progress().seconds for trial, one in zip(trials, directories, strict=True)}
    settings = settings_from(trials[0].document)
    cost = cost_of(settings.model, frames[1], workload_of(settings, frames))
    return Entry(data, model, trials, evaluations, seconds, cost, training_bytes(cost, settings.model))


def grids_of(results: Results, data: str) -> list[Table]:
    """Make tables of all models on these data: scores with costs, and differences to what they are compared with."""
    grids: list[Table] = []
    if not results.of(data):
        return grids
    groups = _groups(results.scores(data))
    for number, (name, scores) in enumerate(groups.items()):
        costs = number == 0
        title = data if not name else f"{data}: {name} at thresholds{_unit(results, data)}"
        heads = [_head(results, data, score) for score in scores]
        rows = [
            [entry.model, *(with_deviation(entry.values(score)) for score in scores), *(_costs(entry) if costs else ())]
            for entry in results.of(data)
        ]
        grids.append(Table(title, ["model", *heads, *COSTS * costs], rows))
        if differences := [row for entry in results.of(data) if (row := _compared(results, entry, scores, costs))]:
            grids.append(Table(f"{title}, differences", ["models", *heads, *COSTS * costs], differences))
    return grids


COSTS = ["parameters", "GFLOP", "memory, MiB", "training, min", "seeds"]
"""Headings of costs: a forward pass over one sequence, and training on whatever machine it ran."""


def _groups(scores: Iterable[Score]) -> dict[str, list[Score]]:
    """Scores without a threshold, under no name; others by name."""
    groups: dict[str, list[Score]] = {"": []}
    for score in scores:
        groups.setdefault("" if score.threshold is None else score.name, []).append(score)
    return groups


def _head(results: Results, data: str, score: Score) -> str:
    return f"{score.threshold:g}" if score.threshold is not None else results.of(data)[0].evaluations[0].name(score)


def _unit(results: Results, data: str) -> str:
    unit = results.of(data)[0].evaluations[0].protocol["of_event"]
    return f", {unit}" if unit else ""


def with_deviation(values: Sequence[float]) -> str:
    """Write the mean over seeds and, of two or more, the standard deviation, which sets how many decimals both have."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return short(mean)
    deviation = float(np.std(values, ddof=1))
    return " \N{PLUS-MINUS SIGN} ".join(_alike((mean, deviation), deviation))


def _costs(entry: Entry) -> list[str]:
    numbers = entry.flops_per_sequence / 1e9, entry.training_bytes / 2**20, entry.mean_seconds(entry.seconds) / 60
    cells = (f"{number:.3g}" if number < 100 else f"{number:,.0f}" for number in numbers)
    return [f"{entry.cost.parameters:,}", *cells, str(len(entry.trials))]


def _compared(results: Results, entry: Entry, scores: Sequence[Score], costs: bool) -> list[str]:
    """A row of differences, and of ratios of costs; nothing, if there is nothing to compare with."""
    other = results.other(entry)
    if other is None:
        return []
    differences = [difference(entry.by_seed, other.by_seed, score) for score in scores]
    if None in differences:
        return []
    both = entry.by_seed.keys() & other.by_seed.keys()
    ratios = (
        entry.cost.parameters / other.cost.parameters,
        entry.flops_per_sequence / other.flops_per_sequence,
        entry.training_bytes / other.training_bytes,
        entry.mean_seconds(both) / other.mean_seconds(both),
    )
    cells = [*(f"{ratio:.2f} x" for ratio in ratios), str(len(both))] if costs else []
    return [f"{entry.model} - {other.model}", *map(str, differences), *cells]


def save_tables(results: Results, grids: Sequence[Table]) -> list[Path]:
    """Write table.md and table.tex of grids and, of every trial, table.csv into the experiment's folder."""
    folder = results.plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": "\n".join(grid.markdown() for grid in grids),
        "table.tex": "\n".join(grid.latex() for grid in grids),
    }
    for name, text in texts.items():
        with written(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    rows = [row for entry in results.entries.values() for row in _records(entry)]
    with written(folder / "table.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        Table.from_records(rows).write_csv(file)
    return [folder / name for name in (*texts, "table.csv")]


def _records(entry: Entry) -> Iterator[dict[str, object]]:
    """Yield all numbers of each trial."""
    for trial, evaluation in zip(entry.trials, entry.evaluations, strict=True):
        named = ((" ".join(str(part) for part in score if part is not None), score) for score in evaluation.scores)
        yield {
            "data": entry.data,
            "model": entry.model,
            "seed": trial.seed,
            "run": trial.path,
            "parameters": entry.cost.parameters,
            "forward_flops": entry.flops_per_sequence,
            "training_bytes": entry.training_bytes,
            "training_seconds": entry.seconds[trial.seed],
        } | {name: evaluation.value(MODEL, score) for name, score in named}
