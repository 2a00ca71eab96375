"""A run directory: everything that belongs to one trained model."""

import json
import math
import os
import pickle
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import msrnn
from msrnn.atomic import discard_partials, is_partial, written
from msrnn.data import Field
from msrnn.errors import Call, Setting, SettingsError
from msrnn.nn.forecaster import Forecaster
from msrnn.settings import RunSettings, settings_from

DAMAGED = (
    *(OSError, RuntimeError, EOFError, pickle.UnpicklingError),
    *(LookupError, TypeError, ValueError, AttributeError, AssertionError),
)
"""Exceptions of reading a damaged checkpoint."""


NEW_OUT = ("train into a new ", Setting("out"))


class Progress(NamedTuple):
    """How far a training is, by its last checkpoint."""

    step: int = 0
    """Optimiser steps that are done."""
    fingerprint: int = 0
    """Fingerprint of the data."""
    seconds: float = 0
    """Seconds of training, without those that interruptions lost."""
    ended: bool = False
    """Whether the training has come to its end."""


class RunDirectory:
    """Paths inside a run directory, its settings and its weights.

    Raises:
        SettingsError: the path is empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if path == "":
            raise SettingsError("a run directory has a name, not an empty one")
        self.path = Path(path)
        self.settings_file = self.path / "settings.yaml"
        self.field_file = self.path / "field.yaml"
        self.weights_file = self.path / "weights.safetensors"
        self.metrics_file = self.path / "metrics.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.scores = self.path / "scores"
        """Files of `msrnn evaluate`; a suffix is added."""
        self.last_checkpoint = self.checkpoints / "last.ckpt"

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def resume_call(self) -> Call:
        """The call that goes on with its training, for a message."""
        return Call("train", (Setting("resume", True), Setting("out", str(self.path))), given=("settings",))

    @property
    def begun(self) -> bool:
        """Whether its training has begun."""
        return self.settings_file.is_file()

    def progress(self) -> Progress:
        """Read how far its training is.

        Raises:
            SettingsError: the checkpoint is damaged.
        """
        if not self.last_checkpoint.is_file():
            return Progress()
        try:
            content = torch.load(self.last_checkpoint, map_location="cpu", weights_only=True, mmap=True)
            more = content["callbacks"].get("LastCheckpoint", {})
            return Progress(int(content["global_step"]), int(content["fingerprint"]), **more)
        except DAMAGED as error:
            damage = f"{self.last_checkpoint} is damaged ({type(error).__name__}): "
            keep = ("with ", Setting("init_from", self.path), " if you want to keep its weights")
            raise SettingsError(damage, *NEW_OUT, ", ", *keep) from error

    def check_new(self) -> None:
        """Raise a SettingsError if there is something in its place already."""
        if self.path.is_file():
            raise SettingsError(Setting("out", self.path), " is a file: choose another name")
        if self.path.is_dir() and any(path != self.field_file and not is_partial(path) for path in self.path.iterdir()):
            go_on = ("continue that run with ", Setting("resume", True))
            or_else = go_on if self.begun else ("empty it",)
            raise SettingsError(f"{self.path} exists: choose another ", Setting("out"), ", or ", *or_else)

    def create(self, settings: RunSettings, field: Field) -> None:
        """Make the directory and write the settings, the versions of what they are for, and what the frames are.

        Raises:
            SettingsError: it exists, or cannot be written.
        """
        self.check_new()
        versions = {"msrnn": msrnn.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
        document = _plain(asdict(settings)) | {"versions": versions}
        try:
            for path, content in ((self.field_file, _plain(field.document())), (self.settings_file, document)):
                with written(path) as partial:
                    partial.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        except OSError as error:
            raise SettingsError(Setting("out", self.path), f" cannot be written ({error.strerror})") from error

    @contextmanager
    def being_trained(self) -> Iterator[None]:
        """Hold the run's lock; it is released even if the process dies.

        Raises:
            SettingsError: it is being trained by another.
        """
        lock = FileLock(self.path / "lock", timeout=0)
        with suppress(NotImplementedError):  # a file system that cannot
            try:
                lock.acquire()
            except Timeout:
                raise SettingsError(f"{self.path} is being trained by another process: let it end first") from None
        try:
            yield
        finally:
            lock.release()

    def tidy(self, step: int) -> None:
        """Remove what an interrupted training wrote after its checkpoint of that optimiser step."""
        for folder in (self.path, self.checkpoints):
            discard_partials(folder)
        if self.metrics_file.exists():
            lines = self.metrics_file.read_text(encoding="utf-8").splitlines()
            with written(self.metrics_file) as partial:
                partial.write_text("".join(f"{line}\n" for line in lines if _step_of(line) <= step), encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """Read the settings as they stand in the file, without the versions.

        Raises:
            SettingsError: there is no such run, the file is damaged, or a newer msrnn wrote it.
        """
        if not self.settings_file.is_file():
            found = (
                "no settings.yaml in it"
                if self.path.is_dir()
                else "no directory"
                if self.path.exists()
                else "not there"
            )
            raise SettingsError(f"{self.path} is no run directory ({found}): expected one that `msrnn train` made")
        try:
            document = dict(yaml.safe_load(self.settings_file.read_text(encoding="utf-8")))
            made_by = str(document.pop("versions")["msrnn"])
            newer = _series(made_by) > _series(msrnn.__version__)
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
            raise SettingsError(f"{self.settings_file} is damaged: restore it, or ", *NEW_OUT) from error
        if newer:
            raise SettingsError(f"{self.path} was made by msrnn {made_by}, this is {msrnn.__version__}: update msrnn")
        return document

    def settings(self) -> RunSettings:
        """Read the settings of the run.

        Raises:
            SettingsError: there is no such run, or the file is damaged.
        """
        return settings_from(self.document())

    def field(self) -> Field:
        """Read what the frames are.

        Raises:
            SettingsError: there is no such run, or the file is damaged.
        """
        self.document()  # is it a run at all?
        try:
            return Field.from_document(yaml.safe_load(self.field_file.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError, AttributeError) as error:
            raise SettingsError(f"{self.field_file} is damaged: restore it, or ", *NEW_OUT) from error

    def weights(self) -> dict[str, Tensor]:
        """Read the weights that validated best.

        Raises:
            SettingsError: there is no such run, it has no weights yet, or the file is damaged.
        """
        if not self.weights_file.is_file():
            self.document()  # is it a run at all?
            raise SettingsError(f"{self.path} has no weights yet: go on with its training: ", self.resume_call)
        try:
            return load_file(self.weights_file)
        except SafetensorError as error:
            raise SettingsError(f"{self.weights_file} is damaged ({error})") from error

    def load_into(self, model: Forecaster) -> None:
        """Put the weights that validated best into a model.

        Raises:
            SettingsError: there are none, or they are those of another model.
        """
        weights, wanted = self.weights(), model.state_dict()
        for name in sorted(wanted.keys() | weights.keys()):
            ours, theirs = (list(w[name].shape) if name in w else "missing" for w in (wanted, weights))
            if ours != theirs:
                raise SettingsError(f"{self.path} holds another model: {name} is {theirs} there, {ours} here")
        model.load_state_dict(weights)


def _series(version: str) -> tuple[int, ...]:
    """Return (1, 2) of 1.2.3."""
    return tuple(int(part) for part in version.split(".")[:2])


def _step_of(line: str) -> float:
    """Read the step of a line of metrics; infinite, if the line was not written to its end."""
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf


def _plain(value: Any) -> Any:
    """Turn tuples into lists: YAML has no others."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
