"""Meaning of the numbers in frames, and their way to the network's [0, 1] and back."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from msrnn.data.grid import area_mean
from msrnn.errors import DataError, Setting, SettingsError, Text
from msrnn.units import RAIN_UNITS, Z_R, ZR, Units, from_rate, pixel_from_rate, rate_from_pixel, to_rate

Fill = Literal["dry", "last"]
MINUTE_NS = 60_000_000_000
BEYOND = 1.0
"""How far outside [0, 1] the network's frames may lie."""


@dataclass(frozen=True)
class Field:
    """Meaning of a model's frames. It is stored with the run, and is all that `predict` needs to know of the data.

    Raises:
        SettingsError: units and normalisation do not go together.
    """

    channels: int = 1
    units: Units = field(default_factory=Units)
    z_r: tuple[float, float] = Z_R["dwd"]
    """a and b of Z = a R^b."""
    normalisation: Literal["none", "range", "rain"] = "none"
    """none: frames lie in [0, 1]; range: linear, `smallest` is 0 and `largest` is 1; rain: the paper's pixel."""
    smallest: float = 0.0
    largest: float = 1.0
    fill: Fill = "dry"
    """Filling of missing values for the network: dry, 0, which is no rain; last, the last value there was."""
    step_minutes: float | None = None
    """Between frames; None: frames are only numbered."""
    spacing: tuple[float, float] | None = None
    """From pixel to pixel along y and x, in metres or the coordinates' own units; None: not known."""
    names: tuple[str, ...] | None = None
    """Names of the channels; None: they have none."""
    reader: str | None = None
    """Reader of the files; None: there are none."""

    def __post_init__(self) -> None:
        if self.normalisation == "rain" and not self.is_rain:
            units = f"normalisation rain is for {', '.join(RAIN_UNITS)}, the units are {self.units}: "
            raise SettingsError(units, "say the units of the rain with ", Setting("data.units"))
        if self.normalisation == "range" and not self.smallest < self.largest:
            raise SettingsError(f"normalisation range from {self.smallest:g} to {self.largest:g}: no range")

    @property
    def description(self) -> str:
        """Normalisation in words."""
        if self.normalisation == "rain":
            return f"rain: clip((dBZ + 10) / 70, 0, 1) with Z = {self.z_r[0]:g} R^{self.z_r[1]:g}"
        if self.normalisation == "range":
            return f"range: {self.smallest:g} to {self.largest:g}, of the training split, become 0 to 1"
        return "none: the values lie in [0, 1]"

    @property
    def is_rain(self) -> bool:
        """Whether the numbers are rain, and can be mm/h."""
        return self.units.is_rain

    @property
    def _z_r(self) -> ZR:
        return ZR(*self.z_r)

    def to_network(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Convert values (..., time, channel, y, x) to the network's frames; return these, and which are valid (bool).

        What lies farther outside [0, 1] than `BEYOND` counts as that far: no number makes a forecast NaN.
        """
        valid = ~values.isnan()
        frames = values
        if self.normalisation == "rain":
            frames = pixel_from_rate(self.rates(values), self._z_r)
        elif self.normalisation == "range":
            frames = (values - self.smallest) / (self.largest - self.smallest)
        frames = frames.masked_fill(~valid, 0).clamp(-BEYOND, 1 + BEYOND)
        if self.fill == "last":
            last = frames.select(-4, 0)
            filled = [last]
            for t in range(1, frames.shape[-4]):
                last = torch.where(valid.select(-4, t), frames.select(-4, t), last)
                filled.append(last)
            frames = torch.stack(filled, dim=-4)
        return frames, valid

    def from_network(self, frames: Tensor) -> Tensor:
        """Convert the network's frames, clipped to [0, 1], to values."""
        frames = frames.clamp(0, 1)
        if self.normalisation == "rain":
            return self.from_rates(rate_from_pixel(frames, self._z_r))
        if self.normalisation == "range":
            return frames * (self.largest - self.smallest) + self.smallest
        return frames

    def rates(self, values: Tensor) -> Tensor:
        """Convert values to rain rates in mm/h."""
        return to_rate(values, self.units, self._z_r)

    def from_rates(self, rates_mm_h: Tensor) -> Tensor:
        """Convert rain rates in mm/h to values."""
        return from_rate(rates_mm_h, self.units, self._z_r)

    def of_values(self, values: Tensor, units: Units, size: tuple[int, int] | None = None) -> Tensor:
        """Convert values in other units to the field's, and resize them by area mean (rain: of rates)."""
        resized = size is not None and tuple(values.shape[-2:]) != tuple(size)
        if not self.is_rain or (units == self.units and not resized):
            return area_mean(values, size) if size is not None else values
        rates = to_rate(values, units, self._z_r)
        return self.from_rates(area_mean(rates, size) if size is not None else rates)

    def to_values(self, values: Tensor, units: Units) -> Tensor:
        """Convert values in the field's units to other units."""
        return values if units == self.units else from_rate(self.rates(values), units, self._z_r)

    def check(self, what: str, other: "Field") -> None:
        """Raise a `DataError` that names both sides, if frames of another field cannot be made this one's.

        Args:
            what: the frames' name in the message.
            other: what they are; their normalisation does not matter.
        """
        if other.is_rain != self.is_rain:
            say = ("convert it, or say its units with ", Setting("data.units"))
            raise _mismatch(what, "units", other.units.name, self.units.name, say)
        if other.units.name == self.units.name and other.units != self.units:
            raise _mismatch(what, "units", other.units, self.units, "convert it")
        if other.channels != self.channels:
            raise _mismatch(what, "number of channels", other.channels, self.channels, "choose the channels")
        if other.names is not None and self.names is not None and other.names != self.names:
            fix = "put them into the model's order"
            raise _mismatch(what, "channels", ", ".join(other.names), ", ".join(self.names), fix)
        if other.step_minutes and self.step_minutes and other.step_minutes != self.step_minutes:
            ours, theirs = (f"{field.step_minutes:g} min" for field in (other, self))
            raise _mismatch(what, "time step", ours, theirs, "give frames at that step")
        if other.spacing and self.spacing and not np.allclose(other.spacing, self.spacing, rtol=1e-3):
            ours, theirs = (" x ".join(f"{edge:g}" for edge in field.spacing or ()) for field in (other, self))
            raise _mismatch(what, "grid spacing", ours, theirs, "resample it to the model's grid")

    @classmethod
    def of_sequence(
        cls, sequence: xr.DataArray, step_minutes: float | None = None, size: tuple[int, int] | None = None, **more: Any
    ) -> "Field":
        """Make the field of a sequence (time, channel, y, x), before a normalisation is fitted.

        Args:
            sequence: with its attributes.
            step_minutes: between its frames; None: not known.
            size: what its frames are resized to.
            more: the other fields.
        """
        spacing = grid_spacing(sequence)
        if spacing is not None and size is not None:
            spacing = spacing[0] * sequence.sizes["y"] / size[0], spacing[1] * sequence.sizes["x"] / size[1]
        return cls(
            channels=sequence.sizes["channel"],
            units=Units.from_attrs(sequence.attrs),
            step_minutes=step_minutes,
            spacing=spacing,
            names=channel_names(sequence),
            **more,
        )

    def document(self) -> dict[str, Any]:
        """Return the field as a run directory stores it."""
        document: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name == "units":
                document |= {"units": self.units.name, "interval_minutes": self.units.interval_minutes}
            else:
                document[name] = value
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Field":
        """Make the field of a document."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        values["units"] = Units(values["units"], values.pop("interval_minutes"))
        return cls(**values)


def _mismatch(what: str, quantity: str, ours: object, theirs: object, fix: Text) -> DataError:
    return DataError("mismatch", what, f"its {quantity}: {ours}; the model's: {theirs}", fix)


def channel_names(sequence: xr.DataArray) -> tuple[str, ...] | None:
    """Read the names of the channels, where the sequence has them."""
    if "channel" not in sequence.coords or sequence["channel"].dtype.kind not in "OUST":
        return None
    return tuple(str(name) for name in sequence["channel"].values)


def grid_spacing(sequence: xr.DataArray) -> tuple[float, float] | None:
    """Compute the distance of pixels along y and x, in metres or the coordinates' own units, if there are any.

    Negative, where the coordinate falls: y does, if the first row is the northernmost.
    """
    if not all(axis in sequence.coords and sequence.sizes[axis] > 1 for axis in ("y", "x")):
        return None
    y, x = (
        float(sequence[axis].diff(axis).mean()) * (1000 if sequence[axis].attrs.get("units") == "km" else 1)
        for axis in ("y", "x")
    )
    return y, x


def fitted(
    field: Field, normalisation: Literal["auto", "none", "range", "rain"], smallest: float, largest: float
) -> Field:
    """Fit a field's normalisation to the training split's least and greatest values.

    "auto" is rain for units of rain, none for values in [0, 1], else range.

    Raises:
        SettingsError: the normalisation does not suit the data.
    """
    inside = smallest >= 0 and largest <= 1
    if normalisation == "auto":
        normalisation = "rain" if field.is_rain else "none" if inside else "range"
    if normalisation == "none" and not inside:
        these = f" is for values in [0, 1], these are {smallest:g} to {largest:g}: choose range"
        raise SettingsError(Setting("data.normalisation", normalisation), these)
    if normalisation == "range":
        field = replace(field, smallest=smallest, largest=largest if largest > smallest else smallest + 1)
    return replace(field, normalisation=normalisation)
