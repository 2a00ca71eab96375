"""Runs that were never trained."""

from typing import Any

import torch

from msrnn.data import open_data
from msrnn.nn.models import build_model
from msrnn.runs.predictor import Predictor
from msrnn.settings import DataSettings, DigitsSettings, ModelSettings, RunSettings

DIGITS = DigitsSettings(size=(16, 16), digit_size=8, number=1)


def digits(**settings: Any) -> RunSettings:
    data = DataSettings(digits=DIGITS, test_samples=12, epoch_samples=8)
    values: dict[str, Any] = {"context": 3, "horizon": 2} | settings
    return RunSettings(ModelSettings("ms-convlstm", hidden_channels=4), data, **values)


def untrained(settings: RunSettings, seed: int = 0) -> Predictor:
    field = open_data(settings.data, settings.context, settings.horizon, 0).field
    torch.manual_seed(seed)
    return Predictor(build_model(settings.model, field.channels).eval(), settings, field)
