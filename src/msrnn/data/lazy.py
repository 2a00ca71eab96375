"""The one type of sequence: an xarray.DataArray (time, channel, y, x) that is read from disk when it is asked for."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from msrnn.data.readers.arrays import bytes_held
from msrnn.data.readers.base import AXES, Header, Reader, Sliced, View, reading
from msrnn.errors import SKIP_BAD, DataError
from msrnn.units import Units

CACHED_BYTES, CACHED_FILES = 256 << 20, 64


@dataclass(frozen=True)
class Stream:
    """Sequence whose frames are made one by one, as they are asked for; they can be read once."""

    like: xr.DataArray
    """Coordinates and attributes, (time, channel, y, x); its values are not read."""
    frames: Iterable[np.ndarray]
    """(channel, y, x), in order of time."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.frames)

    def whole(self) -> xr.DataArray:
        """Make all frames."""
        return self.like.copy(data=np.stack(list(self)))


class Part(NamedTuple):
    """One sequence in one file: consecutive frames."""

    path: Path
    number: int
    """Place among the sequences in the file."""
    header: Header


class Joined(BackendArray):
    """Parts behind one another in time; a part is opened when one of its frames is asked for.

    Args:
        reader: reads the parts' files.
        parts: where the frames are.
        index: (time, 2): for each frame its part, and its place in that part.
        shape: (time, channel, y, x)
    """

    def __init__(self, reader: Reader, parts: Sequence[Part], index: np.ndarray, shape: tuple[int, ...]) -> None:
        self.reader = reader
        self.parts = [(part.path, part.number) for part in parts]
        """File and number of each part. Headers are dropped: there may be a million."""
        self.index = index
        self.shape = (len(index), *shape[1:])
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def path(self, frame: int) -> Path:
        """Return the file that a frame comes from."""
        path, _ = self.parts[int(self.index[frame, 0])]
        return path

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        times, *rest = key
        wanted = self.index[times]
        if wanted.ndim == 1:
            return self._slice(wanted[0], int(wanted[1]), rest)
        pieces = []
        starts = np.flatnonzero(np.diff(wanted[:, 0], prepend=-1) | (np.diff(wanted[:, 1], prepend=-2) != 1))
        for run in np.split(wanted, starts[1:]) if len(wanted) else []:
            pieces.append(self._slice(run[0, 0], slice(int(run[0, 1]), int(run[-1, 1]) + 1), rest))
        return np.concatenate(pieces) if pieces else np.empty((0, *self.shape[1:]), np.float32)[(slice(None), *rest)]

    def _slice(self, part: int, times: int | slice, rest: Sequence[int | slice]) -> np.ndarray:
        path, number = self.parts[part]
        frames = opened(self.reader, path)[number]
        if tuple(frames.shape[1:]) != self.shape[1:]:
            sizes = [" x ".join(map(str, shape)) for shape in (frames.shape[1:], self.shape[1:])]
            reason = f"its frames are {sizes[0]} (channel, y, x), those before it {sizes[1]}"
            raise DataError(
                "other grid", path, reason, ("put files of one grid into a folder, or leave it out with ", SKIP_BAD)
            )
        with reading(path, self.reader.name):
            return np.array(frames[(times, *rest)], np.float32)


def join(reader: Reader, parts: Sequence[Part], order: np.ndarray) -> tuple[xr.DataArray, Joined]:
    """Make one sequence of the frames of all parts.

    Args:
        reader: reads the parts' files.
        parts: where the frames are; the header of the first speaks for all.
        order: which frames to take, counted over all parts, in order of time.

    Returns:
        The sequence, and what it reads from.
    """
    headers = [part.header for part in parts]
    first = headers[0]
    lengths = [header.shape[0] for header in headers]
    places = np.concatenate([np.stack((np.full(n, p), np.arange(n)), axis=1) for p, n in enumerate(lengths)])
    joined = Joined(reader, parts, places[order], first.shape)
    times = [header.times for header in headers if header.times is not None]
    time = np.concatenate(times)[order] if times else np.arange(len(order))
    variable = xr.Variable(AXES, indexing.LazilyIndexedArray(joined))
    attrs = {**first.attrs, **(first.units or Units()).attrs}
    return xr.DataArray(variable, {"time": ("time", time), **first.coords}, attrs=attrs), joined


_cache: OrderedDict[tuple[Reader, Path, int], tuple[list[Sliced], int]] = OrderedDict()
_lock = threading.Lock()


def opened(reader: Reader, path: Path) -> list[Sliced]:
    """Open a file's frames; the files read last stay open, or in memory up to `CACHED_BYTES`.

    A process that was forked must not use what its parent opened: workers are spawned.
    """
    with _lock, reading(path, reader.name):
        key = (reader, path, path.stat().st_mtime_ns)
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key][0]
        frames = reader.frames(path)
        _cache[key] = (frames, sum(one.nbytes if isinstance(one, View) else bytes_held(one) for one in frames))
        while len(_cache) > 1 and (len(_cache) > CACHED_FILES or sum(n for _, n in _cache.values()) > CACHED_BYTES):
            _cache.popitem(last=False)
        return frames
