"""Formats of radar services: RADOLAN, ESRI ASCII grids, and whatever pysteps imports."""

import contextlib
import gzip
import io
import re
import tempfile
import warnings
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from msrnn.data.readers.base import (
    GZIP_MAGIC,
    Header,
    Reader,
    Sliced,
    evenly,
    given_units,
    one_by_one,
    reading,
    unpacked,
)
from msrnn.data.readers.timestamps import nanoseconds, time_in_name
from msrnn.errors import DataError, Setting
from msrnn.settings import UnitName
from msrnn.units import RAIN_UNITS, Units

RADOLAN_PROJECTION = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m"
RADAR_EXTRA = 'pip install "msrnn[radar]"'


@dataclass(frozen=True)
class RadolanReader(Reader):
    """DWD's RADOLAN composites (binary), of analyses and of nowcasts: `RADOLAN_UNITS` has the products.

    The first row is the northernmost.
    """

    name: ClassVar[str] = "radolan"

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "RADOLAN"):
            _, attrs = self._read(path, loaddata=False)
            height, width = attrs["nrow"], attrs["ncol"]
            time = np.datetime64(attrs["datetime"]) + np.timedelta64(int(attrs.get("predictiontime", 0)), "m")
            product = str(attrs["producttype"])
            if product not in RADOLAN_UNITS:
                fix = f"known are {', '.join(RADOLAN_UNITS)}"
                raise DataError("other product", path, f"holds the product {product}", fix)
            units = RADOLAN_UNITS[product]
            return [
                Header(
                    (1, 1, height, width),
                    nanoseconds([time]),
                    Units(units, attrs["intervalseconds"] / 60 if units == "mm" else None),
                    coords=_radolan_coords(height, width),
                    attrs={
                        "projection": RADOLAN_PROJECTION,
                        "institution": "DWD",
                        "product": product,
                    },
                )
            ]

    def frames(self, path: Path) -> list[Sliced]:
        values, attrs = self._read(path)
        if RADOLAN_UNITS[attrs["producttype"]] == "dBZ":
            values = values / 2 - 32.5  # RVP6 units
        return [one_by_one(np.asarray(values[::-1], np.float32))]

    def _read(self, path: Path, loaddata: bool = True) -> tuple[Any, dict[str, Any]]:
        try:
            from wradlib.io import radolan
        except ImportError as error:
            raise DataError("wradlib is missing", path, "reading RADOLAN needs wradlib", RADAR_EXTRA) from error
        content = io.BytesIO(unpacked(path))
        values, attrs = radolan.read_radolan_composite(content, missing=np.nan, loaddata=loaddata)
        return values, attrs


SUMS = (
    "RY", "RW", "RH", "RB", "RL", "RU", "RS", "RQ", "RV", "RZ", "EY", "EZ", "EW", "EB", "EH", "YW",
    "SF", "SH", "SQ", "D2", "D3", "S2", "S3", "W1", "W2", "W3", "W4",
)  # fmt: skip
RADOLAN_UNITS: dict[str, UnitName] = {
    **dict.fromkeys(("RX", "WX", "EX", "WN"), "dBZ"),
    **dict.fromkeys(SUMS, "mm"),
    "RE": "1",  # the solid share of precipitation
}
"""Products to units; reflectivity comes in steps of half a dB from -32.5 dBZ."""
_GRIDS = {(900, 900): (-523_462.0, -4_658_645.0), (1200, 1100): (-543_462.0, -4_808_645.0)}
"""(rows, columns) to the lower left corner, x and y in metres (DWD, RADOLAN composites on the sphere)."""


def _radolan_coords(height: int, width: int) -> dict[str, xr.Variable]:
    if (height, width) not in _GRIDS:
        return {}
    left, bottom = _GRIDS[height, width]
    return _cells(left, bottom, 1000.0, height, width)


def _cells(left: float, bottom: float, edge: float, height: int, width: int) -> dict[str, xr.Variable]:
    """Centres of square cells, from the upper left one on."""
    return {
        "y": evenly(bottom + (height - 0.5) * edge, -edge, height, "y", "m"),
        "x": evenly(left + 0.5 * edge, edge, width, "x", "m"),
    }


@dataclass(frozen=True)
class ASCIIGridReader(Reader):
    """ESRI ASCII grids; DWD's hourly RW and five-minute YW grids in 1/10 and 1/100 mm are known by their names.

    Args:
        units: of the numbers, after scaling.
        interval_minutes: of units mm.
        scale: numbers are multiplied by it.
        pattern: of the time in the name, e.g. %Y%m%d-%H%M; by default a stamp of date and time is looked for.
    """

    name: ClassVar[str] = "esri-ascii"
    units: str | None = None
    interval_minutes: float | None = None
    scale: float | None = None
    pattern: str = ""

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "ESRI ASCII grid"):
            head = _ascii_head(unpacked(path))
        _, interval = self._product(path)
        height, width = int(head["nrows"]), int(head["ncols"])
        edge = head["cellsize"]
        left = head.get("xllcorner", head.get("xllcenter", 0) - edge / 2)
        bottom = head.get("yllcorner", head.get("yllcenter", 0) - edge / 2)
        time = time_in_name(path.name, self.pattern)
        return [
            Header(
                (1, 1, height, width),
                None if time is None else nanoseconds([time]),
                given_units(self.units or ("mm" if interval else None), self.interval_minutes or interval),
                coords=_cells(left, bottom, edge, height, width),
                attrs={"projection": RADOLAN_PROJECTION} if interval else {},
            )
        ]

    def frames(self, path: Path) -> list[Sliced]:
        content = unpacked(path)
        head = _ascii_head(content)
        rows, columns = int(head["nrows"]), int(head["ncols"])
        numbers = np.array(content.split()[2 * len(head) :], np.float64)
        if numbers.size != rows * columns:
            raise ValueError(f"{numbers.size} numbers, {rows} x {columns} wanted")
        scale = self.scale or self._product(path)[0]
        values = np.where(numbers == head.get("nodata_value", np.nan), np.nan, numbers * scale)
        return [one_by_one(values.reshape(rows, columns).astype(np.float32))]

    @staticmethod
    def _product(path: Path) -> tuple[float, float | None]:
        """Scale, and minutes of the interval; 1 and None, if the name is none of DWD's."""
        product = re.match(r"(RW|YW)[_-]", path.name.upper())
        return DWD_ASCII[product[1]] if product else (1.0, None)


DWD_ASCII = {"RW": (0.1, 60.0), "YW": (0.01, 5.0)}


def _ascii_head(content: bytes) -> dict[str, float]:
    head: dict[str, float] = {}
    for line in content[:1000].splitlines():
        words = line.split()
        if len(words) != 2 or not words[0][:1].isalpha():
            break
        head[words[0].decode().lower()] = float(words[1])
    if not {"nrows", "ncols", "cellsize"} <= head.keys():
        raise ValueError("no ncols, nrows and cellsize at its start")
    if not 0 < head["nrows"] * head["ncols"] < 1e9:
        raise ValueError(f"{head['nrows']:g} rows of {head['ncols']:g}")
    return head


class PystepsReader(Reader):
    """Whatever pysteps imports, by the importer's name; the time is that in the file's name.

    Args:
        importer: a name of `pysteps.io.importers` without "import_", e.g. fmi_pgm.
        pattern: of the time in the name, e.g. %y%j%H%M; by default a stamp of date and time is looked for.
        options: handed to the importer.
    """

    def __init__(self, importer: str, pattern: str = "", **options: Any) -> None:
        self.name = f"pysteps:{importer}"  # type: ignore[misc]
        self.importer = importer
        self.pattern = pattern
        self.options = tuple(sorted(options.items()))
        self.first: Header | None = None
        """Of the first file; that the others have its grid is checked when they are read."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PystepsReader) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.importer, self.pattern, self.options

    def headers(self, path: Path) -> list[Header]:
        time = time_in_name(path.name, self.pattern)
        if time is None:
            reason = "its name has no time" + (f" like {self.pattern}" if self.pattern else "")
            raise DataError(
                "no time", path, reason, ("name its pattern: ", Setting("data.reader_options.pattern", "%Y%m%d%H%M"))
            )
        if self.first is None:
            self.first = self._header(path)
        return [replace(self.first, times=nanoseconds([time]))]

    def _header(self, path: Path) -> Header:
        with reading(path, self.name):
            values, said = self._import(path)
            height, width = values.shape
            units = str(said["unit"])
            if units not in RAIN_UNITS:
                fix = "another importer is needed"
                raise DataError("unknown units", path, f"the importer says {units!r}", fix)
            step_x, step_y, metres = (said.get(name) for name in ("xpixelsize", "ypixelsize", "cartesian_unit"))
            coords = {}
            if step_x and step_y and metres:
                coords = {
                    "y": evenly(said["y2"] - 0.5 * step_y, -step_y, height, "y", str(metres)),
                    "x": evenly(said["x1"] + 0.5 * step_x, step_x, width, "x", str(metres)),
                }
            interval = float(said["accutime"]) if units == "mm" else None
            attrs = {name: str(said[name]) for name in ("projection", "institution") if said.get(name)}
            return Header((1, 1, height, width), None, given_units(units, interval), coords=coords, attrs=attrs)

    def frames(self, path: Path) -> list[Sliced]:
        values, said = self._import(path)
        if said.get("yorigin") == "lower":
            values = values[::-1]
        return [one_by_one(np.asarray(values, np.float32))]

    def _import(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        function = pysteps_importer(path, self.importer)
        needed = [n for n, p in list(signature(function).parameters.items())[1:] if p.default is p.empty and p.kind < 2]
        lacking = [name for name in needed if name not in dict(self.options)]
        if lacking:
            reason = f"{self.name} needs {', '.join(lacking)}"
            needs = [part for name in lacking for part in (" ", Setting(f"data.reader_options.{name}", "..."))]
            raise DataError("no option", path, reason, ("give", *needs))
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some importers leave files open
            if packed:
                plain = Path(folder) / path.name.removesuffix(".gz")
                plain.write_bytes(gzip.decompress(path.read_bytes()))
                path = plain
            values, _, said = function(str(path), **dict(self.options))
        return np.ma.filled(values, np.nan), said


def pysteps_importer(path: object, name: str) -> Any:
    """The importer of that name.

    Raises:
        DataError: pysteps is not installed, or has none of that name.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it says which settings it found
            from pysteps.io import importers
    except ImportError as error:
        raise DataError("pysteps is missing", path, f"the reader pysteps:{name} needs pysteps", RADAR_EXTRA) from error
    names = sorted(n.removeprefix("import_") for n in dir(importers) if n.startswith("import_"))
    if name not in names:
        reason = f"pysteps has no importer {name}"
        raise DataError("no importer", path, reason, f"choose from {', '.join(f'pysteps:{n}' for n in names)}")
    return getattr(importers, f"import_{name}")
