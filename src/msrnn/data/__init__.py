"""Data sets: settings in, sequences out."""

from os import PathLike
from typing import Protocol, runtime_checkable

from msrnn.data.field import Field
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.data.moving_mnist import MovingMNIST
from msrnn.data.own import Datasets
from msrnn.data.windowed import FileData
from msrnn.errors import Setting, SettingsError
from msrnn.settings import OWN, DataSettings, Split

__all__ = ["Data", "Datasets", "Drawn", "Field", "HeldOut", "open_data"]


@runtime_checkable
class Data(Protocol):
    """Sequences (time, channel, y, x) of values in the field's units, NaN where they are missing."""

    field: Field
    epoch_samples: int
    """Sequences that make an epoch of training."""

    @property
    def stored_settings(self) -> DataSettings:
        """Settings that give these sequences again, even if the archive has grown since."""

    @property
    def fingerprint(self) -> int:
        """Number that tells the training split from another one."""

    @property
    def notes(self) -> list[str]:
        """Lines on what a user should know of the data."""

    def training(self, samples: int) -> Drawn:
        """Return sequences 0 to `samples` - 1 of the training, as many epochs as that takes."""

    def held_out(self, split: Split, on_crops: bool = False) -> HeldOut:
        """Return the sequences of a split, in order, each once; with `on_crops`, of the size that training sees."""


def open_data(
    settings: DataSettings | str | PathLike[str],
    context: int = 10,
    horizon: int = 10,
    seed: int = 0,
    field: Field | None = None,
) -> Data:
    """Open the data that settings describe.

    Args:
        settings: which data, and how they are cut; or a name or path alone.
        context, horizon: frames that are given and predicted.
        seed: of the training's random draws.
        field: what the model's frames are; by default that is found out from the training split.

    Raises:
        SettingsError: a file is missing, cannot be used, or is not of this field.
    """
    settings = settings if isinstance(settings, DataSettings) else DataSettings(str(settings))
    if settings.name == OWN:
        raise SettingsError(
            Setting("data.name", OWN), ": these data are a Python object; give it again as `data`, in Python"
        )
    if settings.name == "moving-mnist":
        return MovingMNIST(settings, context + horizon, seed)
    return FileData(settings, context, horizon, seed, field)
