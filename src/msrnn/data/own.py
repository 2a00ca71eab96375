"""Data sets of one's own, as Python objects."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, get_args

from torch import Tensor

from msrnn.data.field import Field
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.errors import SettingsError
from msrnn.randomness import shuffled
from msrnn.settings import OWN, DataSettings, Split


class Indexed(Protocol):
    """Sequences by number: a map-style `torch.utils.data.Dataset`, a tensor, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


class Datasets:
    """Sequences for training, validation and test: what `msrnn.train` and `msrnn.evaluate` take for `data`.

    Args:
        splits: "train", "validation" and "test" to sequences, each a tensor (time, channel, y, x) of context + horizon
            frames in the units of `field`, NaN where values are missing.
        field: what the values are; by default frames in [0, 1].
        fingerprint: a number that changes when the data do, which a resumed training compares.

    Raises:
        SettingsError: a split is missing or empty.
    """

    def __init__(self, splits: Mapping[Split, Indexed], field: Field | None = None, fingerprint: int = 0) -> None:
        for name in get_args(Split):
            if name not in splits or not len(splits[name]):
                raise SettingsError(f"data of one's own need sequences for {name}")
        self.splits = splits
        self.field = field or Field()
        self.fingerprint = fingerprint
        self.notes: list[str] = []
        self.epoch_samples = len(splits["train"])
        self.stored_settings = replace(DataSettings(OWN), epoch_samples=self.epoch_samples)

    def training(self, samples: int) -> Drawn:
        """Return `samples` sequences of the training: all in a new random order each epoch."""
        return _Shuffled(self.splits["train"], samples)

    def held_out(self, split: Split, on_crops: bool = False) -> HeldOut:
        """Return the sequences of a split, in order; there are no crops."""
        return _InOrder(self.splits[split], self.fingerprint)


class _Shuffled(Drawn):
    def __init__(self, sequences: Indexed, samples: int) -> None:
        self.sequences = sequences
        self.samples = samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, number: int) -> Tensor:
        epoch, place = divmod(number, len(self.sequences))
        sequence: Tensor = self.sequences[int(shuffled(0, epoch, len(self.sequences))[place])]
        return sequence


class _InOrder(HeldOut):
    def __init__(self, sequences: Indexed, fingerprint: int) -> None:
        self.sequences = sequences
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, number: int) -> Tensor:
        sequence: Tensor = self.sequences[number]
        return sequence

    @property
    def fingerprint(self) -> int:
        """The number that the data were given."""
        return self._fingerprint
