"""A training, from settings to a run directory."""

import logging
import pickle
import sys
import warnings
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from msrnn.analysis.cost import Cost, Workload, fastest_that_fits, ways_to_fit
from msrnn.data import open_data
from msrnn.device import find_device, free_memory
from msrnn.rundir import RunDirectory, build_model
from msrnn.settings import RunSettings, SettingsError
from msrnn.training.callbacks import (
    AtomicCheckpoints,
    BestWeights,
    JSONLines,
    LastCheckpoint,
    Progress,
    ValidationLines,
)
from msrnn.training.loading import evaluation_loader, training_loader
from msrnn.training.module import Training

MONITOR = "validation/mse"
PRECISIONS: dict[str, Any] = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}
FREE_ON_RESUME = ("device", "workers")
LIGHTNING_NOISE = (
    ".*does not have many workers",  # advice for data on disk; ours are made on the fly
    r".*LeafSpec",  # Lightning 2.6 uses what torch 2.13 deprecates
    ".*exists and is not empty",  # a run that is resumed
    ".*your dataloader is not resumable",  # ours begins at the checkpoint's step
)


def train(settings: RunSettings, out: str | Path, resume: bool = False, init_from: str | None = None) -> RunDirectory:
    """Train a model and leave it in the run directory `out`.

    Args:
        settings: the model, the data and the training.
        out: the run directory; it must not exist, unless `resume`.
        resume: go on from the last checkpoint in `out`; from the start, if there is none yet.
        init_from: run directory whose weights to start from.

    Raises:
        SettingsError: a setting is not possible; nothing has been written then.
        FloatingPointError: a gradient is not finite; checkpoints are those from before.
        KeyboardInterrupt: the user stopped it; the message says how to go on.
    """
    if resume and init_from is not None:
        raise SettingsError("--resume goes on with a run's own weights: leave out --init-from, or --resume")
    directory = RunDirectory(out)
    device = find_device(settings.device)
    data = open_data(settings.data, settings.context, settings.horizon, settings.seed)
    settings = replace(settings, data=data.settings)
    if settings.loss == "balanced" and data.field.is_rain and data.field.normalisation != "rain":
        raise SettingsError("--loss balanced weighs the paper's pixels: leave out --data.normalisation, or the loss")
    training = data.training(settings.steps * settings.batch_size)
    validation = data.held_out("validation", on_crops=True)
    if settings.model.memory == "auto":
        if resume:
            settings = replace(settings, model=replace(settings.model, memory=directory.settings().model.memory))
        else:
            settings = _with_memory(settings, training[0].shape, device)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        module = Training(settings, data.field, training[0].shape[1:], data.fingerprint)
    if init_from is not None:
        RunDirectory(init_from).load_into(module.model)
    if resume:
        _check_unchanged(directory, settings)
        first_step, fingerprint = _last_step(directory.last_checkpoint)
        if directory.field() != data.field or (first_step and fingerprint != data.fingerprint):
            raise SettingsError(
                f"--resume: the files of {settings.data.name} have changed since {directory.path} was begun; "
                "train into a new --out, with --init-from for the same weights"
            )
    else:
        directory.create(settings, data.field)
        first_step = 0
    for note in data.notes:
        sys.stderr.write(f"{note}\n")
    checkpoints = LastCheckpoint(directory.last_checkpoint)
    trainer = _trainer(settings, directory, device, first_step, checkpoints)
    with warnings.catch_warnings(), checkpoints.listening():
        for message in LIGHTNING_NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(
                module,
                training_loader(training, settings, first_step),
                evaluation_loader(validation, settings.batch_size // settings.accumulate, settings.workers),
                ckpt_path=directory.last_checkpoint if first_step else None,
            )
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt(
                f"stopped at step {trainer.global_step} of {settings.steps}; "
                f"go on with: msrnn train --resume --out {directory.path}"
            ) from None
    return directory


def _with_memory(settings: RunSettings, sequence: torch.Size, device: torch.device) -> RunSettings:
    """The settings with the fastest memory mode that fits the device; sequences are (time, channel, y, x).

    Raises:
        SettingsError: none fits; the message says what would.
    """
    _, channels, height, width = sequence
    batch = settings.batch_size // settings.accumulate
    work = Workload((height, width), settings.context, settings.horizon, batch, settings.precision)
    cost = Cost(partial(build_model, replace(settings.model, memory="keep"), channels), work)
    available = free_memory(device)
    mode = fastest_that_fits(cost, available)
    if mode is None:
        assert available is not None
        ways = " ".join(ways_to_fit(cost, available, settings.accumulate))
        raise SettingsError(f"--memory auto: nothing fits. {ways}")
    needed = cost.training_bytes(mode) / 2**30
    has = "an unknown amount of memory" if available is None else f"{available / 2**30:.1f} GiB for it"
    sys.stderr.write(f"--memory auto: {mode}, about {needed:.2f} GiB; {device} has {has}\n")
    return replace(settings, model=replace(settings.model, memory=mode))


def _check_unchanged(directory: RunDirectory, settings: RunSettings) -> None:
    """What a training depends on must be as it was."""
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


def _last_step(checkpoint: Path) -> tuple[int, int]:
    """Optimiser steps done in a checkpoint, 0 if there is none; and the fingerprint of its data.

    Raises:
        SettingsError: it is damaged.
    """
    if not checkpoint.is_file():
        return 0, 0
    try:
        content = AtomicCheckpoints().load_checkpoint(checkpoint)
        return int(content["global_step"]), int(content["fingerprint"])
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise SettingsError(f"{checkpoint} is damaged ({type(error).__name__}): train into a new --out") from error


def _trainer(
    settings: RunSettings, directory: RunDirectory, device: torch.device, first_step: int, checkpoints: LastCheckpoint
) -> Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    callbacks: list[Callback] = [
        BestWeights(directory.weights_file, MONITOR),
        checkpoints,
        ModelCheckpoint(
            directory.checkpoints,
            filename="best",
            monitor=MONITOR,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        ),
    ]
    if settings.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=settings.patience))
    interactive = sys.stderr.isatty()
    callbacks.append(Progress() if interactive else ValidationLines())
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
            TensorBoardLogger(directory.path, name=None, version="tensorboard", purge_step=first_step),
        ],
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        enable_progress_bar=interactive,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
