"""Conversions between rain rate (mm/h), accumulation (mm), reflectivity (dBZ) and pixel in [0, 1].

No rain is 0 mm/h. In dBZ and pixels it is the paper's floor, -10 dBZ or pixel 0, and everything below. Above the floor
the conversions invert each other; NaN stays NaN.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from msrnn.errors import Setting, SettingsError
from msrnn.settings import Z_R_NAMES, UnitName

FLOOR_DBZ, SPAN_DBZ = -10.0, 70.0
"""Range of the paper's pixel: clip((dBZ + 10) / 70, 0, 1)."""
UNITS: tuple[UnitName, ...] = get_args(UnitName)
RAIN_UNITS = tuple(name for name in UNITS if name != "1")
RAIN_WEIGHTS = ((0.5, 1.0), (2.0, 2.0), (5.0, 5.0), (10.0, 10.0), (30.0, 30.0))
"""Balancing weights (Shi et al. 2017): (threshold in mm/h, weight of rain at or above it); 1 below the first."""


class ZR(NamedTuple):
    """Z-R relation Z = a R^b, with Z in mm^6/m^3 and R in mm/h."""

    a: float
    b: float


@dataclass(frozen=True)
class Units:
    """Units of the values in frames.

    Args:
        name: mm/h, mm (per interval), dBZ, or 1 for numbers of another kind.
        interval_minutes: over how long mm are summed; None while nothing says so. Dropped for other units.

    Raises:
        SettingsError: there are no such units.
    """

    name: UnitName = "1"
    interval_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.name not in UNITS:
            raise SettingsError(f"no units {self.name!r}; choose from {', '.join(UNITS)}")
        if self.name != "mm":
            object.__setattr__(self, "interval_minutes", None)

    def __str__(self) -> str:
        return self.name + (f" per {self.interval_minutes:g} minutes" if self.interval_minutes else "")

    @classmethod
    def from_attrs(cls, attrs: Mapping[Any, Any]) -> "Units":
        """Read the attributes `units` and `interval_minutes` of a sequence."""
        return cls(attrs["units"], attrs.get("interval_minutes"))

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of a sequence in these units."""
        interval = {} if self.interval_minutes is None else {"interval_minutes": self.interval_minutes}
        return {"units": self.name, **interval}

    @property
    def is_rain(self) -> bool:
        """Whether values can be converted to a rain rate."""
        return self.name != "1"

    @property
    def intervals_per_hour(self) -> float:
        """Number of intervals of mm in an hour.

        Raises:
            SettingsError: nothing says how long the interval is.
        """
        if self.interval_minutes is None:
            raise SettingsError("units mm need an interval: ", Setting("data.interval_minutes"))
        return 60 / self.interval_minutes


Z_R = {name: ZR(*numbers) for name, numbers in Z_R_NAMES.items()}


def dbz_from_rate(rate_mm_h: Tensor, z_r: ZR) -> Tensor:
    """Convert a rain rate in mm/h to reflectivity in dBZ, at least -10."""
    dbz = 10 * (math.log10(z_r.a) + z_r.b * rate_mm_h.clamp(min=0).log10())
    return dbz.clamp(min=FLOOR_DBZ)


def rate_from_dbz(dbz: Tensor, z_r: ZR) -> Tensor:
    """Convert reflectivity in dBZ to a rain rate in mm/h; 0 at -10 dBZ and below."""
    rate = (10 ** (dbz / 10) / z_r.a) ** (1 / z_r.b)
    return rate.masked_fill(dbz <= FLOOR_DBZ, 0)


def pixel_from_rate(rate_mm_h: Tensor, z_r: ZR) -> Tensor:
    """Convert a rain rate in mm/h to the paper's pixel in [0, 1]."""
    return ((dbz_from_rate(rate_mm_h, z_r) - FLOOR_DBZ) / SPAN_DBZ).clamp(0, 1)


def rate_from_pixel(pixel: Tensor, z_r: ZR) -> Tensor:
    """Convert a pixel to a rain rate in mm/h; 0 at pixel 0 and below, that of 60 dBZ at pixel 1 and above."""
    return rate_from_dbz(pixel.clamp(0, 1) * SPAN_DBZ + FLOOR_DBZ, z_r)


def rain_weights(truth: Tensor, z_r: ZR) -> Tensor:
    """Compute the weights of true pixels by their rain rate, in the shape of `truth` (`RAIN_WEIGHTS`)."""
    rates = truth.new_tensor([rate for rate, _ in RAIN_WEIGHTS])
    weights = truth.new_tensor([1.0, *(weight for _, weight in RAIN_WEIGHTS)])
    thresholds = pixel_from_rate(rates, z_r)  # of the same type as the truth: equal where rain is at a threshold
    return weights[torch.bucketize(truth.detach().contiguous(), thresholds, right=True)]


def to_rate(values: Tensor, units: Units, z_r: ZR) -> Tensor:
    """Convert values in units of rain to a rain rate in mm/h."""
    if units.name == "dBZ":
        return rate_from_dbz(values, z_r)
    return values * units.intervals_per_hour if units.name == "mm" else values


def from_rate(rate_mm_h: Tensor, units: Units, z_r: ZR) -> Tensor:
    """Convert a rain rate in mm/h to units of rain."""
    if units.name == "dBZ":
        return dbz_from_rate(rate_mm_h, z_r)
    return rate_mm_h / units.intervals_per_hour if units.name == "mm" else rate_mm_h
