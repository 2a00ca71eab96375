"""A trained model's scores on held-out sequences, beside what a forecast has to beat."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from msrnn.data import Data, Field, open_data
from msrnn.data.loading import evaluation_loader
from msrnn.data.own import check_length
from msrnn.errors import NotFiniteError, Setting, SettingsError
from msrnn.evaluation.contenders import (
    Baseline,
    Contender,
    Task,
    constant,
    extrapolation,
    of_baseline,
    of_model,
    persistence,
)
from msrnn.runs.predictor import Predictor, load
from msrnn.scores import SCORES, Conditions, Score, SummedScores, scoring_device
from msrnn.scores.base import Distance
from msrnn.scores.bootstrap import LEAST_BLOCKS, RESAMPLES, block_weights, interval
from msrnn.scores.continuous import SSIM_SIGMA, SSIM_WINDOW, alexnet_distance
from msrnn.scores.results import (
    ALL,
    CONSTANT,
    EXTRAPOLATION,
    MODEL,
    PERSISTENCE,
    Evaluation,
    ScoreRow,
    resample_key,
)
from msrnn.scores.table import best_value, score_classes
from msrnn.settings import RunSettings, ScoringProtocol, Split
from msrnn.units import RAIN_WEIGHTS, ZR

PROTOCOLS = get_args(ScoringProtocol)
THRESHOLDS_MM_H = tuple(rate for rate, _ in RAIN_WEIGHTS)
WINDOWS = (5, 15, 45)
"""Edges of the fractions skill score's windows in pixels."""
LEAST_LPIPS = 32
"""Pixels along an edge that LPIPS' network needs."""
BATCH_NUMBERS = 20_000_000
"""Numbers in a batch, about."""
BASELINES = {"persistence": PERSISTENCE, "constant": CONSTANT, "extrapolation": EXTRAPOLATION}
"""Names of baselines in settings, and in tables."""
Batches = Iterator[tuple[Tensor, Tensor, Tensor]]
"""Values, the network's frames, and which pixels are valid."""


@dataclass
class Scoring:
    """Settings of an evaluation.

    Args:
        split: which sequences.
        protocol: "forecast": the frames after the context, clipped to the valid range. "paper": all frames but the
            first, those of the context forecast from the true ones before them, and not clipped, as MS-RNN's released
            code does.
        baselines: keys of `BASELINES`, and run directories, besides those that every evaluation has: persistence and,
            for rain, extrapolation, else the best constant image.
        thresholds: of events, in mm/h for rain, else in the data's own units; by default `THRESHOLDS_MM_H` for rain,
            and none for other data.
        windows: of the fractions skill score, in pixels.
        lpips: score LPIPS too.

    Raises:
        SettingsError: a setting is not possible.
    """

    split: Split = "test"
    protocol: ScoringProtocol = "forecast"
    baselines: tuple[str, ...] = ()
    thresholds: tuple[float, ...] | None = None
    windows: tuple[int, ...] = WINDOWS
    lpips: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("split", get_args(Split)), ("protocol", PROTOCOLS)):
            if getattr(self, name) not in choices:
                raise SettingsError(Setting(name, getattr(self, name)), f": choose from {', '.join(choices)}")
        if any(isnan(threshold) for threshold in self.thresholds or ()):
            raise SettingsError(Setting("thresholds"), ": nan is none")
        for name in ("thresholds", "windows", "baselines"):
            values = getattr(self, name) or ()
            if len(set(values)) < len(values):
                raise SettingsError(Setting(name, tuple(values)), ": each only once")
        if min(self.windows, default=1) < 1:
            raise SettingsError(Setting("windows", tuple(self.windows)), ": at least 1 pixel")
        for name in self.baselines:
            if name not in BASELINES and not Path(name).is_dir():
                raise SettingsError(
                    Setting("baselines", name), f": choose from {', '.join(BASELINES)}, or name a run directory"
                )


def score_forecasts(
    predictor: Predictor,
    settings: RunSettings,
    scoring: Scoring | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    scores: Sequence[type[SummedScores]] = (),
    own_baselines: Mapping[str, Baseline] | None = None,
    data: Data | None = None,
) -> Evaluation:
    """Score a model's forecasts, and baselines on the same sequences with the same masks and thresholds.

    The best constant image is the mean of the very frames that are scored: no still picture, however blurred, has a
    lower MSE. Baselines that do not suit the data are left out, and noted.

    Args:
        predictor: the model.
        settings: the data, and how many frames are given and forecast.
        scoring: how to score; by default `Scoring()`.
        batch_size: by default as many sequences as `BATCH_NUMBERS` allows, at most 16.
        workers: processes that make batches.
        scores: classes of more scores, besides those of `msrnn.scores.SCORES`.
        own_baselines: name to baseline, besides those that `scoring` names.
        data: the data, if they are open already.

    Raises:
        SettingsError: the data cannot be read.
        NotFiniteError: a forecast is not finite.
    """
    scoring = scoring or Scoring()
    own = predictor.field
    task = Task(own, settings.context, settings.horizon, scoring.protocol == "paper")
    data = data or open_data(settings.data, settings.context, settings.horizon, settings.seed, own)
    dataset = data.held_out(scoring.split)
    check_length(dataset[0], settings.context, settings.horizon)
    device = next(predictor.model.parameters()).device
    if batch_size is None:
        batch_size = max(1, min(16, BATCH_NUMBERS // dataset[0].numel()))
    loader = evaluation_loader(dataset, batch_size, workers)

    def batches(what: str) -> Batches:
        for values in tqdm(loader, desc=what, disable=None, leave=False):
            yield values.to(device), *own.to_network(values.to(device))

    notes: list[str] = []
    distance = _distance(own, dataset[0].shape[-2:], notes) if scoring.lpips else None
    contenders = {MODEL: of_model(task, predictor)}
    contenders |= _baselines(
        task, scoring.baselines, str(device), lambda: _mean_frame(task, batches("mean frame")), notes
    )
    for name, baseline in (own_baselines or {}).items():
        if name in contenders:
            raise SettingsError(f"a baseline of one's own cannot be called {name}: that is another one here")
        contenders[name] = of_baseline(task, baseline)
    thresholds = scoring.thresholds if scoring.thresholds is not None else THRESHOLDS_MM_H * own.is_rain
    conditions = _conditions(task, thresholds, scoring.windows, distance)
    sums = {name: _suited(conditions, scores, device) for name in contenders}
    ranked_by = Score("csi", thresholds[0]) if own.is_rain and thresholds else Score("mse")
    blocks, block = dataset.blocks(LEAST_BLOCKS)
    of_each: list[float] = []
    for values, frames, valid in batches("evaluating"):
        weights = block_weights(blocks[len(of_each) : len(of_each) + len(values)].tolist())
        truth = {False: frames[:, task.scored], True: _physical(own, values[:, task.scored])}
        for name, contender in contenders.items():
            with torch.no_grad():
                forecast = contender(values, frames)
            if not bool(forecast.frames.isfinite().all()):
                fix = (": train it with a lower ", Setting("learning_rate")) if name == MODEL else ()
                raise NotFiniteError(f"a forecast of {name} is not finite", *fix)
            made = {
                False: forecast.frames if task.from_first else forecast.frames.clamp(0, 1),
                True: _physical(own, forecast.values),
            }
            for one in sums[name]:
                one.update(made[one.physical], truth[one.physical], valid[:, task.scored], weights)
        of_each += next(e[ranked_by] for one in sums[MODEL] if ranked_by in (e := one.of_each())).tolist()
    count = len(np.unique(blocks))
    rows, resamples = _rows(sums, task.leads, len(of_each), count)
    if all(isnan(row.value) for row in rows if row.score == "ssim"):
        notes.append("ssim is nan: no window of 11 pixels is without a missing one, or frames are smaller.")
    notes += _unreached(rows, "mm/h" if own.is_rain else "")
    protocol = _protocol(task, scoring, thresholds) | {
        "data": settings.data.name,
        "sequences": len(of_each),
        "fingerprint": dataset.fingerprint,
        "weights": predictor.fingerprint,
        "precision": predictor.precision,
        "blocks": count,
        "block": block,
        "ranked_by": list(ranked_by),
    }
    titles = [dataset.title(number) for number in range(len(of_each))]
    return Evaluation(protocol, list(contenders), rows, notes, list(zip(titles, of_each, strict=True)), resamples)


def _protocol(task: Task, scoring: Scoring, thresholds: Sequence[float]) -> dict[str, Any]:
    """Describe how forecasts are scored, as it is stored."""
    unit = "mm/h" if task.field.is_rain else "data"
    return {
        "name": scoring.protocol,
        "split": scoring.split,
        "context": task.context,
        "horizon": task.horizon,
        "leads": task.leads,
        "step_minutes": task.field.step_minutes,
        "clipped": not task.from_first,
        "normalisation": task.field.description,
        "units": {name: info.units.format(unit=unit) for name, info in SCORES.items() if info.units},
        "of_event": "mm/h" if task.field.is_rain else "",
        "thresholds": list(thresholds),
        "windows": list(scoring.windows) if thresholds else [],
        "ssim": {"window": SSIM_WINDOW, "sigma": SSIM_SIGMA, "data_range": 1.0},
        "resamples": RESAMPLES,
    }


def _baselines(
    task: Task, asked: Sequence[str], device: str, mean_frame: Callable[[], Tensor], notes: list[str]
) -> dict[str, Contender]:
    """Those that every evaluation has and those asked for; `notes` says why one is left out that does not suit."""
    make: dict[str, Callable[[], Contender]] = {
        "persistence": lambda: persistence(task),
        "constant": lambda: constant(task, mean_frame()),
        "extrapolation": lambda: extrapolation(task),
    }
    found = {}
    for name in dict.fromkeys(("persistence", "extrapolation" if task.field.is_rain else "constant", *asked)):
        label = BASELINES.get(name, f"./{name}" if name in (MODEL, *BASELINES.values()) else name)
        try:
            found[label] = make.get(name, partial(_other_run, task, name, device, notes))()
        except SettingsError as error:
            notes.append(f"Without {name}: {error.cause}")
    return found


def _other_run(task: Task, run: str, device: str, notes: list[str]) -> Contender:
    predictor = load(run, device)
    predictor.field.check("the data", task.field)
    if predictor.field.normalisation != task.field.normalisation:
        notes.append(f"{run} was trained on data of another kind; its normalisation is {predictor.field.description}.")
    return of_model(task, predictor)


def _mean_frame(task: Task, batches: Batches) -> Tensor:
    """The mean of all frames that are scored, (channel, y, x); 0, where none has a value."""
    total, count = torch.zeros(()), torch.zeros(())
    for _, frames, valid in batches:
        known = valid[:, task.scored].cpu()
        total = total + torch.where(known, frames[:, task.scored].cpu().double(), 0).sum(dim=(0, 1))
        count = count + known.sum(dim=(0, 1))
    return (total / count.clamp(min=1)).float()


def _conditions(
    task: Task, thresholds: Sequence[float], windows: Sequence[int], distance: Distance | None
) -> Conditions:
    field = task.field
    return Conditions(
        leads=len(task.leads),
        resamples=RESAMPLES,
        thresholds=tuple(thresholds),
        windows=tuple(windows),
        has_units=(field.is_rain or field.normalisation != "none") and not task.from_first,
        z_r=ZR(*field.z_r) if field.normalisation == "rain" else None,
        distance=distance,
    )


def _suited(conditions: Conditions, more: Sequence[type[SummedScores]], device: torch.device) -> list[SummedScores]:
    """Make the scores that apply, on the device where they are computed."""
    made = [one.suited_to(conditions) for one in score_classes(more)]
    return [score.to(scoring_device(device)) for score in made if score is not None]


def _distance(field: Field, size: Sequence[int], notes: list[str]) -> Distance | None:
    """LPIPS, if it is for such frames; else `notes` says why not."""
    if field.channels not in (1, 3) or min(size) < LEAST_LPIPS:
        frames = f"{field.channels} channels, {size[0]} x {size[1]}"
        notes.append(f"Without lpips: it is for 1 or 3 channels of at least {LEAST_LPIPS} pixels, these are {frames}.")
        return None
    return alexnet_distance()


def _physical(field: Field, values: Tensor) -> Tensor:
    """Rain in mm/h; other values as they are."""
    return field.rates(values) if field.is_rain else values


def _rows(
    scores: dict[str, list[SummedScores]], leads: list[int], sequences: int, blocks: int
) -> tuple[list[ScoreRow], dict[str, np.ndarray]]:
    """Every score of every model, their differences to the first, and the resamples of those over all leads."""
    values: dict[str, dict[Score, Tensor]] = {}
    resampled: dict[str, dict[Score, Tensor]] = {}
    for model, found in scores.items():
        values[model], resampled[model] = {}, {}
        for score in found:
            overall = score.overall()
            if twice := overall.keys() & values[model].keys():
                raise SettingsError(f"two classes compute the score {min(twice).name}: give yours a name of its own")
            values[model] |= {key: torch.cat((v, overall[key][None])).cpu() for key, v in score.per_lead().items()}
            resampled[model] |= {key: v.cpu() for key, v in score.of_resamples().items()}
    rows: list[ScoreRow] = []

    def add(name: str, score: Score, of_score: Tensor, resamples: Tensor, skill: Tensor) -> None:
        columns = (part.tolist() for part in (of_score, *interval(resamples, blocks), skill))
        for lead, value, low, high, of_lead in zip([*leads, ALL], *columns, strict=True):
            rows.append(ScoreRow(name, *score, lead, value, low, high, sequences, of_lead))

    for key in values[MODEL]:
        for model in scores:
            skill = _skill(key, values[model][key], values.get(PERSISTENCE, {}).get(key))
            add(model, key, values[model][key], resampled[model][key], skill)
        for model in list(scores)[1:]:
            difference, resamples = (part[MODEL][key] - part[model][key] for part in (values, resampled))
            add(f"{MODEL} - {model}", key, difference, resamples, torch.full_like(difference, torch.nan))
    kept = {resample_key(m, key): of[key][:, -1].float().numpy() for m, of in resampled.items() for key in of}
    return rows, kept


def _skill(score: Score, values: Tensor, reference: Tensor | None) -> Tensor:
    """Relative to the reference's scores; NaN, if there is none or the score has no best value."""
    best = best_value(score.name)
    if reference is None or best is None:
        return torch.full_like(values, torch.nan)
    skill = (values - reference) / (best - reference)
    return skill.masked_fill(skill.isinf(), torch.nan)  # the reference is perfect


def _unreached(evaluation_rows: list[ScoreRow], unit: str) -> list[str]:
    """A sentence, if no true pixel reaches a threshold: then nothing can be detected."""
    rows = [row for row in evaluation_rows if (row.model, row.score, row.lead) == (MODEL, "pod", ALL)]
    missing = [f"{row.threshold:g}" for row in rows if np.isnan(row.value)]
    if not missing:
        return []
    return [f"No true pixel reaches {', '.join(missing)} {unit}".rstrip() + ": scores of such events say little."]
