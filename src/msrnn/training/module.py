"""One training step, one validation step, the optimiser."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from msrnn.models import find_model
from msrnn.predictor import build_model
from msrnn.sampling import SCHEDULES, draw_mask
from msrnn.scores import ForecastScores
from msrnn.settings import RunSettings
from msrnn.training.losses import LOSSES

Batch = tuple[Tensor, Tensor]
"""Global sample numbers (batch,) and frames (batch, time, channel, y, x)."""


def learning_rate_factor(settings: RunSettings, progress: float) -> float:
    """What the learning rate is multiplied by at this point of the training (0 to 1)."""
    if progress < settings.warmup:
        return progress / settings.warmup
    since = (progress - settings.warmup) / (1 - settings.warmup)
    falling = {"constant": 1.0, "linear": 1 - since, "cosine": (1 + math.cos(math.pi * since)) / 2}
    return falling[settings.schedule]


class Training(LightningModule):
    """Trains a model as `settings` say: the paper's loss, Adam, scheduled sampling as a function of progress.

    Logs `train/loss`, `train/gradient_norm`, `train/clipped` (share of steps clipped since the last entry),
    `train/truth` (share of true frames fed after the context), `train/learning_rate`, and `validation/...`: scores of
    free-running forecasts, per pixel, mean over lead times.
    """

    def __init__(self, settings: RunSettings, frame_shape: Sequence[int]) -> None:
        super().__init__()
        self.settings = settings
        self.model = build_model(settings.model, frame_shape[0])
        self.loss = LOSSES[settings.loss]
        self.schedule = SCHEDULES[settings.sampling or find_model(settings.model.name).cell.sampling]
        self.largest_norm = settings.clip * (math.prod(frame_shape) if self.loss.sums_over_pixels else 1)
        self.scores = ForecastScores(settings.horizon)
        self.clipped: list[bool] = []

    @property
    def progress(self) -> float:
        """0 at the start of the training, 1 at its end."""
        return self.global_step / self.settings.steps

    def training_step(self, batch: Batch, batch_number: int) -> Tensor:
        samples, frames = batch
        settings = self.settings
        probabilities = self.schedule(self.progress, settings.context, settings.length)
        mask = draw_mask(probabilities, settings.seed, self.global_step, samples.tolist()).to(frames.device)
        predictions, auxiliary = self.model(frames, context=settings.context, truth_mask=mask)
        loss: Tensor = self.loss.function(predictions, frames[:, 1:]) + auxiliary
        self.log("train/loss", loss, batch_size=len(frames))
        self.log("train/truth", mask[:, settings.context :].float().mean() if settings.horizon > 1 else 0.0)
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        if not norm.isfinite():
            raise FloatingPointError(
                f"the gradient is not finite at step {self.global_step}: the last checkpoint is kept; "
                "try a lower --learning-rate, or --precision 32"
            )
        self.clipped.append(bool(norm > self.largest_norm))
        self.log("train/gradient_norm", norm)
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/clipped", sum(self.clipped) / len(self.clipped))
            self.clipped.clear()

    def validation_step(self, batch: Batch, batch_number: int) -> None:
        _, frames = batch
        context = self.settings.context
        forecast = self.model.forecast(frames[:, :context], self.settings.horizon)
        self.scores.update(forecast.clamp(0, 1), frames[:, context:])

    def on_validation_epoch_end(self) -> None:
        for name, per_lead in self.scores.compute().items():
            self.log(f"validation/{name}", per_lead.mean().float(), prog_bar=name == "mse")
        self.scores.reset()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(self.settings, step / self.settings.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
