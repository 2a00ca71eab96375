"""One training step, one validation step, the optimiser."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor

from msrnn.data import Field
from msrnn.errors import NotFiniteError, Setting
from msrnn.nn.models import build_model, find_model
from msrnn.scores import FrameScores, PixelErrors, SummedScores, scoring_device
from msrnn.settings import RunSettings, TrainingLength
from msrnn.training.losses import LOSSES, Loss, pixel_weights
from msrnn.training.scheduled_sampling import SCHEDULES, draw_mask
from msrnn.units import ZR, rain_weights

LOG_STEPS = 10
MONITOR = "validation/mse"
"""Score that the best weights are best at."""
Batch = tuple[Tensor, Tensor]
"""Global sample numbers (batch,) and values (batch, time, channel, y, x) in the field's units, NaN where missing."""


class MicroBatch(NamedTuple):
    """A part of a batch after its forward pass, for logs and error messages."""

    samples: Tensor
    values: Tensor
    loss: Tensor
    truth: Tensor
    """Share of true frames fed after the context."""

    def described(self, describe: Callable[[int], str]) -> str:
        """Describe its sequences and the statistics of their values."""
        known = self.values[self.values.isfinite()]
        numbers = f"{known.min():g} to {known.max():g}, mean {known.mean():g}" if len(known) else "none"
        missing, infinite = (
            f"{100 * share.float().mean():.3g} %" for share in (self.values.isnan(), self.values.isinf())
        )
        members = ", ".join(describe(int(sample)) for sample in self.samples)
        return f"sequences: {members}; values: {numbers}, {missing} missing, {infinite} infinite"


def _finite(tensor: Tensor | None) -> bool:
    return tensor is None or bool(tensor.isfinite().all())


def learning_rate_factor(settings: RunSettings, progress: float) -> float:
    """Return the factor of the learning rate at this point of the training (0 to 1)."""
    if progress < settings.warmup:
        return progress / settings.warmup
    since = (progress - settings.warmup) / (1 - settings.warmup)
    falling = {"constant": 1.0, "linear": 1 - since, "cosine": (1 + math.cos(math.pi * since)) / 2}
    return falling[settings.schedule]


def training_horizon(settings: RunSettings, progress: float) -> int:
    """Return the number of frames that are predicted at this point of the training (0 to 1)."""
    if progress >= settings.curriculum:
        return settings.horizon
    return 1 + int(progress / settings.curriculum * settings.horizon)


class Training(LightningModule):
    """Trains a model as `settings` say: the paper's loss, Adam, scheduled sampling as a function of progress.

    Logs, every `LOG_STEPS` optimiser steps, `train/loss`, `train/gradient_norm`, `train/clipped` (share of all steps so
    far whose gradient was clipped), `train/skipped` (number of steps so far that were skipped), `train/truth` (share of
    true frames fed after the context) and `train/learning_rate`; and `validation/...`: scores of free-running
    forecasts, of all lead times together.

    Args:
        settings: the model and the training.
        length: of the training, in optimiser steps.
        field: what the model's frames are.
        frame_shape: (channel, y, x).
        fingerprint: of the data; a checkpoint holds it.
        describe: where a training sequence comes from, for messages.
        loss: by default the one that settings name.
    """

    clipped: Tensor
    skipped: Tensor

    def __init__(
        self,
        settings: RunSettings,
        length: TrainingLength,
        field: Field,
        frame_shape: Sequence[int],
        fingerprint: int = 0,
        describe: Callable[[int], str] = str,
        loss: Loss | None = None,
    ) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        self.describe = describe
        self.settings = settings
        self.length = length
        self.field = field
        self.model = build_model(settings.model, frame_shape[0])
        self.loss = loss or LOSSES[settings.loss]
        self.schedule = SCHEDULES[settings.sampling or find_model(settings.model.name).cell.sampling]
        self.largest_norm = settings.clip * (math.prod(frame_shape) if self.loss.sums_over_pixels else 1)
        self.log_steps = min(LOG_STEPS, length.steps)
        self.register_buffer("clipped", torch.zeros((), dtype=torch.int64))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))
        self.parts: list[MicroBatch] = []
        """Parts of this step's batch."""
        self.scores: list[SummedScores] = []
        """Scores of this validation."""
        self.lost = torch.zeros(())
        """1, if one of its forecasts is not finite."""

    @property
    def progress(self) -> float:
        """Progress of the training: 0 at its start, 1 at its end."""
        return self.global_step / self.length.steps

    def training_step(self, batch: Batch, batch_number: int) -> Tensor:
        """Compute the loss of a part of a batch."""
        samples, values = batch
        settings = self.settings
        values = values[:, : settings.context + training_horizon(settings, self.progress)]
        frames, valid = self.field.to_network(values.to(self.dtype))
        probabilities = self.schedule(self.progress, settings.context, frames.shape[1])
        mask = draw_mask(probabilities, settings.seed, self.global_step, samples.tolist()).to(frames.device)
        predictions, auxiliary = self.model(frames, context=settings.context, truth_mask=mask)
        truth, weights = frames[:, 1:], pixel_weights(valid[:, 1:])
        if self.loss.by_rain:
            weights = weights * rain_weights(truth, ZR(*self.field.z_r))
        loss: Tensor = self.loss.function(predictions, truth, weights) + auxiliary
        after = mask[:, settings.context :]
        fed = after.float().mean() if after.numel() else loss.new_zeros(())
        self.parts.append(MicroBatch(samples, values, loss.detach(), fed))
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Clip and log, once per optimiser step."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        own = torch.stack([torch.stack((part.loss, part.truth)) for part in self.parts]).mean(dim=0)
        loss, truth = self.trainer.strategy.reduce(own, reduce_op="mean")  # of all processes
        if norm.isfinite() & loss.isfinite():
            self.clipped += norm > self.largest_norm
        else:
            self._not_finite(optimizer, norm)
        self.parts.clear()
        if (self.global_step + 1) % self.log_steps == 0:
            values = {
                "train/loss": loss,
                "train/truth": truth,
                "train/gradient_norm": norm,
                "train/clipped": self.clipped / (self.global_step + 1),
                "train/skipped": self.skipped,
                "train/learning_rate": optimizer.param_groups[0]["lr"],
            }
            self._write(values, self.global_step + 1)

    def _not_finite(self, optimizer: torch.optim.Optimizer, norm: Tensor) -> None:
        """Skip this step, if that was asked for.

        Raises:
            NotFiniteError: it was not.
        """
        if self.settings.on_nonfinite == "skip":
            self.skipped += 1
            optimizer.zero_grad(set_to_none=True)  # Adam leaves weights without a gradient as they are
            return
        lost = [part for part in self.parts if not part.loss.isfinite()]
        what = f"loss is {float(lost[0].loss)}" if lost else f"gradient's norm is {float(norm)}"
        weights = [name for name, weight in self.model.named_parameters() if not _finite(weight.grad)]
        raise NotFiniteError(
            f"the {what} in optimiser step {self.global_step + 1}, at learning rate "
            f"{optimizer.param_groups[0]['lr']:g}; "
            + "; ".join(part.described(self.describe) for part in lost or self.parts)
            + (f"; gradients that are not finite: {weights[0]} and {len(weights) - 1} more" if weights else "")
            + ". What was saved before is kept. Check these values, or try a lower ",
            *(Setting("learning_rate"), ", ", Setting("precision", "32"), ", or ", Setting("on_nonfinite", "skip")),
        )

    def _write(self, values: dict[str, Any], step: int) -> None:
        """Write to the metrics file and the TensorBoard log, before any checkpoint of the step."""
        numbers = {name: float(value) for name, value in values.items()}
        for logger in self.loggers:
            logger.log_metrics(numbers, step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the fingerprint that a resumed training compares its data with."""
        checkpoint["fingerprint"] = self.fingerprint

    def on_validation_start(self) -> None:
        """Begin the sums of scores at zero."""
        self.scores = [PixelErrors(self.settings.horizon), FrameScores(self.settings.horizon)]
        for score in self.scores:
            score.to(scoring_device(self.device))
        self.lost = torch.zeros((), device=self.device)

    def validation_step(self, values: Tensor, batch_number: int) -> None:
        """Score free-running forecasts."""
        frames, valid = self.field.to_network(values.to(self.dtype))
        context = self.settings.context
        forecast = self.model.forecast(frames[:, :context], self.settings.horizon)
        self.lost = torch.maximum(self.lost, (~forecast.isfinite().all()).float())
        for score in self.scores:
            score.update(forecast.clamp(0, 1), frames[:, context:], valid[:, context:])

    def on_validation_epoch_end(self) -> None:
        """Log the scores; those of a model whose forecasts are not finite are infinite."""
        values = {f"validation/{name}": v for scores in self.scores for (name, *_), v in scores.overall().items()}
        if self.trainer.strategy.reduce(self.lost, reduce_op="max"):
            values = {name: torch.full_like(v, math.inf) for name, v in values.items()}
        self._write(values, self.global_step)
        for name, value in values.items():
            self.log(name, value.float(), prog_bar=name == MONITOR, logger=False)

    def configure_optimizers(self) -> Any:
        """Make Adam, and the learning rate as a function of progress."""
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(self.settings, step / self.length.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
