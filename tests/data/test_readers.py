"""Every reader on a small file of its format, found by its content; and what goes wrong with files."""

import gzip
import tarfile
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from helpers import formats
from helpers.formats import rain, times
from helpers.paper_files import write_taxibj
from msrnn.data.archive import Archive, open_archive, step_between
from msrnn.data.readers import make_reader, recognise
from msrnn.data.readers.timestamps import time_in_name, times_from
from msrnn.data.statistics import FrameStatistics
from msrnn.errors import DataError, SettingsError
from msrnn.settings import ReaderSettings, UnitName

RAIN = rain()
Files = str | Path | list[Path] | list[str]
PIXELS = np.random.default_rng(1).integers(0, 256, (6, 8, 10), dtype=np.uint8)
STORED = np.random.default_rng(2).integers(0, 256, (8, 10), dtype=np.uint8)
STORED[0, :3] = 0, 255, 1


def only(where: Files, **options: Any) -> tuple[Archive, xr.DataArray]:
    archive = open_archive(where, **options)
    assert len(archive.sequences) == 1
    return archive, archive.sequences[0]


def check(
    where: Files,
    values: np.ndarray,
    said: str,
    reader: str,
    timed: bool = True,
    interval: float | None = None,
    rtol: float = 1e-6,
    **options: Any,
) -> xr.DataArray:
    """What is read is these (time, y, x) values, whole and in pieces."""
    archive, sequence = only(where, **options)
    assert archive.reader == reader
    assert sequence.dims == ("time", "channel", "y", "x")
    assert sequence.shape == (len(values), 1, *values.shape[1:])
    assert sequence.attrs["units"] == said
    assert sequence.attrs.get("interval_minutes") == interval
    np.testing.assert_allclose(sequence.values[:, 0], values, rtol=rtol)
    np.testing.assert_allclose(sequence[-2:, 0, 1:3, ::2].values, values[-2:, 1:3, ::2], rtol=rtol)
    np.testing.assert_allclose(sequence[[0, len(values) - 1], 0].values, values[[0, -1]], rtol=rtol)
    assert archive.timed == timed
    if timed:
        np.testing.assert_array_equal(sequence["time"].values, np.array(times(len(values)), "datetime64[ns]"))
    else:
        np.testing.assert_array_equal(sequence["time"].values, np.arange(len(values)))
    return sequence


@pytest.mark.parametrize("shape", [(6, 8, 10), (6, 1, 8, 10), (1, 6, 1, 8, 10)])
def test_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "frames.npy", RAIN.reshape(shape))
    check(tmp_path / "frames.npy", RAIN, "1", "array", timed=False)
    check(tmp_path / "frames.npy", RAIN, "mm/h", "array", timed=False, units="mm/h")
    np.savez_compressed(tmp_path / "frames.npz", rain=RAIN.reshape(shape), other=np.zeros(3))
    check(tmp_path / "frames.npz", RAIN, "1", "array", timed=False, reader_options={"array": "rain"})


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535), (np.int16, 1), (np.uint32, 1)])
def test_integers(tmp_path: Path, dtype: type[np.integer], largest: int) -> None:
    values = PIXELS.astype(dtype)
    np.save(tmp_path / "frames.npy", values)
    check(tmp_path / "frames.npy", values / largest, "1", "array", timed=False)
    assert open_archive(tmp_path / "frames.npy").largest == largest
    check(tmp_path / "frames.npy", values.astype(float), "dBZ", "array", timed=False, units="dBZ")


@pytest.mark.parametrize("units", ["1", "", " 1"])
def test_integers_are_scaled_however_no_units_are_spelled(tmp_path: Path, units: str) -> None:
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file.create_dataset("frames", data=PIXELS).attrs["units"] = units
    check(tmp_path / "frames.h5", PIXELS / 255, "1", "hdf5", timed=False)
    frames = xr.DataArray(PIXELS, dims=("time", "y", "x"), name="frames", attrs={"units": units})
    frames.to_netcdf(tmp_path / "frames.nc")
    check(tmp_path / "frames.nc", PIXELS / 255, "1", "netcdf", timed=False)


def test_an_empty_array(tmp_path: Path) -> None:
    np.save(tmp_path / "empty.npy", RAIN[:0])
    with pytest.raises(DataError, match=r"frames are empty.*write it again, with frames in it"):
        open_archive(tmp_path / "empty.npy")


def test_several_sequences(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 5, 2, 8, 10))
    np.save(tmp_path / "frames.npy", values)
    archive = open_archive(tmp_path / "frames.npy")
    assert [one.shape for one in archive.sequences] == [(5, 2, 8, 10)] * 3
    np.testing.assert_allclose(archive.sequences[2][1:3].values, values[2, 1:3], rtol=1e-6)


def test_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "rain.h5"
    with h5py.File(path, "w") as file:
        stored = np.where(np.isnan(RAIN), -1, np.nan_to_num(np.round(RAIN * 100))).astype(np.int16)
        array = file.create_dataset("radar/rain", data=stored)
        array.attrs.update({"units": "mm/h", "scale_factor": 0.01, "_FillValue": -1})
        file["time"] = [f"{time:%Y-%m-%dT%H:%M}" for time in times(6)]
    check(path, RAIN, "mm/h", "hdf5")
    whole, path = path, tmp_path / "more.h5"
    path.write_bytes(whole.read_bytes())
    with h5py.File(path, "a") as file:
        del file["time"]
        file["timestamps"] = [int(f"{time:%Y%m%d%H%M}") for time in times(6)]
        file["other"] = np.zeros((6, 2, 8, 10))
    check(path, RAIN, "mm/h", "hdf5", reader_options={"dataset": "radar/rain"})
    with pytest.raises(DataError, match=r"2 datasets of 3 to 5 axes; choose one: .*dataset=other \| radar/rain"):
        open_archive(path)
    with pytest.raises(DataError, match="no dataset snow of 3 to 5 axes; choose from other, radar/rain"):
        open_archive(path, reader_options={"dataset": "snow"})


@pytest.mark.parametrize("axes", [2, 3])
def test_hdf5_with_a_dataset_per_time(tmp_path: Path, axes: int) -> None:
    with h5py.File(tmp_path / "rain.h5", "w") as file:
        for k in reversed(range(6)):
            file[f"{times(6)[k]:%Y%m%d%H%M}"] = RAIN[k] if axes == 2 else RAIN[k][None]
    check(tmp_path / "rain.h5", RAIN, "mm/h", "hdf5", units="mm/h")


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_netcdf(tmp_path: Path, engine: Literal["h5netcdf", "scipy"]) -> None:
    formats.dataset(RAIN, "mm h-1").to_netcdf(tmp_path / "rain.nc", engine=engine)
    sequence = check(tmp_path / "rain.nc", RAIN, "mm/h", "netcdf")
    assert sequence["y"].values[0] == 7000
    assert sequence["crs"].attrs == {"proj4": "+proj=stere"}
    for k, part in enumerate((slice(0, 2), slice(2, 6))):
        formats.dataset(RAIN, "mm h-1").isel(time=part).to_netcdf(tmp_path / f"part{k}.nc", engine=engine)
    check([tmp_path / "part1.nc", tmp_path / "part0.nc"], RAIN, "mm/h", "netcdf")


def test_zarr_and_its_variables(tmp_path: Path) -> None:
    data = formats.dataset(RAIN, "dBZ")
    data.to_zarr(tmp_path / "rain.zarr", consolidated=False)
    check(tmp_path / "rain.zarr", RAIN, "dBZ", "zarr")
    check(str(tmp_path), RAIN, "dBZ", "zarr")
    data.assign(wind=data["rain"]).to_zarr(tmp_path / "two.zarr", consolidated=False)
    check(tmp_path / "two.zarr", RAIN, "dBZ", "zarr", reader_options={"variable": "wind"})
    with pytest.raises(DataError, match=r"2 variables of 3 to 5 axes; choose one: .*variable=rain \| wind"):
        open_archive(tmp_path / "two.zarr")
    formats.dataset(RAIN, "K").to_netcdf(tmp_path / "heat.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"heat.nc: its units are 'K'; convert them to one of mm/h"):
        open_archive(tmp_path / "heat.nc")
    check(tmp_path / "heat.nc", RAIN, "1", "netcdf", units="1")
    formats.dataset(RAIN, "K").to_zarr(tmp_path / "heat.zarr", consolidated=False)
    check(tmp_path / "heat.zarr", RAIN, "dBZ", "zarr", units="dBZ")


def test_channels_keep_their_names(tmp_path: Path) -> None:
    stacked = xr.concat([formats.dataset(RAIN)["rain"], formats.dataset(2 * RAIN)["rain"]], "level")
    stacked = stacked.assign_coords(level=["low", "high"]).transpose("time", "level", "y", "x")
    stacked.to_dataset(name="rain").to_netcdf(tmp_path / "levels.nc", engine="h5netcdf")
    _, sequence = only(tmp_path / "levels.nc")
    assert sequence["channel"].values.tolist() == ["low", "high"]
    np.testing.assert_allclose(sequence[:, 1].values, 2 * RAIN, rtol=1e-6)


@pytest.mark.parametrize("ending", ["png", "gif", "tif", "pgm", "pgm.gz"])
def test_images(tmp_path: Path, ending: str) -> None:
    for k, pixels in enumerate(PIXELS):
        path = tmp_path / f"frame{9 + k}.{ending}"  # 9, 10, ...: in the order of numbers
        if ending == "pgm.gz":
            formats.write_pgm(path, pixels)
        else:
            Image.fromarray(pixels).save(path)
    check(tmp_path, PIXELS / 255, "1", "images", timed=False)


def test_pictures_and_video_with_units_are_not_scaled(tmp_path: Path) -> None:
    formats.write_images(tmp_path, PIXELS)
    check(tmp_path, PIXELS.astype(float), "dBZ", "images", timed=False, units="dBZ")
    frames = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    formats.write_video(tmp_path / "a.avi", frames)
    check(tmp_path / "a.avi", frames.astype(float), "mm/h", "video", timed=False, units="mm/h")


def test_images_say_their_time_in_their_names(tmp_path: Path) -> None:
    for time, pixels in zip(times(6), PIXELS, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"radar_{time:%Y%m%d_%H%M}.png")
    check(tmp_path, PIXELS / 255, "1", "images")
    renamed = tmp_path / "other"
    renamed.mkdir()
    for time, pixels in zip(times(6), PIXELS, strict=True):
        Image.fromarray(pixels).save(renamed / f"{time:%H.%M-on-%d.%m.%y}.png")
    check(renamed, PIXELS / 255, "1", "images", reader_options={"pattern": "%H.%M-on-%d.%m.%y"})
    with pytest.raises(DataError, match="its name has no time like %Y%m%d%H%M"):
        open_archive(renamed, reader_options={"pattern": "%Y%m%d%H%M"})
    with pytest.raises(SettingsError, match="write it with %Y, %m"):
        open_archive(renamed, reader_options={"pattern": "time"})


def test_images_of_sixteen_bits_and_of_colour(tmp_path: Path) -> None:
    wide = (PIXELS[0].astype(np.uint16) << 8) + 7
    Image.fromarray(wide).save(tmp_path / "wide.png")
    check(tmp_path / "wide.png", wide[None] / 65535, "1", "images", timed=False)
    colour = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    grey = np.asarray(Image.fromarray(colour).convert("L"))
    check(tmp_path / "colour.png", grey[None] / 255, "1", "images", timed=False)
    _, sequence = only(tmp_path / "colour.png", reader_options={"colour": "rgb"})
    np.testing.assert_allclose(sequence[0].values, colour.transpose(2, 0, 1) / 255, rtol=1e-6)


def test_folders_of_images_are_sequences(tmp_path: Path) -> None:
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        formats.write_images(tmp_path / name, PIXELS)
    assert [len(one) for one in open_archive(tmp_path).sequences] == [6, 6]
    pictures = [Image.fromarray(pixels) for pixels in PIXELS]
    pictures[0].save(tmp_path / "moving.gif", save_all=True, append_images=pictures[1:])
    check(tmp_path / "moving.gif", PIXELS / 255, "1", "images", timed=False, rtol=1e-5)


def test_video(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    formats.write_video(tmp_path / "a.avi", frames)
    check(tmp_path / "a.avi", frames / 255, "1", "video", timed=False)
    formats.write_video(tmp_path / "b.mp4", frames, "libx264", "yuv420p")
    archive = open_archive(tmp_path)
    assert [one.shape for one in archive.sequences] == [(6, 1, 16, 16)] * 2
    assert archive.largest == 255
    _, coloured = only(tmp_path / "a.avi", reader_options={"colour": "rgb"})
    assert coloured.shape == (6, 3, 16, 16)


def test_knmi(tmp_path: Path) -> None:
    formats.write_knmi(tmp_path, RAIN)
    sequence = check(tmp_path, RAIN, "mm", "knmi", interval=5)
    assert sequence["y"].values[:2].tolist() == [-3650.5, -3651.5]
    assert sequence["x"].values[:2].tolist() == [0.5, 1.5]
    assert sequence.attrs["projection"] == "+proj=stere +lat_0=90"


@pytest.mark.parametrize(
    ("quantity", "units", "interval", "dry"),
    [("DBZH", "dBZ", None, -10), ("RATE", "mm/h", None, 0), ("ACRR", "mm", 15, 0)],
)
def test_odim(tmp_path: Path, quantity: str, units: str, interval: int | None, dry: int) -> None:
    formats.write_odim(tmp_path / "a.h5", STORED, quantity)
    values = np.where(STORED == 255, np.nan, np.where(STORED == 0, dry, STORED * 0.5 - 32))
    sequence = check(tmp_path / "a.h5", values[None], units, "odim", interval=interval)
    assert sequence.attrs["projection"] == "+proj=laea"
    assert sequence["x"].values[:2].tolist() == [1000, 3000]


def test_odim_quantities(tmp_path: Path) -> None:
    formats.write_odim(tmp_path / "a.h5", STORED, "VRAD")
    with pytest.raises(DataError, match=r"holds VRAD, wanted DBZH or TH or DBZ or RATE or ACRR"):
        open_archive(tmp_path / "a.h5")


@pytest.mark.parametrize("packed", [True, False])
def test_radolan(tmp_path: Path, packed: bool) -> None:
    values = np.zeros((2, 900, 900))
    values[:, 10, 20], values[1, -1, -1], values[:, 0, :5] = 0.37, 1.2, np.nan
    for k, time in enumerate(times(2)):
        formats.write_radolan(tmp_path / f"raa01-ry_10000-{time:%y%m%d%H%M}-dwd---bin", values[k], "RY", time, packed)
    sequence = check(tmp_path, values, "mm", "radolan", interval=5)
    assert sequence["y"].values[[0, -1]].tolist() == [-3_759_145, -4_658_145]
    assert sequence["x"].values[[0, -1]].tolist() == [-522_962, 376_038]


def test_radolan_products(tmp_path: Path) -> None:
    values = np.full((900, 900), 8.5)
    formats.write_radolan(tmp_path / "wn", values, "WN")  # 850 hundredths
    assert only(tmp_path / "wn")[1].attrs["units"] == "dBZ"
    np.testing.assert_allclose(only(tmp_path / "wn")[1][0, 0, 5, 5], 8.5 / 2 - 32.5)
    formats.write_radolan(tmp_path / "xx", values, "XX")
    with pytest.raises(DataError, match=r"cannot be read as RADOLAN|holds the product XX"):
        open_archive(tmp_path / "xx")


def test_ascii_grids_and_archives(tmp_path: Path) -> None:
    tenths = np.where(np.isnan(RAIN), np.nan, np.round(RAIN * 10))
    with tarfile.open(tmp_path / "RW-2020.tar.gz", "w:gz") as archive:
        for time, frame in zip(times(6), tenths, strict=True):
            path = tmp_path / f"RW_{time:%Y%m%d-%H%M}.asc"
            formats.write_ascii(path, frame)
            archive.add(path, path.name)
            path.unlink()
    check(tmp_path / "RW-2020.tar.gz", tenths / 10, "mm", "esri-ascii", interval=60)
    formats.write_ascii(tmp_path / "202005011200.asc", RAIN[0])
    sequence = check(tmp_path / "202005011200.asc", RAIN[:1], "mm/h", "esri-ascii", units="mm/h")
    assert sequence["y"].values[[0, -1]].tolist() == [7700, 700]


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    formats.write_ascii(tmp_path / "202005011200.asc", RAIN[0])
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.add(tmp_path / "202005011200.asc", "../../evil_202005011200.asc")
    with pytest.raises(DataError, match="cannot be unpacked"):
        open_archive(tmp_path / "evil.tar")


@pytest.mark.parametrize(
    ("file", "time"),
    [
        ("RAD_NL25_RAP_5min_201008260005.h5", "2010-08-26T00:05"),
        ("2_20180616_100000.prcp-cscn.nc", "2018-06-16T10:00"),
        ("T_PAAH21_C_EUOC_20180824090000.hdf", "2018-08-24T09:00"),
        ("PrecipRate_00.00_20190610-000200.grib2", "2019-06-10T00:02"),
        ("S_NWC_CRR_MSG4_Europe-VISIR_20180601T070000Z.nc", "2018-06-01T07:00"),
        ("raa01-rw_10000-1408030950-dwd---bin.gz", "2014-08-03T09:50"),
        ("AQC151351545F_00005.801.gif", "2015-05-15T15:45"),
        ("2020-05-01_12:30.png", "2020-05-01T12:30"),
        ("rain2015031205.png", "2015-03-12T05:00"),
        ("2012010112.png", None),  # 2012-01-01 12:00, or 2020-12-01 01:12
        ("20200501.png", "2020-05-01"),
        ("frame17.png", None),
        ("99999999.png", None),
    ],
)
def test_times_in_names(file: str, time: str | None) -> None:
    assert time_in_name(file) == (None if time is None else np.datetime64(time))


def test_readers_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", RAIN)
    with pytest.raises(SettingsError, match="no reader 'npy'; choose from array, hdf5"):
        open_archive(tmp_path / "frames.npy", reader="npy")
    with pytest.raises(SettingsError, match="the reader array has the options array, units"):
        make_reader("array", {"key": "x"})
    with pytest.raises(SettingsError, match="missing=x: a number is wanted"):
        make_reader("hdf5", {"missing": "x"})
    assert recognise(tmp_path / "frames.npy") == "array"
    with pytest.raises(SettingsError, match="the reader is pysteps:x already"):
        make_reader("pysteps:x", {"importer": "y"})


def fails(where: Path, *words: str, **options: Any) -> None:
    with pytest.raises(DataError) as failure:
        open_archive(where, **options).scan()
    for word in words:
        assert word in str(failure.value), failure.value


def test_bad_files_are_named_with_reason_and_fix_or_skipped(tmp_path: Path) -> None:
    """Other grids, truncated files, times twice, other formats, wrong units."""
    formats.write_knmi(tmp_path, RAIN)
    names = sorted(path.name for path in tmp_path.iterdir())
    odd = tmp_path / "RAD_NL25_RAP_5min_202005011400.h5"

    def skipped(kind: str, count: int = 5) -> None:
        archive = open_archive(tmp_path, skip_bad=True)
        statistics = FrameStatistics.join(archive.scan())
        assert [error.kind for error in archive.skipped] == [kind]
        assert statistics.usable.sum() == count
        assert not statistics[~statistics.usable].readable.any()

    other = tmp_path.parent / f"{tmp_path.name}-other"
    other.mkdir()
    formats.write_knmi(other, rain(1, 9, 10), begin=7)
    (file,) = other.iterdir()
    file.rename(odd)
    fails(
        tmp_path, odd.name, "frames of 1 x 9 x 10 (channel, y, x), not 1 x 8 x 10 as in", names[0], "data.skip_bad=True"
    )
    skipped("other grid", 6)
    odd.unlink()
    for content in (b"", b"\x89HDF\r\n\x1a\nnothing", (tmp_path / names[2]).read_bytes()[:700]):
        odd.write_bytes(content)
        fails(tmp_path, odd.name, "cannot be read as KNMI HDF5", "fetch it again")
        skipped("damaged file", 6)
    odd.write_bytes((tmp_path / names[2]).read_bytes())
    fails(tmp_path, odd.name, "its time 2020-05-01T12:10:00 is also in", names[2], "keep one of them")
    skipped("duplicate time", 6)
    odd.unlink()
    (tmp_path / "notes.txt").write_text("rain")
    fails(tmp_path, "notes.txt", "cannot be read as KNMI HDF5")
    skipped("damaged file", 6)


def test_a_folder_of_images_with_a_text_file(tmp_path: Path) -> None:
    formats.write_images(tmp_path, PIXELS)
    (tmp_path / "about.txt").write_text("pictures")
    fails(tmp_path, "about.txt", "cannot be read as a picture", "data.skip_bad=True")
    archive = open_archive(tmp_path, skip_bad=True)
    assert len(archive.sequences[0]) == 6
    assert len(archive.skipped) == 1


def test_truncated_frames_are_found_when_they_are_read(tmp_path: Path) -> None:
    """Their headers are whole."""
    for k, pixels in enumerate(PIXELS):
        formats.write_pgm(tmp_path / f"frame{k}.pgm.gz", pixels)
    whole = gzip.decompress((tmp_path / "frame3.pgm.gz").read_bytes())
    (tmp_path / "frame3.pgm.gz").write_bytes(gzip.compress(whole[:-20]))
    fails(tmp_path, "frame3.pgm.gz", "cannot be read as images")
    archive = open_archive(tmp_path, skip_bad=True)
    (statistics,) = archive.scan()
    assert np.isnan(statistics[3:4].columns).all()
    assert (statistics[[0, 1, 2, 4, 5]].valid == 1).all()
    assert [error.kind for error in archive.skipped] == ["damaged file"]
    with pytest.raises(DataError, match="frame3"):
        _ = archive.sequences[0][3].values


def test_a_truncated_chunk_of_a_zarr_store(tmp_path: Path) -> None:
    formats.dataset(RAIN).to_zarr(tmp_path / "rain.zarr", consolidated=False, encoding={"rain": {"chunks": (1, 8, 10)}})
    chunk = tmp_path / "rain.zarr" / "rain" / "c" / "2" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    fails(tmp_path / "rain.zarr", "rain.zarr: cannot be read as zarr")


@pytest.mark.parametrize(("units", "value"), [("mm/h", -9999), ("mm/h", 1e20), ("dBZ", -9999)])
def test_numbers_that_can_be_no_rain(tmp_path: Path, units: str, value: float) -> None:
    """What stands for missing without saying so is not no rain."""
    values = RAIN.copy()
    values[2, :3] = value
    formats.dataset(values, units).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    fails(tmp_path / "rain.nc", f"rain.nc: 30 pixels of a frame are no {units}, such as {value:g}", "missing=...")
    (statistics,) = open_archive(tmp_path / "rain.nc", reader_options={"missing": str(value)}).scan()
    assert statistics.valid[2] == pytest.approx(1 - 3 / 8)
    np.save(tmp_path / "rain.npy", values)
    (statistics,) = open_archive(tmp_path / "rain.npy", reader_options={"missing": str(value)}, units=units).scan()
    assert statistics.valid[2] == pytest.approx(1 - 3 / 8)


def test_a_picture_that_is_left_out_is_a_gap(tmp_path: Path) -> None:
    for k, pixels in enumerate(PIXELS):
        formats.write_pgm(tmp_path / f"frame{k}.pgm", pixels)
    (tmp_path / "frame3.pgm").write_text("no picture")
    archive = open_archive(tmp_path, reader="images", skip_bad=True)
    assert archive.times[0].tolist() == [0, 1, 2, 4, 5]


def test_bytes_of_netcdf_are_divided_by_their_range(tmp_path: Path) -> None:
    pixels = xr.DataArray(PIXELS.astype(np.uint8), dims=("time", "y", "x"), name="frames")
    pixels.to_netcdf(tmp_path / "frames.nc", engine="h5netcdf")
    (sequence,) = open_archive(tmp_path / "frames.nc").sequences
    np.testing.assert_allclose(sequence.values[:, 0], PIXELS.astype(np.uint8) / 255, rtol=1e-6)


def test_times_that_are_none_or_too_few(tmp_path: Path) -> None:
    data = formats.dataset(RAIN)
    times = data["time"].values.copy()
    times[1] = np.datetime64("NaT")
    data.assign_coords(time=times).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    fails(tmp_path / "rain.nc", f"1 of its {len(RAIN)} times are missing")
    with h5py.File(tmp_path / "rain.h5", "w") as file:
        file["rain"] = RAIN
        file["time"] = np.arange(len(RAIN) - 1) + 1_600_000_000
    fails(tmp_path / "rain.h5", f"has {len(RAIN)} frames and {len(RAIN) - 1} in time")


def read_like(
    path: Path, reader: str | None, like_units: UnitName | None, interval: float | None, **said: Any
) -> tuple[Any, ...]:
    like = ReaderSettings(reader, units=like_units, interval_minutes=interval)
    first = open_archive(path, like=like, **said).sequences[0]
    return float(first.max()), first.attrs["units"], first.attrs.get("interval_minutes")


def test_files_are_read_as_others_were(tmp_path: Path) -> None:
    """What was said of files of the same reader counts more than what a file says; of others, less."""
    integers, sums = tmp_path / "integers.npy", tmp_path / "sums.nc"
    np.save(integers, np.full((4, 8, 9), 3, np.uint16))
    for reader in ("array", "netcdf", None):
        assert read_like(integers, reader, "mm/h", None) == (3, "mm/h", None)
    assert read_like(integers, "array", None, None) == (pytest.approx(3 / 65535), "1", None)
    assert read_like(integers, "array", "mm/h", None, units="1") == (pytest.approx(3 / 65535), "1", None)
    formats.dataset(np.full((4, 8, 9), 3), "mm", interval_minutes=5.0).to_netcdf(sums, engine="h5netcdf")
    assert read_like(sums, "netcdf", "mm/h", None) == (3, "mm/h", None)
    assert read_like(sums, "netcdf", "mm", 10) == (3, "mm", 10)
    assert read_like(sums, "netcdf", "mm/h", None, units="mm") == (3, "mm", 5)
    assert read_like(sums, "array", "mm/h", 10) == (3, "mm", 5)
    formats.dataset(np.full((4, 8, 9), 3), "mm").to_netcdf(tmp_path / "vague.nc", engine="h5netcdf")
    assert read_like(tmp_path / "vague.nc", "array", None, 10) == (3, "mm", 10)


def test_an_interval_that_nothing_says(tmp_path: Path) -> None:
    formats.dataset(RAIN, "mm").to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    fails(tmp_path / "rain.nc", "its units are mm, and nothing says of which interval")
    with pytest.raises(SettingsError, match=r"data.interval_minutes=-5.0 must be positive"):
        open_archive(tmp_path / "rain.nc", interval_minutes=-5.0)
    (tmp_path / "empty.tar").mkdir()
    fails(tmp_path / "empty.tar", "nothing is in it")


def test_numbers_that_are_no_data(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    fails(tmp_path / "text.npy", "holds <U1", "numbers are needed")
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    fails(tmp_path / "flat.npy", "frames must be (time, y, x)", "got shape (3, 4)")
    np.save(tmp_path / "infinite.npy", np.full((3, 4, 4), np.inf))
    fails(tmp_path / "infinite.npy", "a frame holds 16 infinite numbers")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "empty: nothing is in it")
    fails(tmp_path / "nothing", "there is no such file or folder")
    fails(tmp_path / "*.tif", "no file matches this pattern")
    (tmp_path / "video.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    fails(tmp_path / "video.avi", "cannot be read as video")
    formats.dataset(RAIN, "mm").to_netcdf(tmp_path / "sum.nc", engine="h5netcdf")
    fails(tmp_path / "sum.nc", "nothing says of which interval", "data.interval_minutes=5")
    _, sequence = only(tmp_path / "sum.nc", interval_minutes=10)
    assert sequence.attrs["interval_minutes"] == 10


def test_times_in_datasets() -> None:
    hours = np.array([1.0, 1.5])
    expected = np.array(["2020-01-01T01:00", "2020-01-01T01:30"], "datetime64[ns]")
    np.testing.assert_array_equal(times_from(hours, "hours since 2020-01-01"), expected)
    np.testing.assert_array_equal(times_from(expected.astype("datetime64[s]").astype(np.int64)), expected)
    day = times_from(np.array([20150312]))
    assert day is not None
    assert day.tolist() == np.array(["2015-03-12"], "datetime64[ns]").tolist()
    assert times_from(np.array([1.0, 2.0])) is None
    assert times_from(np.array(["yesterday"])) is None


def test_times_that_are_none_are_refused(tmp_path: Path) -> None:
    data = formats.dataset(RAIN).assign_coords(time=np.linspace(0, 1, 6))
    data.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    fails(tmp_path / "rain.nc", "its times are float64, such as 0.0", "wanted: whole numbers")
    with h5py.File(tmp_path / "rain.h5", "w") as file:
        file["rain"], file["time"] = RAIN, np.linspace(0, 1, 6)
    fails(tmp_path / "rain.h5", "the numbers in time are no times, such as 0.0")
    formats.dataset(RAIN).drop_vars("time").to_netcdf(tmp_path / "numbered.nc", engine="h5netcdf")
    check(tmp_path / "numbered.nc", RAIN, "mm/h", "netcdf", timed=False)


def test_times_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    formats.dataset(RAIN).isel(time=[3, 0, 1, 2, 5, 4]).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    check(tmp_path / "rain.nc", RAIN, "mm/h", "netcdf")
    formats.dataset(RAIN).isel(time=[0, 1, 1, 2]).to_netcdf(tmp_path / "twice.nc", engine="h5netcdf")
    fails(tmp_path / "twice.nc", "its time 2020-05-01T12:05:00 is also in")


def test_a_pattern_and_several_files(tmp_path: Path) -> None:
    formats.write_knmi(tmp_path, RAIN)
    assert len(only(tmp_path / "*12?0.h5")[1]) == 3
    files = sorted(tmp_path.iterdir())
    _, sequence = only([str(file) for file in files[4:1:-1]])
    np.testing.assert_array_equal(sequence["time"].values, np.array(times(6)[2:5], "datetime64[ns]"))
    assert step_between([sequence["time"].values]) == 5 * 60 * 10**9


def test_formats_of_data_sets_are_recognised(tmp_path: Path) -> None:
    write_taxibj(tmp_path / "taxibj", 1)
    assert recognise(tmp_path / "taxibj" / "BJ13_M32x32_T30_InOut.h5") == "taxibj"
    header = "P5\n# obstime 201609281445\n# producttype CAPPI\n# param CorrectedReflectivity\n4 3\n255\n"
    with gzip.open(tmp_path / "201609281445_fmi.radar.composite.pgm.gz", "wb") as file:
        file.write(header.encode() + bytes(12))
    assert recognise(tmp_path / "201609281445_fmi.radar.composite.pgm.gz") == "pysteps:fmi_pgm"
    (tmp_path / "a.pgm").write_bytes(b"P5\n# a picture\n4 3\n255\n" + bytes(12))
    assert recognise(tmp_path / "a.pgm") == "images"
