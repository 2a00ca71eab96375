import numpy as np
import torch

from helpers.models import frames
from msrnn.data.field import Field
from msrnn.data.grid import area_mean
from msrnn.units import Z_R, Units, dbz_from_rate


def test_blocks() -> None:
    x = frames(2, 3, 6, 8)
    blocks = x.reshape(2, 3, 3, 2, 2, 4).mean(dim=(3, 5))
    torch.testing.assert_close(area_mean(x, (3, 2)), blocks)
    assert area_mean(x, (6, 8)) is x


def test_pixels_that_are_cut_count_by_their_area() -> None:
    x = torch.tensor([[1.0, 2.0, 4.0]])
    torch.testing.assert_close(area_mean(x, (1, 2)), torch.tensor([[(1 + 1) / 1.5, (1 + 4) / 1.5]]))
    assert np.allclose(area_mean(torch.full((900, 900), 3.0), (124, 124)), 3)
    torch.testing.assert_close(area_mean(frames(90, 90), (37, 41)).mean(), frames(90, 90).mean(), rtol=1e-3, atol=0)
    torch.testing.assert_close(area_mean(x, (2, 6)), torch.tensor([[1.0, 1, 2, 2, 4, 4]] * 2))


def test_what_is_missing_is_left_out() -> None:
    x = torch.ones(4, 4)
    x[:2, :2] = torch.nan
    x[2, 2] = torch.nan
    x[3, 3] = 3
    assert area_mean(x, (2, 2)).isnan().tolist() == [[True, False], [False, False]]
    torch.testing.assert_close(area_mean(x, (2, 2))[1, 1], torch.tensor(5 / 3))


def test_rain_is_averaged_as_a_rate_and_never_in_dbz() -> None:
    rates = torch.tensor([[[[0.0, 8.0]]]], dtype=torch.float64)
    dbz = dbz_from_rate(rates, Z_R["dwd"])
    field = Field(units=Units("dBZ"), normalisation="rain")
    resized = field.of_values(dbz, Units("dBZ"), (1, 1))
    torch.testing.assert_close(resized, dbz_from_rate(torch.full((1, 1, 1, 1), 4.0, dtype=torch.float64), Z_R["dwd"]))
    millimetres = Field(units=Units("mm/h")).of_values(rates / 12, Units("mm", 5.0), (1, 1))
    torch.testing.assert_close(millimetres, torch.full((1, 1, 1, 1), 4.0, dtype=torch.float64))
