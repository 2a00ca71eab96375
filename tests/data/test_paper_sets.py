"""The paper's data sets, each from tiny files in its own format."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.paper_files import write_germany, write_kth, write_taxibj
from msrnn.data import Data, open_data
from msrnn.data.windowed import Windows
from msrnn.errors import DataError, SettingsError
from msrnn.settings import DataSettings, Split
from msrnn.units import Units

NAMES: tuple[Split, ...] = ("train", "validation", "test")


def windows(data: Data, split: Split) -> list[Tensor]:
    dataset = data.held_out(split)
    return [dataset[k] for k in range(len(dataset))]


def times_of(data: Data, split: Split) -> np.ndarray:
    """Times of a split's windows, (window, frame)."""
    held_out = data.held_out(split)
    assert isinstance(held_out, Windows)
    return held_out.times


@pytest.fixture
def kth(tmp_path: Path) -> str:
    return write_kth(tmp_path)


def test_kth(kth: str) -> None:
    data = open_data(DataSettings("kth", path=kth), 2, 2, 0)
    people = {split: {round(float(w[0, 0, 0, 0]) * 255) for w in windows(data, split)} for split in NAMES}
    assert people == {"train": {1, 13}, "validation": {14, 15, 16}, "test": {17, 25}}
    assert len(windows(data, "test")) == 2 * 2 * 3
    first = windows(data, "train")[0]
    assert first.shape == (4, 1, 88, 88)
    torch.testing.assert_close(first[0, 0, 5], torch.tensor([1.0] * 44 + [101.0] * 44) / 255)
    assert data.field.normalisation == "none"
    actions = ("walking", "jogging", "running", "boxing", "handclapping", "handwaving")
    assert len(windows(open_data(DataSettings("kth", path=kth, actions=actions), 2, 2, 0), "test")) == 2 * 3 * 3


def test_taxibj(tmp_path: Path) -> None:
    where = write_taxibj(tmp_path / "taxibj", 70, missing={(3, 7)})
    data = open_data(DataSettings("taxibj", path=where, stride=4), 4, 4, 0)
    frames = {split: np.unique(times_of(data, split)) for split in NAMES}
    last = np.datetime64("2016-01-09")  # the 70th day
    assert frames["test"][0] == last - 27
    assert frames["test"][-1] == np.datetime64("2016-01-09T23:30")
    assert frames["validation"][0] == last - 55
    assert frames["validation"][-1] < last - 27
    assert frames["train"][-1] < last - 55
    for year, month in ((2013, 7), (2014, 3), (2015, 3)):
        day = np.datetime64(f"{year}-{month:02d}-04")
        assert not ((frames["train"] >= day) & (frames["train"] < day + 1)).any()  # not complete
    window = windows(data, "train")[0]
    assert window.shape == (8, 2, 32, 32)
    torch.testing.assert_close(window[:, 0, 0, 0], torch.arange(8) + 1.5)  # forwards, and not truncated
    torch.testing.assert_close(window[:, 1, 0, 0], 2 * (torch.arange(8) + 1.5))
    assert data.field.normalisation == "range"
    assert data.field.step_minutes == 30
    times = times_of(data, "train")[5]
    assert (np.diff(times) == np.timedelta64(30, "m")).all()


@pytest.mark.parametrize("form", ["RYDL", "yearly", "radolan"])
def test_germany(tmp_path: Path, form: str) -> None:
    data = open_data(DataSettings("germany", path=write_germany(tmp_path / form, form)), 3, 2, 0)
    years = {split: {str(time)[:4] for time in np.unique(times_of(data, split))} for split in NAMES}
    assert years == {"train": {"2014"}, "validation": {"2015"}, "test": {"2016"}}
    assert {split: len(windows(data, split)) for split in NAMES} == {"train": 2, "validation": 4, "test": 2}
    field = data.field
    assert (field.units, field.normalisation, field.step_minutes) == (Units("mm", 5), "rain", 5)
    assert field.z_r == (256, 1.42)
    window = windows(data, "train")[0]
    assert window.shape == (5, 1, 124, 124)
    torch.testing.assert_close(window[0, 0, 3, :100], torch.full((100,), 0.25))
    assert float(window[0, 0, 100, 3]) == 0
    assert window[0, 0, :, -2:].isnan().all()
    assert not window[0, 0, :, :120].isnan().any()


@pytest.mark.parametrize(
    ("name_of_set", "message"),
    [("kth", "no video of walking, jogging, running"), ("taxibj", "no TaxiBJ file"), ("germany", "no RY data")],
)
def test_a_folder_without_them(tmp_path: Path, name_of_set: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_data(DataSettings(name_of_set, path=str(tmp_path)), 2, 2, 0)
    with pytest.raises(DataError, match="there is no such folder"):
        open_data(DataSettings(name_of_set, path=str(tmp_path / "nothing")), 2, 2, 0)
    with pytest.raises(SettingsError, match=f"data.name={name_of_set} needs its files: data.path=FOLDER"):
        DataSettings(name_of_set)


def test_days_that_are_not_complete_are_no_taxibj(tmp_path: Path) -> None:
    where = write_taxibj(tmp_path / "taxibj", 1, missing={(0, 48)})
    with pytest.raises(DataError, match="has no day with all 48 slots"):
        open_data(DataSettings("taxibj", path=where), 4, 4, 0)
