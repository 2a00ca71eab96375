"""A training, from settings to a run directory."""

import logging
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from msrnn.data import open_split
from msrnn.device import find_device
from msrnn.predictor import load_weights, read_weights
from msrnn.rundir import RunDirectory
from msrnn.settings import RunSettings, SettingsError
from msrnn.training.callbacks import AtomicCheckpoints, BestWeights, JSONLines, Lines, Progress
from msrnn.training.loading import evaluation_loader, training_loader
from msrnn.training.module import Training

MONITOR = "validation/mse"
LIGHTNING_NOISE = (
    ".*does not have many workers",  # advice for data on disk; ours are made on the fly
    r".*LeafSpec",  # Lightning 2.6 uses what torch 2.13 deprecates
    ".*exists and is not empty",  # a run that is resumed
    ".*your dataloader is not resumable",  # ours begins at the checkpoint's step
)
PRECISIONS: dict[str, Any] = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def train(settings: RunSettings, out: str | Path, resume: bool = False, init_from: str | None = None) -> RunDirectory:
    """Train a model and leave it in the run directory `out`.

    Args:
        settings: the model, the data and the training.
        out: the run directory; it must not exist, unless `resume`.
        resume: go on from the last checkpoint in `out`.
        init_from: run directory whose weights to start from.

    Raises:
        SettingsError: a setting is not possible; nothing has been written then.
        FloatingPointError: a gradient is not finite; the last checkpoint is kept.
    """
    directory = RunDirectory(out)
    device = find_device(settings.device)
    splits = {
        "train": open_split(
            settings.data, "train", settings.length, settings.steps * settings.batch_size, settings.seed
        ),
        "validation": open_split(
            settings.data, "validation", settings.length, settings.data.validation_samples, settings.seed
        ),
    }
    torch.manual_seed(settings.seed)
    module = Training(settings, splits["train"][0].shape[1:])
    if init_from is not None:
        source = RunDirectory(init_from)
        load_weights(module.model, read_weights(source), source)
    if resume:
        checkpoint = _checkpoint(directory)
        _check_resumable(directory, settings)
        directory.write(settings)
    else:
        checkpoint = None
        directory.create(settings)
    first_step = checkpoint["global_step"] if checkpoint else 0
    trainer = _trainer(settings, directory, device, first_step)
    with warnings.catch_warnings():
        for message in LIGHTNING_NOISE:
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(
            module,
            training_loader(splits["train"], settings, first_step),
            evaluation_loader(splits["validation"], settings.batch_size, settings.workers),
            ckpt_path=directory.last_checkpoint if checkpoint else None,
        )
    return directory


def _checkpoint(directory: RunDirectory) -> dict[str, Any]:
    """The last checkpoint of a run to resume.

    Raises:
        SettingsError: there is none, or it is damaged.
    """
    path = directory.last_checkpoint
    if not path.is_file():
        raise SettingsError(f"{directory.path} has no checkpoint to resume from: train into a new --out")
    try:
        return AtomicCheckpoints().load_checkpoint(path)
    except Exception as error:
        raise SettingsError(f"{path} is damaged ({type(error).__name__}): train into a new --out") from error


FREE_ON_RESUME = {"epochs", "patience", "accumulate", "device", "workers"}


def _check_resumable(directory: RunDirectory, settings: RunSettings) -> None:
    """What a checkpoint depends on must be as it was."""
    before, now = asdict(directory.settings()), asdict(settings)
    for group in ("model", "data"):
        before |= {f"{group}.{name}": value for name, value in before.pop(group).items()}
        now |= {f"{group}.{name}": value for name, value in now.pop(group).items()}
    for name, value in now.items():
        if before[name] != value and name not in FREE_ON_RESUME:
            raise SettingsError(
                f"--resume cannot change {name}: it is {before[name]} in {directory.path}, {value} was given; "
                "train into a new --out, with --init-from for the same weights"
            )


def _trainer(settings: RunSettings, directory: RunDirectory, device: torch.device, first_step: int) -> Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    checkpoints = ModelCheckpoint(
        directory.checkpoints,
        filename="best",
        monitor=MONITOR,
        save_last=True,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [BestWeights(directory.weights_file, MONITOR), checkpoints]
    if settings.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=settings.patience))
    interactive = sys.stderr.isatty()
    callbacks.append(Progress() if interactive else Lines())
    return Trainer(
        accelerator=device.type,
        devices=1,
        precision=PRECISIONS[settings.precision],
        max_steps=settings.steps,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=settings.steps_per_validation * settings.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=min(10, settings.steps),
        logger=[
            JSONLines(directory.metrics_file, first_step),
            TensorBoardLogger(directory.path, name=None, version="tensorboard"),
        ],
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        enable_progress_bar=interactive,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
