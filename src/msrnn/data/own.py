"""Data sets of one's own, as Python objects."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, get_args

import torch
from torch import Tensor

from msrnn.data.field import Field
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.errors import Setting, SettingsError
from msrnn.randomness import shuffled
from msrnn.settings import OWN, DataSettings, Split


class Indexed(Protocol):
    """Sequences by number: a map-style `torch.utils.data.Dataset`, a tensor, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


class Datasets:
    """Sequences for training, validation and test: what `msrnn.train` and `msrnn.evaluate` take for `data`.

    Args:
        splits: "train", "validation" and "test" to sequences, each a tensor or an array (time, channel, y, x) of
            context + horizon frames in the units of `field`, floating point, NaN where values are missing.
        field: what the values are; by default frames in [0, 1], of as many channels as they have.
        fingerprint: a number that changes when the data do, which a resumed training compares.
        seed: of the order in which training sees the sequences.

    Raises:
        SettingsError: a split is missing, empty or unknown, or its first sequence is none of these.
    """

    def __init__(
        self, splits: Mapping[Split, Indexed], field: Field | None = None, fingerprint: int = 0, seed: int = 0
    ) -> None:
        if not isinstance(splits, Mapping) or not set(splits) <= set(get_args(Split)):
            got = ", ".join(map(str, splits)) if isinstance(splits, Mapping) else type(splits).__name__
            raise SettingsError(f"splits must be a dictionary with train, validation and test, got {got}")
        for name in get_args(Split):
            if name not in splits or not len(splits[name]):
                raise SettingsError(f"data of one's own need sequences for {name}")
            first = torch.as_tensor(splits[name][0])
            field = field or Field(channels=first.shape[1] if first.ndim == 4 else 1)
            _check(first, field, name)
        assert field is not None
        self.splits = splits
        self.field = field
        self.fingerprint = fingerprint
        self.seed = seed
        self.notes: list[str] = []
        self.epoch_samples = len(splits["train"])
        self.stored_settings = replace(DataSettings(OWN), epoch_samples=self.epoch_samples)

    def training(self, samples: int) -> Drawn:
        """Return `samples` sequences of the training: all in a new random order each epoch."""
        return _Shuffled(self.splits["train"], samples, self.seed)

    def held_out(self, split: Split, on_crops: bool = False) -> HeldOut:
        """Return the sequences of a split, in order; there are no crops."""
        return _InOrder(self.splits[split], self.fingerprint)


def check_length(sequence: Tensor, context: int, horizon: int) -> None:
    """Raise a SettingsError if a sequence has other than context + horizon frames."""
    if len(sequence) != context + horizon:
        wanted = (Setting("context", context), " and ", Setting("horizon", horizon))
        raise SettingsError(f"sequences have {len(sequence)} frames; ", *wanted, f" need {context + horizon}")


def _check(sequence: Tensor, field: Field, split: Split) -> None:
    """Raise a SettingsError if a sequence is not (time, channel, y, x) of the field's values."""
    wanted = ""
    if sequence.ndim != 4:
        wanted = "have the axes time, channel, y, x"
    elif not sequence.is_floating_point():
        wanted = "be floating point"
    elif sequence.shape[1] != field.channels:
        wanted = f"have the {field.channels} channels of their field"
    elif field.normalisation == "none" and bool(((sequence < 0) | (sequence > 1)).any()):
        wanted = "lie in [0, 1]: scale them, or give a field with another normalisation"
    if wanted:
        got = f"{sequence.dtype} of shape {tuple(sequence.shape)}"
        raise SettingsError(f"sequences must {wanted}; the first for {split} is {got}")


class _Shuffled(Drawn):
    def __init__(self, sequences: Indexed, samples: int, seed: int) -> None:
        self.sequences = sequences
        self.samples = samples
        self.seed = seed

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, number: int) -> Tensor:
        return torch.as_tensor(self.sequences[shuffled(self.seed, number, len(self.sequences))])


class _InOrder(HeldOut):
    def __init__(self, sequences: Indexed, fingerprint: int) -> None:
        self.sequences = sequences
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, number: int) -> Tensor:
        return torch.as_tensor(self.sequences[number])

    @property
    def fingerprint(self) -> int:
        """The number that the data were given."""
        return self._fingerprint
