"""NetCDF and Zarr through xarray, with the CF conventions."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import xarray as xr

from msrnn.data.readers.arrays import largest_value, scaled
from msrnn.data.readers.base import AXES, Header, Reader, Sliced, View, given_units, known_units, reading, with_channel
from msrnn.data.statistics import STATISTICS, FrameStatistics
from msrnn.errors import DataError, Setting


@dataclass(frozen=True)
class XarrayReader(Reader):
    """NetCDF and Zarr: a variable with the axes time, y and x, and maybe channel and sequence.

    The last two axes are y and x; an axis `sequence` holds sequences, any other one channels.

    Args:
        variable: which one; not needed where there is one of 3 to 5 axes.
        units: of the numbers; by default as the attribute says.
        missing: number that stands for missing; by default as the attribute says.
    """

    variable: str = ""
    units: str | None = None
    missing: float | None = None

    def headers(self, path: Path) -> list[Header]:
        with reading(path, self.name), self._open(path) as data:
            array = self._array(path, data)
            units = self._units(path, array)
            interval = array.attrs.get("interval_minutes")
            times = _times(path, array)
            coords = {
                name: coord.variable.load()
                for name, coord in array.coords.items()
                if "time" not in coord.dims and "sequence" not in coord.dims and coord.dtype.kind not in "mM"
            }
            length, channel, y, x = (array.sizes.get(axis, 1) for axis in AXES)
            statistics = None
            if self.units is None and all(name in data and data[name].shape == (length,) for name in STATISTICS):
                statistics = FrameStatistics(*(data[name].values for name in STATISTICS))
            header = Header(
                (length, channel, y, x),
                times,
                given_units(units, None if interval is None else float(interval)),
                coords=coords,
                attrs={name: value for name, value in array.attrs.items() if name not in ("units", "interval_minutes")}
                | {name: array.encoding[name] for name in ("grid_mapping",) if name in array.encoding},
                statistics=statistics,
                largest=largest_value(array.dtype, units),
            )
            return [header] * array.sizes.get("sequence", 1)

    def frames(self, path: Path) -> list[Sliced]:
        found = self._array(path, self._open(path))
        array = found.variable
        shape = tuple(array.sizes.get(axis, 1) for axis in AXES)
        largest = largest_value(array.dtype, self._units(path, found))

        def view(sequence: int) -> View:
            def take(key: tuple[Any, ...]) -> np.ndarray:
                values = _take(array, sequence, key)
                frames: np.ndarray = scaled(values, largest)
                return frames if self.missing is None else np.where(values == self.missing, np.nan, frames)

            return View(shape, take)

        return [view(sequence) for sequence in range(array.sizes.get("sequence", 1))]

    def _units(self, path: Path, array: xr.DataArray) -> str | None:
        return self.units or (known_units(path, str(array.attrs["units"])) if "units" in array.attrs else None)

    def _array(self, path: Path, data: xr.Dataset) -> xr.DataArray:
        """Find the frames; their axes get the names of `AXES` and maybe "sequence", channel may be missing."""
        found = {str(n): v for n, v in data.data_vars.items() if v.ndim >= 3 and v.dtype.kind in "fiu"}
        if self.variable and self.variable not in found:
            reason = f"holds no variable {self.variable} of 3 to 5 axes"
            raise DataError("no variable", path, reason, f"choose from {', '.join(found) or 'another file'}")
        if not self.variable and len(found) != 1:
            reason = f"holds {len(found) or 'no'} variables of 3 to 5 axes"
            fix = (
                ("choose one: ", Setting("data.reader_options.variable", " | ".join(sorted(found))))
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
        raise NotImplementedError


class NetCDFReader(XarrayReader):
    """NetCDF, of HDF5 or of the classic format."""

    name: ClassVar[str] = "netcdf"
    signature: ClassVar[str] = r"CDF[\x01\x02\x05]"

    @classmethod
    def recognises(cls, file: h5py.File) -> bool:
        """Say whether an HDF5 file is of this format."""
        return "_NCProperties" in file.attrs or any("DIMENSION_LIST" in item.attrs for item in file.values())

    def _open(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine="h5netcdf" if _is_hdf5(path) else "scipy", decode_coords="all")


class ZarrReader(XarrayReader):
    """A Zarr store, as `msrnn data convert` makes it or as xarray does."""

    name: ClassVar[str] = "zarr"

    def _open(self, path: Path) -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*consolidated metadata", category=RuntimeWarning)
            return xr.open_dataset(path, engine="zarr", chunks=None, decode_coords="all")

    def frames(self, path: Path) -> list[Sliced]:
        views = super().frames(path)
        gone = _gone(path, self._array(path, data := self._open(path)), data)
        return [_without(view, gone, path) for view in views] if gone.any() else views


def _gone(path: Path, array: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """Find the frames of a store of ours whose file is gone, (time,) bool; Zarr reads them as missing."""
    valid = data["valid"].values > 0 if "valid" in data else np.zeros(array.sizes["time"], bool)
    shard = array.encoding.get("shards")
    gone = np.zeros(len(valid), bool)
    if shard is None or shard[1:] < array.shape[1:]:
        return gone
    for number, start in enumerate(range(0, len(valid), shard[0])):
        frames = slice(start, start + shard[0])
        gone[frames] = valid[frames] & (not (path / str(array.name) / "c" / f"{number}/0/0/0").is_file())
    return gone


def _without(view: Sliced, gone: np.ndarray, path: Path) -> View:
    """Make a view that refuses to read the frames that are `gone`."""

    def take(key: tuple[Any, ...]) -> Any:
        if gone[key[0]].any():
            raise DataError("damaged file", path, f"the chunks of {gone.sum()} frames are gone", "convert it again")
        return view[key]

    return View(view.shape, take)


def _times(path: Path, array: xr.DataArray) -> np.ndarray | None:
    """Read times, or whole numbers; None, if there is no coordinate of time.

    Raises:
        DataError: they are neither.
    """
    if "time" not in array.coords:
        return None
    time = array["time"].values
    if time.dtype.kind == "M" and np.isnat(time).any():
        raise DataError("no time", path, f"{np.isnat(time).sum()} of its {len(time)} times are missing", "mend them")
    if time.dtype.kind == "M":
        return time.astype("datetime64[ns]")
    if time.dtype.kind in "iu":
        return time.astype(np.int64)
    reason = f"its times are {type(time.flat[0]).__name__}, such as {time.flat[0]}"
    raise DataError("no time", path, reason, "wanted: whole numbers, or times of the standard calendar (CF units)")


def _take(array: xr.Variable, sequence: int, key: tuple[Any, ...]) -> np.ndarray:
    """Read a slice (time, channel, y, x) and nothing else; axes are added and put in order after reading."""
    wanted = {name: part for name, part in zip(AXES, key, strict=True) if name in array.dims}
    part = array.isel(wanted | ({"sequence": sequence} if "sequence" in array.dims else {})).load()
    values: np.ndarray = part.transpose(*(name for name in AXES if name in part.dims)).values
    return values if "channel" in array.dims else with_channel(values, key)


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x89HDF"
