"""The paper's data sets, each from tiny files in its own format."""

import numpy as np
import pytest
import torch

from helpers.paper_files import write_germany, write_kth, write_taxibj
from msrnn.data import open_data
from msrnn.errors import DataError, SettingsError
from msrnn.settings import DataSettings
from msrnn.units import Units

NAMES = ("train", "validation", "test")


def windows(data, split):
    dataset = data.held_out(split)
    return [dataset[k] for k in range(len(dataset))]


def frames_of(data, split):
    """Times of the frames that a split's windows are made of."""
    return np.unique(data.held_out(split).times)


@pytest.fixture
def kth(tmp_path):
    return write_kth(tmp_path)


def test_kth(kth):
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


def test_taxibj(tmp_path):
    where = write_taxibj(tmp_path / "taxibj", 70, missing={(3, 7)})
    data = open_data(DataSettings("taxibj", path=where, stride=4), 4, 4, 0)
    frames = {split: frames_of(data, split) for split in NAMES}
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
    times = data.held_out("train").times[5]
    assert (np.diff(times) == np.timedelta64(30, "m")).all()


@pytest.mark.parametrize("form", ["RYDL", "yearly", "radolan"])
def test_germany(tmp_path, form):
    data = open_data(DataSettings("germany", path=write_germany(tmp_path / form, form)), 3, 2, 0)
    years = {split: {str(time)[:4] for time in frames_of(data, split)} for split in NAMES}
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
def test_a_folder_without_them(tmp_path, name_of_set, message):
    with pytest.raises(DataError, match=message):
        open_data(DataSettings(name_of_set, path=str(tmp_path)), 2, 2, 0)
    with pytest.raises(DataError, match="there is no such folder"):
        open_data(DataSettings(name_of_set, path=str(tmp_path / "nothing")), 2, 2, 0)
    with pytest.raises(SettingsError, match=f"data.name={name_of_set} needs its files: data.path=FOLDER"):
        DataSettings(name_of_set)


def test_days_that_are_not_complete_are_no_taxibj(tmp_path):
    where = write_taxibj(tmp_path / "taxibj", 1, missing={(0, 48)})
    with pytest.raises(DataError, match="has no day with all 48 slots"):
        open_data(DataSettings("taxibj", path=where), 4, 4, 0)
