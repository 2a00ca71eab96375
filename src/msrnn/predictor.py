"""Forecasts from a run directory: context in, forecast out, in the units of the data."""

import os
from pathlib import Path

import numpy as np
import torch

from msrnn.device import find_device
from msrnn.forecaster import Forecaster
from msrnn.rundir import RunDirectory, build_model
from msrnn.settings import RunSettings

AXES = {3: "(time, y, x)", 4: "(time, channel, y, x)", 5: "(sequence, time, channel, y, x)"}


class Predictor:
    """A trained model and what it was trained on; `load` makes it."""

    def __init__(self, model: Forecaster, settings: RunSettings) -> None:
        self.model = model
        self.settings = settings

    def predict(self, frames: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """The next frames.

        Args:
            frames: the context, (time, y, x), (time, channel, y, x) or (sequence, time, channel, y, x): floating point
                in [0, 1], uint8 (scaled by 255) or uint16 (by 65535).
            horizon: how many frames to predict; by default as many as in training.

        Returns:
            As `frames`, of the same type and range, with `horizon` frames.

        Raises:
            ValueError: shape, type or values do not fit.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        check_frames(frames)
        largest = largest_value(frames.dtype)
        sequences = (frames / largest).astype(np.float32)
        if frames.ndim == 3:
            sequences = sequences[:, None]
        if frames.ndim < 5:
            sequences = sequences[None]
        if sequences.shape[2] != self.model.in_channels:
            raise ValueError(
                f"frames have {sequences.shape[2]} channels, the model wants {self.model.in_channels}: "
                f"shape {frames.shape} is read as {AXES[frames.ndim]}"
            )
        device = next(self.model.parameters()).device
        forecast = np.concatenate(
            [
                self.model.forecast(torch.from_numpy(one[None]).to(device), horizon).clamp(0, 1).cpu().numpy()
                for one in sequences
            ]
        )
        if frames.ndim < 5:
            forecast = forecast[0]
        if frames.ndim == 3:
            forecast = forecast[:, 0]
        if frames.dtype.kind == "u":
            forecast = (forecast * largest).round()
        return forecast.astype(frames.dtype)


def load(run: str | os.PathLike[str], device: str = "auto") -> Predictor:
    """A predictor from a run directory, with the weights that validated best.

    Args:
        run: directory that `msrnn train` made.
        device: "auto" (an accelerator if there is one), "cpu", "cuda" or "mps".

    Raises:
        SettingsError: it is no run directory, has no weights yet, or is damaged.
    """
    directory = RunDirectory(Path(run))
    settings = directory.settings()
    channels = {name: weight.shape[1] for name, weight in directory.weights().items() if name == "embed.weight"}
    model = build_model(settings.model, channels.get("embed.weight", 1))
    directory.load_into(model)
    return Predictor(model.to(find_device(device)).eval(), settings)


def largest_value(dtype: np.dtype) -> int:
    """What frames of that type are divided by to lie in [0, 1].

    Raises:
        ValueError: the type says nothing about the range.
    """
    if dtype.kind == "f":
        return 1
    if dtype in (np.uint8, np.uint16):
        return int(np.iinfo(dtype).max)
    raise ValueError(
        f"frames must be floating point in [0, 1], uint8 or uint16, got {dtype}: convert them, "
        "e.g. frames.astype('uint8') for 0 to 255"
    )


def check_frames(frames: np.ndarray) -> None:
    """Raise a ValueError, with the fix, if `frames` are not what a model can forecast from."""
    if not isinstance(frames, np.ndarray):
        raise ValueError(f"frames must be a numpy.ndarray, got {type(frames).__name__}")
    if frames.ndim not in AXES:
        raise ValueError(f"frames must be {', '.join(AXES.values())}; got shape {frames.shape}")
    if not frames.size:
        raise ValueError(f"frames are empty: shape {frames.shape}")
    largest_value(frames.dtype)
    wrong = ~np.isfinite(frames)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{np.isnan(frames).sum()} values are NaN and {np.isinf(frames).sum()} infinite, first at index {first}; "
            "missing data are not supported yet: replace them first"
        )
    if frames.dtype.kind == "f" and (frames.min() < 0 or frames.max() > 1):
        raise ValueError(
            f"floating-point frames must lie in [0, 1], got {frames.min():g} to {frames.max():g}: "
            "divide by the largest possible value, or give uint8 or uint16"
        )
