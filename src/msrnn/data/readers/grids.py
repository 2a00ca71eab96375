"""NetCDF and Zarr through xarray, with the CF conventions."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from msrnn.data.readers.base import AXES, STATISTICS, DataError, Header, Reader, Sliced, View, reading, with_channel
from msrnn.units import UNITS

SPELLINGS = (
    (r"mm\s*(/|per)\s*(h|hr|hour)|mm\s*\.?\s*(h|hr|hour)\^?-1", "mm/h"),
    (r"mm|millimet(er|re)s?|kg\s*\.?\s*m\^?-2", "mm"),
    (r"dbz", "dBZ"),
    (r"1|", "1"),
)
"""What stands in attributes for one of `units.UNITS`."""


def known_units(path: object, said: str) -> str:
    """Units as this library spells them.

    Raises:
        DataError: it does not know them.
    """
    for spelling, units in SPELLINGS:
        if re.fullmatch(spelling, said.strip(), re.IGNORECASE):
            return units
    raise DataError(
        "unknown units", path, f"its units are {said!r}", f"say which they are: --data.units {' | '.join(UNITS)}"
    )


@dataclass(frozen=True)
class XarrayReader(Reader):
    """NetCDF and Zarr: a variable with the axes time, y and x, and maybe channel and sequence.

    The last two axes are y and x; an axis `sequence` holds sequences, any other one channels.

    Args:
        variable: which one; not needed where there is one of 3 to 5 axes.
        units: of the numbers; by default as the attribute says.
    """

    name: ClassVar[str] = "netcdf"
    variable: str = ""
    units: str | None = None

    def headers(self, path: Path) -> list[Header]:
        with reading(path, self.name), self._open(path) as data:
            array = self._array(path, data)
            units = self.units
            if units is None and "units" in array.attrs:
                units = known_units(path, str(array.attrs["units"]))
            interval = array.attrs.get("interval_minutes")
            time = array["time"].values
            times = {"M": "datetime64[ns]", "i": "int64"}.get(time.dtype.kind)
            coords = {
                name: coord.variable.load()
                for name, coord in array.coords.items()
                if "time" not in coord.dims and "sequence" not in coord.dims and coord.dtype.kind not in "mM"
            }
            length, channel, y, x = (array.sizes.get(axis, 1) for axis in AXES)
            statistics = None
            if all(name in data and data[name].shape == (length,) for name in STATISTICS):
                statistics = np.stack([data[name].values for name in STATISTICS], axis=1)
            header = Header(
                (length, channel, y, x),
                None if times is None else time.astype(times),
                units,
                None if interval is None else float(interval),
                coords=coords,
                attrs={name: value for name, value in array.attrs.items() if name not in ("units", "interval_minutes")},
                statistics=statistics,
            )
            return [header] * array.sizes.get("sequence", 1)

    def frames(self, path: Path) -> list[Sliced]:
        array = self._array(path, self._open(path)).variable
        shape = tuple(array.sizes.get(axis, 1) for axis in AXES)

        def view(sequence: int) -> View:
            return View(shape, lambda key: _take(array, sequence, key))

        return [view(sequence) for sequence in range(array.sizes.get("sequence", 1))]

    def _array(self, path: Path, data: xr.Dataset) -> xr.DataArray:
        """The frames, with the names of `AXES` and maybe "sequence" for its axes; channel may be missing."""
        found = {str(n): v for n, v in data.data_vars.items() if v.ndim >= 3 and v.dtype.kind in "fiu"}
        if self.variable and self.variable not in found:
            reason = f"holds no variable {self.variable} of 3 to 5 axes"
            raise DataError("no variable", path, reason, f"choose from {', '.join(found) or 'another file'}")
        if not self.variable and len(found) != 1:
            reason = f"holds {len(found) or 'no'} variables of 3 to 5 axes"
            fix = (
                f"choose one: --reader-options variable={' | '.join(sorted(found))}"
                if found
                else "is it another format?"
            )
            raise DataError("several variables" if found else "no variable", path, reason, fix)
        array = found[self.variable or next(iter(found))]
        *outer, y, x = (str(name) for name in array.dims)
        time = next((name for name in outer if name == "time" or array[name].dtype.kind == "M"), None)
        others = [name for name in outer if name not in (time, "sequence")]
        if time is None or len(others) > 1:
            reason = f"variable {array.name} has the axes {', '.join(map(str, array.dims))}"
            raise DataError("other axes", path, reason, "wanted: time, maybe channel, y, x")
        names = {time: "time", y: "y", x: "x"} | dict.fromkeys(others, "channel")
        return array.rename({old: new for old, new in names.items() if old != new})

    def _open(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine="h5netcdf" if _is_hdf5(path) else "scipy", decode_coords="all")


class ZarrReader(XarrayReader):
    """A Zarr store, as `msrnn data convert` makes it or as xarray does."""

    name: ClassVar[str] = "zarr"

    def _open(self, path: Path) -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*consolidated metadata", category=RuntimeWarning)
            return xr.open_dataset(path, engine="zarr", chunks=None, decode_coords="all")


def _take(array: xr.Variable, sequence: int, key: tuple[Any, ...]) -> np.ndarray:
    """A slice (time, channel, y, x). Only that is read: an axis is added, and axes are put in order, after reading."""
    wanted = {name: part for name, part in zip(AXES, key, strict=True) if name in array.dims}
    part = array.isel(wanted | ({"sequence": sequence} if "sequence" in array.dims else {})).load()
    values: np.ndarray = part.transpose(*(name for name in AXES if name in part.dims)).values
    return values if "channel" in array.dims else with_channel(values, key)


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x89HDF"
