"""One self-contained HTML page about one or more runs."""

import datetime
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import msrnn
from msrnn.atomic import written
from msrnn.data import HeldOut, open_data
from msrnn.errors import NotFiniteError, SettingsError
from msrnn.evaluation.contenders import Task, of_model
from msrnn.evaluation.scoring import BASELINES, score_forecasts
from msrnn.plots.colours import DIFFERENCE, GREY, MISSING, RAIN, RAIN_DIFFERENCE
from msrnn.plots.figures import as_svg, plot_scores, plot_training, run_colours
from msrnn.report.gallery import LEAST_EDGE, Panel, Shown, choose, forecast_of, panels
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import Predictor, load
from msrnn.scores import Score
from msrnn.scores.bootstrap import interval
from msrnn.scores.results import COMPARABLE, MODEL, PERSISTENCE, Evaluation, resample_key, short
from msrnn.scores.table import is_shown

LARGEST_BYTES = 14_000_000
"""Largest size of the page; pictures are shrunk until it fits."""
LARGEST_EDGE = 384
"""Edge of a picture in pixels, before any shrinking."""
Group = dict[str, Evaluation]
"""Runs whose scores can stand side by side."""


@dataclass
class Run:
    """A run as the page shows it."""

    name: str
    settings: dict[str, Any]
    metrics: list[dict[str, float]]
    dataset: HeldOut | None = None
    predictor: Predictor | None = None
    evaluation: Evaluation | None = None
    problem: str = ""
    """Why there are no scores, or no forecasts."""


class Scored(NamedTuple):
    """A run that has scores."""

    name: str
    predictor: Predictor
    evaluation: Evaluation


def write_report(runs: Sequence[str | Path], output: str | Path, sequences: int = 6, device: str = "auto") -> list[str]:
    """Write a page about runs: settings, training curves, scores with intervals, forecasts to play.

    Scores are those that `msrnn evaluate` left in the run directories, if they are of the runs' present weights; else
    the runs are evaluated now. What cannot be shown or compared is said in the page.

    Args:
        runs: run directories; the gallery's sequences are the first one's.
        output: the .html to write.
        sequences: how many sequences to show, from the best to the worst.
        device: where to compute: "auto", "cpu", "cuda" or "mps".

    Returns:
        Sentences on what could not be shown or compared.

    Raises:
        SettingsError: a directory is no run, or none can be scored.
    """
    found = [_open(name, Path(path), device) for name, path in _names(runs).items()]
    notes = [f"{run.name}: {run.problem}." for run in found if run.problem]
    groups, of_groups = _groups(found)
    shown, first, of_gallery = _gallery(found, sequences)
    notes += [*of_groups, *of_gallery]
    notes += [f"{run.name}: {note}" for run in found if run.evaluation for note in run.evaluation.notes]
    rain = first.predictor.field.is_rain
    page = _Page(found, groups, notes, first)
    edge = LARGEST_EDGE
    text = page.render([(one, panels(one, rain, edge)) for one in shown])
    while len(text.encode()) > LARGEST_BYTES and edge > LEAST_EDGE:
        edge = max(LEAST_EDGE, int(edge * 0.75))
        text = page.render([(one, panels(one, rain, edge)) for one in shown])
    if len(text.encode()) > LARGEST_BYTES:
        notes.append(f"The page has {len(text.encode()) / 1e6:.0f} MB: ask for fewer sequences.")
    with written(Path(output)) as partial:
        partial.write_text(text, encoding="utf-8")
    return notes


def _names(runs: Sequence[str | Path]) -> dict[str, str | Path]:
    """The directories' last parts; whole paths, where these are the same, or are names of baselines."""
    last = [Path(run).resolve().name for run in runs]
    clear = [name for name in last if last.count(name) == 1 and name not in BASELINES.values()]
    return {name if name in clear else str(Path(run).resolve()): run for run, name in zip(runs, last, strict=True)}


def _open(name: str, path: Path, device: str) -> Run:
    directory = RunDirectory(path)
    run = Run(name, directory.document(), _metrics(directory))
    try:
        run.predictor = load(path, device)
        settings = run.predictor.settings
        try:
            data = open_data(settings.data, settings.context, settings.horizon, settings.seed, run.predictor.field)
            run.dataset = data.held_out("test")
        except SettingsError as error:
            run.problem = f"its data cannot be read: {error.cause}"
        run.evaluation = _evaluation(run, directory)
    except (SettingsError, NotFiniteError) as error:
        run.problem = run.problem or str(error)
    return run


def _metrics(directory: RunDirectory) -> list[dict[str, float]]:
    """Read what was logged; a line that was cut off is left out."""
    found = []
    lines = directory.metrics_file.read_text(encoding="utf-8").splitlines() if directory.metrics_file.is_file() else []
    for line in lines:
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def _evaluation(run: Run, directory: RunDirectory) -> Evaluation:
    """The scores in the directory, if they are of these weights and sequences; else new ones, which are left there.

    Raises:
        SettingsError: there are none, and the data cannot be read.
        NotFiniteError: the model's forecasts are not finite.
    """
    assert run.predictor is not None
    now = {"weights": run.predictor.fingerprint}
    if run.dataset is not None:
        now["fingerprint"] = run.dataset.fingerprint
    with suppress(SettingsError):
        stored = Evaluation.load(directory.scores)
        if now.items() <= stored.protocol.items():
            return stored
    if run.dataset is None:
        raise SettingsError("there are no scores of its weights")
    evaluation = score_forecasts(run.predictor, run.predictor.settings)
    evaluation.save(directory.scores)
    return evaluation


def _groups(runs: Sequence[Run]) -> tuple[list[Group], list[str]]:
    """Runs that can be compared together; and sentences on what keeps others apart."""
    groups: dict[tuple[object, ...], Group] = {}
    for run in runs:
        if run.evaluation is not None:
            kind = tuple(run.evaluation.protocol[name] for name in COMPARABLE)
            groups.setdefault(kind, {})[run.name] = run.evaluation
    notes = []
    for (one, ours), (other, theirs) in combinations(groups.items(), 2):
        differ = [what for what, a, b in zip(COMPARABLE.values(), one, other, strict=True) if a != b]
        notes.append(
            f"Not compared: {', '.join(ours)} with {', '.join(theirs)}, since their {' and '.join(differ)} differ."
        )
    return list(groups.values()), notes


def _gallery(runs: Sequence[Run], count: int) -> tuple[list[Shown], Scored, list[str]]:
    """Sequences of the first run that was scored, forecast by all runs that can; that run; and what is not shown."""
    run = next((run for run in runs if run.evaluation is not None), None)
    if run is None or run.predictor is None or run.evaluation is None:
        raise SettingsError("no run can be scored: " + " ".join(f"{run.name}: {run.problem}" for run in runs))
    first = Scored(run.name, run.predictor, run.evaluation)
    if run.dataset is None:
        return [], first, ["No sequence is shown: the data cannot be read."]
    settings, own = first.predictor.settings, first.predictor.field
    task = Task(own, settings.context, settings.horizon)
    contenders, notes = {}, []
    for other in runs:
        if other.predictor is None:
            continue
        try:
            other.predictor.field.check(f"the frames of {first.name}", own)
            contenders[other.name] = of_model(task, other.predictor)
            if other.predictor.field.normalisation != own.normalisation:
                theirs = other.predictor.field.description
                notes.append(f"{other.name} is shown on data of another kind; its normalisation is {theirs}.")
        except SettingsError as error:
            notes.append(f"{other.name} is not among the forecasts: {error.cause}.")
    chosen = choose(first.evaluation, count)
    if not chosen:
        notes.append("No sequence is shown: the score that ranks them is undefined for all.")
    if own.channels > 1:
        notes.append(f"Of {own.channels} channels the first is shown.")
    device = next(first.predictor.model.parameters()).device
    return forecast_of(chosen, first.evaluation, run.dataset, task, contenders, device), first, notes


class _Page:
    """A page, but for its gallery.

    Args:
        runs: all runs.
        groups: their scores.
        notes: sentences for its top.
        first: the run whose sequences are shown.
    """

    def __init__(self, runs: Sequence[Run], groups: Sequence[Group], notes: Sequence[str], first: Scored) -> None:
        own, protocol = first.predictor.field, first.evaluation.protocol
        environment = Environment(
            loader=PackageLoader("msrnn.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        folder = files("msrnn.report") / "templates"
        colours = run_colours(run.name for run in runs)
        training = plot_training({run.name: run.metrics for run in runs}, colours)
        self.template = environment.get_template("page.html")
        self.values: dict[str, Any] = {
            "title": " and ".join(run.name for run in runs),
            "date": datetime.date.today().isoformat(),
            "version": msrnn.__version__,
            "css": Markup((folder / "page.css").read_text(encoding="utf-8")),
            "js": Markup((folder / "page.js").read_text(encoding="utf-8")),
            "runs": runs,
            "colours": colours,
            "missing": MISSING,
            "summaries": [line for group in groups for line in _summary(group)],
            "notes": notes,
            "groups": [_group(number, group, colours) for number, group in enumerate(groups)],
            "training": None if training is None else Markup(as_svg(training, "training")),
            "without_curves": [run.name for run in runs if not run.metrics],
            "ranked_by": first.evaluation.name(Score(*protocol["ranked_by"])),
            "gallery_of": first.name,
            "leads": _lead_names(protocol),
            "context": protocol["context"],
            "legends": [RAIN, RAIN_DIFFERENCE] if own.is_rain else [GREY, DIFFERENCE],
            "settings": {run.name: yaml.safe_dump(run.settings, sort_keys=False) for run in runs},
            "protocols": {run.name: run.evaluation.describe_protocol() for run in runs if run.evaluation},
            "short": short,
        }

    def render(self, gallery: Sequence[tuple[Shown, Sequence[Panel]]]) -> str:
        """The page with these sequences."""
        return self.template.render(self.values, gallery=gallery)


def _lead_names(protocol: Mapping[str, Any]) -> list[str]:
    """Name the lead times of all frames of a sequence, for the slider."""
    step = protocol["step_minutes"]
    leads = range(1 - protocol["context"], protocol["horizon"] + 1)
    return [f"{lead * step:+g} min" if step else f"{lead:+d}" for lead in leads]


def _ranking(evaluation: Evaluation) -> Score:
    """The score that sums a run up: csi at the lowest threshold that says something, or mse."""
    events = [score for score in evaluation.scores if score.name == "csi"]
    return next((score for score in events if np.isfinite(evaluation.value(MODEL, score))), Score("mse"))


def _summary(group: Group) -> list[str]:
    """Sum the scores up in a sentence for each run."""
    lines = []
    for name, evaluation in group.items():
        if PERSISTENCE not in evaluation.models:
            continue
        score = _ranking(evaluation)
        ours = evaluation.row(MODEL, score)
        others = [
            f"{short(evaluation.value(model, score))} for {model}{_surely(evaluation, model, score)}"
            for model in evaluation.models[1:]
        ]
        between = "" if np.isnan(ours.low) else f" ({short(ours.low)} to {short(ours.high)})"
        worse = " It is worse than persistence." if ours.skill < 0 else ""
        sentence = f"{name}: {evaluation.name(score)} over all leads is {short(ours.value)}{between}"
        lines.append(f"{sentence}; {', '.join(others)}.{worse}")
    return lines


def _surely(evaluation: Evaluation, model: str, score: Score) -> str:
    """Whether the difference to a baseline could be chance."""
    row = evaluation.row(f"{MODEL} - {model}", score)
    return " (the difference may be chance)" if row.low <= 0 <= row.high else ""


def _group(number: int, group: Group, colours: Mapping[str, str]) -> dict[str, Any]:
    first = next(iter(group.values()))
    scores = [score for score in first.scores if all(score in other.scores for other in group.values())]
    figures: list[tuple[str, Markup]] = []
    empty, windows = [], first.protocol["windows"][:1]
    for score in scores:
        if not is_shown(score.name, "figures") or score.window not in (None, *windows):
            continue
        figure = plot_scores(group, score, colours)
        if figure is None:
            empty.append(first.name(score))
        else:
            label = f"{first.name(score)} against lead time for {', '.join(group)} and baselines"
            figures.append((label, Markup(as_svg(figure, f"g{number}f{len(figures)}"))))
    rows = [(name, name, evaluation, MODEL) for name, evaluation in group.items()]
    baselines = {model: evaluation for evaluation in reversed(group.values()) for model in evaluation.models[1:]}
    rows += [(model, "", evaluation, model) for model, evaluation in baselines.items()]
    return {
        "models": list(group),
        "main": [
            (first.name(score), score)
            for score in scores
            if is_shown(score.name, "report") and any(np.isfinite(one.value(MODEL, score)) for one in group.values())
        ],
        "of_event": first.protocol["of_event"],
        "skill_of": (first.name(_ranking(first)), _ranking(first)),
        "scores": [(first.name(score), score) for score in scores],
        "rows": [
            (label, run, {score: evaluation.row(model, score) for score in scores})
            for label, run, evaluation, model in rows
        ],
        "figures": figures,
        "empty": empty,
        "differences": _differences(group, scores),
    }


def _differences(group: Group, scores: Sequence[Score]) -> list[tuple[str, dict[Score, tuple[float, float, float]]]]:
    """Each run minus its baselines and minus the runs after it: value and interval over all leads."""
    found = []
    for place, (name, one) in enumerate(group.items()):
        pairs = [(f"{name} - {model}", one, model) for model in one.models[1:]]
        pairs += [(f"{name} - {b}", other, MODEL) for b, other in list(group.items())[place + 1 :]]
        for label, other, model in pairs:
            cells = {}
            for score in scores:
                keys = resample_key(MODEL, score), resample_key(model, score)
                resampled = torch.from_numpy(one.resamples[keys[0]] - other.resamples[keys[1]])
                low, high = interval(resampled, one.protocol["blocks"])
                cells[score] = (one.value(MODEL, score) - other.value(model, score), float(low), float(high))
            found.append((label, cells))
    return found
