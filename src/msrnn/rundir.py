"""A run directory: everything that belongs to one trained model."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

import msrnn
from msrnn.arguments import settings_from
from msrnn.files import written
from msrnn.settings import RunSettings, SettingsError


class RunDirectory:
    """Paths inside a run directory, and its settings."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.settings_file = self.path / "settings.yaml"
        self.weights_file = self.path / "weights.safetensors"
        self.metrics_file = self.path / "metrics.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.last_checkpoint = self.checkpoints / "last.ckpt"

    def create(self, settings: RunSettings) -> None:
        """Make the directory and write the settings.

        Raises:
            SettingsError: it exists, or cannot be written.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise SettingsError(f"{self.path} exists: choose another --out, or continue that run with --resume")
        self.write(settings)

    def write(self, settings: RunSettings) -> None:
        """Write the settings, and the versions of what they are for.

        Raises:
            SettingsError: the directory cannot be written.
        """
        import torch

        versions = {"msrnn": msrnn.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
        try:
            with written(self.settings_file) as partial:
                document = _plain(asdict(settings)) | {"versions": versions}
                partial.write_text(yaml.safe_dump(document, sort_keys=False))
        except OSError as error:
            raise SettingsError(f"--out: {self.path} cannot be written ({error.strerror})") from error

    def document(self) -> dict[str, Any]:
        """The settings as they stand in the file, without the versions.

        Raises:
            SettingsError: there is no such run, or the file is damaged.
        """
        if not self.settings_file.is_file():
            found = "no such directory" if not self.path.is_dir() else "no settings.yaml in it"
            raise SettingsError(f"{self.path} is no run directory ({found}): expected one that `msrnn train` made")
        try:
            document = yaml.safe_load(self.settings_file.read_text())
            del document["versions"]
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
            raise SettingsError(f"{self.settings_file} is damaged: {error!r}") from error
        return dict(document)

    def settings(self) -> RunSettings:
        """The settings of the run.

        Raises:
            SettingsError: there is no such run, or the file is damaged.
        """
        return settings_from(self.document())


def _plain(value: Any) -> Any:
    """Tuples as lists: YAML has no others."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
