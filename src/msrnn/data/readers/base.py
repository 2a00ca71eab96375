"""The contract of a reader, and the report of damaged files."""

import gzip
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any, ClassVar, cast
from zipfile import BadZipFile

import h5py
import numpy as np
import xarray as xr
from PIL import Image

from msrnn.data.statistics import FrameStatistics
from msrnn.errors import SKIP_BAD, DataError, Setting, SettingsError
from msrnn.settings import UnitName
from msrnn.units import UNITS, Units

AXES = ("time", "channel", "y", "x")
GZIP_MAGIC = b"\x1f\x8b"
RADOLAN_PROJECTION = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m"
RADAR_EXTRA = 'pip install "msrnn[radar]"'
READ_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    BadZipFile,
    Image.DecompressionBombError,
    TokenError,
    struct.error,
    zlib.error,
)
"""Exceptions of libraries that read damaged files."""


@dataclass
class View:
    """Frames that `take` reads, slice by slice."""

    shape: tuple[int, ...]
    take: Callable[[tuple[Any, ...]], Any]
    nbytes: int = 0
    """Memory that it holds."""

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return self.take(key)


Sliced = np.ndarray | View
"""Frames (time, channel, y, x), in memory or read slice by slice."""


@dataclass
class Header:
    """Properties of a sequence in a file, known before its frames are read."""

    shape: tuple[int, int, int, int]
    """(time, channel, y, x)"""
    times: np.ndarray | None = None
    """datetime64[ns] of each frame; None: the file does not say."""
    units: Units | None = None
    """None: the file does not say."""
    largest: int = 1
    """Integers were divided by this, the largest value of their type."""
    coords: Mapping[Any, xr.Variable] = field(default_factory=dict)
    """Coordinates that do not depend on time."""
    attrs: dict[str, Any] = field(default_factory=dict)
    statistics: FrameStatistics | None = None
    """Those of its frames, where the file holds them."""


class Reader:
    """Reads files of one format; its fields are the reader's options. Subclasses are frozen dataclasses."""

    name: ClassVar[str]
    signature: ClassVar[str] = ""
    """Regular expression of how the content of a file begins, unpacked; of HDF5, `recognises` looks inside."""

    @classmethod
    def recognises(cls, file: h5py.File) -> bool:
        """Say whether an HDF5 file is of this format."""
        return False

    def headers(self, path: Path) -> list[Header]:
        """Return the header of each sequence in a file."""
        raise NotImplementedError

    def frames(self, path: Path) -> list[Sliced]:
        """Open the frames of each sequence in a file; missing values are NaN."""
        raise NotImplementedError


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Report whatever goes wrong as a `DataError`; `what` the file should be, e.g. "KNMI HDF5"."""
    try:
        yield
    except SettingsError:
        raise
    except READ_ERRORS as error:
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            "damaged file",
            path,
            f"cannot be read as {what} ({detail})",
            ("fetch it again, name another ", Setting("data.reader"), ", or leave it out with ", SKIP_BAD),
        ) from error


def unpacked(path: Path) -> bytes:
    """Read the content of a file, gzipped or not."""
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content


def start_of(path: Path, size: int = 1024) -> bytes:
    """Read the first bytes of a file's content, gzipped or not; none, if it cannot be unpacked."""
    try:
        with path.open("rb") as file:
            start = file.read(size)
        if not start.startswith(GZIP_MAGIC):
            return start
        with gzip.open(path) as packed:
            return packed.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


SPELLINGS: tuple[tuple[str, UnitName], ...] = (
    (r"mm\s*(/|per)\s*(h|hr|hour)|mm\s*\.?\s*(h|hr|hour)\^?-1", "mm/h"),
    (r"mm|millimet(er|re)s?|kg\s*\.?\s*m\^?-2", "mm"),
    (r"dbz", "dBZ"),
    (r"1|", "1"),
)
"""Spellings in attributes of each of `units.UNITS`."""


def given_units(name: str | None, interval_minutes: float | None = None) -> Units | None:
    """Make units of what a file or a user says; None, if nobody does.

    Raises:
        SettingsError: there are no such units.
    """
    return None if name is None else Units(cast(UnitName, name), interval_minutes)


def known_units(path: object, said: str) -> UnitName:
    """Spell the units of a file as this library does.

    Raises:
        DataError: it does not know them.
    """
    for spelling, units in SPELLINGS:
        if re.fullmatch(spelling, said.strip(), re.IGNORECASE):
            return units
    raise DataError(
        "unknown units",
        path,
        f"its units are {said!r}",
        (f"convert them to one of {', '.join(UNITS)}; if they are one of these, say so with ", Setting("data.units")),
    )


def with_channel(values: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    """Add an axis for channels to a slice of frames, and slice it as `key` (time, channel, y, x) says."""
    time, channel, *_ = key
    return values[None][channel] if isinstance(time, int) else values[:, None][:, channel]


def one_by_one(values: np.ndarray) -> np.ndarray:
    """Make a sequence of one frame of a picture (y, x) or (channel, y, x)."""
    return values[None, None] if values.ndim == 2 else values[None]


@cache
def evenly(first: float, step: float, count: int, axis: str, units: str, from_corner: bool = False) -> xr.Variable:
    """Make a projection coordinate with its CF attributes; or the distance from the lower left corner."""
    name = {"long_name": "distance from the lower left corner"} if from_corner else {}
    attrs = name or {"standard_name": f"projection_{axis}_coordinate"}
    return xr.Variable((axis,), first + step * np.arange(count), attrs | {"units": units, "axis": axis.upper()})


def cells(left: float, bottom: float, edge: float, height: int, width: int) -> dict[str, xr.Variable]:
    """Return the centres of square cells in metres, from the upper left one on."""
    return {
        "y": evenly(bottom + (height - 0.5) * edge, -edge, height, "y", "m"),
        "x": evenly(left + 0.5 * edge, edge, width, "x", "m"),
    }
