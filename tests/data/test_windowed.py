"""Archives cut into windows and splits, as training sees them."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from helpers import formats
from msrnn.data import Data, Field, open_data
from msrnn.data.windowed import FileData
from msrnn.errors import DataError, SettingsError
from msrnn.settings import DataSettings, Split
from msrnn.units import Units

EVERYTHING: dict[str, Any] = {"shares": (1.0, 0.0, 0.0), "guard": 0}


def archive(
    tmp_path: Path,
    values: np.ndarray,
    drop: tuple[int, ...] = (),
    units: str = "mm/h",
    name: str = "rain.nc",
    **attrs: Any,
) -> str:
    keep = [k for k in range(len(values)) if k not in drop]
    formats.dataset(values, units, **attrs).isel(time=keep).to_netcdf(tmp_path / name, engine="h5netcdf")
    return str(tmp_path / name)


def numbered(count: int = 20, height: int = 6, width: int = 7) -> np.ndarray:
    """Frame t is t + 1 everywhere."""
    return np.ones((count, height, width)) * np.arange(1, count + 1)[:, None, None]


def seen(dataset: list[torch.Tensor]) -> list[list[int]]:
    """The numbers of the frames of each window."""
    return [(window[:, 0, 0, 0] - 1).round().int().tolist() for window in dataset]


def held_out(data: Data, split: Split, **options: Any) -> list[torch.Tensor]:
    dataset = data.held_out(split, **options)
    return [dataset[k] for k in range(len(dataset))]


def test_every_split_has_windows_that_share_no_frame(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(40), drop=(5,))
    data = open_data(DataSettings(where, shares=(0.5, 0.25, 0.25), guard=1), 2, 1, 0)
    frames = {split: sorted(chain(*seen(held_out(data, split)))) for split in ("train", "validation", "test")}
    assert frames["train"][-1] == 19  # the first 20 of 39 frames without the guard
    assert frames["validation"][0] == 21
    assert frames["test"][0] == 31
    assert 29 in frames["validation"]
    assert 30 not in frames["validation"]
    for window in seen(held_out(data, "train")):
        assert np.diff(window).tolist() == [1, 1]
    assert [4, 5, 6] not in seen(held_out(data, "train"))
    assert [3, 4, 6] not in seen(held_out(data, "train"))
    assert data.epoch_samples == len(held_out(data, "train")) == 15


def test_training_sees_each_window_once_an_epoch_in_a_new_order(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(12))
    data = open_data(DataSettings(where, **EVERYTHING), 2, 1, seed=3)
    training = data.training(30)
    assert len(training) == 30
    starts = [int(training[k][0, 0, 0, 0]) for k in range(30)]
    assert sorted(starts[:10]) == sorted(starts[10:20]) == list(range(1, 11))
    assert starts[:10] != starts[10:20]
    again = open_data(DataSettings(where, **EVERYTHING), 2, 1, seed=3).training(30)
    assert [int(again[k][0, 0, 0, 0]) for k in reversed(range(30))] == starts[::-1]
    other = open_data(DataSettings(where, **EVERYTHING), 2, 1, seed=4).training(30)
    assert [int(other[k][0, 0, 0, 0]) for k in range(30)] != starts


def test_steps_and_strides(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(12))
    data = open_data(DataSettings(where, step_minutes=10, **EVERYTHING), 2, 1, 0)
    assert seen(held_out(data, "train"))[0] == [0, 2, 4]
    assert data.field.step_minutes == 10
    data = open_data(DataSettings(where, stride=5, **EVERYTHING), 2, 1, 0)
    assert seen(held_out(data, "train")) == [[0, 1, 2], [5, 6, 7]]
    assert data.field.step_minutes == 5


def test_crops(tmp_path: Path) -> None:
    grid = np.arange(16.0)[:, None] * 100 + np.arange(20.0)
    where = archive(tmp_path, np.broadcast_to(grid, (5, 16, 20)))
    data = open_data(DataSettings(where, crop=(4, 6), **EVERYTHING), 2, 1, 0)
    training = data.training(60)
    corners = set()
    for k in range(60):
        window = training[k]
        assert window.shape == (3, 1, 4, 6)
        top, left = divmod(int(window[0, 0, 0, 0]), 100)
        torch.testing.assert_close(window[1, 0], torch.from_numpy(grid[top : top + 4, left : left + 6]).float())
        corners.add((top, left))
    assert len(corners) > 40
    assert {top for top, _ in corners} == set(range(13))
    assert {left for _, left in corners} == set(range(15))
    assert held_out(data, "train")[0].shape == (3, 1, 16, 20)
    crops = [held_out(data, "train", on_crops=True) for _ in range(2)]
    assert all(a.equal(b) for a, b in zip(*crops, strict=True))
    with pytest.raises(SettingsError, match=r"data.crop=\(17, 6\) is larger than the frames, 16 x 20"):
        open_data(DataSettings(where, crop=(17, 6), **EVERYTHING), 2, 1, 0).training(1)


def test_crops_avoid_what_is_missing(tmp_path: Path) -> None:
    values = np.full((4, 20, 20), np.nan)
    values[:, 12:, 12:] = 1
    data = open_data(DataSettings(archive(tmp_path, values), crop=(6, 6), max_missing=0.5, **EVERYTHING), 2, 1, 0)
    missing = [float(data.training(200)[k].isnan().float().mean()) for k in range(200)]
    assert np.mean(np.array(missing) <= 0.5) > 0.9


def test_windows_with_too_much_missing_are_left_out(tmp_path: Path) -> None:
    values = numbered(10)
    values[:, :3] = np.nan  # outside radar range: half of each frame
    values[4, 3:5] = np.nan
    values[8] = np.nan
    where = archive(tmp_path, values)

    def windows(**options: Any) -> tuple[list[int], FileData]:
        data = open_data(DataSettings(where, **options, **EVERYTHING), 2, 1, 0)
        assert isinstance(data, FileData)
        return [int(w[0, 0, 5, 0] - 1) for w in held_out(data, "train")], data

    starts, _ = windows()
    assert starts == [0, 1, 2, 3, 4, 5]  # none has the frame that is all missing
    starts, data = windows(max_missing=0.2)
    assert starts == [0, 1, 5]
    assert data.left_out["train"] == {"more than 20% missing": 3}
    values[:] = np.nan
    where = archive(tmp_path, values, name="nothing.nc")
    with pytest.raises(DataError, match="no frame has a value"):
        open_data(DataSettings(where, **EVERYTHING), 2, 1, 0).training(1)


def test_dry_windows_are_thinned_in_training_only(tmp_path: Path) -> None:
    values = np.zeros((300, 4, 4))
    values[100:110, :2] = 3.0
    where = archive(tmp_path, values)
    options: dict[str, Any] = {"shares": (0.5, 0.25, 0.25), "guard": 0}
    count = {
        keep: len(held_out(open_data(DataSettings(where, min_wet=0.01, dry_keep=keep, **options), 2, 1, 0), "train"))
        for keep in (0.0, 0.3, 1.0)
    }
    assert count[0.0] == 12
    assert count[1.0] == 148
    assert 25 < count[0.3] - 12 < 60
    data = open_data(DataSettings(where, min_wet=0.01, **options), 2, 1, 0)
    assert len(held_out(data, "test")) == 73
    assert isinstance(data, FileData)
    assert data.left_out["train"] == {"dry": 136}
    wetter = open_data(DataSettings(where, min_wet=0.4, **options), 2, 1, 0)
    assert len(held_out(wetter, "train")) == 8


def test_normalisation_is_fitted_to_the_training_split_alone(tmp_path: Path) -> None:
    values = numbered(20)
    where = archive(tmp_path, values, units="1")
    data = open_data(DataSettings(where, shares=(0.5, 0.25, 0.25), guard=0), 2, 1, 0)
    assert (data.field.normalisation, data.field.smallest, data.field.largest) == ("range", 1, 10)
    assert data.field.spacing == (-1000, 1000)
    rain = open_data(
        DataSettings(archive(tmp_path, values, units="mm", name="mm.nc", interval_minutes=5)), 2, 1, 0
    ).field
    assert (rain.normalisation, rain.units) == ("rain", Units("mm", 5))


def test_another_archive_is_brought_to_the_models_field(tmp_path: Path) -> None:
    rates = numbered(8) * 3
    field = Field(units=Units("mm/h"), normalisation="rain", step_minutes=5.0, spacing=(-1000.0, 1000.0))
    where = archive(tmp_path, rates / 12, units="mm", interval_minutes=5)
    data = open_data(DataSettings(where, **EVERYTHING), 2, 1, 0, field)
    assert data.field is field
    torch.testing.assert_close(held_out(data, "train")[0], torch.from_numpy(rates[:3, None]).float())
    with pytest.raises(DataError, match="its time step: 10 min; the model's: 5 min"):
        open_data(DataSettings(where, step_minutes=10, **EVERYTHING), 2, 1, 0, field)
    with pytest.raises(DataError, match="its grid spacing: -2000 x 1000; the model's: -1000 x 1000"):
        open_data(DataSettings(where, size=(3, 7), **EVERYTHING), 2, 1, 0, field)


def test_frames_are_resized_before_they_are_cropped(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, 8, 12))
    where = archive(tmp_path, values, units="1")
    data = open_data(DataSettings(where, size=(4, 6), **EVERYTHING), 2, 1, 0)
    halves = values.reshape(4, 4, 2, 6, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(held_out(data, "train")[0][:, 0].numpy(), halves[:3], rtol=1e-5)
    assert data.field.spacing == (-2000, 2000)
    crops = open_data(DataSettings(where, size=(4, 6), crop=(2, 3), **EVERYTHING), 2, 1, 0)
    assert crops.training(1)[0].shape == (3, 1, 2, 3)


def test_dates_and_days(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(20))
    settings = DataSettings(where, validation_from="2020-05-01T12:30", test_from="2020-05-01T13:00", guard=0)
    data = open_data(settings, 2, 1, 0)
    assert seen(held_out(data, "test")) == seen(held_out(open_data(replace(settings, split="time"), 2, 1, 0), "test"))
    assert seen(held_out(data, "validation"))[0] == [6, 7, 8]
    assert seen(held_out(data, "test"))[0] == [12, 13, 14]
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"validation_from": "May"}, "write 2015-01-31"),
        ({"validation_from": "2021-01-01", "test_from": "2020-01-01"}, "must not be after"),
        ({"split": "day", "test_from": "2020-01-01"}, "dates are given with data.validation_from or data.test_from"),
    )
    for options, message in wrong:
        with pytest.raises(SettingsError, match=message):
            open_data(DataSettings(where, **options), 2, 1, 0)


def test_no_windows_says_why(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(10))
    data = open_data(DataSettings(where), 2, 1, 0)
    with pytest.raises(
        DataError, match=r"no validation sequence of 3 frames, 5 minutes apart, among .* of the 10 frames"
    ):
        data.held_out("validation")
    causes: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "or other data.shares, data.guard or data.max_missing"),
        ({"test_from": "2035-01-01"}, "or other data.validation_from, data.test_from, data.guard or data.max_missing"),
        ({"split": "day", "step_minutes": 5}, "data.shares, data.split, data.guard, data.step_minutes or data.max"),
    )
    for options, fix in causes:
        with pytest.raises(DataError, match=fix):
            open_data(DataSettings(where, **options), 2, 1, 0).held_out("validation")
    np.save(tmp_path / "frames.npy", numbered(10))
    timed: tuple[dict[str, Any], ...] = ({"step_minutes": 5}, {"validation_from": "2020-01-01"})
    for options in timed:
        with pytest.raises(SettingsError, match="the files say nothing of time; leave"):
            open_data(DataSettings(str(tmp_path / "frames.npy"), **options), 2, 1, 0)


def test_splits_stay_what_they_are(tmp_path: Path) -> None:
    """When frames are added before or after, or the context is another, no frame that trained is tested."""
    formats.dataset(numbered(60), "mm/h").isel(time=slice(10, 50)).to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    formats.dataset(numbered(60), "mm/h").to_netcdf(tmp_path / "new.nc", engine="h5netcdf")
    old = open_data(DataSettings(str(tmp_path / "old.nc"), shares=(0.5, 0.25, 0.25)), 2, 1, 0)
    trained = set(chain(*seen(held_out(old, "train"))))
    assert old.stored_settings.guard == 2
    new = open_data(replace(old.stored_settings, name=str(tmp_path / "new.nc")), 4, 1, 0)
    for split in ("validation", "test"):
        assert not trained & set(chain(*seen(held_out(new, split))))
    assert len(held_out(new, "test")) > len(held_out(old, "test"))
    assert new.fingerprint != old.fingerprint


def test_how_many_sequences_are_held_out(tmp_path: Path) -> None:
    where = archive(tmp_path, numbered(40))
    options: dict[str, Any] = {"shares": (0.2, 0.4, 0.4), "guard": 0}
    data = open_data(DataSettings(where, validation_samples=3, test_samples=100, **options), 2, 1, 0)
    assert [window[0] for window in seen(held_out(data, "validation"))] == [8, 14, 21]
    assert len(held_out(data, "test")) == 14


def test_arrays_are_split_by_sequence(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((10, 5, 1, 6, 6)).astype(np.float32)
    np.save(tmp_path / "frames.npy", values)
    data = open_data(DataSettings(str(tmp_path / "frames.npy")), 3, 2, 0)
    splits: tuple[Split, ...] = ("train", "validation", "test")
    sizes = {split: len(held_out(data, split)) for split in splits}
    assert sizes == {"train": 7, "validation": 1, "test": 2}
    assert data.field == Field(reader="array")
    rows = {split: {w.numpy().tobytes() for w in held_out(data, split)} for split in splits}
    assert set.union(*rows.values()) == {one.tobytes() for one in values}


def test_a_bad_file_is_never_turned_into_zeros(tmp_path: Path) -> None:
    formats.write_knmi(tmp_path, formats.rain(12) + 1)
    bad = sorted(tmp_path.iterdir())[4]
    bad.write_bytes(bad.read_bytes()[:2000])
    settings: dict[str, Any] = {"shares": (1.0, 0.0, 0.0), "guard": 0}
    with pytest.raises(DataError, match=bad.name):
        open_data(DataSettings(str(tmp_path), **settings), 2, 1, 0)
    data = open_data(DataSettings(str(tmp_path), skip_bad=True, **settings), 2, 1, 0)
    assert isinstance(data, FileData)
    assert [error.kind for error in data.archive.skipped] == ["damaged file"]
    assert len(held_out(data, "train")) == 2 + 5
    assert all((window[~window.isnan()] >= 1).all() for window in held_out(data, "train"))


def test_values_keep_their_units(tmp_path: Path) -> None:
    """A window is what the file holds, NaN included."""
    values = formats.rain(8)
    data = open_data(DataSettings(archive(tmp_path, values), **EVERYTHING), 2, 1, 0)
    np.testing.assert_array_equal(held_out(data, "train")[1][:, 0].numpy(), values[1:4].astype(np.float32))
    assert isinstance(data, FileData)
    assert isinstance(data.archive.sequences[0], xr.DataArray)
