import json
import os
import re
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

import msrnn
from helpers.models import gradient, head_bias
from msrnn.data import open_data
from msrnn.data.loading import Process, TrainingBatches, training_loader
from msrnn.errors import SettingsError, StoppedError
from msrnn.nn.forecaster import Forecaster
from msrnn.runs.directory import RunDirectory
from msrnn.settings import DataSettings, DigitsSettings, ModelSettings, RunSettings, TrainingLength
from msrnn.training.module import Training, learning_rate_factor, training_horizon
from msrnn.training.train import train

STEPS = 6

Batch = tuple[Tensor, Tensor]
Function = TypeVar("Function")


def small(**options: Any) -> RunSettings:
    """Two validations, three steps each, on 16x16 frames."""
    digits = {"size": (16, 16), "digit_size": 8} | options.pop("digits", {})
    data = {"digits": DigitsSettings(**digits), "epoch_samples": 12, "validation_samples": 3, "test_samples": 5}
    model = {"name": "ms-convlstm", "hidden_channels": 4} | options.pop("model", {})
    settings: dict[str, Any] = {
        "context": 2,
        "horizon": 2,
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "precision": "32",
        "device": "cpu",
    }
    return RunSettings(
        model=ModelSettings(**model), data=DataSettings(**data | options.pop("data", {})), **(settings | options)
    )


def weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    return load_file(directory.weights_file)


def metrics(directory: RunDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in directory.metrics_file.read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(small(), tmp_path_factory.mktemp("runs") / "first")


def test_what_a_run_leaves(finished: RunDirectory) -> None:
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        "settings.yaml",
        "field.yaml",
        "weights.safetensors",
        "metrics.jsonl",
        "checkpoints",
        "tensorboard",
        "lock",
    }
    assert {path.name for path in finished.checkpoints.iterdir()} == {"last.ckpt"}
    document = yaml.safe_load(finished.settings_file.read_text())
    assert document["versions"]["torch"] == torch.__version__
    assert finished.settings() == small()
    lines = metrics(finished)
    validations = [line for line in lines if "validation/mse" in line]
    assert [line["step"] for line in validations] == [3, 6]
    training = [line for line in lines if "train/loss" in line]
    assert [line["step"] for line in training] == [6]
    assert training[0]["train/gradient_norm"] > 0
    assert training[0]["train/clipped"] == training[0]["train/skipped"] == 0
    assert 0 <= training[0]["train/truth"] < 1


def test_nothing_is_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(small(), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_checkpoints_are_read_without_pickled_code(finished: RunDirectory) -> None:
    checkpoint = torch.load(finished.last_checkpoint, weights_only=True)
    assert checkpoint["global_step"] == 6


def test_training_is_a_function_of_the_seed(finished: RunDirectory, tmp_path: Path) -> None:
    again = train(small(), tmp_path / "again")
    torch.testing.assert_close(weights(again), weights(finished), rtol=0, atol=0)
    other = train(small(seed=1), tmp_path / "other")
    assert not weights(other)["embed.weight"].equal(weights(finished)["embed.weight"])


def test_accumulation_and_workers_change_nothing(finished: RunDirectory, tmp_path: Path) -> None:
    parts = train(small(accumulate=2, workers=1), tmp_path / "parts")
    torch.testing.assert_close(weights(parts), weights(finished), rtol=1e-4, atol=1e-5)


class StopError(Exception):
    pass


def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> None:
    """A run that dies before that optimiser step."""
    original = Training.training_step

    def stop(self: Training, batch: Batch, number: int) -> Tensor:
        if self.global_step == step:
            raise StopError
        return original(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", stop)
        with pytest.raises(StopError):
            train(small(**options), path)


@pytest.mark.parametrize(("step", "seconds"), [(4, 600), (5, 0), (2, 600)])
def test_interrupted_equals_uninterrupted(
    finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, seconds: int
) -> None:
    """Stopped after a validation, between validations, and before there is any checkpoint."""
    monkeypatch.setattr("msrnn.training.callbacks.CHECKPOINT_SECONDS", seconds)
    stopped_at(step, monkeypatch, tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "train/lo')  # a line that was not written to its end
    resumed = train(small(), tmp_path / "run", resume=True)
    torch.testing.assert_close(weights(resumed), weights(finished), rtol=0, atol=0)
    ours, whole = (torch.load(run.last_checkpoint, weights_only=True) for run in (resumed, finished))
    torch.testing.assert_close(ours["optimizer_states"], whole["optimizer_states"], rtol=0, atol=0)
    torch.testing.assert_close(ours["state_dict"], whole["state_dict"], rtol=0, atol=0)
    assert metrics(resumed) == metrics(finished)


@pytest.mark.parametrize("options", [{"precision": "64"}, {"precision": "bf16"}, {"horizon": 4, "curriculum": 1}])
@pytest.mark.parametrize("optimizer_step", [3, 4])
def test_interrupted_equals_uninterrupted_with_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], optimizer_step: int
) -> None:
    """Precision too is that of the run: float64 stays float64; a curriculum goes on where it was."""
    monkeypatch.setattr("msrnn.training.callbacks.CHECKPOINT_SECONDS", 0)
    whole = train(small(**options), tmp_path / "whole")
    stopped_at(optimizer_step, monkeypatch, tmp_path / "run", **options)
    resumed = train(small(**options), tmp_path / "run", resume=True)
    ours, theirs = (torch.load(run.last_checkpoint, weights_only=True) for run in (resumed, whole))
    for part in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(ours[part], theirs[part], rtol=0, atol=0)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert metrics(resumed) == metrics(whole)
    double = options.get("precision") == "64"
    assert {weight.dtype for weight in weights(resumed).values()} == {torch.float64 if double else torch.float32}
    if double:
        loaded = msrnn.load(resumed, "cpu", precision="64")
        torch.testing.assert_close(dict(loaded.model.state_dict()), weights(resumed), rtol=0, atol=0)


def test_resume_in_another_memory_mode(finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It computes the same."""
    stopped_at(4, monkeypatch, tmp_path / "run")
    resumed = train(small(model={"memory": "sqrt"}), tmp_path / "run", resume=True)
    torch.testing.assert_close(weights(resumed), weights(finished), rtol=1e-5, atol=1e-6)
    assert resumed.progress().ended


@pytest.mark.parametrize("step", [3, 6])
def test_told_to_stop_where_a_validation_is_due(
    finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """It comes first; after the last there is nothing to go on with."""
    original = Training.training_step

    def told(self: Training, batch: Batch, number: int) -> Tensor:
        if self.global_step + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", told)
        with pytest.raises(StoppedError) if step < 6 else nullcontext():
            train(small(), tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    assert (run.progress().step, run.progress().ended) == (step, step == 6)
    assert metrics(run) == metrics(finished)[: len(metrics(run))]
    assert "validation/mse" in metrics(run)[-1]
    resumed = train(small(), tmp_path / "run", resume=True)
    torch.testing.assert_close(weights(resumed), weights(finished), rtol=0, atol=0)
    assert metrics(resumed) == metrics(finished)
    assert resumed.progress().ended


def test_forecasts_that_are_not_finite_validate_as_infinitely_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clipped, or taken as missing, they would have scores like others."""
    monkeypatch.setattr("msrnn.nn.forecaster.Forecaster.forecast", lambda self, x, horizon: x[:, :horizon] * np.nan)
    line = metrics(train(small(), tmp_path / "run"))[-1]
    assert line["validation/mse"] is None  # JSON has no infinity
    assert "validation mse inf" in capsys.readouterr().err
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_two_do_not_train_the_same_run(finished: RunDirectory) -> None:
    before = finished.weights_file.stat().st_mtime_ns
    with finished.being_trained(), pytest.raises(SettingsError, match="is being trained by another process"):
        train(small(), finished.path, resume=True)
    assert finished.weights_file.stat().st_mtime_ns == before
    train(small(), finished.path, resume=True)


def test_resume_changes_nothing_that_matters(finished: RunDirectory) -> None:
    for options in ({"epochs": 3}, {"patience": 2}, {"accumulate": 2}, {"digits": {"number": 1}}):
        with pytest.raises(
            SettingsError,
            match=f"resume=True cannot change (data.)?{'digits' if 'digits' in options else next(iter(options))}",
        ):
            train(small(**options), finished.path, resume=True)
    with pytest.raises(SettingsError, match=r"cannot change data.name: it is moving-mnist in .*, other.npy was given"):
        msrnn.train(out=finished.path, resume=True, data="other.npy")
    assert finished.settings() == small()


def test_resume_begins_a_run_that_is_not_there(finished: RunDirectory, tmp_path: Path) -> None:
    """Also one that was killed while it was being made; what that has left is gone after the next start."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "field.yaml").write_text("")
    (run / ".settings.123.yaml").write_text("half")
    begun = train(small(), run, resume=True)
    torch.testing.assert_close(weights(begun), weights(finished), rtol=0, atol=0)
    train(small(), run, resume=True)
    assert not list(run.rglob(".*"))


def test_steps_that_are_not_finite_are_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Training.training_step

    def infinite(self: Training, batch: Batch, number: int) -> Tensor:
        loss = original(self, batch, number)
        return loss * torch.inf if self.global_step in (1, 2) else loss

    monkeypatch.setattr(Training, "training_step", infinite)
    with pytest.raises(
        FloatingPointError, match=r"the gradient's norm is (nan|inf) in optimiser step 2, .*: sequence 5"
    ):
        train(small(), tmp_path / "stopped")
    line = [line for line in metrics(train(small(on_nonfinite="skip"), tmp_path / "run")) if "train/loss" in line][-1]
    assert (line["train/skipped"], line["train/clipped"]) == (2, 0)
    assert "2 of 6 steps were skipped" in capsys.readouterr().err
    assert np.isfinite(line["train/loss"])


def test_early_stopping_is_resumed(tmp_path: Path) -> None:
    """Killed right after the checkpoint of the validation that ended it."""
    settings = small(epochs=6, patience=1, learning_rate=1e-12)
    whole = train(settings, tmp_path / "whole")
    last = metrics(whole)[-1]["step"]
    assert last < TrainingLength.of(settings, 12).steps
    resumed = train(settings, whole.path, resume=True)
    assert metrics(resumed)[-1]["step"] == last


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int, told: signal.Signals
) -> None:
    settings = small(accumulate=accumulate, batch_size=2, epochs=4)  # the metrics of step 10 are written
    whole = train(settings, tmp_path / "whole")
    original, handlers = Training.training_step, [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def interrupt(self: Training, batch: Batch, number: int) -> Tensor:
        if number == 9 * accumulate:  # the first part of step 10
            signal.raise_signal(told)
        return original(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", interrupt)
        with pytest.raises(
            StoppedError, match=rf"{told.name}: step 10 of 24 is saved; go on with: train\(settings, resume=True, out='"
        ):
            train(settings, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 10
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    resumed = train(settings, tmp_path / "run", resume=True)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert metrics(resumed) == metrics(whole)
    assert [line["step"] for line in metrics(whole) if "train/loss" in line] == [10, 20]


class Recorder(torch.nn.Module):
    """A model that records how it is called; its prediction is one weight everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.25))
        self.masks: list[Any] = []
        self.given: list[Tensor] = []

    def forward(self, frames: Tensor, context: int, truth_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.masks.append(truth_mask)
        return self.weight.expand(len(frames), frames.shape[1] - 1, *frames.shape[2:]), 7 * self.weight

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        self.given.append(frames)
        return frames[:, -1:].expand(-1, horizon, -1, -1, -1)


def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **options: Any) -> tuple[Recorder, RunDirectory]:
    recorder = Recorder()
    monkeypatch.setattr("msrnn.training.module.build_model", lambda settings, channels: recorder)
    return recorder, train(small(**options), tmp_path / "run")


def test_the_model_is_fed_by_schedule_and_validated_on_context_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorder, run = recorded(monkeypatch, tmp_path, horizon=20, data={"epoch_samples": 400, "validation_samples": 5})
    share = [float(mask[:, 2:].float().mean()) for mask in recorder.masks]
    np.testing.assert_allclose(share, 1 - np.arange(200) / 200, atol=0.25)
    assert np.mean(share[:20]) > 0.9
    assert np.mean(share[-20:]) < 0.1
    assert all(mask[:, :2].all() for mask in recorder.masks)
    assert {given.shape[1] for given in recorder.given} == {2}
    held_out = open_data(small(data={"validation_samples": 5}).data, 2, 20, 0).held_out("validation")
    frames = torch.stack([held_out[number] for number in range(5)])
    persistence = (frames[:, 1:2] - frames[:, 2:]).square().mean()
    assert metrics(run)[-1]["validation/mse"] == pytest.approx(float(persistence), rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"sampling": "reverse-scheduled"}, {"model": {"name": "ms-predrnn-v2"}}], ids=["asked", "by its paper"]
)
def test_reverse_scheduled_sampling_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, dict[str, str] | str]
) -> None:
    recorder, _ = recorded(monkeypatch, tmp_path, context=12, **options)
    first = recorder.masks[0][:, 1:12].float().mean()
    assert 0.2 < first < 0.8


@pytest.mark.parametrize(("clip", "clipped"), [(10.0, 0), (1e-3, 1)])
def test_one_step_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip: float, clipped: int) -> None:
    """Loss with its auxiliary term, clipping in units of the frame's area, Adam."""
    recorder, run = recorded(monkeypatch, tmp_path, epochs=1, clip=clip, data={"epoch_samples": 4})
    data = open_data(small().data, 2, 2, 0).training(4)
    frames = torch.stack([data[number] for number in range(4)])
    weight = torch.tensor(0.25, requires_grad=True)
    error = weight - frames[:, 1:]
    loss = (error.square() + error.abs()).sum(dim=(2, 3, 4)).mean() + 7 * weight
    loss.backward()
    line = metrics(run)[0]
    assert line["train/loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert line["train/gradient_norm"] == pytest.approx(float(gradient(weight).abs()), rel=1e-5)
    assert line["train/clipped"] == clipped
    norm = min(float(gradient(weight).abs()), clip * 256) if clipped else float(gradient(weight).abs())
    moment = torch.load(run.last_checkpoint, weights_only=True)["optimizer_states"][0]["state"][0]["exp_avg"]
    assert abs(float(moment)) == pytest.approx(0.1 * norm, rel=1e-4)
    assert float(recorder.weight.detach()) == pytest.approx(0.25 - 1e-3 * float(gradient(weight).sign()), abs=1e-6)


def test_the_best_weights_are_kept_not_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def worse_and_worse(self: Training) -> None:
        seen.append({name: weight.clone() for name, weight in self.model.state_dict().items()})
        self.log("validation/mse", float(len(seen)))

    monkeypatch.setattr(Training, "on_validation_epoch_end", worse_and_worse)
    run = train(small(), tmp_path / "run")
    assert len(seen) == 2
    torch.testing.assert_close(weights(run), seen[0], rtol=0, atol=0)


def test_precision_reaches_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder()
    seen = []
    original = recorder.forward

    def forward(frames: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        seen.append((frames.dtype, torch.is_autocast_enabled("cpu")))
        return original(frames, **options)

    monkeypatch.setattr(recorder, "forward", forward)
    monkeypatch.setattr("msrnn.training.module.build_model", lambda settings, channels: recorder)
    train(small(epochs=1, precision="64"), tmp_path / "double")
    train(small(epochs=1, precision="bf16"), tmp_path / "half")
    assert seen[0] == (torch.float64, False)
    assert seen[-1] == (torch.float32, True)


def test_a_run_that_exists_is_noticed_before_anything_is_read(finished: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="exists: choose another out"):
        train(RunSettings(ModelSettings("ms-convlstm"), DataSettings(str(tmp_path / "nowhere.npy"))), finished.path)


def test_compiled_training_is_the_same(finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def compile_with(function: Function, **options: Any) -> Function:
        asked.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compile_with)
    compiled = train(small(compile=True), tmp_path / "run")
    assert asked == [{"dynamic": False, "mode": None}]
    for name, weight in weights(finished).items():
        torch.testing.assert_close(weights(compiled)[name], weight)


def test_a_run_is_never_written_over(finished: RunDirectory) -> None:
    before = finished.metrics_file.read_text()
    with pytest.raises(SettingsError, match="exists: choose another out, or continue that run with resume=True"):
        train(small(), finished.path)
    assert finished.metrics_file.read_text() == before


def test_fine_tuning_starts_from_the_weights(finished: RunDirectory, tmp_path: Path) -> None:
    tuned = train(small(learning_rate=1e-12, epochs=1), tmp_path / "tuned", init_from=str(finished.path))
    torch.testing.assert_close(weights(tuned), weights(finished), rtol=0, atol=1e-6)
    with pytest.raises(SettingsError, match=r"holds another model: embed\.bias is \[4\] there, \[8\] here"):
        train(small(model={"hidden_channels": 8}), tmp_path / "other", init_from=str(finished.path))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"model": {"name": "ms-predrnn-v2"}},
        {"loss": "gdl", "schedule": "cosine", "warmup": 0.3},
        {"loss": "balanced", "precision": "bf16"},
        {"loss": "mse", "precision": "64"},
        {"curriculum": 1, "model": {"patch": 4}},
        {"horizon": 1, "context": 1, "digits": {"size": (13, 17)}},
    ],
)
def test_other_settings_train(
    options: dict[str, dict[str, str | tuple[int, int]] | float | str], tmp_path: Path
) -> None:
    run = train(small(epochs=1, **options), tmp_path / "run")
    lines = metrics(run)
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert lines[-1]["validation/mse"] > 0


def test_early_stopping(tmp_path: Path) -> None:
    run = train(small(epochs=4, patience=1, learning_rate=1e-12), tmp_path / "run")
    assert metrics(run)[-1]["step"] < 12


def test_a_gradient_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(
        FloatingPointError,
        match=r"the loss is nan in optimiser step 2, at learning rate 1e\+30; sequences: sequence 5, ",
    ):
        train(small(learning_rate=1e30), tmp_path / "run")


def test_batches_are_a_function_of_the_step() -> None:
    settings = small(accumulate=2)
    batches = list(TrainingBatches(settings, STEPS))
    assert [sample for batch in batches for sample in batch] == list(range(24))
    assert [len(batch) for batch in batches] == [2] * 12
    assert list(TrainingBatches(settings, STEPS, 4)) == batches[8:]
    data = open_data(settings.data, 2, 2, 0).training(24)
    samples, frames = next(iter(training_loader(data, settings, STEPS, 4)))
    assert samples.tolist() == [16, 17]
    assert frames[1].equal(data[17])


def test_learning_rate() -> None:
    constant = small()
    assert [learning_rate_factor(constant, p) for p in (0, 0.5, 1)] == [1, 1, 1]
    linear = small(schedule="linear", warmup=0.2)
    np.testing.assert_allclose([learning_rate_factor(linear, p) for p in (0, 0.1, 0.2, 0.6, 1)], [0, 0.5, 1, 0.5, 0])
    cosine = small(schedule="cosine")
    np.testing.assert_allclose([learning_rate_factor(cosine, p) for p in (0, 0.5, 1)], [1, 0.5, 0], atol=1e-12)


def test_a_curriculum_lengthens_the_horizon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = small(horizon=4, curriculum=0.5, epochs=4)
    assert [training_horizon(settings, p) for p in (0, 0.1, 0.125, 0.3, 0.49, 0.5, 1)] == [1, 1, 2, 3, 4, 4, 4]
    assert training_horizon(small(horizon=4), 0) == 4
    forward, seen = Forecaster.forward, []

    def watched(self: Forecaster, frames: Tensor, *arguments: Any, **options: Any) -> tuple[Tensor, Tensor]:
        seen.append(frames.shape[1] - settings.context)
        return forward(self, frames, *arguments, **options)

    monkeypatch.setattr(Forecaster, "forward", watched)
    train(settings, tmp_path / "run")
    assert seen == [training_horizon(settings, step / 12) for step in range(12)]
    assert seen[0] == 1
    assert seen[-1] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon=0 must be at least 1"),
        ({"devices": 0}, "devices=0 must be at least 1"),
        ({"epochs": 0}, "epochs=0 must be positive"),
        ({"accumulate": 3}, "accumulate=3 must divide batch_size=4"),
        ({"warmup": 1}, "warmup=1"),
        ({"curriculum": 1.5}, "curriculum=1.5 must be between 0 and 1"),
        ({"digits": {"test_file": "x.npy"}, "context": 15, "horizon": 10}, "exceed the 20 frames"),
    ],
)
def test_settings_that_are_not_possible(options: dict[str, dict[str, str] | int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        small(**options)


def test_processes_share_a_batch_equally(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="batch_size=4 in 2 parts cannot be shared equally by 4 processes"):
        train(small(accumulate=2, devices=4), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    batches = [list(TrainingBatches(small(accumulate=2), STEPS, 1, Process(rank, 2))) for rank in (0, 1)]
    assert batches[0][:2] == [[4], [6]]
    assert batches[1][:2] == [[5], [7]]


def test_sequences_of_files_are_called_by_time_and_file(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).random((20, 8, 8), np.float32))
    training = open_data(DataSettings(name=str(tmp_path / "frames.npy")), 2, 2, 0).training(4)
    assert re.fullmatch(r"sequence 1, frame \d+ in .*frames\.npy", training.title(3))


def test_predict(finished: RunDirectory) -> None:
    predictor = msrnn.load(finished.path, device="cpu")
    frames = open_data(small().data, 2, 2, 0).held_out("test")[0].numpy()
    forecast = predictor.predict(frames[:2], horizon=3)
    assert forecast.shape == (3, 1, 16, 16)
    assert forecast.dtype == np.float32
    expected = predictor.model.forecast(torch.from_numpy(frames[None, :2]), 3)[0].clamp(0, 1).numpy()
    np.testing.assert_array_equal(forecast, expected)
    np.testing.assert_array_equal(predictor.predict(frames[:2, 0], 3), forecast[:, 0])
    np.testing.assert_array_equal(predictor.predict(np.stack([frames[:2]] * 2), 3)[1], forecast)
    assert predictor.predict(frames[:1]).shape == (2, 1, 16, 16)
    for dtype, largest in ((np.uint8, 255), (np.uint16, 65535)):
        counts: np.ndarray = (largest * frames[:2]).astype(dtype)
        forecast = predictor.predict(counts, 3)
        assert forecast.dtype == dtype
        expected = predictor.predict((counts / largest).astype(np.float32), 3)
        np.testing.assert_allclose(forecast / largest, expected, atol=0.5 / largest + 1e-6)
    head_bias(predictor.model).add_(9)
    assert (predictor.predict(counts) == 65535).all()  # saturated, not wrapped around


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((4, 4)), r"frames must be \(time, y, x\)"),
        (np.zeros((2, 3, 8, 8)), "3 channels, the model wants 1"),
        (np.full((2, 8, 8), np.nan), "all values are missing"),
        (np.array([[[0.0, np.inf]]]), r"1 values are infinite, first at index \(0, 0, 0, 1\)"),
        (np.full((2, 8, 8), 2.0), r"must lie in \[0, 1\], got 2 to 2"),
        (np.full((2, 8, 8), 1), "uint8 or uint16, in units 1, got int64: convert them"),
        (np.full((2, 8, 8), "a"), "uint8 or uint16, in units 1, got <U1"),
        (np.zeros((0, 8, 8)), "empty"),
    ],
)
def test_frames_that_cannot_be_predicted_from(finished: RunDirectory, frames: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        msrnn.load(finished.path, device="cpu").predict(frames)
