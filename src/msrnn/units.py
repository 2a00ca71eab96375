"""Conversions between rain rate (mm/h), accumulation (mm), reflectivity (dBZ) and pixel in [0, 1].

No rain is 0 mm/h. In dBZ and pixels it is the paper's floor, -10 dBZ or pixel 0, and everything below. Above the floor
the conversions invert each other; NaN stays NaN.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from msrnn.settings import Z_R_NAMES

FLOOR_DBZ, SPAN_DBZ = -10.0, 70.0
"""Range of the paper's pixel: clip((dBZ + 10) / 70, 0, 1)."""
RAIN_UNITS = ("mm/h", "mm", "dBZ")
UNITS = (*RAIN_UNITS, "1")
RAIN_WEIGHTS = ((0.5, 1.0), (2.0, 2.0), (5.0, 5.0), (10.0, 10.0), (30.0, 30.0))
"""Balancing weights (Shi et al. 2017): (threshold in mm/h, weight of rain at or above it); 1 below the first."""


class ZR(NamedTuple):
    """Z-R relation Z = a R^b, with Z in mm^6/m^3 and R in mm/h."""

    a: float
    b: float


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


def to_rate(values: Tensor, units: str, interval_minutes: float | None, z_r: ZR) -> Tensor:
    """Convert values in one of `RAIN_UNITS` to a rain rate in mm/h; "mm" is per `interval_minutes`."""
    if units == "dBZ":
        return rate_from_dbz(values, z_r)
    return values * (60 / _interval(interval_minutes)) if units == "mm" else values


def from_rate(rate_mm_h: Tensor, units: str, interval_minutes: float | None, z_r: ZR) -> Tensor:
    """Convert a rain rate in mm/h to one of `RAIN_UNITS`; "mm" is per `interval_minutes`."""
    if units == "dBZ":
        return dbz_from_rate(rate_mm_h, z_r)
    return rate_mm_h * (_interval(interval_minutes) / 60) if units == "mm" else rate_mm_h


def _interval(minutes: float | None) -> float:
    assert minutes is not None, "units mm go with an interval"
    return minutes
