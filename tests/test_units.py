import numpy as np
import pytest
import torch

from msrnn.settings import UnitName
from msrnn.units import (
    RAIN_UNITS,
    Z_R,
    ZR,
    Units,
    dbz_from_rate,
    from_rate,
    pixel_from_rate,
    rate_from_dbz,
    rate_from_pixel,
    to_rate,
)

RATES = torch.tensor([0.0, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 77], dtype=torch.float64)
named = pytest.mark.parametrize("z_r", Z_R.values(), ids=Z_R)


def test_z_r_relations_by_hand() -> None:
    """At 1 mm/h, Z = a; at 10 mm/h, 10 b dB more."""
    for name, a, b in (("dwd", 256, 1.42), ("marshall-palmer", 200, 1.6), ("hko", 58.53, 1.56)):
        dbz = dbz_from_rate(torch.tensor([1.0, 10.0], dtype=torch.float64), Z_R[name])
        np.testing.assert_allclose(dbz, [10 * np.log10(a), 10 * np.log10(a) + 10 * b], rtol=1e-12)
    pixel = pixel_from_rate(torch.tensor(1.0, dtype=torch.float64), Z_R["dwd"])
    assert float(pixel) == pytest.approx((24.08239965311849 + 10) / 70)


@named
def test_round_trips_are_exact_above_the_floor(z_r: ZR) -> None:
    torch.testing.assert_close(rate_from_dbz(dbz_from_rate(RATES, z_r), z_r), RATES, rtol=1e-12, atol=0)
    torch.testing.assert_close(rate_from_pixel(pixel_from_rate(RATES, z_r), z_r), RATES, rtol=1e-12, atol=0)
    dbz = torch.linspace(-9.999, 60, 200, dtype=torch.float64)
    torch.testing.assert_close(dbz_from_rate(rate_from_dbz(dbz, z_r), z_r), dbz, rtol=1e-12, atol=1e-12)
    single = RATES.float()
    torch.testing.assert_close(rate_from_pixel(pixel_from_rate(single, z_r), z_r), single, rtol=1e-5, atol=0)


@named
def test_no_rain_is_zero_exactly(z_r: ZR) -> None:
    dry = torch.tensor([-1.0, 0.0])
    assert rate_from_pixel(dry, z_r).tolist() == [0, 0]
    assert pixel_from_rate(dry, z_r).tolist() == [0, 0]
    assert rate_from_dbz(torch.tensor([-torch.inf, -32.0, -10.0]), z_r).tolist() == [0, 0, 0]
    assert dbz_from_rate(torch.tensor([0.0, 1e-9]), z_r).tolist() == [-10, -10]
    assert pixel_from_rate(torch.tensor([1e9, torch.inf]), z_r).tolist() == [1, 1]


@named
def test_missing_stays_missing(z_r: ZR) -> None:
    nan = torch.tensor([torch.nan])
    for function in (dbz_from_rate, rate_from_dbz, pixel_from_rate, rate_from_pixel):
        assert function(nan, z_r).isnan()


@pytest.mark.parametrize("units", RAIN_UNITS)
def test_units_to_rates_and_back(units: UnitName) -> None:
    values = torch.tensor([0.25, 1.0, 20.0], dtype=torch.float64)
    rates = to_rate(values, Units(units, 5.0), Z_R["dwd"])
    torch.testing.assert_close(from_rate(rates, Units(units, 5.0), Z_R["dwd"]), values, rtol=1e-12, atol=0)
    if units == "mm":
        assert rates.tolist() == [3, 12, 240]  # twelve times five minutes
