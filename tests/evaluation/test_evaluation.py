"""Scores of a model beside what it has to beat."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers import formats
from helpers.models import frames, head_bias
from helpers.untrained import digits, untrained
from helpers.worst_error import WorstError
from msrnn.data import Field, open_data
from msrnn.data.windowed import FileData
from msrnn.errors import SettingsError
from msrnn.evaluation.contenders import Task, of_model
from msrnn.evaluation.scoring import THRESHOLDS_MM_H, Scoring, score_forecasts
from msrnn.plots import plot_scores
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import Predictor
from msrnn.scores import Score
from msrnn.scores.results import ALL, Evaluation, resample_key, short
from msrnn.settings import DataSettings, ModelSettings, RunSettings
from msrnn.training.train import train
from msrnn.units import Units

COUNT = 40
PERSISTENCE, CONSTANT = "persistence", "best constant image"


def moving_rain() -> np.ndarray:
    """(time, y, x) mm in five minutes: a block that moves to the right; some rows are never known."""
    values = np.zeros((COUNT, 24, 28))
    for t in range(COUNT):
        values[t, 6:16, t % 20 : t % 20 + 8] = 0.06 + 0.02 * (t % 3)
    values[:, :4] = np.nan
    return values


@pytest.fixture(scope="module")
def radar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radar")
    formats.write_knmi(folder, moving_rain())
    return folder


def rain(radar: Path, **settings: Any) -> RunSettings:
    data = DataSettings(str(radar), shares=(0.5, 0.2, 0.3), guard=1)
    values: dict[str, Any] = {"context": 3, "horizon": 2} | settings
    return RunSettings(ModelSettings("ms-convlstm", hidden_channels=4), data, **values)


def truth_of(settings: RunSettings, predictor: Predictor) -> torch.Tensor:
    test = open_data(settings.data, settings.context, settings.horizon, 0, predictor.field).held_out("test")
    return torch.stack([test[number] for number in range(len(test))])


def test_the_forecast_protocol_by_hand() -> None:
    settings = digits()
    predictor = untrained(settings)
    head_bias(predictor.model).add_(0.8)
    evaluation = score_forecasts(predictor, settings, batch_size=2)
    truth = truth_of(settings, predictor)
    given, future = truth[:, :3], truth[:, 3:]
    free = predictor.model.forecast(given, 2)
    assert free.max() > 1
    forecasts = {"model": free.clamp(0, 1), PERSISTENCE: given[:, 2:], CONSTANT: future.mean(dim=(0, 1))}
    assert evaluation.models == list(forecasts)
    assert evaluation.leads == [1, 2]
    mse = {name: (forecast - future).square() for name, forecast in forecasts.items()}
    for name, forecast in forecasts.items():
        for lead in (1, 2):
            expected = mse[name][:, lead - 1].mean()
            assert evaluation.value(name, "mse", lead) == pytest.approx(float(expected), rel=1e-5)
        assert evaluation.value(name, "mse") == pytest.approx(float(mse[name].mean()), rel=1e-5)
        mae = (forecast - future).abs().mean()
        assert evaluation.value(name, "mae") == pytest.approx(float(mae), rel=1e-5)
        assert evaluation.value(name, "mse_sum") == pytest.approx(256 * float(mse[name].mean()), rel=1e-5)
    skill = 1 - mse["model"].mean() / mse[PERSISTENCE].mean()
    assert evaluation.row("model", "mse").skill == pytest.approx(float(skill), rel=1e-4)
    assert evaluation.row(PERSISTENCE, "mse").skill == 0
    assert np.isnan(evaluation.row("model", "psnr").skill)
    difference = evaluation.value(f"model - {PERSISTENCE}", "mse")
    assert difference == pytest.approx(float(mse["model"].mean() - mse[PERSISTENCE].mean()), rel=1e-4)
    of_each = mse["model"].mean(dim=(1, 2, 3, 4)).tolist()
    assert [value for _, value in evaluation.sequences] == pytest.approx(of_each, rel=1e-5)
    assert [title for title, _ in evaluation.sequences] == [f"sequence {number}" for number in range(1, 13)]
    assert not any(score.endswith("_physical") for score, *_ in evaluation.scores)  # these are in [0, 1] anyway


def test_batches_and_workers_change_nothing() -> None:
    settings = digits()
    predictor = untrained(settings)
    one, other = (
        score_forecasts(predictor, settings, batch_size=2),
        score_forecasts(predictor, settings, batch_size=5, workers=1),
    )
    assert one.rows[0].low < one.rows[0].value < one.rows[0].high
    for ours, theirs in zip(one.rows, other.rows, strict=True):
        assert ours[:5] == theirs[:5]
        np.testing.assert_allclose(ours[5:], theirs[5:], rtol=2e-3, atol=1e-6)


def test_the_paper_protocol_by_hand() -> None:
    """All S - 1 frames, those of the context from the true ones before them, nothing clipped."""
    settings = digits()
    predictor = untrained(settings)
    head_bias(predictor.model).add_(0.8)
    evaluation = score_forecasts(predictor, settings, Scoring(protocol="paper"))
    assert evaluation.leads == [-1, 0, 1, 2]
    truth = truth_of(settings, predictor)
    predictions, _ = predictor.model(truth, context=3)
    assert predictions.max() > 1
    expected = (predictions - truth[:, 1:]).square().mean(dim=(0, 2, 3, 4))
    np.testing.assert_allclose(
        [evaluation.value("model", "mse", n) for n in (-1, 0, 1, 2)], expected.detach(), rtol=1e-5
    )
    before = truth[:, [0, 1, 2, 2]]
    expected = (before - truth[:, 1:]).square().mean(dim=(0, 2, 3, 4))
    np.testing.assert_allclose([evaluation.value(PERSISTENCE, "mse", n) for n in (-1, 0, 1, 2)], expected, rtol=1e-5)
    assert "Protocol paper" in evaluation.table()


def test_a_score_of_ones_own() -> None:
    settings = digits()
    predictor = untrained(settings)
    evaluation = score_forecasts(predictor, settings, scores=[WorstError])
    truth = truth_of(settings, predictor)
    error = (predictor.model.forecast(truth[:, :3], 2).clamp(0, 1) - truth[:, 3:]).abs().amax(dim=(2, 3, 4)).mean()
    assert evaluation.value("model", "worst") == pytest.approx(float(error), rel=1e-5)
    assert any(line.startswith("worst ") for line in evaluation.table().splitlines())
    assert np.isnan(evaluation.row("model", "worst").skill)  # nothing is known of its best value


def test_rain_is_scored_in_physical_units(radar: Path) -> None:
    settings = rain(radar)
    predictor = untrained(settings)
    evaluation = score_forecasts(predictor, settings, Scoring(windows=(1, 4)))
    values = moving_rain()[28:, 4:] * 12  # 30 % of 40, the guard is taken from the frames before
    pairs = [(values[k + 2], values[k + 2 + lead]) for lead in (1, 2) for k in range(len(values) - 4)]
    for threshold in THRESHOLDS_MM_H:
        said, was = (np.stack([pair[i] for pair in pairs]) >= threshold - 1e-9 for i in (0, 1))
        events = (said | was).sum()
        expected = (said & was).sum() / events if events else np.nan
        assert evaluation.value(PERSISTENCE, Score("csi", threshold)) == pytest.approx(expected, nan_ok=True)
    assert 0.6 < evaluation.value(PERSISTENCE, Score("csi", 0.5), 1) < 1
    error = np.sqrt(np.mean([(a - b) ** 2 for a, b in pairs]))
    assert evaluation.value(PERSISTENCE, "rmse_physical") == pytest.approx(error, rel=1e-5)
    assert evaluation.name(Score("rmse_physical")) == "rmse mm/h"
    assert evaluation.value(PERSISTENCE, Score("fss", 0.5, 4)) > evaluation.value(PERSISTENCE, Score("fss", 0.5, 1))
    assert "No true pixel reaches 2, 5, 10, 30 mm/h: scores of such events say little." in evaluation.notes
    assert evaluation.protocol["ranked_by"] == ["csi", 0.5, None]
    assert "balanced_mse" in {name for name, *_ in evaluation.scores}
    assert CONSTANT not in evaluation.models


def test_thresholds_of_data_that_are_no_rain(tmp_path: Path) -> None:
    values = 100 * frames(30, 1, 1, 12, 12)[:, 0].numpy()
    np.save(tmp_path / "flow.npy", values)
    settings = rain(tmp_path / "flow.npy")
    evaluation = score_forecasts(untrained(settings), settings, Scoring(thresholds=(50, 200), windows=()))
    last, future = values[23:28], np.stack([values[24 + k : 26 + k] for k in range(5)])
    hits = ((last[:, None] >= 50) & (future >= 50)).sum()
    assert evaluation.value(PERSISTENCE, Score("pod", 50)) == pytest.approx(hits / (future >= 50).sum(), rel=1e-6)
    assert evaluation.notes == ["No true pixel reaches 200: scores of such events say little."]
    assert evaluation.protocol["ranked_by"] == ["mse", None, None]


def test_an_earlier_run_beside_the_model(tmp_path: Path) -> None:
    settings = digits()
    predictor, other = untrained(settings), untrained(settings, seed=1)
    for name, one in (("same", predictor), ("other", other)):
        directory = RunDirectory(tmp_path / name)
        directory.create(settings, one.field)
        save_file(one.model.state_dict(), directory.weights_file)
    names = (str(tmp_path / "same"), str(tmp_path / "other"))
    evaluation = score_forecasts(predictor, settings, Scoring(baselines=names))
    assert evaluation.models == ["model", PERSISTENCE, CONSTANT, *names]
    same, differs = (evaluation.row(f"model - {name}", "mse") for name in names)
    assert same[5:8] == (0, 0, 0)
    assert differs.low <= differs.value <= differs.high
    assert differs.value == evaluation.value("model", "mse") - evaluation.value(names[1], "mse")
    table = evaluation.table()
    assert f"run3: {names[0]}" in table.replace("\n", "")
    again = [f"{names[0]}/{'./' * n}." for n in (1, 2, 3)]
    many = score_forecasts(predictor, settings, Scoring(baselines=(*names, *again)))
    assert max(map(len, many.table().splitlines())) <= 80


def test_what_does_not_suit_is_left_out_and_said(radar: Path, tmp_path: Path) -> None:
    settings = digits()
    predictor = untrained(settings)
    directory = RunDirectory(tmp_path / "rain")
    directory.create(settings, Field(units=Units("mm/h"), normalisation="rain"))
    save_file(predictor.model.state_dict(), directory.weights_file)
    (tmp_path / "empty").mkdir()
    names = ("extrapolation", str(tmp_path / "rain"), str(tmp_path / "empty"))
    evaluation = score_forecasts(predictor, settings, Scoring(baselines=names))
    assert evaluation.models == ["model", PERSISTENCE, CONSTANT]
    without = [note.partition(": ")[0] for note in evaluation.notes]
    assert without == [f"Without {name}" for name in names]
    assert "its units: 1; the model's: mm/h" in evaluation.notes[1]
    assert "data.units" not in evaluation.notes[1]  # advice for these data would be wrong


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"baselines": ("nothing",)},
            "baselines=nothing: choose from persistence, constant, extrapolation, or name a",
        ),
        ({"thresholds": (1.0, 1.0)}, "each only once"),
        ({"windows": (0,)}, "at least 1 pixel"),
        ({"protocol": "Paper"}, "protocol=Paper: choose from forecast, paper"),
        ({"split": "tset"}, "split=tset: choose from train, validation, test"),
        ({"thresholds": (np.nan,)}, "nan is none"),
    ],
)
def test_what_cannot_be_scored(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Scoring(**settings)


def test_a_forecast_that_is_not_finite() -> None:
    settings = digits()
    predictor = untrained(settings)
    head_bias(predictor.model).fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="a forecast of model is not finite"):
        score_forecasts(predictor, settings)


def test_saved_and_loaded(tmp_path: Path) -> None:
    settings = digits()
    evaluation = score_forecasts(untrained(settings), settings)
    evaluation.save(tmp_path / "scores")
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["model", "score", "threshold", "window", "lead", "value", "low", "high", "n", "skill"]
    assert (rows[2]["lead"], rows[2]["n"]) == (ALL, "12")
    assert float(rows[0]["value"]) == evaluation.value("model", "mse", 1)
    json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    again = Evaluation.load(tmp_path / "scores")
    assert again.table() == evaluation.table() == (tmp_path / "scores.txt").read_text()
    for ours, theirs in zip(evaluation.rows, again.rows, strict=True):
        assert ours[:5] == theirs[:5]
        np.testing.assert_array_equal(ours[5:], theirs[5:])
    resampled = again.resamples[resample_key("model", Score("mse"))]
    row = again.row("model", "mse")
    np.testing.assert_allclose(np.quantile(resampled, (0.025, 0.975)), (row.low, row.high), rtol=1e-5)
    resamples = (tmp_path / "scores.npz").read_bytes()
    for name, damaged in (("npz", resamples[:-30]), ("npz", b""), ("json", b"{")):
        (tmp_path / f"scores.{name}").write_bytes(damaged)
        with pytest.raises(SettingsError, match=r"scores.json cannot be used .*: run msrnn evaluate again"):
            Evaluation.load(tmp_path / "scores")


@pytest.mark.parametrize("kind", ["digits", "rain"])
def test_the_table_is_at_most_80_columns_wide(kind: str, radar: Path) -> None:
    settings = digits(horizon=12) if kind == "digits" else rain(radar)
    evaluation = score_forecasts(untrained(settings), settings)
    lines = evaluation.table().splitlines()
    assert max(map(len, lines)) <= 80
    first = lines[2].split()
    assert first[0] == "1"
    assert float(first[1]) == pytest.approx(evaluation.value("model", "mse", 1), abs=6e-5)
    for score in evaluation.scores:
        line = next(line for line in lines if line.startswith(f"{evaluation.name(score):<19}"))
        assert line[19:25].strip() == short(evaluation.value("model", score))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, ".0123"), (-0.01234, "-.012"), (12.345, "12.35"), (123.456, "123.5"), (1234.5, "1234"), (1.0, "1.00"),
     (99.999, "100.0"), (-12.345, "-12.3"), (1e-6, "1e-6"), (-123456.0, "-1e5"), (0, ".0000"), (123456.0, "1e5"),
     (np.nan, "nan"), (-0.5, "-.500"), (-0.0378, "-.038"), (-0.0, ".0000"), (-4e-4, "-4e-4"), (-123.4, "-123")],
)  # fmt: skip
def test_numbers_in_tables(value: float, text: str) -> None:
    assert short(value) == text


def days(count: int, per_day: int = 4) -> list[np.datetime64]:
    start = np.datetime64("2020-05-01T12:00", "ns")
    return [start + np.timedelta64(day * 24 * 60 + 5 * k, "m") for day in range(count) for k in range(per_day)]


@pytest.mark.parametrize(("count", "block"), [(10, "days"), (3, "stretches twice as long as a sequence")])
def test_blocks_are_days_or_else_stretches(tmp_path: Path, count: int, block: str) -> None:
    formats.dataset(formats.rain(4 * count)).assign_coords(time=days(count)).to_netcdf(
        tmp_path / "rain.nc", engine="h5netcdf"
    )
    data = FileData(DataSettings(str(tmp_path / "rain.nc"), shares=(0, 0, 1), guard=0), 1, 1, 0)
    test = data.held_out("test")
    blocks, what = test.blocks(10)
    assert what == block
    assert len(blocks) == 3 * count
    assert test.title(3) == "2020-05-02 12:00"
    if block == "days":
        assert len(np.unique(blocks)) == count
        assert (np.diff(blocks).reshape(-1)[2::3] == 1).all()


def test_windows_that_share_no_frame_are_in_different_stretches(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", frames(12, 1, 1, 4, 4)[:, 0, 0].numpy())
    data = FileData(DataSettings(str(tmp_path / "a.npy"), shares=(0, 0, 1), guard=0), 2, 1, 0)
    blocks, _ = data.held_out("test").blocks(2)
    assert blocks.tolist() == [0] * 6 + [1] * 4
    assert data.held_out("test").title(4) == "sequence 1, frame 5"


@pytest.mark.slow
def test_extrapolation_carries_rain_on(tmp_path: Path) -> None:
    values = np.zeros((COUNT, 64, 96))
    draw = np.random.default_rng(0)
    showers = [(draw.integers(5, 59), draw.integers(-40, 90), draw.uniform(2, 5)) for _ in range(20)]
    y, x = np.mgrid[:64, :96]
    for t in range(COUNT):
        for top, left, size in showers:
            values[t] += 0.5 * np.exp(-((y - top) ** 2 + (x - left - 1.5 * t) ** 2) / (2 * size**2))
    values[:, :, :3] = np.nan
    formats.write_knmi(tmp_path, values.round(2))
    settings = rain(tmp_path, horizon=4)
    evaluation = score_forecasts(untrained(settings), settings)
    assert evaluation.models == ["model", PERSISTENCE, "extrapolation"]
    score = Score("csi", 0.5)
    assert evaluation.value("extrapolation", score, 4) > evaluation.value(PERSISTENCE, score, 4) + 0.2
    assert evaluation.value("extrapolation", score, 4) > 0.7


GROWTH = """
import resource
from dataclasses import replace
from helpers.untrained import digits, untrained
from helpers.worst_error import WorstError
from msrnn.evaluation.scoring import score_forecasts
for sequences in (50, 3000):
    settings = digits()
    settings = replace(settings, data=replace(settings.data, test_samples=sequences))
    score_forecasts(untrained(settings), settings)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_test_set() -> None:
    said = subprocess.run(
        [sys.executable, "-c", GROWTH], cwd=Path(__file__).parents[1], capture_output=True, check=True
    )
    few, many = map(float, said.stdout.split())
    assert many - few < 40  # MiB; the frames alone are 14 MiB in float32, forecasts and errors many times that


def test_one_lead_time() -> None:
    settings = digits(horizon=1)
    evaluation = score_forecasts(untrained(settings), settings)
    assert evaluation.value("model", "mse", 1) == evaluation.value("model", "mse")
    assert plot_scores({"one": evaluation}, "mse") is not None


def test_data_of_several_channels_one_pixel_high(tmp_path: Path) -> None:
    np.save(tmp_path / "flow.npy", 9 * frames(30, 2, 1, 1, 12)[:, :, 0].numpy())
    settings = rain(tmp_path / "flow.npy")
    evaluation = score_forecasts(untrained(settings), settings, Scoring(lpips=True))
    assert evaluation.name(Score("rmse_physical")) == "rmse data"
    assert evaluation.value("model", "gdl") > 0
    assert np.isnan(evaluation.value("model", "ssim"))
    assert "Without lpips: it is for 1 or 3 channels of at least 32 pixels, these are 2 channels" in evaluation.notes[0]


def test_rain_that_is_not_normalised_as_rain_has_no_balanced_errors(radar: Path) -> None:
    settings = rain(radar)
    settings = replace(settings, data=replace(settings.data, normalisation="range"))
    evaluation = score_forecasts(untrained(settings), settings)
    names = {name for name, *_ in evaluation.scores}
    assert "rmse_physical" in names
    assert "balanced_mse" not in names


def test_an_earlier_run_on_the_same_scale_is_not_clipped_under_paper() -> None:
    settings = digits()
    predictor = untrained(settings)
    head_bias(predictor.model).add_(2)
    task = Task(predictor.field, 3, 2, from_first=True)
    other = Predictor(predictor.model, settings, replace(predictor.field, fill="last"))
    truth = truth_of(settings, predictor)
    with torch.no_grad():
        assert of_model(task, other)(truth, truth).frames.equal(of_model(task, predictor)(truth, truth).frames)


def test_names_of_runs_do_not_hide_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = digits()
    predictor = untrained(settings)
    directory = RunDirectory(tmp_path / "model")
    directory.create(settings, predictor.field)
    save_file(untrained(settings, seed=1).model.state_dict(), directory.weights_file)
    monkeypatch.chdir(tmp_path)
    evaluation = score_forecasts(predictor, settings, Scoring(baselines=("model",)))
    assert evaluation.models == ["model", PERSISTENCE, CONSTANT, "./model"]
    assert evaluation.value("model", "mse") == score_forecasts(predictor, settings).value("model", "mse")


def test_fingerprints_tell_sequences_apart(tmp_path: Path) -> None:
    values = frames(30, 1, 1, 8, 9)[:, 0, 0].numpy()
    for name, changed in (("a", values), ("b", values[:, :, ::-1]), ("c", values[:, :4])):
        np.save(tmp_path / f"{name}.npy", np.ascontiguousarray(changed))

    def fingerprint(name: str, **settings: Any) -> int:
        data = DataSettings(str(tmp_path / f"{name}.npy"), shares=(0.5, 0.2, 0.3), **settings)
        return FileData(data, 3, 2, 0).held_out("test").fingerprint

    assert len({fingerprint("a"), fingerprint("b"), fingerprint("c"), fingerprint("a", size=(4, 4))}) == 4
    assert fingerprint("a") == fingerprint("a")


def test_weights_in_bfloat16_have_a_fingerprint() -> None:
    predictor = untrained(digits())
    before = predictor.fingerprint
    predictor.model.bfloat16()
    assert predictor.fingerprint != before


def test_no_balanced_loss_for_rain_that_is_not_normalised_as_rain(radar: Path, tmp_path: Path) -> None:
    settings = rain(radar, loss="balanced")
    settings = replace(settings, data=replace(settings.data, normalisation="range"))
    with pytest.raises(SettingsError, match="loss=balanced weighs the paper's pixels"):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()
