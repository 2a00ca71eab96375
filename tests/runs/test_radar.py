"""The whole loop on radar files: train, evaluate, predict."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image, ImageSequence
from safetensors.torch import load_file

import msrnn
from helpers import formats
from helpers.commands import refused
from helpers.models import head_bias
from msrnn.analysis.counting import Meter
from msrnn.cli import main
from msrnn.data.archive import open_archive
from msrnn.errors import SettingsError
from msrnn.plots import colours
from msrnn.units import Units

COUNT, MISSING = 40, np.s_[:, :4, :5]


def moving_rain() -> np.ndarray:
    """(time, y, x) mm in five minutes: a block that moves to the right; a corner is never known."""
    values = np.zeros((COUNT, 24, 28))
    for t in range(COUNT):
        values[t, 6:16, t % 20 : t % 20 + 8] = 0.06 + 0.02 * (t % 3)
    values[MISSING] = np.nan
    return values


TRAIN = [
    "--model=ms-convlstm", "--model.hidden-channels=4", "--context=3", "--horizon=2", "--epochs=1", "--device=cpu",
    "--data.shares=0.5,0.2,0.3", "--data.guard=1", "--data.epoch-samples=8", "--precision=32",
]  # fmt: skip


@pytest.fixture(scope="module")
def radar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radar")
    formats.write_knmi(folder, moving_rain())
    return folder


@pytest.fixture(scope="module")
def run(radar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "rain"
    main(["train", *TRAIN, "--data", str(radar), "--data.crop", "16", f"--out={path}"])
    return path


def test_what_a_run_knows_of_its_data(run: Path) -> None:
    predictor = msrnn.load(run, device="cpu")
    field = predictor.field
    assert (field.units, field.step_minutes, field.spacing) == (Units("mm", 5), 5, (-1000, 1000))
    assert field.normalisation == "rain"
    assert predictor.settings.data.epoch_samples == 8


def test_evaluate_says_what_was_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(run), "--device=cpu"])
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 80
    assert "const" not in table
    assert "Normalisation rain: clip((dBZ + 10) / 70, 0, 1) with Z = 256 R^1.42" in table.replace("\n", " ")
    assert "csi 0.5 mm/h" in table


def test_a_run_on_a_store_of_the_same_files_is_the_same(radar: Path, run: Path, tmp_path: Path) -> None:
    main(["data", "convert", str(radar), "--to", str(tmp_path / "rain.zarr")])
    main(["train", *TRAIN, f"--data={tmp_path / 'rain.zarr'}", "--data.crop=16x16", f"--out={tmp_path / 'run'}"])
    for name, weight in load_file(run / "weights.safetensors").items():
        torch.testing.assert_close(load_file(tmp_path / "run" / "weights.safetensors")[name], weight)


def test_workers_change_nothing(radar: Path, run: Path, tmp_path: Path) -> None:
    main(["train", *TRAIN, "--data", str(radar), "--data.crop=16", "--workers=1", f"--out={tmp_path / 'run'}"])
    for name, weight in load_file(run / "weights.safetensors").items():
        assert load_file(tmp_path / "run" / "weights.safetensors")[name].equal(weight)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_predict_from_files(
    run: Path, radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    files = sorted(radar.iterdir())[:9]
    output = tmp_path / f"forecast{suffix}"
    main(["predict", str(run), "--input", *map(str, files), "--output", str(output), "--horizon=4", "--device=cpu"])
    assert "4 frames of 24 x 28, after 3 given until 2020-05-01T12:40" in capsys.readouterr().err
    forecast = xr.open_dataset(output, engine="zarr" if suffix == ".zarr" else None)["rain_amount"]
    assert forecast.dims == ("time", "channel", "y", "x")
    assert forecast.attrs["units"] == "mm"
    assert forecast.attrs["projection"] == "+proj=stere +lat_0=90"
    np.testing.assert_array_equal(forecast["time"].values, np.array(formats.times(13)[9:], "datetime64[ns]"))
    np.testing.assert_array_equal(forecast["lead_time"].values, [5, 10, 15, 20])
    assert forecast["lead_time"].attrs["units"] == "min"
    assert forecast["forecast_reference_time"].values == np.datetime64("2020-05-01T12:40")
    assert forecast["y"].values[0] == -3650.5
    assert np.isnan(forecast.values[:, 0][MISSING]).all()
    assert np.isfinite(forecast.values[:, 0, 4:]).all()
    predictor = msrnn.load(run, device="cpu")
    expected = predictor.predict(moving_rain()[6:9].astype(np.float32), 4)
    np.testing.assert_allclose(forecast.values[:, 0], expected, rtol=1e-5, atol=1e-6)
    (sequence,) = open_archive(output).sequences
    np.testing.assert_array_equal(sequence.values, forecast.values)


def test_predict_in_other_precisions(run: Path, radar: Path, tmp_path: Path) -> None:
    forecasts = {}
    for precision in ("32", "bf16", "64"):
        output = tmp_path / f"{precision}.nc"
        options = ["--device=cpu", "--precision", precision]
        main(["predict", str(run), "--input", str(radar), "--output", str(output), *options])
        forecasts[precision] = xr.open_dataset(output)["rain_amount"].values
    known = np.isfinite(forecasts["32"])
    spread = forecasts["32"][known].std()
    assert 0 < np.abs(forecasts["bf16"] - forecasts["32"])[known].max() < spread
    assert np.abs(forecasts["64"] - forecasts["32"])[known].max() < 1e-4 * spread
    main(["evaluate", str(run), "--device=cpu", "--precision=bf16"])
    assert (run / "scores-precision=bf16.json").exists()
    assert "Forecasts are made in precision bf16." in (run / "scores-precision=bf16.txt").read_text().replace("\n", " ")
    evaluation = msrnn.evaluate(run, device="cpu", precision=32)  # type: ignore[arg-type]
    assert evaluation.protocol["precision"] == "32"
    assert not (run / "scores-precision=32.json").exists()
    with pytest.raises(SettingsError, match="precision: expected one of 32, 64, bf16, got '16'"):
        msrnn.load(run, "cpu", precision="16")  # type: ignore[arg-type]


def test_keep_memory(
    run: Path, radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked of the C library where it is wanted; where that has no such thing, a line says so."""
    for wanted, possible in ((True, True), (True, False), (False, True)):
        asked: list[bool] = []
        monkeypatch.setattr("msrnn.device.keep_freed_memory", lambda a=asked, p=possible: a.append(p) or p)
        output = ["--output", str(tmp_path / "f.npy"), "--overwrite", "--device=cpu"]
        main(["predict", str(run), "--input", str(radar), *output, *["--keep-memory"] * wanted])
        assert asked == [possible] * wanted
        said = "--keep-memory changes nothing here: it needs the GNU C library"
        assert (said in capsys.readouterr().err) is (wanted and not possible)


def test_memory_does_not_grow_with_the_horizon(run: Path) -> None:
    predictor = msrnn.load(run, device="cpu")
    values = np.nan_to_num(moving_rain()[:3, None]).astype(np.float32)
    times = np.array(formats.times(3), "datetime64[ns]")
    context = xr.DataArray(
        values, {"time": times}, ("time", "channel", "y", "x"), attrs={"units": "mm", "interval_minutes": 5}
    )
    peaks = []
    for horizon in (4, 40):
        stream = predictor.stream(context, horizon)
        assert stream.like.shape == (horizon, 1, 24, 28)
        with Meter() as meter:
            assert sum(frame.shape == (1, 24, 28) for frame in stream) == horizon
        peaks.append(meter.peak)
    assert peaks[1] == peaks[0]
    impossible: tuple[Any, ...] = (0, -1, 2.5)
    for no_horizon in impossible:
        for call in (predictor.predict, predictor.stream):
            with pytest.raises(ValueError, match="horizon must be a whole number of at least 1"):
                call(context, no_horizon)
        with pytest.raises(ValueError, match="horizon must be a whole number of at least 1"):
            predictor.predict(values, no_horizon)
    with pytest.raises(ValueError, match=r"must be an xarray\.DataArray, got ndarray"):
        predictor.stream(values)
    whole = predictor.predict(context, 4)
    np.testing.assert_array_equal(np.stack(list(predictor.stream(context, 4))), whole.values)


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".png"])
def test_predict_in_radar_colours(run: Path, radar: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"forecast{suffix}"
    main(["predict", str(run), "--input", str(radar), "--output", str(output), "--device=cpu"])
    if suffix == ".mp4":
        assert open_archive(output).sequences[0].shape[0] == 5
        return
    if suffix == ".png":
        pixels = Image.open(output).convert("RGB")
        found = pixels.getcolors(pixels.width * pixels.height)
        assert found is not None
        counts = {colour: count for count, colour in found}
        assert counts[colours.MISSING] > 2000  # five frames have a corner of it, the legend a patch of some hundreds
        assert counts[colours.DRY] > pixels.width * pixels.height // 10
        return
    with Image.open(output) as image:
        assert len(ImageSequence.all_frames(image)) == 5
        first = np.asarray(image.convert("RGB")).astype(int)
    zoom, top, left = 4, 26, 74
    inside = first[top : top + 24 * zoom : zoom, left : left + 28 * zoom : zoom]
    assert np.ptp(inside[:4, :5], axis=(0, 1)).max() == 0  # missing: one grey
    t = COUNT - 3
    block = inside[10, t % 20 + 3]
    assert block[2] > block[0]  # 0.72 to 1.2 mm/h is blue
    assert (inside[20, 20] == 0).all()


def test_units_are_converted_where_that_is_exact(run: Path) -> None:
    predictor = msrnn.load(run, device="cpu")
    given = moving_rain()[:3].astype(np.float32)
    expected = predictor.predict(given, 2)
    base = formats.dataset(given, "mm", interval_minutes=5.0)["rain"].assign_coords(
        y=-3650.5e3 - 1e3 * np.arange(24), x=1e3 * np.arange(28)
    )
    own = predictor.predict(base, 2)
    np.testing.assert_array_equal(own.values, expected)
    assert own.dims == ("time", "y", "x")
    rates = (base * 12).assign_attrs(units="mm/h")
    np.testing.assert_allclose(predictor.predict(rates, 2).values, 12 * expected, rtol=1e-4, atol=1e-5)
    with np.errstate(divide="ignore"):
        dbz = np.maximum(10 * np.log10(256 * (base * 12) ** 1.42), -32).assign_attrs(units="dBZ")
    result = predictor.predict(dbz, 2)
    assert result.attrs["units"] == "dBZ"
    back = np.where(result.values <= -10, 0, (10 ** (result.values / 10) / 256) ** (1 / 1.42))
    np.testing.assert_allclose(back, 12 * expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.assign_attrs(units="1"), "its units: 1; the model's: mm"),
        (
            lambda a: a.assign_attrs(interval_minutes=60.0),
            "its units: mm per 60 minutes; the model",
        ),
        (lambda a: a.isel(time=slice(None, None, 2)), "its time step: 10 min; the model's: 5 min"),
        (lambda a: a.isel(x=slice(None, None, 2)), "its grid spacing: -1000 x 2000; the model's: -1000 x 1000"),
        (lambda a: a.isel(time=[0, 1, 3]), "not at equal steps"),
        (lambda a: a.isel(y=slice(None, None, -1)), "its grid spacing: 1000 x 1000; the model's: -1000 x 1000"),
        (lambda a: a.drop_attrs(), "need the attribute units"),
        (lambda a: a.isel(time=0), "frames must be time, channel, y, x"),
        (lambda a: a * np.nan, "all values are missing"),
        (lambda a: a.where(a > 0, np.inf), "values are infinite"),
        (lambda a: a.expand_dims(channel=2, axis=1), "its number of channels: 2; the model's: 1"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    run: Path, change: Callable[[xr.DataArray], xr.DataArray], message: str
) -> None:
    with xr.set_options(keep_attrs=True):
        base = formats.dataset(moving_rain()[:4], "mm", interval_minutes=5.0)["rain"]
        frames = change(base.assign_coords(y=-1000.0 * np.arange(24), x=1000.0 * np.arange(28)))
    with pytest.raises(ValueError, match=message):
        msrnn.load(run, device="cpu").predict(frames, 2)


def test_units_of_the_input_are_its_own(radar: Path, tmp_path: Path) -> None:
    """Also where the training's files did not say theirs; which are then those of other files that do not."""
    np.save(tmp_path / "rain.npy", 12 * np.nan_to_num(moving_rain()))
    out = tmp_path / "run"
    main(["train", *TRAIN, "--data", str(tmp_path / "rain.npy"), "--data.units=mm/h", f"--out={out}"])
    for name, given in (("knmi", radar), ("array", tmp_path / "rain.npy")):
        main(["predict", str(out), "--input", str(given), "--output", str(tmp_path / f"{name}.nc"), "--device=cpu"])
    sums, rates = (xr.open_dataset(tmp_path / f"{name}.nc") for name in ("knmi", "array"))
    known = ~np.isnan(moving_rain()[0])
    assert sums["rain_amount"].attrs["units"] == "mm"
    np.testing.assert_allclose(
        12 * sums["rain_amount"].values[:, 0, known], rates["rain_rate"].values[:, 0, known], rtol=1e-4, atol=1e-5
    )


def test_several_files_to_every_output(radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).random((2, 9, 8, 9)).astype(np.float32)
    np.save(tmp_path / "a.npy", values[0])
    np.save(tmp_path / "b.npy", values[1, :7])
    out = tmp_path / "run"
    options = [*TRAIN, "--data", str(tmp_path / "?.npy"), "--data.shares=0.5,0.5,0", "--data.guard=0"]
    main(["train", *options, f"--out={out}"])
    predictor = msrnn.load(out, device="cpu")
    expected = np.stack([predictor.predict(values[0, 6:9]), predictor.predict(values[1, 4:7])])
    for suffix in (".npy", ".nc", ".zarr", ".gif"):
        output = str(tmp_path / f"out{suffix}")
        main(["predict", str(out), "--input", str(tmp_path / "?.npy"), "--output", output, "--device=cpu"])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy")[:, :, 0], expected, rtol=1e-5)
    for suffix in (".nc", ".zarr"):
        again = open_archive(tmp_path / f"out{suffix}").sequences
        np.testing.assert_allclose(np.stack([one.values[:, 0] for one in again]), expected, rtol=1e-5)
    capsys.readouterr()
    refusal = refused(
        capsys, "predict", out, "--input", tmp_path / "b.npy", "--output", tmp_path / "c.nc", "--context=8"
    )
    assert "b.npy: 7 frames, the context is 8: give more, or use fewer with --context 7" in refusal


def test_a_worker_says_which_file_is_bad(
    radar: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "rain.zarr"
    main(["data", "convert", str(radar), "--to", str(store)])
    for chunk in (store / "rain_amount" / "c").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:-40])
    capsys.readouterr()
    for workers in (0, 1):
        arguments = ["evaluate", run, "--device=cpu", "--data", store, f"--workers={workers}"]
        assert "rain.zarr: cannot be read as zarr" in refused(capsys, *arguments)
    main(["data", "inspect", str(store)])
    assert "damaged file, " in capsys.readouterr().out


def test_predict_reads_the_paper_sets_as_training_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RY in HDF5: what is negative is missing, whoever reads it."""
    rain = np.round(100 * np.random.default_rng(0).random((12, 24, 24)))
    rain[:, :, :3] = -1
    folder = tmp_path / "ry"
    folder.mkdir()
    with h5py.File(folder / "RYDL.hdf5", "w") as file:
        for k, frame in enumerate(rain):
            for year in (2010, 2015, 2016):
                file[f"{year}0601{k // 12:02d}{5 * k % 60:02d}"] = frame.astype(np.int16)
    data = ["--data=germany", f"--data.path={folder}", "--data.size=24"]
    small = ["--model=ms-convlstm", "--model.hidden-channels=4", "--context=3", "--horizon=2", "--epochs=1"]
    main(["train", *small, *data, "--device=cpu", f"--out={tmp_path / 'run'}"])
    output = tmp_path / "forecast.nc"
    main(["predict", str(tmp_path / "run"), "--input", str(folder / "RYDL.hdf5"), "--output", str(output)])
    forecast = xr.open_dataset(output)["rain_amount"].values
    assert np.isnan(forecast[..., :3]).all()
    assert np.isfinite(forecast[..., 3:]).all()


def test_a_context_frame_that_is_missing_as_a_whole(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = moving_rain()[:6]
    values[-1] = np.nan
    formats.write_knmi(tmp_path, values)
    refusal = refused(capsys, "predict", run, "--input", tmp_path, "--output", tmp_path / "out.nc")
    assert "frame 3 of 3 is missing as a whole" in refusal


def test_bad_frames_in_the_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).random((12, 8, 9)).astype(np.float32)
    np.save(tmp_path / "all.npy", values)
    main(["train", *TRAIN, f"--data={tmp_path / 'all.npy'}", "--data.shares=0.5,0.5,0", f"--out={tmp_path / 'run'}"])
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k, frame in enumerate(values):
        formats.write_pgm(folder / f"{k:03}.pgm", (255 * frame).astype(np.uint8))
    (folder / "011.pgm").write_bytes((folder / "011.pgm").read_bytes()[:40])
    arguments = ["predict", tmp_path / "run", "--input", folder, "--output", tmp_path / "out.npy", "--skip-bad"]
    main([str(argument) for argument in arguments])  # the last one is bad: those before it are used
    (tmp_path / "out.npy").unlink()
    capsys.readouterr()
    picture = (folder / "009.pgm").read_bytes()
    (folder / "009.pgm").write_bytes(picture[:40])
    assert "not at equal steps in time: give frames without a gap" in refused(capsys, *arguments)
    (folder / "009.pgm").write_bytes(gzip.compress(gzip.decompress(picture)[:-20]))
    assert "of the last 3 frames the last 1 can be read: use --context 1" in refused(capsys, *arguments)


def test_advice_is_in_the_words_of_the_command(radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formats.dataset(formats.rain(8), "mm").to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    refusal = refused(capsys, "train", "--model=ms-convlstm", "--data", tmp_path / "rain.nc", "--out=x")
    assert "say it, such as --data.interval-minutes 5" in refusal
    assert "say it, such as --interval-minutes 5" in refused(capsys, "data", "inspect", tmp_path / "rain.nc")


def test_resume_notices_more_files(radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "radar"
    folder.mkdir()
    for path in sorted(radar.iterdir())[:30]:
        (folder / path.name).write_bytes(path.read_bytes())
    whole = ["train", *TRAIN, "--data", str(folder), "--data.split=time", f"--out={tmp_path / 'run'}"]
    main(whole)
    main([*whole, "--resume"])
    main(["train", "--resume", "--out", str(tmp_path / "run")])
    for path in sorted(radar.iterdir())[30:]:  # later than the test: the training split stays as it was
        (folder / path.name).write_bytes(path.read_bytes())
    main(["train", "--resume", "--out", str(tmp_path / "run")])
    (folder / sorted(radar.iterdir())[3].name).unlink()
    capsys.readouterr()
    assert "radar have changed since" in refused(capsys, "train", "--resume", "--out", tmp_path / "run")


def test_resume_notices_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "heat.npy"
    values = 250 + 30 * np.random.default_rng(0).random((8, 6, 8, 9)).astype(np.float32)
    np.save(path, values[:, :, None])
    main(["train", *TRAIN, "--data", str(path), "--data.guard=0", f"--out={tmp_path / 'run'}"])
    np.save(path, 2 * values[:, :, None])
    capsys.readouterr()
    assert "heat.npy have changed since" in refused(capsys, "train", "--resume", "--out", tmp_path / "run")


def test_inspect(radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "inspect", str(radar), "--context=3", "--horizon=2"])
    text = capsys.readouterr().out
    for words in (
        "reader        knmi",
        "frames        40 of 24 x 28, 1 channel",
        "2020-05-01 12:00 to 2020-05-01 15:15",
        "time step     5 minutes",
        "gaps          none",
        "units         mm per 5 minutes",
        "grid spacing  1000 x 1000 m",
        "range         0 to 0.1",
        "missing       3.0%",
        "windows       36 of 3 + 2 frames",
    ):
        assert words in text
    for path in sorted(radar.iterdir())[:12]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "RAD_NL25_RAP_5min_202005011225.h5").unlink()
    (tmp_path / "RAD_NL25_RAP_5min_202005011235.h5").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    main(["data", "inspect", str(tmp_path), "--context=3", "--horizon=2"])
    text = capsys.readouterr().out
    assert "gaps          2, the longest 10 minutes after 2020-05-01 12:20" in text
    assert "damaged file, 2 times; the first:\n" in text
    assert "cannot be read as KNMI HDF5" in text
    assert "windows       1 of 3 + 2 frames" in text
    assert max(map(len, text.partition("damaged")[0].splitlines())) <= 80


def test_the_commands_say_what_is_wrong(
    run: Path, radar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in sorted(radar.iterdir())[:20]:
        (bad / path.name).write_bytes(path.read_bytes())
    broken = bad / "RAD_NL25_RAP_5min_202005011225.h5"
    broken.write_bytes(broken.read_bytes()[:1500])
    train = ["train", *TRAIN, "--out", tmp_path / "new", "--data", bad]
    output = ["--output", tmp_path / "out.nc"]
    wrong: list[tuple[list[object], str]] = [
        (train, "RAD_NL25_RAP_5min_202005011225.h5: cannot be read as"),
        ([*train, "--data.reader", "odim"], "cannot be read as ODIM HDF5"),
        ([*train, "--data.reader", "nothing"], "no reader 'nothing'; choose from"),
        ([*train, "--data.reader-options", "x"], "write KEY=VALUE"),
        ([*train, "--data.shares=0.5,0.5,0.5"], "must be three shares that sum to 1"),
        ([*train, "--data.skip-bad=true", "--data.crop=99"], "is larger than the frames, 24 x 28"),
        ([*train, "--data.skip-bad=true", "--horizon=99"], "no train sequence of 102 frames, 5 minutes apart"),
        ([*train, "--data.skip-bad=true", "--data.units=1", "--data.normalisation=rain"], "normalisation rain is for"),
        (["predict", run, "--input", tmp_path / "none*.h5", *output], "no file matches this pattern"),
        (["predict", run, "--input", broken, *output], "--input: "),
        (["predict", run, "--input", radar, *output, "--units=1"], "its units: 1; the model's: mm"),
        (["data", "inspect", tmp_path / "nothing"], "there is no such file or folder"),
        (["data", "inspect", radar, "--context=0"], "--context 0: at least 1"),
        (["data", "convert", radar, "--to", tmp_path / "rain.nc"], "a store is called something.zarr"),
        (["data", "convert", radar, "--to", tmp_path / "a.zarr", "--size=0"], "--size 0: at least 1"),
        (["data", "convert", bad, "--to", tmp_path / "a.zarr"], "202005011225.h5"),
        (["data", "convert", radar], "required: --to"),
        (["data", "inspect"], "required: PATH"),
    ]  # fmt: skip
    for arguments, message in wrong:
        assert message in refused(capsys, *arguments), arguments
    main(["data", "convert", str(bad), "--to", str(tmp_path / "a.zarr"), "--skip-bad"])
    assert "19 frames, 1 skipped" in capsys.readouterr().err


def test_frames_are_resized_as_in_training(radar: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(["train", *TRAIN, "--data", str(radar), "--data.size=12x14", f"--out={out}"])
    main(["predict", str(out), "--input", str(radar), "--output", str(tmp_path / "f.nc"), "--device=cpu"])
    forecast = xr.open_dataset(tmp_path / "f.nc")["rain_amount"]
    assert forecast.shape == (2, 1, 12, 14)
    np.testing.assert_allclose(forecast["y"].values[:2], [-3651, -3653])
    small = moving_rain()[-3:].reshape(3, 12, 2, 14, 2)
    known = (~np.isnan(small)).mean(axis=(2, 4))
    small = np.where(known < 0.5, np.nan, np.nan_to_num(small).mean(axis=(2, 4)) / np.maximum(known, 0.25))
    predictor = msrnn.load(out, device="cpu")
    np.testing.assert_allclose(forecast.values[:, 0], predictor.predict(small.astype(np.float32)), rtol=1e-4, atol=1e-6)
    whole = predictor.predict(moving_rain()[-3:].astype(np.float32))
    np.testing.assert_allclose(forecast.values[:, 0], whole, rtol=1e-4, atol=1e-6)


def test_data_that_are_not_in_zero_to_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fitted to the training split, inverted by predict."""
    values = 250 + 30 * np.random.default_rng(0).random((8, 6, 8, 9)).astype(np.float32)
    np.save(tmp_path / "heat.npy", values[:, :, None])
    out = tmp_path / "run"
    main(["train", *TRAIN, "--data", str(tmp_path / "heat.npy"), "--data.guard=0", f"--out={out}"])
    said = capsys.readouterr().err
    assert "heat.npy: 10 train, 2 validation, 4 test sequences of 5 frames" in said
    assert ", of the training split, become 0 to 1" in said
    predictor = msrnn.load(out, device="cpu")
    assert predictor.field.normalisation == "range"
    assert 250 <= predictor.field.smallest < 251
    predictor.model.head.weight.data.zero_()
    head_bias(predictor.model).fill_(0.5)
    forecast = predictor.predict(values[0, :3])
    assert forecast.min() == forecast.max() == pytest.approx((predictor.field.smallest + predictor.field.largest) / 2)
    with pytest.raises(ValueError, match="frames must be floats, in units 1, got uint8"):
        predictor.predict(np.zeros((3, 8, 9), np.uint8))
    main(["evaluate", str(out), "--device=cpu"])
    assert "const" in capsys.readouterr().out
