"""Zarr stores and NetCDF files of ours: one main variable (time, channel, y, x), named as the CF conventions want."""

import json
import math
import shutil
import warnings
import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr
import zarr
from tqdm import tqdm

import msrnn
from msrnn.atomic import written
from msrnn.data.archive import BLOCK_BYTES, Archive
from msrnn.data.grid import resized_coords
from msrnn.data.lazy import Stream
from msrnn.data.readers.base import AXES
from msrnn.data.statistics import STATISTICS, FrameStatistics
from msrnn.errors import DataError, Setting, SettingsError

CHUNK_TIME, CHUNK_EDGE = 8, 256
"""Frames and pixels of a chunk: small enough for crops, large enough to compress."""
BLOCK = 64
"""Frames that are written at once, at most, and make a file (a shard)."""
NAMES = {
    "mm/h": ("rain_rate", "lwe_precipitation_rate"),
    "mm": ("rain_amount", "lwe_thickness_of_precipitation_amount"),
    "dBZ": ("reflectivity", "equivalent_reflectivity_factor"),
    "1": ("frames", None),
}
"""Units to the variable's name and its CF standard name."""
ABOUT = {"Conventions": "CF-1.11", "source": f"msrnn {msrnn.__version__}"}
"""Attributes of files and stores."""
PROGRESS = "msrnn-progress.json"
BETWEEN = 1000
"""Numbers that are left out between the frames of two sequences that become one."""


def save_sequences(path: Path, sequences: Sequence[Stream]) -> None:
    """Write forecasts as NetCDF, or, where `path` ends in .zarr, as a Zarr store; several get an axis `sequence`.

    Each frame is written when it is made. Of several sequences, coordinates are those of the first: their frames have
    other numbers, but the same leads. The file is there whole, or not at all.
    """
    like = sequences[0].like
    axes, shape = (AXES, like.shape) if len(sequences) == 1 else (("sequence", *AXES), (len(sequences), *like.shape))
    chunks = (*[1] * (len(shape) - 3), shape[-3], *(min(edge, CHUNK_EDGE) for edge in shape[-2:]))
    name, attrs = _variable(like.attrs, like.coords)
    coords = xr.Dataset(coords=like.coords, attrs=ABOUT)
    if path.suffix == ".zarr":
        with _written_store(path) as partial:
            _to_zarr(coords, partial)
            variable = zarr.open_group(partial, mode="r+").create_array(
                name,
                shape=shape,
                chunks=chunks,
                dtype="float32",
                fill_value=np.nan,
                dimension_names=axes,
                attributes=attrs,
            )
            _fill(variable, sequences)
        return
    with written(path) as partial:
        coords.to_netcdf(partial, engine="h5netcdf")
        with h5netcdf.File(partial, "a") as file:
            file.attrs.pop("coordinates", None)
            for axis, length in zip(axes, shape, strict=True):
                if axis not in file.dimensions:
                    file.dimensions[axis] = length
            variable = file.create_variable(name, axes, "float32", chunks=chunks, fillvalue=np.nan, compression="gzip")
            variable.attrs.update(attrs)
            _fill(variable, sequences)


def _fill(variable: Any, sequences: Sequence[Stream]) -> None:
    """Write frames into a variable, (time, channel, y, x) or with an axis of sequences before."""
    for number, sequence in enumerate(sequences):
        for lead, frame in enumerate(sequence):
            variable[(lead,) if len(sequences) == 1 else (number, lead)] = frame


def convert(archive: Archive, path: Path, size: tuple[int, int] | None = None) -> None:
    """Write an archive as one chunked Zarr store, with the statistics of each frame.

    An interrupted conversion goes on where it was when it is called again; the store is at `path` only when it is
    whole. Several sequences without times become one, with a gap between the numbers of their frames.

    Args:
        archive: what to convert.
        path: the store to make.
        size: resize frames to this height and width, by area mean (of mm/h).

    Raises:
        SettingsError: `path` exists, there are several sequences with times, or a frame cannot be read.
    """
    if path.exists():
        raise SettingsError(Setting("to", path), " exists: choose another name")
    if archive.timed and len(archive.sequences) > 1:
        raise SettingsError(f"{len(archive.sequences)} sequences with times cannot be one: convert them one by one")
    first = archive.sequences[0]
    height, width = size or first.shape[2:]
    times = _one_axis(archive.times)
    partial = _partial(path)
    this = {"shape": [len(times), first.shape[1], height, width], "archive": _fingerprint(archive)}
    done = _done(partial, this)
    block = max(CHUNK_TIME, min(BLOCK, BLOCK_BYTES // (4 * math.prod(archive.shape)) // CHUNK_TIME * CHUNK_TIME))
    if done == 0:
        _create(partial, first, times, (height, width), block)
    group = zarr.open_group(partial, mode="r+")
    frames: Any = group[NAMES[first.attrs["units"]][0]]
    with tqdm(total=len(times), initial=done, desc="converting", unit="frame", disable=None, delay=2) as bar:
        for start in range(done, len(times), block):
            stop = min(start + block, len(times))
            read = [archive.read(*piece, size) for piece in _pieces(archive, start, stop)]
            frames[start:stop] = np.concatenate([values for values, _ in read])
            known = FrameStatistics.join([statistics for _, statistics in read])
            for name, values in zip(STATISTICS, known.columns, strict=True):
                statistic: Any = group[name]
                statistic[start:stop] = values
            with written(partial / PROGRESS) as file:
                file.write_text(json.dumps(this | {"done": stop}), encoding="utf-8")
            bar.update(stop - start)
    if not np.isfinite(np.asarray(group["valid"][:], np.float64)).any():  # type: ignore[index]
        reason, fix = "not one frame could be read", "check the files with msrnn data inspect"
        raise DataError("no frame", archive.sources[0].path(0), reason, fix)
    (partial / PROGRESS).unlink()
    _put(partial, path)


def _one_axis(times: Sequence[np.ndarray]) -> np.ndarray:
    if len(times) == 1:
        return times[0]
    starts = np.cumsum([0] + [len(one) + BETWEEN for one in times[:-1]])
    return np.concatenate([start + one for start, one in zip(starts, times, strict=True)])


def _pieces(archive: Archive, start: int, stop: int) -> Iterator[tuple[int, slice]]:
    """Yield the sequences, and the frames in them, that frames `start` to `stop` of the store come from."""
    before = 0
    for number, sequence in enumerate(archive.sequences):
        first, last = max(start - before, 0), min(stop - before, len(sequence))
        if first < last:
            yield number, slice(first, last)
        before += len(sequence)


def _fingerprint(archive: Archive) -> int:
    """Return a number that tells one archive, as it is read, from another: files, sizes and times, units."""
    told = [archive.reader, archive.sequences[0].attrs["units"], archive.sequences[0].attrs.get("interval_minutes")]
    for source in archive.sources:
        told.append(source.reader)
        for path, number in source.parts:
            status = path.stat()
            told.append((str(path.absolute()), number, status.st_size, status.st_mtime_ns))
    return zlib.crc32(repr(told).encode())


def _create(path: Path, like: xr.DataArray, times: np.ndarray, size: tuple[int, int], block: int) -> None:
    """Create an empty store: coordinates and attributes are there, all frames are missing."""
    coords = {"time": ("time", times)} | resized_coords(like, size)
    _to_zarr(xr.Dataset(coords=coords, attrs=ABOUT), path)
    shape = (len(times), like.sizes["channel"], *size)
    chunks = tuple(
        min(edge, least) for edge, least in zip(shape, (CHUNK_TIME, shape[1], CHUNK_EDGE, CHUNK_EDGE), strict=True)
    )
    largest = (block, *shape[1:])
    group = zarr.open_group(path, mode="r+")
    name, attrs = _variable(like.attrs, coords)
    group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        shards=tuple(
            -(-min(edge, most) // chunk) * chunk for edge, most, chunk in zip(shape, largest, chunks, strict=True)
        ),
        dtype="float32",
        fill_value=np.nan,
        dimension_names=AXES,
        attributes=attrs,
    )
    for statistic in STATISTICS:
        group.create_array(
            statistic, shape=shape[:1], dtype="float64", fill_value=np.nan, dimension_names=AXES[:1], chunks=shape[:1]
        )


def _done(partial: Path, this: dict[str, Any]) -> int:
    """Count the frames that an interrupted conversion of the same archive has written."""
    try:
        before = json.loads((partial / PROGRESS).read_text(encoding="utf-8"))
        return int(before.pop("done")) if before.items() >= this.items() else 0
    except (OSError, json.JSONDecodeError, KeyError, AttributeError):
        return 0


def _variable(attrs: Mapping[str, Any], coords: Iterable[Hashable]) -> tuple[str, dict[str, Any]]:
    """Return the name and attributes that the CF conventions want for a sequence's variable."""
    name, standard_name = NAMES[attrs["units"]]
    others = " ".join(str(coord) for coord in coords if coord not in AXES)
    optional = {"standard_name": standard_name, "coordinates": others}
    numbers = (np.ndarray, np.generic)  # are no JSON
    plain = {key: value.tolist() if isinstance(value, numbers) else value for key, value in attrs.items()}
    return name, plain | {key: value for key, value in optional.items() if value}


def _to_zarr(data: xr.Dataset, path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _without_warnings():
        data.to_zarr(path, mode="w", zarr_format=3, consolidated=False)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


@contextmanager
def _written_store(path: Path) -> Iterator[Path]:
    """Yield a temporary store; on success it replaces `path`, on error it is removed."""
    partial = _partial(path)
    try:
        yield partial
        _put(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, path: Path) -> None:
    """Put a whole store in its place, with all its metadata in one file."""
    with _without_warnings():
        zarr.consolidate_metadata(partial)
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence warnings of what Zarr 3 does not yet specify: metadata in one file, and text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*onsolidated metadata|.*does not have a Zarr V3 spec")
        yield
