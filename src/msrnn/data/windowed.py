"""Files as a data set: an archive, cut into windows and splits."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from msrnn.data.archive import Archive, step_between
from msrnn.data.field import MINUTE_NS, Field, fitted
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.data.sets import open_files
from msrnn.data.splits import DAY_NS, TEST, TRAIN, VALIDATION, cut_windows, split_by
from msrnn.data.statistics import FrameStatistics
from msrnn.errors import DataError, Setting, SettingsError
from msrnn.randomness import generator, shuffled
from msrnn.settings import DATA_SETS, DataSettings, Split
from msrnn.units import Z_R, Units

SPLITS: tuple[Split, ...] = get_args(Split)
HELD_OUT_SEED = 0
"""Validation sees the same crops in every run, and the same dry sequences are left out."""
TRIES = 20
"""Places that are tried for a crop of which at most `max_missing` is missing."""


class FileData:
    """An archive, cut into windows and splits, in the units of `field`.

    Args:
        settings: which files, and how they are cut.
        context, horizon: frames that are given and predicted.
        seed: of the training's random draws.
        field: what the model's frames are; by default it is fitted to the training split.

    Raises:
        SettingsError: a file is missing, cannot be used, or is not of this field.
    """

    def __init__(
        self, settings: DataSettings, context: int, horizon: int, seed: int, field: Field | None = None
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.archive, named_split = open_files(settings)
        self.length = context + horizon
        self.guard = context if settings.guard is None else settings.guard
        self.size = settings.frame_size
        self.statistics = self.archive.scan()
        self.times = [one.astype(np.int64) for one in self.archive.times]
        self.step = self._step()
        if named_split is not None:
            self.labels = named_split
        else:
            by = settings.split or ("event" if not self.archive.timed and len(self.times) > 1 else "time")
            boundaries = _boundaries(settings, self.archive.timed)
            guard = self.guard * self.step
            self.labels = split_by(self.times, self.archive.timed, by, settings.shares, guard, boundaries)
        self.left_out: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
        """For each split, how many windows were left out, and why."""
        self.windows = {split: self._cut(label, split) for label, split in enumerate(SPLITS)}
        own = self._field()
        if field is not None:
            field.check(settings.name, own)
        self.field = field or own
        self.epoch_samples = settings.epoch_samples or max(1, len(self.windows["train"]))

    @property
    def stored_settings(self) -> DataSettings:
        """The settings with the split pinned: it stays when the archive grows, or the context changes."""
        settings = replace(self.settings, epoch_samples=self.epoch_samples)
        if settings.name in DATA_SETS:
            return settings
        settings = replace(settings, guard=self.guard)
        if not self.archive.timed or settings.split in ("day", "event"):
            return settings
        pooled, labels = np.concatenate(self.archive.times), np.concatenate(self.labels)
        begin = [str(min(pooled[labels == label], default="")) or None for label in (VALIDATION, TEST)]
        return replace(settings, split=None, validation_from=begin[0], test_from=begin[1])

    @property
    def fingerprint(self) -> int:
        """Number that tells the training split from another one."""
        return zlib.crc32(_times(self.archive.sequences, self.windows["train"]).tobytes())

    @property
    def notes(self) -> list[str]:
        """Lines on how many sequences there are, what became of the numbers, and what was left out."""
        counts = ", ".join(f"{len(windows)} {split}" for split, windows in self.windows.items())
        lines = [
            f"{self.settings.name}: {counts} sequences of {self.length} frames",
            f"normalisation {self.field.description}",
        ]
        lines += [
            f"left out of {split}: {count} sequences, {why}"
            for split, reasons in self.left_out.items()
            for why, count in reasons.items()
        ]
        return lines + [f"skipped: {line}" for line in self.archive.skipped_lines]

    def training(self, samples: int) -> "Shuffled":
        """Return sequences 0 to `samples` - 1 of the training: all windows in a new random order each epoch."""
        return Shuffled(self._windows("train", self.settings.crop), samples, self.seed)

    def held_out(self, split: Split, on_crops: bool = False) -> "Windows":
        """Return the windows of a split in order; if settings ask for fewer, evenly spread."""
        wanted = {"validation": self.settings.validation_samples, "test": self.settings.test_samples}.get(split)
        return self._windows(split, self.settings.crop if on_crops else None, wanted)

    def _windows(self, split: Split, crop: tuple[int, int] | None, wanted: int | None = None) -> "Windows":
        table = self.windows[split]
        if not len(table):
            raise self._no_windows(split)
        if wanted is not None and wanted < len(table):
            table = table[np.linspace(0, len(table) - 1, wanted).round().astype(int)]
        _, height, width = self.archive.shape
        height, width = self.size or (height, width)
        if crop is not None and (crop[0] > height or crop[1] > width):
            size = f"{height} x {width}"
            raise SettingsError(Setting("data.crop", crop), f" is larger than the frames, {size}: choose a smaller one")
        return Windows(self.archive, table, self.field, self.size, crop, self.settings.max_missing)

    def _step(self) -> int:
        """Return the step between frames: nanoseconds, or numbers of frames."""
        asked = self.settings.step_minutes
        if not self.archive.timed:
            if asked is not None:
                raise SettingsError(
                    Setting("data.step_minutes", asked), ": the files say nothing of time; leave it out"
                )
            return step_between(self.times) or 1
        return round(asked * MINUTE_NS) if asked is not None else step_between(self.times) or MINUTE_NS

    def _cut(self, label: int, split: Split) -> np.ndarray:
        """Cut windows: a table (window, 1 + length) of the sequence, and the frames in it."""
        settings, found = self.settings, []
        best = max((np.nanmax(known.valid, initial=0) for known in self.statistics), default=0)
        for number, (times, labels, known) in enumerate(zip(self.times, self.labels, self.statistics, strict=True)):
            usable = (labels == label) & known.usable
            windows = cut_windows(times, usable, self.length, self.step, settings.stride)
            missing = 1 - known.valid[windows].mean(axis=1) / (best or 1)
            keep = missing <= settings.max_missing
            self._count(split, f"more than {settings.max_missing:.0%} missing", ~keep)
            if label == TRAIN and settings.min_wet > 0:
                dry = known.wet[windows].mean(axis=1) < settings.min_wet
                drawn = generator(HELD_OUT_SEED, "dry", number).random(len(windows)) < settings.dry_keep
                self._count(split, "dry", keep & dry & ~drawn)
                keep &= ~dry | drawn
            found.append(np.insert(windows[keep], 0, number, axis=1))
        return np.concatenate(found)

    def _count(self, split: Split, why: str, which: np.ndarray) -> None:
        if which.any():
            self.left_out[split][why] = self.left_out[split].get(why, 0) + int(which.sum())

    def _no_windows(self, split: Split) -> DataError:
        frames = sum(int((labels == SPLITS.index(split)).sum()) for labels in self.labels)
        total = sum(map(len, self.times))
        lost = "".join(f"; {count} were left out as {why}" for why, count in self.left_out[split].items())
        step = f"{self.step / MINUTE_NS:g} minutes" if self.archive.timed else "one frame"
        others = [part for name in self._what_cuts() for part in (", ", Setting(f"data.{name}"))][1:]
        return DataError(
            "no sequences",
            self.settings.name,
            f"no {split} sequence of {self.length} frames, {step} apart, among {frames} of the {total} frames{lost}",
            (
                *("give more frames, less ", Setting("context"), " or ", Setting("horizon"), ", or other "),
                *(*others[:-2], " or " if len(others) > 1 else "", others[-1]),
            ),
        )

    def _what_cuts(self) -> list[str]:
        """Name the settings of the data that say which frames are in a split, and which make a sequence."""
        settings, names = self.settings, []
        if settings.name not in DATA_SETS:
            dated = settings.validation_from is not None or settings.test_from is not None
            names += ["validation_from", "test_from"] if dated else ["shares"]
            names += ["split"] if settings.split in ("day", "event") else []
            names.append("guard")
        return [*names, *([] if settings.step_minutes is None else ["step_minutes"]), "max_missing"]

    def _field(self) -> Field:
        settings, first = self.settings, self.archive.sequences[0]
        windows, known = self.windows["train"], self.statistics
        if len(windows):
            used = [np.unique(windows[windows[:, 0] == number, 1:]) for number in range(len(known))]
            known = [one[frames] for one, frames in zip(known, used, strict=True)]
        values = FrameStatistics.join(known)
        values = values[values.usable]
        if not len(values):
            raise DataError("all missing", settings.name, "no frame has a value", "check it with msrnn data inspect")
        smallest, largest = float(values.smallest.min()), float(values.largest.max())
        step = self.step / MINUTE_NS if self.archive.timed else None
        z_r = Z_R[settings.z_r] if isinstance(settings.z_r, str) else settings.z_r
        field = Field.of_sequence(first, step, self.size, z_r=z_r, fill=settings.fill, reader=self.archive.reader)
        return fitted(field, settings.normalisation, smallest, largest)


BOUNDARIES = (Setting("data.validation_from"), " and ", Setting("data.test_from"))


def _boundaries(settings: DataSettings, timed: bool) -> tuple[int | None, int | None]:
    """Return the times when validation and test begin, in nanoseconds."""
    dates = (settings.validation_from, settings.test_from)
    if dates != (None, None) and not timed:
        raise SettingsError(*BOUNDARIES, ": the files say nothing of time; leave them out")
    try:
        boundaries = [None if d is None else int(np.datetime64(d, "ns").astype(np.int64)) for d in dates]
    except ValueError as error:
        raise SettingsError(*BOUNDARIES, f": {error}; write 2015-01-31") from error
    if None not in boundaries and boundaries[0] > boundaries[1]:  # type: ignore[operator]
        raise SettingsError(BOUNDARIES[0], " must not be after ", BOUNDARIES[-1])
    return boundaries[0], boundaries[1]


class Windows(HeldOut):
    """Sequences (time, channel, y, x) of values in the units of `field`, NaN where they are missing.

    Args:
        archive: where the frames are.
        table: (window, 1 + length): the sequence, and the frames in it.
        field: in whose units to give them.
        size: resize frames to it, by area mean.
        crop: cut this height and width out, at a place that is random but the same each time.
        max_missing: largest missing share of a crop, if there is a place for it.
    """

    def __init__(
        self,
        archive: Archive,
        table: np.ndarray,
        field: Field,
        size: tuple[int, int] | None,
        crop: tuple[int, int] | None,
        max_missing: float,
    ) -> None:
        self.sequences = archive.sequences
        self.sources = archive.sources
        self.table = table
        self.field = field
        self.size = size
        self.crop = crop
        self.max_missing = max_missing

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, number: int) -> Tensor:
        return self.window(number, generator(HELD_OUT_SEED, "crop", number))

    def window(self, number: int, draw: np.random.Generator) -> Tensor:
        """Return a window, cropped at the place that is drawn."""
        sequence, frames = self.sequences[self.table[number, 0]], self.table[number, 1:]
        if self.crop is None:
            return self._read(sequence, frames, slice(None), slice(None))
        if self.size is not None:  # what is resized is read whole
            whole = self._read(sequence, frames, slice(None), slice(None))
            rows, columns = self._place(whole.shape[-2:], draw, lambda rows, columns: whole[0, :, rows, columns])
            return whole[..., rows, columns]
        rows, columns = self._place(
            sequence.shape[-2:], draw, lambda rows, columns: self._read(sequence, frames[:1], rows, columns)
        )
        return self._read(sequence, frames, rows, columns)

    @property
    def fingerprint(self) -> int:
        """Number of all times, and of the values in the first and the last window."""
        fingerprint = zlib.crc32(self.times.tobytes())
        for number in (0, len(self) - 1) if len(self) else ():
            values = self[number].numpy()
            fingerprint = zlib.crc32(values.tobytes(), zlib.crc32(repr(values.shape).encode(), fingerprint))
        return fingerprint

    @property
    def times(self) -> np.ndarray:
        """Times, or numbers, of frames: (window, length)."""
        return _times(self.sequences, self.table)

    def title(self, number: int) -> str:
        """Say when a window begins; or in which sequence, at which frame."""
        first = _times(self.sequences, self.table[number : number + 1])[0, 0]
        if first.dtype.kind == "M":
            return str(np.datetime_as_string(first, "m")).replace("T", " ")
        return f"sequence {self.table[number, 0] + 1}, frame {first + 1}"

    def file(self, number: int) -> Path:
        """Return the file of a window's first frame."""
        sequence, first = self.table[number, :2]
        return self.sources[int(sequence)].path(int(first))

    def blocks(self, least: int) -> tuple[np.ndarray, str]:
        """Return days, or files where there are no times; if these are few, stretches twice as long as a window.

        Of windows in neighbouring stretches some overlap.
        """
        timed, times = self.times.dtype.kind == "M", self.times.astype(np.int64)
        first, last = times[:, 0], times[:, -1]
        own = first // DAY_NS if timed else self.table[:, 0]
        if len(np.unique(own)) >= least:
            return own, "days" if timed else "files"
        stretch = first // (2 * (last - first + 1).max())
        own = stretch if timed else self.table[:, 0] * (stretch.max() + 1) + stretch
        return own, "stretches twice as long as a sequence"

    def _read(self, sequence: xr.DataArray, frames: np.ndarray, rows: slice, columns: slice) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(sequence.variable[frames, :, rows, columns].values))
        return self.field.of_values(values, Units.from_attrs(sequence.attrs), self.size)

    def _place(
        self, size: tuple[int, ...], draw: np.random.Generator, first: Callable[[slice, slice], Tensor]
    ) -> tuple[slice, slice]:
        """Choose rows and columns of a crop: the first drawn whose `first` frame is known enough, else the best."""
        assert self.crop is not None
        tried: list[tuple[float, int, int]] = []
        for _ in range(TRIES):
            top, left = (int(draw.integers(edge - part + 1)) for edge, part in zip(size, self.crop, strict=True))
            rows, columns = slice(top, top + self.crop[0]), slice(left, left + self.crop[1])
            tried.append((float(first(rows, columns).isnan().float().mean()), top, left))
            if tried[-1][0] <= self.max_missing:
                return rows, columns
        _, top, left = min(tried)
        return slice(top, top + self.crop[0]), slice(left, left + self.crop[1])


class Shuffled(Drawn):
    """Windows in an order, and cropped at places, that are drawn anew each epoch from the seed."""

    def __init__(self, windows: Windows, samples: int, seed: int) -> None:
        self.windows = windows
        self.samples = samples
        self.seed = seed

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, number: int) -> Tensor:
        return self.windows.window(self._window(number), generator(self.seed, "crop", number))

    def title(self, number: int) -> str:
        """Say when the sequence begins, and in which file."""
        window = self._window(number)
        return f"{self.windows.title(window)} in {self.windows.file(window)}"

    def _window(self, number: int) -> int:
        return shuffled(self.seed, number, len(self.windows))


def _times(sequences: Sequence[xr.DataArray], table: np.ndarray) -> np.ndarray:
    """(window, length): times, or numbers, of the frames of windows."""
    found = np.empty(table[:, 1:].shape, sequences[0]["time"].dtype)
    for number in np.unique(table[:, 0]):
        rows = table[:, 0] == number
        found[rows] = sequences[number]["time"].values[table[rows, 1:]]
    return found
