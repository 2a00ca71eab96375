"""Rain rate, reflectivity and pixel value."""

import math

RAIN_WEIGHTS = ((0.5, 1.0), (2.0, 2.0), (5.0, 5.0), (10.0, 10.0), (30.0, 30.0))
"""Balancing weights (Shi et al. 2017): (threshold in mm/h, weight of rain at or above it); 1 below the first."""


def pixel_from_rate(rate_mm_h: float) -> float:
    """The paper's pixel of a rain rate: Z = 256 R^1.42, pixel = clip((dBZ + 10) / 70, 0, 1); 0 where it is dry."""
    if rate_mm_h <= 0:
        return 0.0
    dbz = 10 * math.log10(256 * rate_mm_h**1.42)
    return min(max((dbz + 10) / 70, 0.0), 1.0)
