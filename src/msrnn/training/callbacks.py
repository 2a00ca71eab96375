"""Files that a training leaves in its run directory, and its progress."""

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from safetensors.torch import save_file

from msrnn.atomic import written
from msrnn.errors import StoppedError
from msrnn.runs.directory import RunDirectory

CHECKPOINT_SECONDS = 600
"""At least so often a checkpoint is written."""


class JSONLines(Logger):
    """Writes metrics as one JSON object per line, with the optimiser step; a number that is not finite is null."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Do nothing: settings stand in settings.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a line."""
        values = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | values) + "\n")


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes checkpoints that are whole or not there, and reads them without executing pickled code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], *_: Any, **__: Any) -> None:
        with written(Path(path)) as partial:
            torch.save(checkpoint, partial)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint


class LastCheckpoint(Callback):
    """Writes all that a resumed run needs: after each validation, every `CHECKPOINT_SECONDS`, and when told to stop.

    SIGINT (Ctrl-C) and SIGTERM wait for the end of the optimiser step, and of the validation that is due then: a
    resumed run would not make up for it. A second SIGINT does not wait. Of several processes any may be told. Stands
    behind all callbacks that have a state.
    """

    def __init__(self, directory: RunDirectory, steps_per_validation: int) -> None:
        self.directory = directory
        self.steps_per_validation = steps_per_validation
        self.saved_at = time.monotonic()
        self.seconds = 0.0
        """Seconds of training, up to `saved_at`."""
        self.ended = False
        self.told = 0
        """The signal."""

    def on_train_start(self, *_: Any) -> None:
        """Take over signals: Lightning has set its own handlers, and puts the former back at the end."""
        self.saved_at = time.monotonic()

        def stop(number: int, _: Any) -> None:
            if self.told and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.told = number

        if threading.current_thread() is threading.main_thread():  # no other hears signals
            signal.signal(signal.SIGINT, stop)
            signal.signal(signal.SIGTERM, stop)

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        *_, batch_number = arguments
        if (batch_number + 1) % trainer.accumulate_grad_batches:
            return  # in the middle of an optimiser step
        if trainer.global_step % self.steps_per_validation == 0:
            return  # a validation comes first
        told, late = _greatest(trainer, self.told, time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS)
        if told or late:
            self._save(trainer)
        if told:
            self._leave(trainer, told)

    def on_validation_end(self, trainer: Trainer, *_: Any) -> None:
        self.ended = trainer.should_stop or trainer.global_step >= trainer.max_steps
        self._save(trainer)
        (told,) = _greatest(trainer, self.told)
        if told and not self.ended:
            self._leave(trainer, told)

    def _leave(self, trainer: Trainer, told: int) -> NoReturn:
        if not trainer.is_global_zero:
            raise SystemExit(0)  # one of them speaks
        raise StoppedError(
            told,
            f"{signal.Signals(told).name}: step {trainer.global_step} of {trainer.max_steps} is saved; go on with: ",
            self.directory.resume_call,
        )

    def _save(self, trainer: Trainer) -> None:
        now = time.monotonic()
        self.seconds, self.saved_at = self.seconds + now - self.saved_at, now
        trainer.save_checkpoint(self.directory.last_checkpoint)

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict.get("seconds", 0.0)


def _greatest(trainer: Trainer, *values: int) -> Sequence[int]:
    """Return the greatest of each value in all processes."""
    if trainer.world_size == 1:
        return values
    tensor = torch.tensor(values, device=trainer.strategy.root_device)
    return trainer.strategy.reduce(tensor, reduce_op="max").tolist()


class BestWeights(Callback):
    """Writes the model's weights whenever validation found none better."""

    def __init__(self, path: Path, monitor: str) -> None:
        self.path = path
        self.monitor = monitor
        self.best = math.inf

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        score = float(trainer.callback_metrics[self.monitor])
        if trainer.is_global_zero and score < self.best:
            self.best = score
            model: torch.nn.Module = pl_module.model  # type: ignore[assignment]
            with written(self.path) as partial:
                save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, partial)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class Patience(EarlyStopping):
    """Early stopping that also fires when resuming after patience ran out."""

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class ValidationLines(Callback):
    """One line per validation on standard error, where there is no terminal for a bar."""

    @rank_zero_only
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        scores = ", ".join(
            f"{name.removeprefix('validation/')} {float(value):.4g}"
            for name, value in trainer.callback_metrics.items()
            if name.startswith("validation/")
        )
        sys.stderr.write(f"step {trainer.global_step} of {trainer.max_steps}: validation {scores}\n")


class TrainingBar(TQDMProgressBar):
    """One bar for the whole training, which is one epoch of Lightning's."""

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        """Show the bar: a resumed run goes on in the middle of the epoch, whose start is not announced."""
        super().on_train_start(trainer)
        self.train_progress_bar.reset(trainer.max_steps * trainer.accumulate_grad_batches)
        self.train_progress_bar.set_description("training")

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description("training")

    def get_metrics(self, *arguments: Any) -> dict[str, Any]:
        metrics = super().get_metrics(*arguments)
        metrics.pop("v_num", None)
        return metrics
