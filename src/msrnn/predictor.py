"""Forecasts from a run directory: context in, forecast out, in the units of the data."""

import os
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from msrnn.device import find_device
from msrnn.forecaster import Forecaster
from msrnn.models import create_model
from msrnn.rundir import RunDirectory
from msrnn.settings import ModelSettings, RunSettings, SettingsError

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
                in [0, 1], or integers, which are scaled by their type's largest value.
            horizon: how many frames to predict; by default as many as in training.

        Returns:
            As `frames`, of the same type, with `horizon` frames; within the range of the data.

        Raises:
            ValueError: shape, type or values do not fit.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        if frames.ndim not in AXES:
            raise ValueError(f"frames must be {', '.join(AXES.values())}; got shape {frames.shape}")
        scaled = _scaled(frames)
        if frames.ndim == 3:
            scaled = scaled[:, None]
        if frames.ndim < 5:
            scaled = scaled[None]
        if scaled.shape[2] != self.model.in_channels:
            raise ValueError(
                f"frames have {scaled.shape[2]} channels, the model wants {self.model.in_channels}: "
                f"shape {frames.shape} is read as {AXES[frames.ndim]}"
            )
        device = next(self.model.parameters()).device
        forecasts = [
            self.model.forecast(torch.from_numpy(sequence).to(device).unsqueeze(0), horizon).clamp(0, 1).cpu().numpy()
            for sequence in scaled
        ]
        result = np.concatenate(forecasts)
        if frames.ndim < 5:
            result = result[0]
        if frames.ndim == 3:
            result = result[:, 0]
        if np.issubdtype(frames.dtype, np.integer):
            result = (result * np.iinfo(frames.dtype).max).round()
        return result.astype(frames.dtype)


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
    weights = read_weights(directory)
    model = build_model(settings.model, weights["embed.weight"].shape[1])
    load_weights(model, weights, directory)
    return Predictor(model.to(find_device(device)).eval(), settings)


def build_model(settings: ModelSettings, channels: int) -> Forecaster:
    """The model that settings describe.

    Raises:
        SettingsError: the name, an option or a value is not possible.
    """
    try:
        return create_model(
            settings.name,
            in_channels=channels,
            hidden_channels=settings.hidden_channels,
            kernel_size=settings.kernel_size,
            scales=settings.scales,
            skips=settings.skips,
            memory=settings.memory,
            **settings.options,
        )
    except ValueError as error:
        raise SettingsError(f"model: {error}") from error


def read_weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    """The weights in a run directory.

    Raises:
        SettingsError: there are none, or the file is damaged.
    """
    path = directory.weights_file
    if not path.is_file():
        directory.document()  # is it a run at all?
        raise SettingsError(f"{directory.path} has no weights yet: continue its training with --resume")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise SettingsError(f"{path} is damaged ({error})") from error


def load_weights(model: Forecaster, weights: dict[str, torch.Tensor], directory: RunDirectory) -> None:
    """Put weights from a run directory into a model.

    Raises:
        SettingsError: they are those of another model.
    """
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        ours, theirs = (list(w[name].shape) if name in w else "missing" for w in (wanted, weights))
        if ours != theirs:
            raise SettingsError(f"{directory.path} holds another model: {name} is {theirs} there, {ours} here")
    model.load_state_dict(weights)


def _scaled(frames: np.ndarray) -> np.ndarray:
    """float32 in [0, 1]."""
    if np.issubdtype(frames.dtype, np.integer):
        if frames.size and frames.min() < 0:
            raise ValueError(f"{frames.dtype} frames must not be negative, got {frames.min()}")
        return (frames / np.iinfo(frames.dtype).max).astype(np.float32)
    if not np.issubdtype(frames.dtype, np.floating):
        raise ValueError(f"frames must be numbers, got {frames.dtype}")
    wrong = ~np.isfinite(frames)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{wrong.sum()} values are NaN or infinite, the first at index {first}: missing data are not supported "
            "yet; fill them, e.g. with numpy.nan_to_num"
        )
    if frames.size and (frames.min() < 0 or frames.max() > 1):
        raise ValueError(
            f"floating-point frames must lie in [0, 1], got {frames.min():g} to {frames.max():g}: "
            "divide by the largest possible value, or give integers, which are scaled by their type"
        )
    return frames.astype(np.float32)
