"""Evaluation of a run: what `msrnn evaluate` does."""

import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from msrnn.data import Data
from msrnn.errors import Setting, SettingsError
from msrnn.evaluation.contenders import Baseline
from msrnn.evaluation.scoring import Scoring, score_forecasts
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import load
from msrnn.scores import SummedScores
from msrnn.scores.results import Evaluation
from msrnn.settings import Precision, RunSettings, merged, read_settings, settings_from

LONGEST_NAME = 120


def evaluate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | Mapping[str, Any] | Data | None = None,
    context: int | None = None,
    horizon: int | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    device: str = "auto",
    precision: Precision = "32",
    scores: Sequence[type[SummedScores]] = (),
    own_baselines: Mapping[str, Baseline] | None = None,
    **scoring: Any,
) -> Evaluation:
    """Score a trained model on held-out sequences, and leave the scores in its run directory.

    The files are scores.txt, scores.csv, scores.json and scores.npz, with what differs from the default in the name.

    Args:
        run: the run directory, or what `msrnn.train` returned.
        data: settings of the data that differ from the training's, such as {"test_samples": 100}; a name or path of
            other data; or an object with the methods of `msrnn.data.Data`.
        context: frames that are given; by default as in training.
        horizon: frames that are predicted; by default as in training.
        batch_size: sequences at a time; by default 16, or fewer of large frames.
        workers: processes that make batches.
        device: "auto", "cpu", "cuda" or "mps".
        precision: of forecasts: "32", "64" or "bf16".
        scores: classes of scores besides those of `msrnn.scores.SCORES`.
        own_baselines: name to baseline: a function of the context and the horizon, see `Baseline`.
        scoring: fields of `Scoring`, such as thresholds=(0.5, 2.0).

    Raises:
        SettingsError: there is no such run, a setting is not possible, or the data cannot be read.
        NotFiniteError: a forecast is not finite.
    """
    if batch_size is not None and batch_size < 1:
        raise SettingsError(Setting("batch_size", batch_size), " must be at least 1")
    if workers < 0:
        raise SettingsError(Setting("workers", workers), " must not be negative")
    if isinstance(scores, type) or not all(isinstance(one, type) and issubclass(one, SummedScores) for one in scores):
        raise SettingsError(Setting("scores"), f": expected a list of subclasses of SummedScores, got {scores!r}")
    directory = RunDirectory(run)
    given: dict[str, Any] = {}
    own = None
    if isinstance(data, str | os.PathLike):
        given = {"name": os.fspath(data)}
    elif isinstance(data, Mapping):
        given = dict(data)
    elif data is None or isinstance(data, Data):
        own = data
    else:
        expected = "expected a path, settings by name, or an object with the methods of msrnn.data.Data"
        raise SettingsError(Setting("data"), f": {expected}, got {type(data).__name__}")
    changes: dict[str, Any] = {
        name: value for name, value in (("context", context), ("horizon", horizon)) if value is not None
    }
    settings = _changed(directory.document(), given, changes)
    if own is not None:
        if own.stored_settings.name != settings.data.name:
            changes["name"] = own.stored_settings.name
        settings = replace(settings, data=own.stored_settings)
    how = _scoring(scoring)
    predictor = load(directory.path, device, precision)
    evaluation = score_forecasts(predictor, settings, how, batch_size, workers, scores, own_baselines, own)
    default = asdict(Scoring())
    changes |= _given(settings, given) | ({"precision": predictor.precision} if predictor.precision != "32" else {})
    changes |= {name: value for name, value in asdict(how).items() if value != default[name]}
    changes |= {"with": (*(one.__name__ for one in scores), *(own_baselines or ()))} if scores or own_baselines else {}
    evaluation.save(scores_path(directory, changes))
    return evaluation


def _scoring(given: Mapping[str, Any]) -> Scoring:
    """Make the settings of an evaluation of keywords; one baseline, threshold or window may stand alone.

    Raises:
        SettingsError: there is no such setting, or a value is not possible.
    """
    several = {
        name: (given[name],)
        for name in ("baselines", "thresholds", "windows")
        if isinstance(given.get(name), str | int | float)
    }
    return read_settings(Scoring, {**given, **several})


def _changed(document: dict[str, Any], data: Mapping[str, Any], changes: Mapping[str, Any]) -> RunSettings:
    """Return a run's settings with changes, without those of its data that mean nothing for other data."""
    stored = document["data"]
    if data.get("name", stored["name"]) != stored["name"] or {"shares", "split"} & data.keys():
        stored |= {"validation_from": None, "test_from": None}  # these are the training archive's
    if data.get("name", "moving-mnist") != "moving-mnist":
        stored.pop("digits", None)
    if "reader_options" in data:
        stored.pop("reader_options", None)  # another reader has others
    return settings_from(merged(document, {**changes, "data": data}))


def _given(settings: RunSettings, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the settings of the data that are given, by name."""
    found: dict[str, Any] = {}
    for name in data:
        value = getattr(settings.data, name)
        found |= {one: getattr(value, one) for one in data[name]} if name == "digits" else {name: value}
    return found


def scores_path(directory: RunDirectory, changes: Mapping[str, Any]) -> Path:
    """Name the score files in a run directory, without a suffix; settings that differ from the default are in it."""
    text = "".join(f"-{name}={_in_a_name(value)}" for name, value in changes.items())
    short = text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}-{zlib.crc32(text.encode()):08x}"
    return directory.path / f"scores{short}"


def _in_a_name(value: Any) -> str:
    parts = [str(part) for part in (value if isinstance(value, list | tuple) else [value])]
    places = "".join(str(Path(part).resolve()) for part in parts if Path(part).name != part)
    number = f"-{zlib.crc32(places.encode()):08x}" if places else ""  # of two folders with the same last part
    return re.sub(r"[^\w.-]+", "_", "x".join(Path(part).name for part in parts)) + number
