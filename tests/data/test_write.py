"""Stores that `data convert` makes, and what forecasts are written into."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from helpers import formats
from msrnn.data.archive import Archive, open_archive
from msrnn.data.lazy import Stream
from msrnn.data.statistics import STATISTICS, FrameStatistics
from msrnn.data.write import convert, save_sequences
from msrnn.errors import SettingsError

RAIN = formats.rain(150, 20, 30)


@pytest.fixture
def knmi(tmp_path: Path) -> Path:
    (tmp_path / "radar").mkdir()
    formats.write_knmi(tmp_path / "radar", RAIN)
    return tmp_path / "radar"


def test_a_store_holds_what_the_files_hold(knmi: Path, tmp_path: Path) -> None:
    convert(open_archive(knmi), tmp_path / "rain.zarr")
    data = xr.open_zarr(tmp_path / "rain.zarr", chunks=None)
    assert set(data.data_vars) == {"rain_amount", *STATISTICS}
    array = data["rain_amount"]
    np.testing.assert_allclose(array.values[:, 0], RAIN, rtol=1e-6)
    assert array.attrs["units"] == "mm"
    assert array.attrs["interval_minutes"] == 5
    assert array.attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"
    archive = open_archive(tmp_path / "rain.zarr")
    (converted,), (original,) = archive.sequences, open_archive(knmi).sequences
    xr.testing.assert_identical(converted.drop_attrs(deep=False), original.drop_attrs(deep=False))
    assert original.attrs.items() <= converted.attrs.items()
    assert archive.statistics is not None
    np.testing.assert_allclose(archive.statistics[0].columns, open_archive(knmi).scan()[0].columns, rtol=1e-6)
    with pytest.raises(SettingsError, match=r"to=.*rain.zarr exists: choose another name"):
        convert(open_archive(knmi), tmp_path / "rain.zarr")


def test_statistics_of_frames(tmp_path: Path) -> None:
    values = np.array([[[np.nan, 0.0, 0.1, 4.0]], [[np.nan] * 4]]).repeat(2, axis=1)
    formats.dataset(values).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    (statistics,) = open_archive(tmp_path / "rain.nc").scan()
    first, second = zip(*statistics.columns, strict=True)
    np.testing.assert_allclose(first, [0.75, 2 / 3, 0, 4])
    assert second == (0, 0, np.inf, -np.inf)


@pytest.mark.parametrize("change", [None, "one file less", "other numbers"])
def test_an_interrupted_conversion_goes_on(
    knmi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str | None
) -> None:
    """Or begins anew, if the files are others."""
    read = []
    honest = Archive.read

    def interrupted(
        archive: Archive, number: int, frames: slice, size: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, FrameStatistics]:
        read.append(frames.start)
        if read == [0, 64]:
            raise KeyboardInterrupt
        return honest(archive, number, frames, size)

    monkeypatch.setattr(Archive, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(open_archive(knmi), tmp_path / "rain.zarr")
    assert not (tmp_path / "rain.zarr").exists()
    expected = RAIN
    if change == "one file less":
        sorted(knmi.iterdir())[-1].unlink()
        expected = RAIN[:-1]
    elif change:
        expected = 2 * RAIN
        formats.write_knmi(knmi, expected)
    convert(open_archive(knmi), tmp_path / "rain.zarr")
    assert read[2] == (0 if change else 64)
    np.testing.assert_allclose(open_archive(tmp_path / "rain.zarr").sequences[0].values[:, 0], expected, rtol=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"radar", "rain.zarr"}


def test_bad_frames_are_left_out_and_listed(knmi: Path, tmp_path: Path) -> None:
    bad = sorted(knmi.iterdir())[70]
    bad.write_bytes(bad.read_bytes()[:2200])
    archive = open_archive(knmi, skip_bad=True)
    convert(archive, tmp_path / "rain.zarr")
    assert [error.kind for error in archive.skipped] == ["damaged file"]
    assert bad.name in str(archive.skipped[0])
    (sequence,) = open_archive(tmp_path / "rain.zarr").sequences
    whole = np.delete(RAIN, 70, axis=0)
    known = ~np.isnan(sequence.values).all(axis=(1, 2, 3))
    np.testing.assert_allclose(sequence.values[known][:, 0], whole, rtol=1e-6)


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_a_damaged_store_is_not_read_as_missing(knmi: Path, tmp_path: Path, damage: str) -> None:
    """Frames 64 to 127 lie in its second shard; Zarr takes a file that is gone for missing values."""
    path = tmp_path / "rain.zarr"
    convert(open_archive(knmi), path)
    shard = path / "rain_amount" / "c" / "1" / "0" / "0" / "0"
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-40])
    (sequence,) = open_archive(path).sequences
    np.testing.assert_allclose(sequence[:64].values[:, 0], RAIN[:64], rtol=1e-6)
    for frames in (slice(60, 70), 64):
        with pytest.raises(SettingsError, match=r"rain.zarr: (cannot be read|the chunks of 64 frames are gone)"):
            _ = sequence[frames].values
    archive = open_archive(path, skip_bad=True)
    (statistics,) = archive.scan()
    assert np.flatnonzero(~statistics.readable).tolist() == list(range(64, 128))
    assert len(archive.skipped) == 64


def test_resized_by_area_mean_in_mm_h(tmp_path: Path) -> None:
    dbz = np.where(np.random.default_rng(0).random((3, 4, 6)) < 0.5, -32.0, 30.0)
    formats.dataset(dbz, "dBZ").to_netcdf(tmp_path / "dbz.nc", engine="h5netcdf")
    convert(open_archive(tmp_path / "dbz.nc"), tmp_path / "small.zarr", size=(2, 3))
    (sequence,) = open_archive(tmp_path / "small.zarr").sequences
    rates = np.where(dbz > 0, (1000 / 256) ** (1 / 1.42), 0).reshape(3, 2, 2, 3, 2).mean(axis=(2, 4))
    with np.errstate(divide="ignore"):
        expected = np.maximum(10 * np.log10(256 * rates**1.42), -10)
    np.testing.assert_allclose(sequence.values[:, 0], expected, rtol=1e-5)
    assert sequence["y"].values.tolist() == [2500, 500]
    assert sequence["x"].values.tolist() == [500, 2500, 4500]


def test_statistics_are_of_the_units_that_are_said(tmp_path: Path) -> None:
    np.save(tmp_path / "rain.npy", RAIN)
    convert(open_archive(tmp_path / "rain.npy"), tmp_path / "rain.zarr")
    assert np.isnan(open_archive(tmp_path / "rain.zarr").scan()[0].wet).all()
    (said,) = open_archive(tmp_path / "rain.zarr", units="mm/h").scan()
    np.testing.assert_allclose(said.columns, open_archive(tmp_path / "rain.npy", units="mm/h").scan()[0].columns)
    assert said.wet[0] > 0.5


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_grid_mapping_and_other_attributes_are_kept(tmp_path: Path, suffix: str) -> None:
    data = formats.dataset(RAIN[:4], "mm/h")
    data["rain"].attrs |= {"grid_mapping": "crs", "valid_range": np.array([0, 9], np.float32), "level": np.int16(3)}
    data.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    (sequence,) = open_archive(tmp_path / "rain.nc").sequences
    path = tmp_path / f"forecast{suffix}"
    save_sequences(path, [Stream(sequence, iter(sequence.values))])
    engine = "zarr" if suffix == ".zarr" else None
    with xr.open_dataset(path, engine=engine) as forecast:
        assert list(forecast) == ["rain_rate"]
        assert forecast["rain_rate"].attrs["grid_mapping"] == "crs"
        assert list(forecast["rain_rate"].attrs["valid_range"]) == [0, 9]
        assert forecast["rain_rate"].attrs["level"] == 3
        assert forecast["crs"].attrs == {"proj4": "+proj=stere"}


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_frames_are_written_as_they_are_made(tmp_path: Path, suffix: str) -> None:
    """An error in the middle leaves no file, and what was there before."""
    sequence = formats.dataset(RAIN[:4], "mm/h")["rain"].expand_dims("channel", axis=1)
    path = tmp_path / f"forecast{suffix}"
    save_sequences(path, [Stream(sequence, iter(sequence.values))])
    made = []

    def frames() -> Iterator[np.ndarray]:
        for frame in sequence.values:
            made.append(sorted(tmp_path.iterdir()))
            if len(made) == 3:
                raise ZeroDivisionError
            yield frame

    with pytest.raises(ZeroDivisionError):
        save_sequences(path, [Stream(sequence, frames())])
    assert len(made[0]) == 2  # the old one, and the new one in the making
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(open_archive(path).sequences[0].values, sequence.values)


def test_numbered_sequences_become_one_with_gaps(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 4, 1, 5, 5))
    np.save(tmp_path / "frames.npy", values)
    convert(open_archive(tmp_path / "frames.npy"), tmp_path / "frames.zarr")
    archive = open_archive(tmp_path / "frames.zarr")
    (sequence,) = archive.sequences
    assert not archive.timed
    assert sequence["time"].values.tolist() == [*range(4), *range(1004, 1008), *range(2008, 2012)]
    np.testing.assert_allclose(sequence.values, values.reshape(12, 1, 5, 5), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_forecasts_in_files(tmp_path: Path, suffix: str) -> None:
    sequence = formats.dataset(RAIN[:4], "mm/h")["rain"].expand_dims("channel", axis=1)
    path = tmp_path / f"forecast{suffix}"
    for _ in range(2):  # the second replaces the first
        save_sequences(path, [Stream(sequence, iter(sequence.values))])
    (again,) = open_archive(path).sequences
    np.testing.assert_array_equal(again.values, sequence.values)
    coords = sequence.coords.to_dataset().drop_vars("crs").coords.merge(again.coords.to_dataset()[["crs"]])
    assert again.coords.to_dataset().equals(coords)
    save_sequences(tmp_path / f"two{suffix}", [Stream(sequence, iter(sequence.values + add)) for add in (0, 1)])
    two = open_archive(tmp_path / f"two{suffix}").sequences
    np.testing.assert_allclose(two[1].values, sequence.values + 1)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
