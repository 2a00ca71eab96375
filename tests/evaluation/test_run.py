"""`msrnn.evaluate` and `msrnn.train` as functions, with a user's own objects."""

from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

import msrnn
from msrnn.data import Data, Datasets, Field, open_data
from msrnn.errors import SettingsError
from msrnn.evaluation.evaluate import LONGEST_NAME, scores_path
from msrnn.runs.directory import RunDirectory
from msrnn.scores.continuous import PixelErrors
from msrnn.settings import OWN, Split

DIGITS: dict[str, Any] = {
    "digits": {"size": (16, 16), "digit_size": 8},
    "epoch_samples": 8,
    "validation_samples": 2,
    "test_samples": 3,
}
SMALL: dict[str, Any] = {"context": 2, "horizon": 2, "epochs": 1, "precision": "32", "device": "cpu"}
MODEL: dict[str, Any] = {"name": "ms-convlstm", "hidden_channels": 4}


def moving(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 4, 1, 16, 16), generator=generator)


def own_data() -> Datasets:
    return Datasets({"train": moving(6, 0), "validation": moving(2, 1), "test": list(moving(3, 2))}, fingerprint=7)


def test_names_of_score_files_are_short_and_tell_apart(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    one, other = scores_path(run, {"data": "a" * 300}), scores_path(run, {"data": "a" * 299 + "b"})
    assert one != other
    assert max(len(one.name), len(other.name)) < LONGEST_NAME + 20
    assert scores_path(run, {"horizon": 3}).name == "scores-horizon=3"
    assert scores_path(run, {}).name == "scores"


def test_train_and_evaluate_by_keywords(tmp_path: Path) -> None:
    run = msrnn.train(model=MODEL, data=DIGITS | {"name": "moving-mnist"}, out=tmp_path / "run", **SMALL)
    assert isinstance(run, RunDirectory)
    assert run.settings().data.digits.size == (16, 16)
    evaluation = msrnn.evaluate(run, thresholds=(0.5,), windows=(), data={"test_samples": 2})
    assert evaluation.value("model", "mse") > 0
    assert (run.path / "scores-test_samples=2-thresholds=0.5-windows=.csv").is_file()
    one = msrnn.evaluate(run, thresholds=0.5, windows=(), baselines="persistence", data={"test_samples": 2})
    assert one.table() == evaluation.table()
    with pytest.raises(SettingsError, match=r"there is no setting threshold; did you mean thresholds\?"):
        msrnn.evaluate(run, threshold=2)
    resumed = msrnn.train(out=run.path, resume=True)
    assert resumed.progress().ended
    with pytest.raises(SettingsError, match="out must be given"):
        msrnn.train(model="ms-convlstm")
    with pytest.raises(SettingsError, match=r"there is no setting horizn; did you mean horizon\?"):
        msrnn.train(model="ms-convlstm", out=tmp_path / "new", horizn=3)


def test_settings_with_changes(tmp_path: Path) -> None:
    settings = msrnn.RunSettings(msrnn.ModelSettings(**MODEL), msrnn.DataSettings(), **SMALL)
    data = msrnn.DataSettings(digits=msrnn.DigitsSettings(size=(16, 16), digit_size=8), epoch_samples=4)
    run = msrnn.train(settings, tmp_path / "run", data=data, epochs=2)
    assert (run.settings().epochs, run.settings().data.epoch_samples) == (2, 4)
    assert run.settings().model.hidden_channels == 4


def test_data_of_ones_own(tmp_path: Path) -> None:
    data = own_data()
    assert isinstance(data, Data)
    run = msrnn.train(model=MODEL, data=data, out=tmp_path / "run", **SMALL)
    assert run.settings().data.name == OWN
    evaluation = msrnn.evaluate(run, data=data)
    assert evaluation.protocol["sequences"] == 3
    with pytest.raises(SettingsError, match="these data are a Python object"):
        msrnn.evaluate(run)
    with pytest.raises(SettingsError, match="need sequences for test"):
        Datasets({"train": moving(2, 0), "validation": moving(2, 0), "test": []})
    first, second = ([data.training(12)[k] for k in range(start, start + 6)] for start in (0, 6))
    for epoch in (first, second):  # each sequence once
        assert sorted(float(one.sum()) for one in epoch) == sorted(float(one.sum()) for one in moving(6, 0))
    assert not torch.equal(torch.stack(first), torch.stack(second))


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    seen: list[torch.Size] = []

    def loss(predictions: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        seen.append(predictions.shape)
        return (weights * (predictions - truth).abs()).mean()

    run = msrnn.train(model=MODEL, data=DIGITS | {"name": "moving-mnist"}, loss=loss, out=tmp_path / "run", **SMALL)
    assert set(seen) == {(1, 3, 1, 16, 16), (4, 3, 1, 16, 16)}  # it is tried once, before anything is written
    assert run.settings().loss == OWN
    with pytest.raises(SettingsError, match="that loss is a Python function; give it again"):
        msrnn.train(out=run.path, resume=True)
    assert msrnn.train(out=run.path, resume=True, loss=loss).progress().ended
    assert msrnn.load(run.path, "cpu").predict(np.zeros((2, 16, 16), np.float32)).shape == (2, 16, 16)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda predictions, truth: predictions.mean(), "a function of predictions, truth and weights"),
        (lambda predictions, truth, weights: predictions - truth, r"it gives a tensor of shape \(1, 3, 1, 16, 16\)"),
        (lambda predictions, truth, weights: 0.5, "it gives 0.5"),
        (lambda predictions, truth, weights: truth.mean(), "autograd can follow"),
    ],
)
def test_a_loss_that_is_none(loss: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        msrnn.train(model=MODEL, data=own_data(), loss=loss, out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_a_baseline_of_ones_own(tmp_path: Path) -> None:
    data = own_data()
    run = msrnn.train(model=MODEL, data=data, out=tmp_path / "run", **SMALL)

    def mean(context: Tensor, horizon: int) -> Tensor:
        return context.mean(dim=1, keepdim=True).expand(-1, horizon, -1, -1, -1)

    evaluation = msrnn.evaluate(run, data=data, own_baselines={"mean": mean})
    assert list(run.path.glob("scores*with=mean.csv"))
    truth = moving(3, 2)
    expected = (truth[:, :2].mean(dim=1, keepdim=True) - truth[:, 2:]).square().mean()
    assert evaluation.value("mean", "mse") == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(SettingsError, match="protocol=paper is not for baselines"):
        msrnn.evaluate(run, data=data, own_baselines={"mean": mean}, protocol="paper")


def test_baselines_of_ones_own_that_do_not_fit(tmp_path: Path) -> None:
    data = own_data()
    run = msrnn.train(model=MODEL, data=data, out=tmp_path / "run", **SMALL)
    for name, message in (("model", "cannot be called model"), ("short", r"forecast \(3, 1, .*, expected \(3, 2, ")):
        with pytest.raises(SettingsError, match=message):
            msrnn.evaluate(run, data=data, own_baselines={name: lambda context, _: context[:, -1:]})


def test_what_cannot_be_asked_of_an_evaluation(tmp_path: Path) -> None:
    data = own_data()
    run = msrnn.train(model=MODEL, data=data, out=tmp_path / "run", **SMALL)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"thresholds": "x"}, "thresholds: expected a list of numbers, got"),
        ({"scores": ["mse"]}, r"scores: expected a list of subclasses of SummedScores, got \['mse'\]"),
        ({"scores": PixelErrors}, "scores: expected a list of subclasses"),
        ({"own_baselines": {"gap": lambda c, h: c[:, -1:].expand(-1, h, -1, -1, -1) * np.nan}}, "forecast NaN"),
    )
    for options, message in wrong:
        with pytest.raises(SettingsError, match=message):
            msrnn.evaluate(run, data=data, **options)
    evaluation = msrnn.evaluate(run, data=data)
    for asked, message in (
        (("modl", "mse"), "no model 'modl'; choose from model, persistence, best constant image"),
        (("model", "mes"), "no score .*choose from .*'mse'"),
        (("model", "mse", 9), "lead 9; choose from 1, 2, all"),
    ):
        with pytest.raises(KeyError, match=message):
            evaluation.value(*asked)


def test_a_run_is_a_path(tmp_path: Path) -> None:
    run = msrnn.train(model=MODEL, data=own_data(), out=tmp_path / "run", **SMALL)
    assert msrnn.load(run, "cpu").settings == run.settings()
    again = msrnn.train(model=MODEL, data=own_data(), out=tmp_path / "again", init_from=run, **SMALL)
    assert again.path == Path(again)


def test_data_of_ones_own_that_do_not_fit(tmp_path: Path) -> None:
    def made(frames: Tensor | np.ndarray, field: Field | None = None) -> Datasets:
        return Datasets(dict.fromkeys(get_args(Split), frames), field)

    for wrong, message in (
        (made(moving(2, 0)[:, :3]), "sequences have 3 frames; context=2 and horizon=2 need 4"),
        ([1, 2], r"data cannot be list; give a name, settings or, for data, msrnn.data.Datasets"),
    ):
        with pytest.raises(SettingsError, match=message):
            msrnn.train(model=MODEL, data=wrong, out=tmp_path / "run", **SMALL)
        assert not (tmp_path / "run").exists()
    for frames, message in (
        (moving(2, 0)[:, :, 0], "have the axes time, channel, y, x; the first for train is torch.float32 of shape"),
        ((moving(2, 0) * 255).byte(), "be floating point"),
        (moving(2, 0) * 255, r"lie in \[0, 1\]"),
    ):
        with pytest.raises(SettingsError, match=message):
            made(frames)
    for splits in (moving(2, 0), {"train": moving(2, 0), "val": moving(2, 0)}):
        with pytest.raises(SettingsError, match="splits must be a dictionary with train, validation and test, got"):
            Datasets(splits)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="settings must be RunSettings, got dict"):
        msrnn.train({"model": MODEL}, tmp_path / "run")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="have the 1 channels of their field"):
        made(moving(2, 0).expand(-1, -1, 2, -1, -1), Field())
    two = made(moving(4, 0).expand(-1, -1, 2, -1, -1).numpy())  # arrays, too
    run = msrnn.train(model=MODEL, data=two, out=tmp_path / "run", **SMALL)
    assert run.field().channels == 2
    assert msrnn.evaluate(run, data=two).protocol["sequences"] == 4
    with pytest.raises(SettingsError, match=r"data: expected a path, .*, got list"):
        msrnn.evaluate(run, data=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="sequences have 3 frames; context=2 and horizon=2 need 4"):
        msrnn.evaluate(run, data=made(two.splits["test"][:, :3]))  # type: ignore[index]


def test_other_data_by_path(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).random((40, 16, 16), np.float32))
    run = msrnn.train(model=MODEL, data=own_data(), out=tmp_path / "run", **SMALL)
    assert msrnn.evaluate(run, data=tmp_path / "frames.npy").protocol["data"] == str(tmp_path / "frames.npy")


def test_reader_options_stand_in_the_place_of_the_training_s(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((40, 16, 16), np.float32)
    np.savez(tmp_path / "frames.npz", rain=frames, other=frames)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["rain"] = file["other"] = frames
    data = {"name": str(tmp_path / "frames.npz"), "reader_options": {"array": "rain"}}
    run = msrnn.train(model=MODEL, data=data, out=tmp_path / "run", **SMALL | {"epochs": 0.1})
    other = {"name": str(tmp_path / "frames.h5"), "reader_options": {"dataset": "rain"}}
    assert msrnn.evaluate(run, data=other).protocol["data"] == other["name"]


def test_scores_on_ones_own_data_leave_those_of_the_training_s(tmp_path: Path) -> None:
    run = msrnn.train(model=MODEL, data=DIGITS | {"name": "moving-mnist"}, out=tmp_path / "run", **SMALL)
    msrnn.evaluate(run)
    before = (run.path / "scores.json").read_text()
    assert msrnn.evaluate(run, data=own_data()).protocol["data"] == OWN
    assert (run.path / "scores.json").read_text() == before
    assert (run.path / "scores-name=own.json").is_file()


def test_data_by_name_or_path(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).random((40, 8, 8), np.float32))
    data = msrnn.open_data(tmp_path / "frames.npy", context=2, horizon=1)
    assert data.held_out("test")[0].shape == (3, 1, 8, 8)
    assert len(msrnn.open_archive(tmp_path / "frames.npy", units="mm/h").sequences[0]) == 40
    assert open_data("moving-mnist").epoch_samples == 10_000
