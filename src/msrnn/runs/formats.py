"""Formats of forecasts: each is one function and one row of `FORMATS`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from msrnn.atomic import written
from msrnn.data.archive import Archive
from msrnn.data.field import Field
from msrnn.data.lazy import Stream
from msrnn.data.readers.arrays import load_array
from msrnn.data.write import save_sequences
from msrnn.plots import animate, plot_frames, save_figure
from msrnn.units import Units

SHOWN = 6
"""Most sequences in an animation or a picture."""


class Forecasts(NamedTuple):
    """Forecasts of sequences, and what they were made from."""

    field: Field
    """The model's."""
    archive: Archive
    """The files."""
    given: list[xr.DataArray]
    """The context of each sequence, (time, channel, y, x)."""
    forecasts: list[Stream]
    """The forecast of each, in the units of its context; its frames are made when they are asked for, once."""


def write_sequences(path: Path, forecasts: Forecasts) -> None:
    """Write NetCDF, or a Zarr store, with coordinates, times and units."""
    save_sequences(path, forecasts.forecasts)


def write_array(path: Path, forecasts: Forecasts) -> None:
    """Write an array with the axes and type of the input, if that is an array; else (time, channel, y, x)."""
    with written(path) as partial:
        np.save(partial, _as_array(forecasts.archive, forecasts.forecasts))


def write_picture(path: Path, forecasts: Forecasts) -> None:
    """Write context and forecast of the first sequences side by side."""
    both = _shown(forecasts)
    labels = [f"sequence {number}" for number in range(1, len(both) + 1)] if len(both) > 1 else ["forecast"]
    figure = plot_frames(dict(zip(labels, both, strict=True)), len(forecasts.given[0]), forecasts.field.is_rain)
    save_figure(figure, path)


def write_animation(path: Path, forecasts: Forecasts) -> None:
    """Write context and forecast of the first sequences as an animation."""
    both = {"forecast": np.stack(_shown(forecasts))}
    animate(path, both, context=len(forecasts.given[0]), rain=forecasts.field.is_rain)


FORMATS: dict[str, Callable[[Path, Forecasts], None]] = {
    ".nc": write_sequences,
    ".zarr": write_sequences,
    ".npy": write_array,
    ".png": write_picture,
    ".gif": write_animation,
    ".mp4": write_animation,
}


def _shown(forecasts: Forecasts) -> list[np.ndarray]:
    """Put context and forecast of the first sequences behind one another, (time, y, x), as they are shown."""
    field, both = forecasts.field, []
    for context, forecast in zip(forecasts.given[:SHOWN], forecasts.forecasts, strict=False):
        size = (forecast.like.sizes["y"], forecast.like.sizes["x"])
        frames = torch.cat(
            [
                field.of_values(torch.from_numpy(one.values), Units.from_attrs(one.attrs), size)
                for one in (context, forecast.whole())
            ]
        )
        missing = frames.isnan()
        shown = field.rates(frames) if field.is_rain else field.to_network(frames)[0].masked_fill(missing, torch.nan)
        both.append(shown[:, 0].numpy())
    return both


def _as_array(archive: Archive, forecasts: list[Stream]) -> np.ndarray:
    """Stack forecasts with the axes and type of the input, if that is an array; else (time, channel, y, x)."""
    values = np.stack([forecast.whole().values for forecast in forecasts])
    paths = {source.path(0) for source in archive.sources}
    if archive.reader != "array" or len(paths) > 1:
        return values if len(values) > 1 else values[0]
    stored = load_array(paths.pop(), str(dict(vars(archive.sources[0].reader)).get("array", "")))
    if archive.largest != 1:
        values = (values * archive.largest).round()
    shape = (values.shape[1], *stored.shape[1:-2]) if stored.ndim < 5 else values.shape[:3]
    return values.reshape(*shape, *values.shape[-2:]).astype(stored.dtype if stored.dtype.kind in "fu" else np.float32)
