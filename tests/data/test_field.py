from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from msrnn.data.field import Field, fitted
from msrnn.errors import DataError, SettingsError
from msrnn.settings import UnitName
from msrnn.units import Z_R, Units, dbz_from_rate, pixel_from_rate

nan = torch.nan


def test_rain_to_the_network_and_back() -> None:
    rates = torch.tensor([0.0, 0.5, 2.0, 30.0]).reshape(1, 1, 2, 2)
    cases: tuple[tuple[UnitName, torch.Tensor], ...] = (
        ("mm/h", rates),
        ("mm", rates / 12),
        ("dBZ", dbz_from_rate(rates, Z_R["dwd"])),
    )
    for units, values in cases:
        field = Field(units=Units(units, 5), normalisation="rain")
        frames, valid = field.to_network(values)
        assert valid.all()
        torch.testing.assert_close(frames, pixel_from_rate(rates, Z_R["dwd"]))
        torch.testing.assert_close(field.from_network(frames), values, rtol=1e-5, atol=1e-6)
    with_other = Field(units=Units("mm/h"), normalisation="rain", z_r=(200.0, 1.6))
    assert not torch.allclose(with_other.to_network(rates)[0], frames)


def test_range_and_its_inverse() -> None:
    field = Field(normalisation="range", smallest=-20.0, largest=60.0)
    values = torch.tensor([-20.0, 0.0, 60.0]).reshape(1, 1, 1, 3)
    frames, _ = field.to_network(values)
    assert frames.flatten().tolist() == [0, 0.25, 1]
    torch.testing.assert_close(field.from_network(frames), values)
    assert field.from_network(torch.tensor([-1.0, 2.0])).tolist() == [-20, 60]


def test_missing_values_are_filled_for_the_network() -> None:
    values = torch.tensor([[nan, 1.0], [4.0, nan], [nan, nan]]).reshape(3, 1, 1, 2)
    dry, valid = Field(units=Units("mm/h"), normalisation="rain").to_network(values)
    assert valid.flatten().tolist() == [False, True, True, False, False, False]
    assert (dry[~valid] == 0).all()
    last, valid = Field(normalisation="range", largest=4.0, fill="last").to_network(values)
    assert last.flatten().tolist() == [0, 0.25, 1, 0.25, 1, 0.25]
    assert valid.sum() == 2


def test_fitting() -> None:
    plain, rain = Field(), Field(units=Units("mm/h"))
    assert fitted(plain, "auto", 0.0, 1.0).normalisation == "none"
    assert fitted(rain, "auto", 0.0, 80.0).normalisation == "rain"
    field = fitted(plain, "auto", -3.0, 80.0)
    assert (field.normalisation, field.smallest, field.largest) == ("range", -3, 80)
    assert fitted(plain, "range", 0.25, 0.5).smallest == 0.25
    assert fitted(rain, "range", 0.0, 80.0).normalisation == "range"
    constant = fitted(plain, "auto", 7.0, 7.0)
    assert constant.to_network(torch.full((1, 1, 1, 1), 7.0))[0].isfinite().all()
    with pytest.raises(SettingsError, match="none is for values in \\[0, 1\\], these are 0 to 80: choose range"):
        fitted(plain, "none", 0.0, 80.0)
    with pytest.raises(SettingsError, match="normalisation rain is for mm/h, mm, dBZ, the units are 1"):
        fitted(plain, "rain", 0.0, 1.0)
    with pytest.raises(SettingsError, match="no units 'm/s'; choose from mm/h, mm, dBZ, 1"):
        Field(units=Units("m/s"))  # type: ignore[arg-type]


def sequence(
    units: str = "mm/h", channels: int = 1, spacing: float = 1000.0, names: list[str] | None = None, **attrs: Any
) -> xr.DataArray:
    coords = {"y": spacing * np.arange(4), "x": spacing * np.arange(5)} | ({"channel": names} if names else {})
    return xr.DataArray(
        np.zeros((2, channels, 4, 5), np.float32), coords, ("time", "channel", "y", "x"), attrs={"units": units} | attrs
    )


@pytest.mark.parametrize(
    ("given", "step", "message"),
    [
        (sequence("1"), 5, "its units: 1; the model's: mm/h"),
        (sequence(channels=2), 5, "its number of channels: 2; the model's: 1"),
        (sequence(), 10, "its time step: 10 min; the model's: 5 min"),
        (sequence(spacing=500.0), 5, "its grid spacing: 500 x 500; the model's: 1000 x 1000"),
        (sequence(names=["snow"]), 5, "its channels: snow; the model's: rain"),
    ],
)
def test_what_cannot_be_made_the_fields_is_refused(given: xr.DataArray, step: int, message: str) -> None:
    field = Field(1, Units("mm/h"), normalisation="rain", step_minutes=5.0, spacing=(1000.0, 1000.0), names=("rain",))
    field.check("x.nc", Field.of_sequence(sequence("dBZ", names=["rain"]), 5.0))
    field.check("x.nc", Field.of_sequence(sequence("mm", interval_minutes=5.0)))
    field.check("x.nc", Field.of_sequence(sequence(spacing=500.0), 5.0, size=(2, 2.5)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        field.check("x.nc", Field.of_sequence(given, step))


def test_another_interval_of_mm_is_refused() -> None:
    hourly = Field(units=Units("mm", 60.0), normalisation="rain")
    with pytest.raises(DataError, match="its units: mm per 5 minutes; the model's: mm per 60 minutes"):
        hourly.check("x.nc", Field.of_sequence(sequence("mm", interval_minutes=5.0)))


def test_through_yaml() -> None:
    field = Field(units=Units("mm", 5.0), spacing=(1.0, 2.0), names=("a",), normalisation="rain")
    document = {key: list(value) if isinstance(value, tuple) else value for key, value in field.document().items()}
    assert Field.from_document(document) == field
