"""Files to sequences: which files, which reader, in which order, and what is wrong with them."""

import atexit
import math
import re
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from msrnn.data.field import Field
from msrnn.data.lazy import Joined, Part, join
from msrnn.data.readers import PYSTEPS, READERS, is_zarr, make_reader, recognise
from msrnn.data.readers.base import READ_ERRORS, Header, Reader
from msrnn.data.statistics import FrameStatistics
from msrnn.errors import SKIP_BAD, DataError, Setting
from msrnn.settings import ReaderSettings
from msrnn.units import Units

BLOCK_BYTES = 64 << 20
"""Bytes that are read at once."""
LARGEST_FRAME = 1 << 28
"""Values; a file that says it has more in a frame is damaged."""


@dataclass
class Archive:
    """Sequences from files."""

    sequences: list[xr.DataArray]
    """(time, channel, y, x) each, read when asked for."""
    sources: list[Joined]
    """Source of each sequence."""
    reader: str
    largest: int
    """Integers were divided by this."""
    skip_bad: bool = False
    """Leave out what cannot be used."""
    skipped: list[DataError] = field(default_factory=list)
    """Errors of the files and frames that were left out."""
    statistics: list[FrameStatistics] | None = None
    """Those of all frames, once they are known; see `scan`."""

    @property
    def times(self) -> list[np.ndarray]:
        """Times of each sequence: datetime64[ns] or, where files say nothing of time, the frames' numbers."""
        return [sequence["time"].values for sequence in self.sequences]

    @property
    def timed(self) -> bool:
        """Whether the files say when their frames are."""
        return self.sequences[0]["time"].dtype.kind == "M"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a frame, (channel, y, x)."""
        channel, y, x = self.sequences[0].shape[1:]
        return channel, y, x

    @property
    def skipped_lines(self) -> list[str]:
        """A line for each reason why files were left out, with how often it came."""
        counts = Counter(str(error.cause) for error in self.skipped)
        return [line + (f" ({count} times)" if count > 1 else "") for line, count in counts.items()]

    def read(
        self, number: int, frames: slice, size: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, FrameStatistics]:
        """Read frames (time, channel, y, x) of a sequence, resized by area mean if `size` is given.

        With `skip_bad`, a frame that cannot be read is noted in `skipped`, and is missing.

        Returns:
            The frames and their statistics.

        Raises:
            DataError: a frame cannot be read, or holds an infinite number.
        """
        sequence, source = self.sequences[number], self.sources[number]
        units = Units.from_attrs(sequence.attrs)
        try:
            values = Field(units=units).of_values(torch.from_numpy(sequence[frames].values), units, size).numpy()
            known = [
                FrameStatistics.of_frame(frame, units, source.path(t))
                for t, frame in zip(_range(frames), values, strict=True)
            ]
            return values, FrameStatistics.join(known)
        except DataError as error:
            if not self.skip_bad:
                raise
            if frames.stop - frames.start == 1:
                self.skipped.append(error)
                missing = np.full((1, sequence.shape[1], *(size or sequence.shape[2:])), np.nan, np.float32)
                return missing, FrameStatistics.of_unreadable()
        one_by_one = [self.read(number, slice(t, t + 1), size) for t in _range(frames)]
        return np.concatenate([frame for frame, _ in one_by_one]), FrameStatistics.join([k for _, k in one_by_one])

    def scan(self) -> list[FrameStatistics]:
        """Return the statistics of all frames of each sequence.

        Each frame is read once, unless a store of ours holds them.

        Raises:
            DataError: a frame cannot be read, or holds an infinite number.
        """
        if self.statistics is None:
            block = max(1, BLOCK_BYTES // (4 * math.prod(self.shape)))
            total = sum(map(len, self.sequences))
            self.statistics = []
            with tqdm(total=total, desc="reading frames", unit="frame", disable=None, delay=2, leave=False) as bar:
                for number, sequence in enumerate(self.sequences):
                    known = []
                    for start in range(0, len(sequence), block):
                        frames = slice(start, min(start + block, len(sequence)))
                        known.append(self.read(number, frames)[1])
                        bar.update(frames.stop - start)
                    self.statistics.append(FrameStatistics.join(known))
        return self.statistics


def _range(frames: slice) -> range:
    return range(frames.start, frames.stop)


def open_archive(
    where: str | Path | Sequence[str | Path],
    settings: ReaderSettings | None = None,
    *,
    like: ReaderSettings | None = None,
    **changes: Any,
) -> Archive:
    """Open sequences in a file, a folder, a pattern such as "radar/*.h5", or several of these.

    Files that say when their frames are make one sequence, in order of time. Pictures that do not make one in each
    folder, in order of their names; any other file without times is a sequence, or several, of its own.

    Args:
        where: the files.
        settings: how to read them; by default as the first file's content and the files themselves say.
        changes: single fields of `settings`, such as units="mm/h".
        like: how other files were read: those of the same reader are read likewise, others where they say nothing.

    Raises:
        DataError: a file is missing or cannot be used.
        SettingsError: there is no such reader or option.
    """
    settings, like = replace(settings or ReaderSettings(), **changes), like or ReaderSettings()
    skipped: list[DataError] = []
    note = skipped.append if settings.skip_bad else _raise
    files = find_files(where, note)
    if not files and not skipped:
        raise DataError("no file", where, "nothing is in it", "name a file, a folder or a quoted pattern")
    packed = len(skipped)
    name = settings.reader or _recognised(files)
    if like.reader == name:
        settings = replace(
            settings,
            units=settings.units or like.units,
            interval_minutes=settings.interval_minutes or like.interval_minutes,
        )
    reader = _reader(name, settings)
    parts = _parts(reader, files, note)
    if parts and settings.units is None and like.units and not any(part.header.units for part in parts):
        settings = replace(settings, units=like.units)
        reader = _reader(name, settings)  # what it divides integers by depends on their units
        del skipped[packed:]
        parts = _parts(reader, files, note)
    if not parts:
        raise skipped[0]
    parts = [
        part._replace(header=_completed(part.path, part.header, settings, like.interval_minutes)) for part in parts
    ]
    parts = _of_one_grid(parts, note)
    archive = Archive([], [], reader.name, parts[0].header.largest, settings.skip_bad, skipped)
    statistics = []
    for members in _groups(parts):
        order = _in_order(members, note)
        sequence, source = join(reader, members, order)
        archive.sequences.append(sequence)
        archive.sources.append(source)
        stored = [part.header.statistics for part in members if part.header.statistics is not None]
        if len(stored) == len(members):
            statistics.append(FrameStatistics.join(stored)[order])
    if len(statistics) == len(archive.sequences) and not settings.skip_bad:  # what is bad is found by reading it
        archive.statistics = statistics
    return archive


def _reader(name: str, settings: ReaderSettings) -> Reader:
    """Make the reader of that name; readers with an option for units get those of the settings."""
    options = dict(settings.reader_options)
    if settings.units is not None and name in READERS and "units" in signature(READERS[name]).parameters:
        options.setdefault("units", settings.units)
    return make_reader(name, options)


def _raise(error: DataError) -> None:
    raise error


def find_files(where: str | Path | Sequence[str | Path], note: Callable[[DataError], None] = _raise) -> list[Path]:
    """List files, and Zarr stores, in natural order; tar archives are unpacked into a temporary folder.

    `note` is told of archives that cannot be unpacked.
    """
    if isinstance(where, str | Path):
        where = [where]
    found: list[Path] = []
    for one in where:
        found += files_at(Path(one))
    return [inner for path in found for inner in (_unpacked_tar(path, note) if _is_tar(path) else [path])]


def files_at(path: Path) -> list[Path]:
    """List the files, and Zarr stores, in a folder or of a pattern, in natural order.

    Raises:
        DataError: there are none.
    """
    path = path.expanduser()
    if path.is_dir():
        if is_zarr(path):
            return [path]
        inside = [item for item in path.iterdir() if not item.name.startswith((".", "__"))]
        return [file for item in sorted(inside, key=natural) for file in files_at(item)]
    if path.exists():
        return [path]
    if any(letter in str(path) for letter in "*?["):
        matches = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))), key=natural)
        if matches:
            return [file for match in matches for file in files_at(match)]
        raise DataError("no file", path, "no file matches this pattern", "check it with ls")
    raise DataError("no file", path, "there is no such file or folder", "name a file, a folder or a quoted pattern")


def natural(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts frame2 before frame10."""
    pieces = re.split(r"(\d+)", str(path))
    return tuple((1, int(p), p) if p.isdigit() else (0, 0, p) for p in pieces)


def _is_tar(path: Path) -> bool:
    return re.search(r"\.(tar(\.\w+)?|tgz|tbz2?|txz)$", path.name.lower()) is not None


def _unpacked_tar(path: Path, note: Callable[[DataError], None]) -> list[Path]:
    folder = Path(tempfile.mkdtemp(prefix="msrnn-")) / path.name  # messages about what is in it name the archive
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    try:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    except (*READ_ERRORS, tarfile.TarError) as error:
        note(DataError("damaged file", path, f"cannot be unpacked ({error})", "fetch it again"))
        return []
    return files_at(folder)


def _recognised(files: Iterable[Path]) -> str:
    files = list(files)
    for path in files:
        name = recognise(path)
        if name is not None:
            return name
    first = files[0] if files else "no file"
    known = ", ".join(READERS)
    raise DataError(
        "unknown format",
        first,
        "is no format that is known by its content",
        ("name one with ", Setting("data.reader"), f": {known}, {PYSTEPS}NAME"),
    )


def _parts(reader: Reader, files: Sequence[Path], note: Callable[[DataError], None]) -> list[Part]:
    """Read the headers of files; `note` is told of files that cannot be used."""
    parts: list[Part] = []
    places: Counter[Path] = Counter()
    for path in tqdm(files, desc="opening files", unit="file", disable=None, delay=2, leave=False):
        place = places[path.parent]
        places[path.parent] += 1
        try:
            headers = reader.headers(path)
        except DataError as error:
            note(error)
            continue
        wrong = [header.shape for header in headers if not _possible(header.shape)]
        if wrong:
            reason = f"says that its frames are {' x '.join(map(str, wrong[0]))} (time, channel, y, x)"
            note(DataError("damaged file", path, reason, ("fetch it again, or leave it out with ", SKIP_BAD)))
            continue
        if len(headers) == 1 and headers[0].shape[0] == 1 and headers[0].times is None:
            headers = [replace(headers[0], times=np.array([place]))]  # a file that is left out is a gap
        parts += [Part(path, number, header) for number, header in enumerate(headers)]
    return parts


def _possible(shape: tuple[int, ...]) -> bool:
    return min(shape) > 0 and math.prod(shape[1:]) <= LARGEST_FRAME


def _completed(path: Path, header: Header, settings: ReaderSettings, interval: float | None) -> Header:
    """Return the header with the units that settings say; `interval` is for mm of which nothing says the interval.

    Raises:
        DataError: nothing says the interval of mm.
    """
    found = header.units
    name = settings.units or (found.name if found else None)
    minutes = settings.interval_minutes or (found.interval_minutes if found else None) or interval
    if name == "mm" and minutes is None:
        fix = ("say it, such as ", Setting("data.interval_minutes", 5))
        raise DataError("no interval", path, "its units are mm, and nothing says of which interval", fix)
    units = None if name is None else Units(name, minutes)
    return replace(header, units=units, statistics=header.statistics if units == found else None)


def _of_one_grid(parts: Sequence[Part], note: Callable[[DataError], None]) -> list[Part]:
    """Keep the parts with the first one's frames; `note` is told of the others."""
    first, kept = parts[0], []
    for part in parts:
        difference = _difference(part.header, first.header)
        if difference:
            fix = ("put files of one kind into a folder of their own, or leave out the others with ", SKIP_BAD)
            note(DataError("other grid", part.path, f"{difference} {first.path}", fix))
        else:
            kept.append(part)
    return kept


def _difference(header: Header, first: Header) -> str:
    """Say in which way frames differ from those of the first file; empty, if they do not."""
    if header.shape[1:] != first.shape[1:]:
        sizes = [" x ".join(map(str, h.shape[1:])) for h in (header, first)]
        return f"frames of {sizes[0]} (channel, y, x), not {sizes[1]} as in"
    if header.units != first.units:
        return f"units {header.units or 'none'}, not {first.units or 'none'} as in"
    if header.largest != first.largest:
        return f"integers up to {header.largest}, not {first.largest} as in"
    for axis in ("y", "x"):
        if axis in header.coords and axis in first.coords:
            ours, theirs = header.coords[axis].values, first.coords[axis].values
            if ours is not theirs and not np.allclose(ours, theirs, rtol=1e-6):
                return f"another place or spacing along {axis} than"
    if _is_timed(header) != _is_timed(first):
        return f"{'a time, other' if _is_timed(header) else 'no time, other'} than"
    return ""


def _is_timed(header: Header) -> bool:
    return header.times is not None and header.times.dtype.kind == "M"


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Say which parts make a sequence together."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        if _is_timed(part.header):
            key: object = part.number
        elif part.header.shape[0] == 1:
            key = part.path.parent
        else:
            key = part.path, part.number
        groups.setdefault(key, []).append(part)
    return list(groups.values())


def _in_order(parts: Sequence[Part], note: Callable[[DataError], None]) -> np.ndarray:
    """Sort the frames of all parts by time; of frames with the same time, only the first is kept."""
    lengths = [part.header.shape[0] for part in parts]
    times = [part.header.times for part in parts if part.header.times is not None]
    if not times:
        return np.arange(sum(lengths))
    all_times = np.concatenate(times)
    _, order = np.unique(all_times, return_index=True)
    if len(order) < len(all_times):
        paths = [part.path for part, length in zip(parts, lengths, strict=True) for _ in range(length)]
        for again in np.setdiff1d(np.arange(len(all_times)), order):
            first = int(np.flatnonzero(all_times == all_times[again])[0])
            reason = f"its time {np.datetime_as_string(all_times[again], 's')} is also in {paths[first]}"
            fix = ("keep one of them, or leave out the later with ", SKIP_BAD)
            note(DataError("duplicate time", paths[again], reason, fix))
    return order


def step_between(times: Sequence[np.ndarray]) -> int:
    """Return the commonest step between times: nanoseconds, or 1 for numbered frames; 0, if there is none."""
    differences = np.concatenate([np.diff(one).astype(np.int64) for one in times])
    if not differences.size:
        return 0
    values, counts = np.unique(differences, return_counts=True)
    return int(values[counts.argmax()])
