"""One training step, one validation step, the optimiser."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from msrnn.data import Field
from msrnn.models import find_model
from msrnn.rundir import build_model
from msrnn.sampling import SCHEDULES, draw_mask
from msrnn.scores import FrameScores, PixelErrors, SummedScores, scoring_device
from msrnn.settings import RunSettings
from msrnn.training.losses import LOSSES, pixel_weights
from msrnn.units import ZR, rain_weights

Batch = tuple[Tensor, Tensor]
"""Global sample numbers (batch,) and values (batch, time, channel, y, x) in the field's units, NaN where missing."""


def learning_rate_factor(settings: RunSettings, progress: float) -> float:
    """What the learning rate is multiplied by at this point of the training (0 to 1)."""
    if progress < settings.warmup:
        return progress / settings.warmup
    since = (progress - settings.warmup) / (1 - settings.warmup)
    falling = {"constant": 1.0, "linear": 1 - since, "cosine": (1 + math.cos(math.pi * since)) / 2}
    return falling[settings.schedule]


class Training(LightningModule):
    """Trains a model as `settings` say: the paper's loss, Adam, scheduled sampling as a function of progress.

    Logs, per optimiser step, `train/loss`, `train/gradient_norm`, `train/clipped` (share of all steps so far whose
    gradient was clipped), `train/truth` (share of true frames fed after the context) and `train/learning_rate`; and
    `validation/...`: scores of free-running forecasts, of all lead times together.
    """

    clipped: Tensor

    def __init__(self, settings: RunSettings, field: Field, frame_shape: Sequence[int], fingerprint: int = 0) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        """Of the data; a checkpoint holds it."""
        self.settings = settings
        self.field = field
        self.model = build_model(settings.model, frame_shape[0])
        self.loss = LOSSES[settings.loss]
        self.schedule = SCHEDULES[settings.sampling or find_model(settings.model.name).cell.sampling]
        self.largest_norm = settings.clip * (math.prod(frame_shape) if self.loss.sums_over_pixels else 1)
        self.register_buffer("clipped", torch.zeros((), dtype=torch.int64))
        self.parts: list[tuple[Tensor, Tensor]] = []
        """Loss and share of truth of the parts of this step's batch."""
        self.scores: list[SummedScores] = []
        """Of this validation."""

    @property
    def progress(self) -> float:
        """0 at the start of the training, 1 at its end."""
        return self.global_step / self.settings.steps

    def training_step(self, batch: Batch, batch_number: int) -> Tensor:
        """The loss of a part of a batch."""
        samples, values = batch
        frames, valid = self.field.to_network(values.to(self.dtype))
        settings = self.settings
        probabilities = self.schedule(self.progress, settings.context, settings.length)
        mask = draw_mask(probabilities, settings.seed, self.global_step, samples.tolist()).to(frames.device)
        predictions, auxiliary = self.model(frames, context=settings.context, truth_mask=mask)
        truth, weights = frames[:, 1:], pixel_weights(valid[:, 1:])
        if self.loss.by_rain:
            weights = weights * rain_weights(truth, ZR(*self.field.z_r))
        loss: Tensor = self.loss.function(predictions, truth, weights) + auxiliary
        after = mask[:, settings.context :]
        self.parts.append((loss.detach(), after.float().mean() if after.numel() else loss.new_zeros(())))
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Clip and log, once per optimiser step."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        if not norm.isfinite():
            raise FloatingPointError(
                f"the gradient is not finite at step {self.global_step}; what was saved before is kept. "
                "Try a lower --learning-rate, or --precision 32"
            )
        self.clipped += norm > self.largest_norm
        loss, truth = (torch.stack(values).mean() for values in zip(*self.parts, strict=True))
        self.parts.clear()
        self.log_dict(
            {
                "train/loss": loss,
                "train/truth": truth,
                "train/gradient_norm": norm,
                "train/clipped": self.clipped / (self.global_step + 1),
                "train/learning_rate": optimizer.param_groups[0]["lr"],
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What a resumed training compares its data with."""
        checkpoint["fingerprint"] = self.fingerprint

    def on_validation_start(self) -> None:
        """Sums from zero."""
        self.scores = [PixelErrors(self.settings.horizon), FrameScores(self.settings.horizon)]
        for score in self.scores:
            score.to(scoring_device(self.device))

    def validation_step(self, values: Tensor, batch_number: int) -> None:
        """Score free-running forecasts."""
        frames, valid = self.field.to_network(values.to(self.dtype))
        context = self.settings.context
        forecast = self.model.forecast(frames[:, :context], self.settings.horizon)
        for score in self.scores:
            score.update(forecast.clamp(0, 1), frames[:, context:], valid[:, context:])

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        for scores in self.scores:
            for (name, *_), value in scores.overall().items():
                self.log(f"validation/{name}", value.float(), prog_bar=name == "mse")

    def configure_optimizers(self) -> Any:
        """Adam, and the learning rate as a function of progress."""
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(self.settings, step / self.settings.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
