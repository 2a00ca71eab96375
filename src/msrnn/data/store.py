"""Zarr stores and NetCDF files of ours: one main variable (time, channel, y, x), named as the CF conventions want."""

import json
import shutil
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from tqdm import tqdm

import msrnn
from msrnn.data.archive import Archive, frame_statistics
from msrnn.data.field import Field
from msrnn.data.readers.base import AXES, STATISTICS, DataError
from msrnn.data.resize import resized_coords
from msrnn.files import written
from msrnn.settings import SettingsError

CHUNK_TIME, CHUNK_EDGE = 8, 256
"""Frames and pixels of a chunk: small enough for crops, large enough to compress."""
BLOCK = 64
"""Frames that are written at once, and make a file (a shard)."""
NAMES = {
    "mm/h": ("rain_rate", "lwe_precipitation_rate"),
    "mm": ("rain_amount", "lwe_thickness_of_precipitation_amount"),
    "dBZ": ("reflectivity", "equivalent_reflectivity_factor"),
    "1": ("frames", None),
}
"""Units to the variable's name and its CF standard name."""
PROGRESS = "msrnn-progress.json"
BETWEEN = 1000
"""Numbers that are left out between the frames of two sequences that become one."""


def save_sequences(path: Path, sequences: Sequence[xr.DataArray]) -> None:
    """Write forecasts as NetCDF, or, where `path` ends in .zarr, as a Zarr store; several get an axis `sequence`.

    It is there whole, or not at all.
    """
    joined = xr.concat(sequences, "sequence") if len(sequences) > 1 else sequences[0]
    data = _described(joined)
    if path.suffix == ".zarr":
        _to_zarr(data, _partial(path))
        _put(_partial(path), path)
        return
    with written(path) as partial:
        compressed = {name: {"zlib": True, "complevel": 4} for name in data.data_vars}
        data.to_netcdf(partial, engine="h5netcdf", encoding=compressed)


def convert(archive: Archive, path: Path, size: tuple[int, int] | None = None, skip_bad: bool = False) -> None:
    """Write an archive as one chunked Zarr store, with the statistics of each frame.

    An interrupted conversion goes on where it was when it is called again; the store is at `path` only when it is
    whole. Several sequences without times become one, with a gap between the numbers of their frames.

    Args:
        archive: what to convert.
        path: the store to make.
        size: resize frames to this height and width, by area mean (of mm/h).
        skip_bad: leave frames out that cannot be read, and note them in the archive.

    Raises:
        SettingsError: `path` exists, there are several sequences with times, or a frame cannot be read.
    """
    if path.exists():
        raise SettingsError(f"--to {path} exists: choose another name")
    if archive.timed and len(archive.sequences) > 1:
        raise SettingsError(f"{len(archive.sequences)} sequences with times cannot be one: convert them one by one")
    first = archive.sequences[0]
    height, width = size or first.shape[2:]
    times = _one_axis(archive.times)
    partial = _partial(path)
    this = {"times": zlib.crc32(times.tobytes()), "shape": [len(times), first.shape[1], height, width]}
    done = _done(partial, this)
    if done == 0:
        _create(partial, first, times, (height, width))
    group = zarr.open_group(partial, mode="r+")
    frames: Any = group[NAMES[first.attrs["units"]][0]]
    places = [(number, t) for number, sequence in enumerate(archive.sequences) for t in range(len(sequence))]
    with tqdm(total=len(places), initial=done, desc="converting", unit="frame", disable=None, delay=2) as bar:
        for start in range(done, len(places), BLOCK):
            read = [_read(archive, *place, size, skip_bad) for place in places[start : start + BLOCK]]
            stop = start + len(read)
            frames[start:stop] = np.stack([frame for frame, _ in read])
            for name, values in zip(STATISTICS, np.array([known for _, known in read]).T, strict=True):
                statistic: Any = group[name]
                statistic[start:stop] = values
            with written(partial / PROGRESS) as file:
                file.write_text(json.dumps(this | {"done": stop}))
            bar.update(len(read))
    (partial / PROGRESS).unlink()
    _put(partial, path)


def _one_axis(times: Sequence[np.ndarray]) -> np.ndarray:
    if len(times) == 1:
        return times[0]
    starts = np.cumsum([0] + [len(one) + BETWEEN for one in times[:-1]])
    return np.concatenate([start + one for start, one in zip(starts, times, strict=True)])


def _create(path: Path, like: xr.DataArray, times: np.ndarray, size: tuple[int, int]) -> None:
    """An empty store: coordinates and attributes are there, all frames are missing."""
    coords = {"time": ("time", times)} | resized_coords(like, size)
    described = _described(xr.DataArray(np.empty((0, 0, 0, 0), np.float32), dims=AXES, attrs=like.attrs))
    _to_zarr(xr.Dataset(coords=coords, attrs=described.attrs), path)
    shape = (len(times), like.sizes["channel"], *size)
    chunks = tuple(
        min(edge, least) for edge, least in zip(shape, (CHUNK_TIME, shape[1], CHUNK_EDGE, CHUNK_EDGE), strict=True)
    )
    largest = (BLOCK, *shape[1:])
    group = zarr.open_group(path, mode="r+")
    name = NAMES[like.attrs["units"]][0]
    others = " ".join(str(coord) for coord in coords if coord not in AXES)
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
        attributes=described[name].attrs | ({"coordinates": others} if others else {}),
    )
    for statistic in STATISTICS:
        group.create_array(
            statistic, shape=shape[:1], dtype="float64", fill_value=np.nan, dimension_names=AXES[:1], chunks=shape[:1]
        )


def _read(
    archive: Archive, number: int, t: int, size: tuple[int, int] | None, skip_bad: bool
) -> tuple[np.ndarray, tuple[float, ...]]:
    """A frame and its statistics; with `skip_bad`, a missing one in the place of one that cannot be read."""
    sequence = archive.sequences[number]
    units, interval = sequence.attrs["units"], sequence.attrs.get("interval_minutes")
    field = Field(units=units, interval_minutes=interval)
    try:
        frame = field.of_values(torch.from_numpy(sequence[t].values), sequence.attrs, size).numpy()
        return frame, frame_statistics(frame, units, interval, archive.sources[number].path(t))
    except DataError as error:
        if not skip_bad:
            raise
        archive.skipped.append(error)
    return np.full((sequence.sizes["channel"], *(size or sequence.shape[2:])), np.nan, np.float32), (np.nan,) * len(
        STATISTICS
    )


def _done(partial: Path, this: dict[str, Any]) -> int:
    """How many frames an interrupted conversion of the same archive has written."""
    try:
        before = json.loads((partial / PROGRESS).read_text())
        return int(before.pop("done")) if before.items() >= this.items() else 0
    except (OSError, json.JSONDecodeError, KeyError, AttributeError):
        return 0


def _described(sequence: xr.DataArray) -> xr.Dataset:
    """A sequence as a data set with the names of the CF conventions."""
    name, standard_name = NAMES[sequence.attrs["units"]]
    attrs = {} if standard_name is None else {"standard_name": standard_name}
    data = sequence.assign_attrs(attrs).to_dataset(name=name)
    data.attrs = {"Conventions": "CF-1.11", "source": f"msrnn {msrnn.__version__}"}
    return data


def _to_zarr(data: xr.Dataset, path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.to_zarr(path, mode="w", zarr_format=3, consolidated=False)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _put(partial: Path, path: Path) -> None:
    """A whole store in its place, with all its metadata in one file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*onsolidated metadata")  # not yet in the specification of Zarr 3
        zarr.consolidate_metadata(partial)
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)
