"""Whatever pysteps imports."""

import contextlib
import gzip
import io
import tempfile
import warnings
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from msrnn.data.readers.base import (
    GZIP_MAGIC,
    RADAR_EXTRA,
    Header,
    Reader,
    Sliced,
    evenly,
    given_units,
    one_by_one,
    reading,
)
from msrnn.data.readers.timestamps import nanoseconds, time_in_name
from msrnn.errors import DataError, Setting
from msrnn.units import RAIN_UNITS


class PystepsReader(Reader):
    """Any format that pysteps imports, by the importer's name; the time is that in the file's name.

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
        """Header of the first file; that the others have its grid is checked when they are read."""

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
    """Find the importer of that name.

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
