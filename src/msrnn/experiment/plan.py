"""What an experiment consists of: models x data x seeds, read from a YAML table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from msrnn.analysis.cost import Cost, Workload
from msrnn.arguments import settings_from
from msrnn.data import open_data
from msrnn.models import MODELS
from msrnn.rundir import build_model
from msrnn.settings import ModelSettings, RunSettings, SettingsError

KEYS = {"title", "recipe", "settings", "data", "models", "seeds"}
OF_MODEL = {"label", "against", "memory_of"}
"""Keys of a model that are not its settings."""
Document = dict[str, Any]
"""Settings as they stand in a recipe."""


@dataclass(frozen=True)
class Trial:
    """One training of the experiment."""

    data: str
    model: str
    seed: int
    document: Document
    path: Path
    """Its run directory; beside it, with other endings, its recipe and what it said."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.model} on {self.data}, seed {self.seed}"

    def beside(self, ending: str) -> Path:
        """A file beside the run directory."""
        return self.path.with_name(self.path.name + ending)


@dataclass(frozen=True)
class Plan:
    """An experiment."""

    title: str
    trials: tuple[Trial, ...]
    """In the order in which they are to be done."""
    data: tuple[str, ...]
    models: tuple[str, ...]
    against: Mapping[str, str]
    """Which model each is compared with, for those that are."""
    folder: Path

    def of(self, data: str, model: str) -> list[Trial]:
        """The trials of one row of the table."""
        return [trial for trial in self.trials if (trial.data, trial.model) == (data, model)]


def read_plan(table: Path, folder: Path) -> Plan:
    """The experiment that a YAML table describes.

    Its keys: `title`; `recipe`, a path relative to the table, and `settings`, which are put over the recipe's; `data`,
    names with settings that are put over these; `models`, names, or mappings of `name` and other settings of the model,
    `label`, `against` (the label it is compared with; by default, of a pyramid, the plain stack of the same cell), and
    `memory_of` (the label of a model whose training memory it must not exceed: hidden channels are left out until it
    does not); `seeds`.

    Args:
        table: the YAML file.
        folder: where run directories are to be.

    Raises:
        SettingsError: something in it is not possible.
        OSError: it cannot be read.
    """
    document = _read(table)
    if unknown := document.keys() - KEYS:
        raise SettingsError(f"{table}: unknown {min(unknown, key=str)!r}; there are {', '.join(sorted(KEYS))}")
    recipe = document.get("recipe")
    if not isinstance(recipe, str | None):
        raise SettingsError(f"{table}: recipe must be a path, got {recipe!r}")
    base = merged(_read(table.parent / recipe) if recipe else {}, _mapping(table, document, "settings"))
    name = str(_mapping(table, base, "data").get("name", "moving-mnist"))
    places = _mapping(table, document, "data") or {re.sub(r"[^\w.+-]+", "-", Path(name).stem).strip("-.") or "data": {}}
    overs = {place: merged(base, _mapping(table, places, place)) for place in places}
    models = [_model(table, entry) for entry in _items(table, document, "models")]
    labels = [model["label"] for model in models]
    seeds = _items(table, document, "seeds") if "seeds" in document else [0]
    against = {model["label"]: other for model in models if (other := _against(model, models))}
    _check_names(table, labels, list(places), seeds)
    _check_references(table, models, against)
    trials = []
    for place, over in overs.items():
        settings = _settings(table, over, models)
        for model in models:
            for seed in seeds:
                one = settings[model["label"]] | {"seed": seed}
                _checked(table, f"{model['label']}, seed {seed}", one)
                trials.append(Trial(place, model["label"], seed, one, folder / place / model["label"] / f"seed-{seed}"))
    return Plan(str(document.get("title", table.stem)), tuple(trials), tuple(places), tuple(labels), against, folder)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """Settings with others put over them, group by group."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def workload_of(settings: RunSettings) -> tuple[int, Workload]:
    """Channels of a frame, and what one part of a batch computes.

    Raises:
        SettingsError: the data cannot be read.
    """
    data = open_data(settings.data, settings.context, settings.horizon, settings.seed)
    _, channels, height, width = data.training(1)[0].shape
    batch = settings.batch_size // settings.accumulate
    return channels, Workload((height, width), settings.context, settings.horizon, batch, settings.precision)


def cost_of(model: ModelSettings, channels: int, work: Workload) -> Cost:
    """Of a training, whatever its memory mode."""
    return Cost(partial(build_model, replace(model, memory="keep"), channels), work)


def training_bytes(model: ModelSettings, channels: int, work: Workload) -> int:
    """What a training holds; with memory auto, if it can hold all."""
    mode = "keep" if model.memory == "auto" else model.memory
    return cost_of(model, channels, work).training_bytes(mode)


def _read(path: Path) -> Document:
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected settings by name")
    return document


def _mapping(table: Path, document: Document, key: str) -> Document:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise SettingsError(f"{table}: {key} must be settings by name, got {value!r}")
    return value


def _items(table: Path, document: Document, key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list) or not value:
        raise SettingsError(f"{table}: {key} must be a list, got {value!r}")
    return value


def _model(table: Path, entry: Any) -> Document:
    """With a name and a label."""
    model: Document = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(model, dict) or not isinstance(model.get("name"), str) or model["name"] not in MODELS:
        raise SettingsError(f"{table}: no model {entry!r}; choose from {', '.join(MODELS)}")
    return {"label": model["name"]} | model


def _check_names(table: Path, labels: list[Any], places: list[Any], seeds: list[Any]) -> None:
    for what, names in (("labels of models", labels), ("seeds", seeds), ("names of data", places)):
        if len(set(map(str, names))) < len(names):
            raise SettingsError(f"{table}: {what} must differ, got {', '.join(map(str, names))}")
    for label in (*labels, *places):
        if not isinstance(label, str) or not re.fullmatch(r"[\w+][\w.+-]*", label):
            raise SettingsError(f"{table}: {label!r} is to be the name of a folder: letters, digits, and . + - _ in it")


def _check_references(table: Path, models: Sequence[Document], against: Mapping[str, str]) -> None:
    labels = [model["label"] for model in models]
    shrunk = {model["label"] for model in models if "memory_of" in model}
    for model in models:
        for other in (against.get(model["label"]), model.get("memory_of")):
            if other not in (None, *labels) or other == model["label"]:
                raise SettingsError(f"{table}: {model['label']} refers to {other!r}; choose from {', '.join(labels)}")
        if model.get("memory_of") in shrunk:
            raise SettingsError(f"{table}: memory_of {model['memory_of']}: it has a memory_of itself")


def is_plain(model: Mapping[str, Any]) -> bool:
    """Whether a model's settings make a plain stack."""
    return set(model.get("scales") or MODELS[model["name"]].scales) == {1}


def _against(model: Document, models: Sequence[Document]) -> str | None:
    """Of a pyramid the plain stack of its cell, if it is in the table, unless the table says otherwise."""
    if "against" in model:
        return None if model["against"] is None else str(model["against"])
    cell = MODELS[model["name"]].cell
    plain = [other["label"] for other in models if is_plain(other) and MODELS[other["name"]].cell is cell]
    return plain[0] if plain and not is_plain(model) else None


def _settings(table: Path, over: Document, models: Sequence[Document]) -> dict[str, Document]:
    """Settings of each model's training by label."""
    found: dict[str, Document] = {}
    for model in models:
        own = {key: value for key, value in model.items() if key not in OF_MODEL}
        found[model["label"]] = merged(over, {"model": own})
    for model in models:
        if "memory_of" in model:
            of, settings = (_checked(table, label, found[label]) for label in (model["memory_of"], model["label"]))
            channels, work = workload_of(settings)
            most = training_bytes(of.model, channels, work)
            fitting = {"hidden_channels": _hidden_within(most, settings.model, channels, work)}
            found[model["label"]] = merged(found[model["label"]], {"model": fitting})
    return found


def _checked(table: Path, what: str, document: Document) -> RunSettings:
    """Settings that can be trained with."""
    try:
        settings = settings_from(document)
        _build(settings.model)
        if (settings.devices or 1) * (settings.nodes or 1) > 1:
            raise SettingsError("devices and nodes: a trial has one device; --jobs is how many run at a time")
    except SettingsError as error:
        raise SettingsError(f"{table}: {what}: {error}") from error
    return settings


def _hidden_within(most: int, model: ModelSettings, channels: int, work: Workload) -> int:
    """The most hidden channels with which training holds at most so many bytes, no more than the settings have.

    A measurement takes seconds, and what is held grows almost in proportion to channels: a guess interpolates.
    """
    sizes = [size for size in range(1, model.hidden_channels + 1) if _can_be_built(_with_hidden(model, size))]
    fits, fits_not = -1, len(sizes) - 1
    held = {fits: 0, fits_not: training_bytes(model, channels, work)}
    if held[fits_not] <= most:
        return model.hidden_channels
    while fits_not - fits > 1:
        guess = fits + round((fits_not - fits) * (most - held[fits]) / (held[fits_not] - held[fits]))
        guess = min(max(guess, fits + 1), fits_not - 1)
        held[guess] = training_bytes(_with_hidden(model, sizes[guess]), channels, work)
        fits, fits_not = (guess, fits_not) if held[guess] <= most else (fits, guess)
    if fits < 0:
        raise SettingsError("memory_of: no number of hidden channels fits")
    return sizes[fits]


def _with_hidden(model: ModelSettings, size: int) -> ModelSettings:
    return replace(model, hidden_channels=size)


def _can_be_built(model: ModelSettings) -> bool:
    """MotionRNN cannot with every number of channels."""
    try:
        _build(model)
    except SettingsError:
        return False
    return True


def _build(model: ModelSettings) -> None:
    """Without memory for weights.

    Raises:
        SettingsError: it cannot be built.
    """
    with torch.device("meta"):
        build_model(replace(model, memory="keep"), 1)
