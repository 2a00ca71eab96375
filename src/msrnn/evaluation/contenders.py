"""Baselines that a forecast has to beat, and other runs."""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from msrnn.data import Field
from msrnn.errors import Setting, SettingsError
from msrnn.runs.predictor import Predictor

MOTION_FRAMES = 3
"""The last frames, from which extrapolation finds the motion."""
LEAST_RAIN_MM_H, DRY_DB = 0.1, -15.0
"""For finding motion: below this rate it is dry, which is so many decibels."""


class Forecast(NamedTuple):
    """Forecasts of the frames that are scored, (batch, lead, channel, y, x)."""

    frames: Tensor
    """Frames in [0, 1], as the network sees them."""
    values: Tensor
    """Values in the field's units."""


class Task(NamedTuple):
    """The frames to forecast in sequences of context + horizon frames, and the frames to do so from."""

    field: Field
    context: int
    horizon: int
    from_first: bool = False
    """All frames but the first, those of the context from the true ones before them; else those after the context."""

    @property
    def scored(self) -> slice:
        """The frames that are forecast."""
        return slice(1 if self.from_first else self.context, self.context + self.horizon)

    @property
    def leads(self) -> list[int]:
        """Lead times of the forecast frames; frames of the context have 0 and less."""
        return [frame - self.context + 1 for frame in range(self.scored.start, self.scored.stop)]


Contender = Callable[[Tensor, Tensor], Forecast]
"""Forecasts from sequences: values with NaN where they are missing, and the network's frames; (batch, time, channel, y,
x). It reads the context alone."""


Baseline = Callable[[Tensor, int], Tensor]
"""A baseline of one's own: context (batch, time, channel, y, x), in the field's units and NaN where values are missing,
and horizon to forecast (batch, horizon, channel, y, x), in the same units and without NaN."""


def of_baseline(task: Task, baseline: Baseline) -> Contender:
    """Make a contender of a baseline of one's own.

    Its forecasts raise a SettingsError if they have NaN, or another shape than the frames that are scored.

    Raises:
        SettingsError: forecasts from the first frame on are asked for.
    """
    if task.from_first:
        raise SettingsError(Setting("protocol", "paper"), " is not for baselines of one's own")

    def forecast(values: Tensor, frames: Tensor) -> Forecast:
        made = baseline(values[:, : task.context], task.horizon).to(values)
        wanted = values[:, task.scored].shape
        if made.shape != wanted:
            raise SettingsError(f"a baseline forecast {tuple(made.shape)}, expected {tuple(wanted)}")
        if bool(made.isnan().any()):
            raise SettingsError("a baseline forecast NaN: give each pixel a number, e.g. with nan_to_num(0)")
        return Forecast(task.field.to_network(made)[0], made)

    return forecast


def persistence(task: Task) -> Contender:
    """The last given frame again."""
    last = [min(frame, task.context) - 1 for frame in range(task.scored.start, task.scored.stop)]

    def forecast(values: Tensor, frames: Tensor) -> Forecast:
        frames, values = frames[:, last], values[:, last]
        return Forecast(frames, torch.where(values.isnan(), task.field.from_network(frames), values))

    return forecast


def constant(task: Task, image: Tensor) -> Contender:
    """One image (channel, y, x) in [0, 1], always."""

    def forecast(values: Tensor, frames: Tensor) -> Forecast:
        same = image.to(frames).expand(len(frames), len(task.leads), -1, -1, -1)
        return Forecast(same, task.field.from_network(same))

    return forecast


def extrapolation(task: Task) -> Contender:
    """Make a baseline that carries the last rain on by its motion.

    It is pysteps' Lucas-Kanade flow and semi-Lagrangian extrapolation (Pulkkinen et al. 2019,
    https://doi.org/10.5194/gmd-12-4185-2019). What comes in over the border, or from where rain is not known, is dry.

    Raises:
        SettingsError: pysteps is missing, the data are no rain, or there are fewer than two frames to see motion in.
    """
    if not task.field.is_rain:
        raise SettingsError("extrapolation is for rain")
    if task.context < 2 or task.from_first:
        raise SettingsError("extrapolation needs two given frames before every forecast")
    if not pysteps_is_there():
        raise SettingsError('extrapolation needs pysteps: pip install "msrnn[radar]"')
    with contextlib.redirect_stdout(io.StringIO()):  # it says which settings it found
        from pysteps.motion.lucaskanade import dense_lucaskanade
        from pysteps.nowcasts.extrapolation import forecast as extrapolate

    def carry(rates: np.ndarray) -> np.ndarray:
        """Carry rates (time, y, x) in mm/h on to (lead, y, x)."""
        recent = rates[-MOTION_FRAMES:]
        wet = np.where(recent >= LEAST_RAIN_MM_H, recent, 1)
        decibels = np.where(recent >= LEAST_RAIN_MM_H, 10 * np.log10(wet), DRY_DB)
        motion = dense_lucaskanade(np.where(np.isnan(recent), np.nan, decibels))
        options = {"allow_nonfinite_values": True}
        ahead: np.ndarray = extrapolate(rates[-1], motion, task.horizon, extrap_kwargs=options)
        return np.where(np.isnan(ahead), 0, ahead)

    def forecast(values: Tensor, frames: Tensor) -> Forecast:
        rates = task.field.rates(values[:, : task.context]).cpu().double().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of frames without rain
            ahead = [np.stack([carry(sequence[:, c]) for c in range(rates.shape[2])], axis=1) for sequence in rates]
        carried = task.field.from_rates(torch.from_numpy(np.stack(ahead)).to(values))
        return Forecast(task.field.to_network(carried)[0], carried)

    return forecast


def pysteps_is_there() -> bool:
    """Whether the extra `radar` is installed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import pysteps  # noqa: F401
    except ImportError:
        return False
    return True


def of_model(task: Task, predictor: Predictor) -> Contender:
    """A trained model's free-running forecasts; from the first frame on, those of the context see the truth."""
    field, own, weight = task.field, predictor.field, next(predictor.model.parameters())
    scales = [(f.units, f.z_r, f.normalisation, f.smallest, f.largest) for f in (field, own)]
    same_scale = scales[0] == scales[1]

    def forecast(values: Tensor, frames: Tensor) -> Forecast:
        if own != field:
            frames, _ = own.to_network(own.of_values(values, field.units))
        with predictor.computing():
            if task.from_first:
                made, _ = predictor.model(frames.to(weight), context=task.context)
            else:
                made = predictor.model.forecast(frames[:, : task.context].to(weight), task.horizon)
        made = made.to(frames)
        if same_scale:
            return Forecast(made, field.from_network(made))
        values = own.to_values(own.from_network(made), field.units)
        return Forecast(field.to_network(values)[0], values)

    return forecast
