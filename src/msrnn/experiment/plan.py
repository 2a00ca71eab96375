"""The plan of an experiment: models x data x seeds, read from a YAML table."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from msrnn.analysis.cost import Cost, Workload
from msrnn.analysis.workload import cost_of, workload_of
from msrnn.data import open_data
from msrnn.data.archive import files_at
from msrnn.errors import Setting, SettingsError
from msrnn.nn.cells.base import Cell
from msrnn.nn.models import MODELS, build_model
from msrnn.settings import DataSettings, ModelSettings, RunSettings, merged, read_document, settings_from
from msrnn.training.train import fixed_on_resume

KEYS = {"title", "recipe", "settings", "data", "models", "seeds"}
OF_ROW = {"label", "against", "memory_of"}
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
        """Name the trial for people."""
        return f"{self.model} on {self.data}, seed {self.seed}"

    def beside(self, ending: str) -> Path:
        """A file beside the run directory."""
        return self.path.with_name(self.path.name + ending)


@dataclass(frozen=True)
class Plan:
    """An experiment."""

    title: str
    trials: tuple[Trial, ...]
    """Trials in the order in which they are run."""
    data: tuple[str, ...]
    models: tuple[str, ...]
    against: Mapping[str, str]
    """Model that each is compared with, for those that are."""
    folder: Path
    """Folder of the tables and the report."""

    def of(self, data: str, model: str) -> list[Trial]:
        """The trials of one row of the table."""
        return [trial for trial in self.trials if (trial.data, trial.model) == (data, model)]


def read_plan(table: Path, out: Path) -> Plan:
    """The experiment that a YAML table describes.

    Its keys: `title`; `recipe`, a path relative to the table, and `settings`, which are put over the recipe's; `data`,
    names with settings that are put over these; `models`, names, or mappings of `name` and other settings of the model,
    `label`, `memory_of` (the label of a model whose training memory it must not exceed: hidden channels are left out
    until it does not), and `against` (the label it is compared with; by default that of `memory_of`, or, of a pyramid,
    the plain stack of as many layers of the same cell); `seeds`.

    Args:
        table: the YAML file.
        out: where all is to be: tables of the same folder share trials, which are known by their settings.

    Raises:
        SettingsError: something in it is not possible.
        OSError: it cannot be read.
    """
    document = read_document(table)
    if out.exists() and not out.is_dir():
        raise SettingsError(Setting("out", out), ": that is a file; name a folder")
    if unknown := document.keys() - KEYS:
        raise SettingsError(f"{table}: unknown {min(unknown, key=str)!r}; there are {', '.join(sorted(KEYS))}")
    recipe = document.get("recipe")
    if not isinstance(recipe, str | None):
        raise SettingsError(f"{table}: recipe must be a path, got {recipe!r}")
    base = merged(
        {"precision": "32"} | (_recipe(table, recipe) if recipe else {}), _mapping(table, document, "settings")
    )
    name = str(_mapping(table, base, "data", "settings").get("name", "moving-mnist"))
    places = _mapping(table, document, "data") or {re.sub(r"[^\w.+-]+", "-", Path(name).stem).strip("-.") or "data": {}}
    overs = {place: merged(base, _mapping(table, places, place)) for place in places}
    if any("model" in (over or {}) for over in places.values()):
        raise SettingsError(f"{table}: settings of models stand under models, or settings, not under data")
    if any("seed" in (over or {}) for over in places.values()):
        raise SettingsError(f"{table}: seeds stand under seeds, not under data")
    rows = [_row(table, base, entry) for entry in _items(table, document, "models")]
    seeds = _items(table, document, "seeds") if "seeds" in document else [base.get("seed", 0)]
    _check_names(table, [row.label for row in rows], list(places), seeds)
    against = {row.label: other for row in rows if (other := _against(row, rows)) is not None}
    _check_references(table, rows, against)
    trials = []
    for place, over in overs.items():
        _check_files(table, place, _checked(table, rows[0].label, over | {"model": rows[0].model}).data)
        settings = _settings(table, over, rows)
        for row in rows:
            for seed in seeds:
                one = settings[row.label] | {"seed": seed}
                known = _known_by(_checked(table, f"{row.label}, seed {seed}", one))
                trials.append(Trial(place, row.label, seed, one, out / "trials" / known / f"seed-{seed}"))
    first: dict[Path, Trial] = {}
    for trial in trials:
        if (same := first.setdefault(trial.path, trial)) is not trial:
            raise SettingsError(f"{table}: {same.name}, and {trial.name} are the same training: leave one out")
    labels = tuple(row.label for row in rows)
    return Plan(str(document.get("title", table.stem)), tuple(trials), tuple(places), labels, against, out / table.stem)


def frames_of(settings: RunSettings) -> torch.Size:
    """The shape of a training sequence, (time, channel, y, x).

    Raises:
        SettingsError: the data cannot be read.
    """
    return open_data(settings.data, settings.context, settings.horizon, settings.seed).training(1)[0].shape


def training_bytes(cost: Cost, model: ModelSettings) -> int:
    """Return the bytes that a training holds; with memory auto, those of keeping all activations."""
    return cost.training_bytes("keep" if model.memory == "auto" else model.memory)


def _recipe(table: Path, recipe: str) -> Document:
    path = table.parent / recipe
    if not path.is_file():
        raise SettingsError(f"{table}: recipe {recipe}: there is no file {path}")
    return read_document(path)


def _mapping(table: Path, document: Document, key: str, within: str = "") -> Document:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        place = f"{key} in {within}" if within else key
        raise SettingsError(f"{table}: {place} must be settings by name, such as {{name: ...}}, got {value!r}")
    return value


def _items(table: Path, document: Document, key: str) -> list[Any]:
    if key not in document:
        raise SettingsError(f"{table}: it has no {key}")
    value = document[key]
    if not isinstance(value, list) or not value:
        raise SettingsError(f"{table}: {key} must be a list, got {value!r}")
    return value


@dataclass(frozen=True)
class _Row:
    """A model of the table."""

    label: str
    model: Document
    """Its settings, with those that all have."""
    memory_of: str | None
    against: str | None
    against_is_given: bool
    """If not, `_against` says what it is compared with."""

    @property
    def depth(self) -> int:
        return len(_scales(self.model))

    @property
    def cell(self) -> type[Cell]:
        return MODELS[self.model["name"]].cell


def _row(table: Path, base: Document, entry: Any) -> _Row:
    own: Document = {"name": entry} if isinstance(entry, str) else entry
    if isinstance(own, dict) and "name" not in own:
        raise SettingsError(f"{table}: {entry!r} under models has no name of a model")
    if not isinstance(own, dict) or not isinstance(own.get("name"), str) or own["name"] not in MODELS:
        raise SettingsError(f"{table}: no model {entry!r}; choose from {', '.join(MODELS)}")
    model = merged(
        _mapping(table, base, "model", "settings"), {key: value for key, value in own.items() if key not in OF_ROW}
    )
    label: Any = own.get("label", own["name"])
    return _Row(label, model, own.get("memory_of"), own.get("against"), "against" in own)


def _check_names(table: Path, labels: list[Any], places: list[Any], seeds: list[Any]) -> None:
    for what, names in (("labels of models", labels), ("seeds", seeds), ("names of data", places)):
        if len(set(map(str, names))) < len(names):
            raise SettingsError(f"{table}: {what} must differ, got {', '.join(map(str, names))}")
    for label in (*labels, *places):
        if not isinstance(label, str) or not re.fullmatch(r"[\w+][\w.+-]*", label):
            raise SettingsError(f"{table}: {label!r} is to be the name of a folder: letters, digits, and . + - _ in it")


def _check_references(table: Path, rows: Sequence[_Row], against: Mapping[str, str]) -> None:
    labels = [row.label for row in rows]
    shrunk = {row.label for row in rows if row.memory_of is not None}
    for row in rows:
        for other in (against.get(row.label), row.memory_of):
            if other not in (None, *labels) or other == row.label:
                raise SettingsError(f"{table}: {row.label} refers to {other!r}; choose from {', '.join(labels)}")
        if row.memory_of in shrunk:
            raise SettingsError(f"{table}: memory_of {row.memory_of}: it has a memory_of itself")


def is_plain(model: Mapping[str, Any]) -> bool:
    """Whether a model's settings make a plain stack."""
    return all(scale == 1 for scale in _scales(model))


def _scales(model: Mapping[str, Any]) -> Sequence[int]:
    """The model's own where it has a list; `_checked` says what is wrong with anything else."""
    scales = model.get("scales")
    return scales if isinstance(scales, list | tuple) else MODELS[model["name"]].scales


def _against(row: _Row, rows: Sequence[_Row]) -> str | None:
    if row.against_is_given:
        return row.against
    if row.memory_of is not None:
        return row.memory_of
    like = (other for other in rows if (other.cell, other.depth, other.memory_of) == (row.cell, row.depth, None))
    plain = [other.label for other in like if is_plain(other.model)]
    return plain[0] if plain and not is_plain(row.model) else None


def _settings(table: Path, over: Document, rows: Sequence[_Row]) -> dict[str, Document]:
    """Settings of each model's training by label."""
    found = {row.label: over | {"model": row.model} for row in rows}
    shrunk = [(row, row.memory_of) for row in rows if row.memory_of is not None]
    if not shrunk:
        return found
    frames = frames_of(_checked(table, rows[0].label, found[rows[0].label]))
    for row, other in shrunk:
        of, settings = (_checked(table, label, found[label]) for label in (other, row.label))
        work, channels = workload_of(settings, frames), frames[1]
        most = training_bytes(cost_of(of.model, channels, work), of.model)
        hidden = _hidden_within(most, settings.model, channels, work)
        if hidden is None:
            raise SettingsError(f"{table}: {row.label} takes more memory than {other} with any hidden_channels")
        found[row.label] = over | {"model": row.model | {"hidden_channels": hidden}}
    return found


def _checked(table: Path, what: str, document: Document) -> RunSettings:
    """Settings that can be trained with."""
    try:
        settings = settings_from(document)
        _build(settings.model)
        if (settings.devices or 1) * (settings.nodes or 1) > 1:
            both = (Setting("devices"), " and ", Setting("nodes"), ": a trial has one device; ")
            raise SettingsError(*both, Setting("jobs"), " is how many run at a time")
        if settings.precision == "auto":
            raise SettingsError(Setting("precision", "auto"), ": trials are compared; name the precision of all")
    except SettingsError as error:
        raise SettingsError(f"{table}: {what}: ", *error.parts) from error
    return settings


def _check_files(table: Path, place: str, data: DataSettings) -> None:
    """Check that there are any; training reports what is wrong with them."""
    if data.name != "moving-mnist":
        try:
            files_at(Path(data.path or data.name))
        except SettingsError as error:
            raise SettingsError(f"{table}: {place}: ", *error.parts) from error


def _known_by(settings: RunSettings) -> str:
    """The same for all seeds of a training: its model, and a number of what differs from the defaults."""
    default = RunSettings(ModelSettings(settings.model.name), DataSettings(), precision="32")
    common = fixed_on_resume(default)
    own = fixed_on_resume(replace(settings, seed=default.seed))
    differ = {name: value for name, value in own.items() if value != common.get(name)}
    return f"{settings.model.name}-{zlib.crc32(json.dumps(differ, sort_keys=True).encode()):08x}"


def _hidden_within(most: int, model: ModelSettings, channels: int, work: Workload) -> int | None:
    """The most hidden channels with which training holds at most so many bytes, no more than the settings have.

    A measurement takes seconds, and what is held grows almost in proportion to channels: a guess interpolates.
    """
    smaller = (replace(model, hidden_channels=size) for size in range(1, model.hidden_channels + 1))
    models = [one for one in smaller if _can_be_built(one)]

    def held_by(number: int) -> int:
        return training_bytes(cost_of(models[number], channels, work), models[number])

    fits, fits_not = -1, len(models) - 1
    held = {fits: 0, fits_not: held_by(fits_not)}
    if held[fits_not] <= most:
        return model.hidden_channels
    while fits_not - fits > 1:
        guess = fits + round((fits_not - fits) * (most - held[fits]) / (held[fits_not] - held[fits]))
        guess = min(max(guess, fits + 1), fits_not - 1)
        held[guess] = held_by(guess)
        fits, fits_not = (guess, fits_not) if held[guess] <= most else (fits, guess)
    return models[fits].hidden_channels if fits >= 0 else None


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
