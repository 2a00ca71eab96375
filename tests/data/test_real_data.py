"""Files of radar services against an independent reading of the same file; they are not part of this repository."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from helpers.models import folder
from msrnn.data.archive import Archive, open_archive


def minutes(archive: Archive) -> list[Any]:
    times = archive.sequences[0]["time"].values
    return [str(times[0])[:16], str(times[-1])[:16], set((np.diff(times) / np.timedelta64(1, "m")).tolist())]


def test_knmi() -> None:
    files = sorted((folder("MSRNN_TEST_DATA") / "knmi").glob("*.h5"))
    archive = open_archive(files)
    (sequence,) = archive.sequences
    assert sequence.shape == (92, 1, 765, 700)
    assert (sequence.attrs["units"], sequence.attrs["interval_minutes"]) == ("mm", 5)
    assert minutes(archive) == ["2010-08-26T00:00", "2010-08-26T07:35", {5.0}]
    for number in (0, 40, 91):
        with h5py.File(files[number]) as file:
            stored = file["image1/image_data"][()].astype(float)
        stored[stored == 65535] = np.nan
        np.testing.assert_allclose(sequence[number, 0].values, stored / 100, rtol=1e-6)


def _radolan(path: Path | bytes) -> tuple[str, np.ndarray]:
    """Header and 16-bit counts, north first, after DWD's description of the format."""
    content = path if isinstance(path, bytes) else gzip.decompress(path.read_bytes())
    header, _, body = content.partition(b"\x03")
    return header.decode(), np.frombuffer(body, "<u2").astype(int)


@pytest.mark.parametrize(
    ("file", "units", "interval", "time", "scale"),
    [
        ("raa01-rw_10000-1408102050-dwd---bin.gz", "mm", 60, "2014-08-10T20:50", 0.1),
        ("raa01-ry_10000-1408102050-dwd---bin.gz", "mm", 5, "2014-08-10T20:50", 0.01),
        ("raa01-sf_10000-1305280050-dwd---bin.gz", "mm", 1440, "2013-05-28T00:50", 0.1),
        ("RE2210180700_005.gz", "1", None, "2022-10-18T07:05", 0.001),
    ],
)
def test_radolan(file: str, units: str, interval: int | None, time: str, scale: float) -> None:
    path = folder("MSRNN_TEST_DATA") / "radolan" / file
    archive = open_archive(path)
    (sequence,) = archive.sequences
    assert (sequence.attrs["units"], sequence.attrs.get("interval_minutes")) == (units, interval)
    assert minutes(archive)[0] == time
    _, counts = _radolan(path)
    values = np.where(counts & 0x2000, np.nan, (counts & 0xFFF) * scale).reshape(900, 900)[::-1]
    np.testing.assert_allclose(sequence[0, 0].values, values, rtol=1e-5)


def test_radolan_reflectivity() -> None:
    path = folder("MSRNN_TEST_DATA") / "radolan" / "raa01-rx_10000-1408102050-dwd---bin.gz"
    (sequence,) = open_archive(path).sequences
    assert sequence.attrs["units"] == "dBZ"
    _, _, body = gzip.decompress(path.read_bytes()).partition(b"\x03")
    counts = np.frombuffer(body, np.uint8).astype(float).reshape(900, 900)[::-1]
    values = np.where(counts >= 249, np.nan, counts / 2 - 32.5)  # 250: no data, 249: clutter
    known = ~np.isnan(values)
    np.testing.assert_allclose(sequence[0, 0].values[known], values[known], rtol=1e-6)
    assert np.isnan(sequence[0, 0].values[counts == 250]).all()


def test_a_series_of_nowcasts() -> None:
    archive = open_archive(folder("MSRNN_TEST_DATA") / "radolan" / "RE*.gz")
    assert archive.sequences[0].shape == (20, 1, 900, 900)
    assert minutes(archive) == ["2022-10-18T07:00", "2022-10-18T08:35", {5.0}]


def test_radolan_ascii_archive() -> None:
    path = folder("MSRNN_TEST_DATA") / "radolan" / "RW-20221018.tar.gz"
    archive = open_archive(path)
    (sequence,) = archive.sequences
    assert sequence.shape == (24, 1, 900, 900)
    assert minutes(archive) == ["2022-10-18T00:50", "2022-10-18T23:50", {60.0}]
    assert (sequence.attrs["units"], sequence.attrs["interval_minutes"]) == ("mm", 60)
    with tarfile.open(path) as packed:
        file = packed.extractfile("RW_20221018-0750.asc")
        assert file is not None
        values = np.loadtxt(file, skiprows=6)
    np.testing.assert_allclose(sequence[7, 0].values, np.where(values == -1, np.nan, values / 10), rtol=1e-6)


def test_radvor_archive() -> None:
    path = folder("MSRNN_TEST_DATA") / "radolan" / "DE1200_RV2210180700.tar.bz2"
    archive = open_archive(path)
    (sequence,) = archive.sequences
    assert sequence.shape == (25, 1, 1200, 1100)
    assert minutes(archive) == ["2022-10-18T07:00", "2022-10-18T09:00", {5.0}]
    with tarfile.open(path) as packed:
        file = packed.extractfile("DE1200_RV2210180700_045")
        assert file is not None
        _, counts = _radolan(file.read())
    values = np.where(counts & 0x2000, np.nan, (counts & 0xFFF) * 0.01).reshape(1200, 1100)[::-1]
    np.testing.assert_allclose(sequence[9, 0].values, values, rtol=1e-5)


@pytest.mark.slow
def test_pysteps_fmi() -> None:
    files = sorted((folder("MSRNN_TEST_DATA") / "fmi").glob("*.pgm.gz"))
    archive = open_archive(files, reader="pysteps:fmi_pgm")
    (sequence,) = archive.sequences
    assert sequence.shape == (40, 1, 1226, 760)
    assert sequence.attrs["units"] == "dBZ"
    assert minutes(archive) == ["2016-09-28T14:45", "2016-09-28T18:00", {5.0}]
    with Image.open(io.BytesIO(gzip.decompress(files[3].read_bytes()))) as image:
        counts = np.asarray(image).astype(float)
    np.testing.assert_allclose(sequence[3, 0].values, np.where(counts == 255, np.nan, (counts - 64) / 2), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pysteps leaves the files open
def test_pysteps_mch() -> None:
    files = sorted((folder("MSRNN_TEST_DATA") / "mch").glob("*.gif"))
    options = {"product": "AQC", "unit": "mm", "accutime": "5"}
    archive = open_archive(files, reader="pysteps:mch_gif", reader_options=options)
    (sequence,) = archive.sequences
    assert sequence.shape == (80, 1, 640, 710)
    assert (sequence.attrs["units"], sequence.attrs["interval_minutes"]) == ("mm", 5)
    assert minutes(archive)[:2] == ["2015-05-15T15:45", "2016-07-12T00:00"]
    counts = np.asarray(Image.open(files[5])).astype(float)
    reflectivity = 10 ** ((counts - 71.5) / 20)
    values = np.where(counts == 255, np.nan, np.where(counts < 2, 0, (reflectivity / 316) ** (1 / 1.5)))
    np.testing.assert_allclose(sequence[5, 0].values, values, rtol=1e-5)
