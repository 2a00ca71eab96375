"""Files to sequences: which files, which reader, in which order, and what is wrong with them."""

import atexit
import math
import re
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from msrnn.data.readers.base import READ_ERRORS, SKIP_BAD, STATISTICS, Header, Reader
from msrnn.errors import DataError, Setting, SettingsError
from msrnn.units import RAIN_UNITS, Z_R, to_rate

BLOCK_BYTES = 64 << 20
"""So much is read at once."""
POSSIBLE = {"mm/h": (-1e-3, 1e4), "mm": (-1e-3, 1e4), "dBZ": (-300.0, 150.0)}
"""What is outside is not of these units, but stands for missing values, or is damaged."""
LARGEST_FRAME = 1 << 28
"""Values; a file that says it has more in a frame is damaged."""
WET_MM_H = 0.1
"""From this rain rate on a pixel counts as wet."""


@dataclass
class Archive:
    """Sequences from files."""

    sequences: list[xr.DataArray]
    """(time, channel, y, x) each, read when asked for."""
    sources: list[Joined]
    """What each reads from."""
    reader: str
    largest: int
    """Integers were divided by this."""
    skip_bad: bool = False
    """Leave out what cannot be used."""
    skipped: list[DataError] = field(default_factory=list)
    """What was left out."""
    statistics: list[np.ndarray] | None = None
    """Those of all frames, once they are known; see `scan`."""

    @property
    def times(self) -> list[np.ndarray]:
        """For each sequence, datetime64[ns] or, where files say nothing of time, the frames' numbers."""
        return [sequence["time"].values for sequence in self.sequences]

    @property
    def timed(self) -> bool:
        """Whether the files say when their frames are."""
        return self.sequences[0]["time"].dtype.kind == "M"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a frame: (channel, y, x)."""
        channel, y, x = self.sequences[0].shape[1:]
        return channel, y, x

    @property
    def skipped_lines(self) -> list[str]:
        """What was left out: a line for each reason, with how often it came."""
        counts = Counter(str(error.cause) for error in self.skipped)
        return [line + (f" ({count} times)" if count > 1 else "") for line, count in counts.items()]

    def read(self, number: int, frames: slice, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Frames (time, channel, y, x) of a sequence, resized by area mean if `size` is given, and their statistics.

        With `skip_bad`, a frame that cannot be read is noted in `skipped`, and is missing.

        Raises:
            DataError: a frame cannot be read, or holds an infinite number.
        """
        sequence = self.sequences[number]
        units, interval = sequence.attrs["units"], sequence.attrs.get("interval_minutes")
        try:
            values = torch.from_numpy(sequence[frames].values)
            values = Field(units=units, interval_minutes=interval).of_values(values, sequence.attrs, size)
            return values.numpy(), np.array(
                [self._statistics(number, t, v) for t, v in zip(_range(frames), values.numpy(), strict=True)]
            )
        except DataError as error:
            if not self.skip_bad:
                raise
            if frames.stop - frames.start == 1:
                self.skipped.append(error)
                missing = np.full((1, sequence.shape[1], *(size or sequence.shape[2:])), np.nan, np.float32)
                return missing, np.full((1, len(STATISTICS)), np.nan)
        one_by_one = [self.read(number, slice(t, t + 1), size) for t in _range(frames)]
        return np.concatenate([frame for frame, _ in one_by_one]), np.concatenate([known for _, known in one_by_one])

    def scan(self) -> list[np.ndarray]:
        """The statistics of all frames, (time, len(STATISTICS)) for each sequence.

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
                    self.statistics.append(np.concatenate(known))
        return self.statistics

    def _statistics(self, number: int, t: int, frame: np.ndarray) -> tuple[float, ...]:
        attrs = self.sequences[number].attrs
        return frame_statistics(frame, attrs["units"], attrs.get("interval_minutes"), self.sources[number].path(t))


def _range(frames: slice) -> range:
    return range(frames.start, frames.stop)


def frame_statistics(frame: np.ndarray, units: str, interval: float | None, path: object) -> tuple[float, ...]:
    """`STATISTICS` of a frame.

    Raises:
        DataError: it holds an infinite number, or one that is no rain.
    """
    values = frame[~np.isnan(frame)]
    if np.isinf(values).any():
        reason = f"a frame holds {np.isinf(values).sum()} infinite numbers"
        raise DataError("infinite", path, reason, ("replace them, or leave it out with ", SKIP_BAD))
    least, most = POSSIBLE.get(units, (-math.inf, math.inf))
    wrong = values[(values < least) | (values > most)]
    if wrong.size:
        reason = f"{wrong.size} pixels of a frame are no {units}, such as {wrong[0]:g}"
        option = Setting("data.reader_options.missing", "...")
        fix = ("if that is missing, make it NaN or name it (", option, "); else say the right units")
        raise DataError("impossible", path, reason, fix)
    if not values.size:
        return 0.0, 0.0 if units in RAIN_UNITS else np.nan, np.inf, -np.inf
    wet = np.nan
    if units in RAIN_UNITS:
        wet = float((to_rate(torch.from_numpy(values), units, interval, Z_R["dwd"]) >= WET_MM_H).float().mean())
    return values.size / frame.size, wet, float(values.min()), float(values.max())


@dataclass(frozen=True)
class Reading:
    """How files were read: by which reader, and what was said of their units."""

    reader: str | None
    units: str | None
    interval_minutes: float | None


def open_archive(
    where: str | Path | Sequence[str | Path],
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    units: str | None = None,
    interval_minutes: float | None = None,
    skip_bad: bool = False,
    like: Reading | None = None,
) -> Archive:
    """Sequences from a file, a folder, a pattern such as "radar/*.h5", or several of these.

    Files that say when their frames are make one sequence, in order of time. Pictures that do not make one in each
    folder, in order of their names; any other file without times is a sequence, or several, of its own.

    Args:
        where: what to read.
        reader: its name in `READERS`, or pysteps:NAME; by default the first file's content decides.
        options: of the reader.
        units: one of `units.UNITS`; by default what the files say.
        interval_minutes: of units mm; by default what the files say.
        skip_bad: leave out what cannot be used, and list it in `Archive.skipped`.
        like: how other files were read: those of the same reader are read likewise, others where they say nothing.

    Raises:
        DataError: a file is missing or cannot be used.
        SettingsError: there is no such reader or option.
    """
    skipped: list[DataError] = []
    note = skipped.append if skip_bad else _raise
    if interval_minutes is not None and not 0 < interval_minutes < math.inf:
        raise SettingsError(Setting("data.interval_minutes", f"{interval_minutes:g}"), " must be positive and finite")
    files = find_files(where, note)
    if not files and not skipped:
        raise DataError("no file", where, "nothing is in it", "name a file, a folder or a quoted pattern")
    name = reader or _recognised(files)
    if like is not None and like.reader == name:
        units, interval_minutes = units or like.units, interval_minutes or like.interval_minutes
    options = dict(options or {})
    if units is not None and name in READERS and "units" in signature(READERS[name]).parameters:
        options.setdefault("units", units)
    chosen = make_reader(name, options)
    parts, headers = _headers(chosen, files, note)
    if not parts:
        raise skipped[0]
    if (
        like is not None
        and like.units is not None
        and units is None
        and all(header.units is None for header in headers)
    ):
        return open_archive(where, name, options, like.units, interval_minutes, skip_bad, like)
    interval = like.interval_minutes if like is not None else None
    said = units, interval_minutes
    headers = [_completed(part.path, header, said, interval) for part, header in zip(parts, headers, strict=True)]
    parts, headers = _of_one_grid(parts, headers, note)
    archive = Archive([], [], chosen.name, headers[0].largest, skip_bad, skipped)
    statistics = []
    for group in _groups(parts, headers):
        members, known = [parts[i] for i in group], [headers[i] for i in group]
        order = _in_order(members, known, note)
        sequence, source = join(chosen, members, known, order)
        archive.sequences.append(sequence)
        archive.sources.append(source)
        stored = [header.statistics for header in known if header.statistics is not None]
        if len(stored) == len(known):
            statistics.append(np.concatenate(stored)[order])
    if len(statistics) == len(archive.sequences) and not skip_bad:  # what is bad is found by reading it
        archive.statistics = statistics
    return archive


def _raise(error: DataError) -> None:
    raise error


def find_files(where: str | Path | Sequence[str | Path], note: Callable[[DataError], None] = _raise) -> list[Path]:
    """Files, and Zarr stores, in natural order; what is in tar archives is unpacked into a temporary folder.

    `note` is told of archives that cannot be unpacked.
    """
    if isinstance(where, str | Path):
        where = [where]
    found: list[Path] = []
    for one in where:
        found += files_at(Path(one))
    return [inner for path in found for inner in (_unpacked_tar(path, note) if _is_tar(path) else [path])]


def files_at(path: Path) -> list[Path]:
    """Files, and Zarr stores, in a folder or of a pattern, in natural order.

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
    """A key that sorts frame2 before frame10."""
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


def _headers(
    reader: Reader, files: Sequence[Path], note: Callable[[DataError], None]
) -> tuple[list[Part], list[Header]]:
    parts, headers = [], []
    places: Counter[Path] = Counter()
    for path in tqdm(files, desc="opening files", unit="file", disable=None, delay=2, leave=False):
        place = places[path.parent]
        places[path.parent] += 1
        try:
            found = reader.headers(path)
        except DataError as error:
            note(error)
            continue
        wrong = [header.shape for header in found if not _possible(header.shape)]
        if wrong:
            reason = f"says that its frames are {' x '.join(map(str, wrong[0]))} (time, channel, y, x)"
            note(DataError("damaged file", path, reason, ("fetch it again, or leave it out with ", SKIP_BAD)))
            continue
        if len(found) == 1 and found[0].shape[0] == 1 and found[0].times is None:
            found = [replace(found[0], times=np.array([place]))]  # a file that is left out is a gap
        parts += [Part(path, number) for number in range(len(found))]
        headers += found
    return parts, headers


def _possible(shape: tuple[int, ...]) -> bool:
    return min(shape) > 0 and math.prod(shape[1:]) <= LARGEST_FRAME


Said = tuple[str | None, float | None]
"""Units, and interval in minutes."""


def _completed(path: Path, header: Header, said: Said, otherwise: float | None) -> Header:
    """A header with what the user said, or, where nobody says the interval, another one.

    Raises:
        DataError: units of mm are without an interval.
    """
    units = said[0] or header.units
    interval = said[1] or header.interval_minutes or otherwise
    if units == "mm" and interval is None:
        fix = ("say it, such as ", Setting("data.interval_minutes", 5))
        raise DataError("no interval", path, "its units are mm, and nothing says of which interval", fix)
    interval = interval if units == "mm" else None
    same = (units, interval) == (header.units, header.interval_minutes)
    return replace(header, units=units, interval_minutes=interval, statistics=header.statistics if same else None)


def _of_one_grid(
    parts: list[Part], headers: list[Header], note: Callable[[DataError], None]
) -> tuple[list[Part], list[Header]]:
    """All that have the first one's frames; the others are noted."""
    first, kept = headers[0], []
    for i, (part, header) in enumerate(zip(parts, headers, strict=True)):
        difference = _difference(header, first)
        if difference:
            fix = ("put files of one kind into a folder of their own, or leave out the others with ", SKIP_BAD)
            note(DataError("other grid", part.path, f"{difference} {parts[0].path}", fix))
        else:
            kept.append(i)
    return [parts[i] for i in kept], [headers[i] for i in kept]


def _difference(header: Header, first: Header) -> str:
    """In which way frames are not those of the first file; empty, if they are."""
    if header.shape[1:] != first.shape[1:]:
        sizes = [" x ".join(map(str, h.shape[1:])) for h in (header, first)]
        return f"frames of {sizes[0]} (channel, y, x), not {sizes[1]} as in"
    if (header.units, header.interval_minutes) != (first.units, first.interval_minutes):
        return f"units {_units_of(header)}, not {_units_of(first)} as in"
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


def _units_of(header: Header) -> str:
    return f"{header.units or 'none'}{f' per {header.interval_minutes:g} min' if header.interval_minutes else ''}"


def _groups(parts: Sequence[Part], headers: Sequence[Header]) -> list[list[int]]:
    """Which parts make a sequence together."""
    groups: dict[object, list[int]] = {}
    for i, (part, header) in enumerate(zip(parts, headers, strict=True)):
        if _is_timed(header):
            key: object = part.sequence
        elif header.shape[0] == 1:
            key = part.path.parent
        else:
            key = part
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _in_order(parts: Sequence[Part], headers: Sequence[Header], note: Callable[[DataError], None]) -> np.ndarray:
    """The frames of all parts by time; of frames with the same time, the first."""
    count = sum(header.shape[0] for header in headers)
    times = [header.times for header in headers if header.times is not None]
    if not times:
        return np.arange(count)
    all_times = np.concatenate(times)
    _, order = np.unique(all_times, return_index=True)
    if len(order) < count:
        part_of = np.repeat(np.arange(len(parts)), [header.shape[0] for header in headers])
        for again in np.setdiff1d(np.arange(count), order):
            first = int(np.flatnonzero(all_times == all_times[again])[0])
            reason = f"its time {np.datetime_as_string(all_times[again], 's')} is also in {parts[part_of[first]].path}"
            fix = ("keep one of them, or leave out the later with ", SKIP_BAD)
            note(DataError("duplicate time", parts[part_of[again]].path, reason, fix))
    return order


def step_between(times: Sequence[np.ndarray]) -> int:
    """The commonest difference between successive times: nanoseconds, or 1 for numbered frames; 0, if there is none."""
    differences = np.concatenate([np.diff(one).astype(np.int64) for one in times])
    if not differences.size:
        return 0
    values, counts = np.unique(differences, return_counts=True)
    return int(values[counts.argmax()])
