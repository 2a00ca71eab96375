"""HDF5 of no format of its own: anybody's datasets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from msrnn.data.readers.arrays import as_sequences, largest_value, scaled
from msrnn.data.readers.base import (
    Header,
    Reader,
    Sliced,
    View,
    given_units,
    known_units,
    one_by_one,
    reading,
    with_channel,
)
from msrnn.data.readers.timestamps import nanoseconds, time_in_name, times_from
from msrnn.errors import DataError, Setting


def text(value: Any) -> str:
    """Read an attribute that is a string."""
    value = np.asarray(value).reshape(-1)[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def number(value: Any) -> float:
    """Read an attribute that is a number."""
    return float(np.asarray(value).reshape(-1)[0])


@dataclass(frozen=True)
class HDF5Reader(Reader):
    """HDF5 with one dataset of frames, or with one per time stamp, which is its name.

    One dataset is (time, y, x), (time, channel, y, x) or (sequence, time, channel, y, x); one of several is (y, x) or
    (channel, y, x).

    Times are read from a dataset `time`, `times`, `date`, `dates`, `timestamp` or `timestamps` of the same length: ISO
    or YYYYMMDDHHMM text or numbers, or seconds since 1970. Attributes `units`, `interval_minutes`, `scale_factor`,
    `add_offset` and `_FillValue` or `nodata` count.

    Args:
        dataset: path of the dataset in the file; not needed where there is one.
        units: of the numbers; by default as the attribute says.
        missing: number that stands for missing; by default as the attribute says.
        scale: numbers are multiplied by it; by default as the attribute says.
    """

    name: ClassVar[str] = "hdf5"
    dataset: str = ""
    units: str | None = None
    missing: float | None = None
    scale: float | None = None

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "HDF5"), h5py.File(path) as file:
            stamps = self._stamped(file)
            if stamps:
                first = file[stamps[0][1]]
                shape = (len(stamps), *one_by_one(np.empty(first.shape, bool)).shape[1:])
                return [self._header(path, first, shape, nanoseconds([time for time, _ in stamps]))]
            array = self._only(path, file)
            count, shape = _layout(path, array.shape)
            return [self._header(path, array, shape, _times(path, file, shape[0]))] * count

    def frames(self, path: Path) -> list[Sliced]:
        file = h5py.File(path)
        stamps = self._stamped(file)
        if stamps:
            names = [name for _, name in stamps]
            shape = (len(names), *one_by_one(np.empty(file[names[0]].shape, bool)).shape[1:])
            return [View(shape, lambda key: self._stack(file, names, key))]
        array = self._only(path, file)
        count, shape = _layout(path, array.shape)

        def part(sequence: int) -> View:
            def take(key: tuple[Any, ...]) -> np.ndarray:
                if array.ndim == 3:
                    time, _, y, x = key
                    return self._values(array, with_channel(array[time, y, x], key))
                return self._values(array, array[key] if array.ndim == 4 else array[(sequence, *key)])

            return View(shape, take)

        return [part(sequence) for sequence in range(count)]

    def _header(self, path: Path, array: h5py.Dataset, shape: tuple[int, ...], times: np.ndarray | None) -> Header:
        attrs = array.attrs
        units = self._units(path, array)
        interval = number(attrs["interval_minutes"]) if "interval_minutes" in attrs else None
        largest = 1 if self.scale or "scale_factor" in attrs else largest_value(array.dtype, units)
        time, channel, y, x = shape
        return Header((time, channel, y, x), times, given_units(units, interval), largest)

    def _units(self, path: object, array: h5py.Dataset) -> str | None:
        return self.units or (known_units(path, text(array.attrs["units"])) if "units" in array.attrs else None)

    def _stamped(self, file: h5py.File) -> list[tuple[np.datetime64, str]]:
        """List times and names of datasets that hold one frame each, in order of time."""
        if self.dataset:
            return []
        found = [(time_in_name(name), name) for name, item in file.items() if _is_frame(item)]
        return sorted((time, name) for time, name in found if time is not None)

    def _stack(self, file: h5py.File, names: list[str], key: tuple[Any, ...]) -> np.ndarray:
        time, channel, y, x = key
        chosen = [names[time]] if isinstance(time, int) else names[time]
        shape = file[names[0]].shape
        frames = []
        for name in chosen:
            array = file[name]
            if array.shape != shape:
                raise ValueError(f"dataset {name} is {array.shape}, {names[0]} is {shape}")
            values = array[y, x][None] if array.ndim == 2 else array[:, y, x]
            frames.append(self._values(array, values)[channel])
        return frames[0] if isinstance(time, int) else np.stack(frames) if frames else np.empty((0, *shape))

    def _values(self, array: h5py.Dataset, stored: np.ndarray) -> np.ndarray:
        attrs = array.attrs
        missing = self.missing
        for name in ("_FillValue", "nodata", "missing_value"):
            if missing is None and name in attrs:
                missing = number(attrs[name])
        scale = self.scale or (number(attrs["scale_factor"]) if "scale_factor" in attrs else None)
        offset = number(attrs["add_offset"]) if "add_offset" in attrs else 0.0
        values = np.asarray(stored, np.float64)
        if scale is not None or offset:
            values = values * (scale or 1.0) + offset
        else:
            values = scaled(values, largest_value(array.dtype, self._units(array.file.filename, array)))
        return values if missing is None else np.where(np.asarray(stored) == missing, np.nan, values)

    def _only(self, path: Path, file: h5py.File) -> h5py.Dataset:
        arrays = {name: item for name, item in _datasets(file) if item.ndim >= 3 and item.dtype.kind in "fiu"}
        if self.dataset:
            if self.dataset.strip("/") not in arrays:
                reason = f"holds no dataset {self.dataset} of 3 to 5 axes"
                raise DataError("no dataset", path, reason, f"choose from {', '.join(arrays) or 'another file'}")
            return arrays[self.dataset.strip("/")]
        if len(arrays) != 1:
            reason = f"holds {len(arrays) or 'no'} datasets of 3 to 5 axes"
            one = "choose one: ", Setting("data.reader_options.dataset", " | ".join(arrays))
            names = one if arrays else "is it another format?"
            raise DataError("several datasets" if arrays else "no dataset", path, reason, names)
        return next(iter(arrays.values()))


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return iter(found)


def _is_frame(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.dtype.kind in "fiu"


def _layout(path: Path, shape: tuple[int, ...]) -> tuple[int, tuple[int, int, int, int]]:
    try:
        count, time, channel, y, x = as_sequences(shape)
    except ValueError as error:
        raise DataError("other shape", path, str(error), "name another dataset") from error
    return count, (time, channel, y, x)


def _times(path: Path, file: h5py.File, length: int) -> np.ndarray | None:
    for name in ("time", "times", "date", "dates", "timestamp", "timestamps"):
        if name in file and isinstance(file[name], h5py.Dataset) and file[name].ndim == 1:
            if len(file[name]) != length:
                raise DataError("no time", path, f"has {length} frames and {len(file[name])} in {name}", "mend it")
            since = text(file[name].attrs["units"]) if "units" in file[name].attrs else ""
            times = times_from(file[name][()], since)
            if times is None:
                reason = f"the numbers in {name} are no times, such as {file[name][0]}"
                fix = "wanted: YYYYMMDDHHMM, ISO text, or the attribute units of CF, e.g. minutes since 2020-01-01"
                raise DataError("no time", path, reason, fix)
            return times
    return None
