"""Forecasts from a run directory: context in, forecast out, in the units of the data."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import overload

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from msrnn.data import Field
from msrnn.data.archive import step_between
from msrnn.data.field import MINUTE_NS
from msrnn.data.grid import resized_coords
from msrnn.data.lazy import Stream
from msrnn.data.readers.arrays import LAYOUTS, as_sequences, largest_value
from msrnn.data.readers.base import AXES
from msrnn.device import autocast, find_device, set_memory_format
from msrnn.nn.forecaster import Forecaster, check_horizon
from msrnn.nn.models import build_model
from msrnn.runs.directory import RunDirectory
from msrnn.settings import Precision, RunSettings, read_value
from msrnn.units import Units


class Predictor:
    """A trained model and what it was trained on; `load` makes it."""

    def __init__(self, model: Forecaster, settings: RunSettings, field: Field, precision: Precision = "32") -> None:
        self.model = model
        self.settings = settings
        self.field = field
        self.precision = precision
        """Precision of forecasts: "32", "64", or "bf16", which computes in bfloat16 what loses little by it."""

    @property
    def fingerprint(self) -> int:
        """Number that tells these weights from others, in whatever precision forecasts are made."""
        fingerprint = 0
        for name, weight in sorted(self.model.state_dict().items()):
            stored = weight.float() if self.precision == "64" != self.settings.precision else weight
            fingerprint = zlib.crc32(name.encode(), fingerprint)
            fingerprint = zlib.crc32(
                stored.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes(), fingerprint
            )
        return fingerprint

    @overload
    def predict(self, frames: np.ndarray, horizon: int | None = None) -> np.ndarray: ...

    @overload
    def predict(self, frames: xr.DataArray, horizon: int | None = None) -> xr.DataArray: ...

    def predict(self, frames: np.ndarray | xr.DataArray, horizon: int | None = None) -> np.ndarray | xr.DataArray:
        """Predict the next frames.

        Args:
            frames: the context; NaN is missing. An array is (time, y, x), (time, channel, y, x) or (sequence, time,
                channel, y, x), in the units the model was trained in; uint8 is scaled by 255 and uint16 by 65535, if
                these are "1". An xarray.DataArray is (time, channel, y, x) or (time, y, x), has `units` (and, if these
                are mm, `interval_minutes`) among its attributes, and times or numbers along `time`: rain in any units
                is converted. Frames of another size are resized, if the model's were.
            horizon: how many frames to predict; by default as many as in training.

        Returns:
            As `frames`, of the same units, type and range, with `horizon` frames; pixels that are missing in all of the
            context are missing in the forecast too. An xarray.DataArray goes on in time
            with `lead_time`, in minutes or frames, and keeps its other coordinates and attributes.

        Raises:
            ValueError: shape, type, units, time step, grid or values do not fit.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        if isinstance(frames, xr.DataArray):
            if frames.dims == AXES[:1] + AXES[2:]:
                return self.stream(frames.expand_dims("channel", axis=1), horizon).whole().isel(channel=0, drop=True)
            return self.stream(frames, horizon).whole()
        if not isinstance(frames, np.ndarray):
            raise ValueError(f"frames must be a numpy.ndarray or an xarray.DataArray, got {type(frames).__name__}")
        largest = self._largest(frames)
        sequences = (frames.reshape(as_sequences(frames.shape)) / largest).astype(np.float32)
        self._check(sequences, f"; shape {frames.shape} is read as {LAYOUTS[frames.ndim]}")
        size, units = self.settings.data.frame_size, self.field.units
        forecast = np.stack(
            [
                torch.stack(
                    list(self._leads(self.field.of_values(torch.from_numpy(one), units, size), horizon))
                ).numpy()
                for one in tqdm(sequences, desc="forecasting", unit="sequence", disable=None, delay=2, leave=False)
            ]
        )
        if frames.dtype.kind == "u":
            forecast = (forecast * largest).round()
        lead = forecast.shape[:2] if frames.ndim == 5 else forecast.shape[1:2]
        return forecast.reshape(*lead, *frames.shape[len(lead) : -2], *forecast.shape[-2:]).astype(frames.dtype)

    def stream(self, frames: xr.DataArray, horizon: int | None = None) -> Stream:
        """Predict the next frames one by one, as they are asked for, so that memory does not grow with the horizon.

        Args:
            frames: the context (time, channel, y, x), as for `predict`.
            horizon: how many frames to predict; by default as many as in training.

        Returns:
            What `predict` would return: an iterator over frames (channel, y, x), with coordinates and attributes in its
            `like`.

        Raises:
            ValueError: shape, type, units, time step, grid or values do not fit.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        if not isinstance(frames, xr.DataArray):
            raise ValueError(
                f"frames must be an xarray.DataArray, got {type(frames).__name__}; predict takes arrays too"
            )
        if frames.dims != AXES:
            raise ValueError(f"frames must be {', '.join(AXES)}, got {', '.join(map(str, frames.dims))}")
        if "units" not in frames.attrs:
            raise ValueError(f"frames need the attribute units, e.g. frames.attrs['units'] = {self.field.units.name!r}")
        timed = "time" in frames.coords and frames["time"].dtype.kind == "M"
        times = frames["time"].values if "time" in frames.coords else np.arange(len(frames))
        times = (times.astype("datetime64[ns]") if timed else times).astype(np.int64)
        step = step_between([times])
        if (np.diff(times) != step).any():
            raise ValueError("the frames are not at equal steps in time: give frames without a gap")
        if not step:  # one frame
            step = round((self.field.step_minutes or 1) * MINUTE_NS) if timed else 1
        size = self.settings.data.frame_size
        self.field.check("frames", Field.of_sequence(frames, step / MINUTE_NS if timed else None, size))
        units = Units.from_attrs(frames.attrs)
        values = self.field.of_values(torch.from_numpy(frames.values.astype(np.float32)), units, size)
        self._check(values[None].numpy(), "")
        leads = self._leads(values, horizon)
        shape = (horizon, self.model.out_channels, *values.shape[-2:])
        like = _after(frames, np.broadcast_to(np.float32(np.nan), shape), step, timed)
        return Stream(like, (self.field.to_values(lead, units).numpy() for lead in leads))

    def _leads(self, values: Tensor, horizon: int) -> Iterator[Tensor]:
        """Forecast from values (time, channel, y, x); an iterator over (channel, y, x), in the units of the field."""
        check_horizon(horizon)
        frames, valid = self.field.to_network(values)
        if not bool(valid.any()):
            raise ValueError("all values are missing: there is nothing to forecast from")
        missing = (~valid).flatten(1).all(dim=-1).nonzero().flatten() + 1
        if len(missing):
            raise ValueError(
                f"frame {int(missing[-1])} of {len(values)} is missing as a whole, which in training none is: give "
                "frames without a gap"
            )
        never = ~valid.any(dim=0)
        return (self.field.from_network(lead).masked_fill(never, torch.nan) for lead in self._computed(frames, horizon))

    def _computed(self, frames: Tensor, horizon: int) -> Iterator[Tensor]:
        """Compute the frames (channel, y, x) after a context, which goes to the device with the first of them."""
        leads = None
        for _ in range(horizon):
            with self.computing():
                leads = leads or self.model.leads(frames[None].to(next(self.model.parameters())), horizon)
                lead = next(leads)
            yield lead[0].cpu().float()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in the predictor's precision, without gradients."""
        with torch.no_grad(), autocast(self.precision, next(self.model.parameters()).device.type):
            yield

    def _largest(self, frames: np.ndarray) -> int:
        """Return what frames are divided by.

        Raises:
            ValueError: the type says nothing about the range.
        """
        as_sequences(frames.shape)
        largest = largest_value(frames.dtype, self.field.units.name)
        if frames.dtype.kind != "f" and (largest == 1 or self.field.normalisation != "none"):
            wanted = "floating point in [0, 1], uint8 or uint16" if self.field.normalisation == "none" else "floats"
            raise ValueError(
                f"frames must be {wanted}, in units {self.field.units.name}, got {frames.dtype}: convert them"
            )
        return largest

    def _check(self, values: np.ndarray, read_as: str) -> None:
        """Raise a ValueError, with the fix, if values are not what the model can forecast from."""
        channels = values.shape[2]
        if channels != self.model.in_channels:
            raise ValueError(f"frames have {channels} channels, the model wants {self.model.in_channels}{read_as}")
        if np.isinf(values).any():
            first = tuple(int(i) for i in np.argwhere(np.isinf(values))[0][-4:])
            raise ValueError(f"{np.isinf(values).sum()} values are infinite, first at index {first}: replace them")
        if self.field.normalisation == "none" and (
            np.nanmin(values, initial=0) < 0 or np.nanmax(values, initial=1) > 1
        ):
            raise ValueError(
                f"floating-point frames must lie in [0, 1], got {np.nanmin(values):g} to {np.nanmax(values):g}: "
                "divide by the largest possible value, or give uint8 or uint16"
            )


def _after(context: xr.DataArray, forecast: np.ndarray, step: int, timed: bool) -> xr.DataArray:
    """Give a forecast (time, channel, y, x) the coordinates and attributes of its context."""
    leads = np.arange(1, len(forecast) + 1)
    last = context["time"].values[-1] if "time" in context.coords else context.sizes["time"] - 1
    lead_attrs = {"long_name": "lead time", "standard_name": "forecast_period"}
    coords: dict[str, object] = {
        "time": last + leads * (np.timedelta64(step, "ns") if timed else 1),
        "lead_time": ("time", leads * step / MINUTE_NS, lead_attrs | {"units": "min"})
        if timed
        else ("time", leads, lead_attrs | {"units": "1"}),
    }
    if timed:
        coords["forecast_reference_time"] = ((), last, {"standard_name": "forecast_reference_time"})
    coords |= resized_coords(context, (forecast.shape[-2], forecast.shape[-1]))
    return xr.DataArray(forecast, coords, AXES, name=context.name, attrs=context.attrs)


def load(run: str | os.PathLike[str], device: str = "auto", precision: Precision = "32") -> Predictor:
    """Load a predictor from a run directory, with the weights that validated best.

    Args:
        run: a run directory, or what `msrnn.train` returned.
        device: "auto" (an accelerator if there is one), "cpu", "cuda" or "mps".
        precision: of forecasts: "32", "64" or "bf16" (mixed with bfloat16: twice as fast on a processor that has it).

    Raises:
        SettingsError: it is no run directory, has no weights yet, or is damaged.
    """
    precision = read_value(Precision, precision, "precision")
    directory = RunDirectory(Path(run))
    settings, field = directory.settings(), directory.field()
    model = build_model(settings.model, field.channels)
    if precision == "64":
        model.double()  # weights may be float64
    directory.load_into(model)
    where = find_device(device)
    set_memory_format(model, where)
    return Predictor(model.to(where).eval(), settings, field, precision)
