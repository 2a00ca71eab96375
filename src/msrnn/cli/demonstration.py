"""The whole loop on embedded data: train, evaluate, forecast, look."""

import sys
from itertools import count
from pathlib import Path

import numpy as np

from msrnn.data import HeldOut, open_data
from msrnn.evaluation.scoring import score_forecasts
from msrnn.plots import animate
from msrnn.report.page import write_report
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import Predictor, load
from msrnn.settings import DataSettings, DigitsSettings, ModelSettings, RunSettings, TrainingLength
from msrnn.training.train import train

STEPS_PER_MINUTE = 475
"""Optimiser steps that two CPU cores do in a minute, with some time left for evaluation."""


def demo_settings(minutes: float) -> RunSettings:
    """One digit in 24x24 pixels, 5 frames to 5 frames, a narrow model and a learning rate that suits it."""
    steps = max(1, round(minutes * STEPS_PER_MINUTE))
    batch = 4
    return RunSettings(
        model=ModelSettings("ms-convlstm", hidden_channels=16),
        data=DataSettings(
            digits=DigitsSettings(size=(24, 24), digit_size=12, number=1, whole_pixels=False),
            epoch_samples=steps * batch // 4,
            validation_samples=64,
            test_samples=200,
        ),
        context=5,
        horizon=5,
        epochs=4,
        batch_size=batch,
        learning_rate=2e-3,
        precision="32",
        schedule="cosine",
        warmup=0.05,
    )


def run_demo(out: Path, minutes: float) -> None:
    """Train for about `minutes`, evaluate, write a GIF and a report, and name the files to open."""
    directory = RunDirectory(_free(out))
    settings = demo_settings(minutes)
    data = open_data(settings.data, settings.context, settings.horizon, settings.seed)
    steps = TrainingLength.of(settings, data.epoch_samples).steps
    _say(
        f"Training {settings.model.name} on moving handwritten digits, {settings.context} frames in, "
        f"{settings.horizon} out:\n{steps} steps, about {minutes:g} minutes on two CPU cores."
    )
    train(settings, directory.path)
    predictor = load(directory.path)
    evaluation = score_forecasts(predictor, settings)
    evaluation.save(directory.path / "scores")
    sys.stdout.write("\n" + evaluation.table() + "\n")
    animate_test(directory.path / "forecast.gif", predictor, data.held_out("test"), settings.context)
    write_report(
        [directory.path], directory.path / "report.html", device=str(next(predictor.model.parameters()).device)
    )
    _say(
        f"Open {directory.path / 'report.html'}: forecasts to play, scores, training curves.\n"
        f"     {directory.path / 'forecast.gif'}: truth over forecast, on digits never seen.\n"
        f"     {directory.path / 'scores.txt'}: the table above.\n"
        f"     {directory.metrics_file}: the training, step by step."
    )


def animate_test(path: Path, predictor: Predictor, test: HeldOut, context: int, sequences: int = 5) -> None:
    """Write a GIF of the first test sequences, truth over forecast."""
    truth = np.stack([test[index].numpy() for index in range(sequences)])
    given = truth[:, :context]
    forecast = np.concatenate((given, predictor.predict(given, truth.shape[1] - context)), axis=1)
    animate(path, {"truth": truth[:, :, 0], "forecast": forecast[:, :, 0]}, context)


def _free(path: Path) -> Path:
    """`path`, or with -2, -3, ... behind it: the first that does not exist."""
    names = (path if number == 1 else path.with_name(f"{path.name}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
