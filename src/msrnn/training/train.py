"""A training, from settings to a run directory."""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader

from msrnn.analysis.cost import fastest_that_fits, ways_to_fit
from msrnn.analysis.workload import cost_of, workload_of
from msrnn.data import Data, open_data
from msrnn.data.loading import Process, evaluation_loader, training_loader
from msrnn.data.own import check_length
from msrnn.device import find_device, free_memory, set_memory_format
from msrnn.errors import AbandonedError, DiskFullError, Setting, SettingsError
from msrnn.runs.directory import NEW_OUT, RunDirectory
from msrnn.settings import OWN, RunSettings, TrainingLength, merged, settings_from
from msrnn.tables import format_bytes
from msrnn.training.callbacks import (
    AtomicCheckpoints,
    BestWeights,
    JSONLines,
    LastCheckpoint,
    Patience,
    TrainingBar,
    ValidationLines,
)
from msrnn.training.losses import Loss
from msrnn.training.module import MONITOR, Training
from msrnn.training.precision import choose_precision
from msrnn.training.processes import Processes, environment, find_processes

PRECISIONS: dict[str, Any] = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}
FREE_ON_RESUME = ("device", "compile", "devices", "nodes", "workers", "on_nonfinite", "model.memory")
ANEW = (*NEW_OUT, ", with ", Setting("init_from"), " for the same weights")
LIGHTNING_NOISE = (
    ".*does not have many workers",  # advice for data on disk; ours are made on the fly
    r".*LeafSpec",  # Lightning 2.6 uses what torch 2.13 deprecates
    ".*exists and is not empty",  # a run that is resumed
    ".*your dataloader is not resumable",  # ours begins at the checkpoint's step
    ".*recommended to use .*sync_dist=True",  # scores are those of all processes already
)


def train(
    settings: RunSettings | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    **changes: Any,
) -> RunDirectory:
    """Train a model and leave it in the run directory `out`.

    Args:
        settings: the model, the data and the training; by default `changes` say all.
        out: the run directory; it must not exist, unless `resume`.
        resume: go on from the last checkpoint in `out`; from the start, if there is none yet, or no run at all. What
            neither `settings` nor `changes` say is as it was.
        init_from: run directory whose weights to start from.
        changes: settings by name, such as context=5, model="ms-predrnn" or data={"name": "radar/", "crop": (64, 64)}.
            `loss` may also be a function (predictions, truth, weights), all (batch, time, channel, y, x), to a scalar,
            or a `Loss`; `data` an object with the methods of `msrnn.data.Data`, such as `msrnn.data.Datasets`.

    Raises:
        SettingsError: a setting is not possible; nothing has been written then.
        NotFiniteError: a loss or a gradient is not finite; checkpoints are those from before.
        StoppedError: SIGINT or SIGTERM stopped it; the message says how to go on.
        AbandonedError: a second SIGINT did (a KeyboardInterrupt).
        OSError: something cannot be written; errno is ENOSPC if the disk is full.
    """
    if out is None:
        raise SettingsError(Setting("out"), " must be given")
    if settings is not None and not isinstance(settings, RunSettings):
        raise SettingsError(f"settings must be RunSettings, got {type(settings).__name__}; give others by keyword")
    directory = RunDirectory(out)
    own_data, own_loss = _own_objects(changes)
    if resume and directory.begun:
        _check_same_data(directory, settings, changes.get("data"))
    if settings is None:
        base = directory.document() if resume and (directory.begun or "model" not in changes) else {}
        settings = settings_from(merged(base, changes))
    elif changes:
        settings = settings_from(merged(asdict(settings), changes))
    if settings.loss == OWN and own_loss is None:
        raise SettingsError(
            Setting("loss", OWN), ": that loss is a Python function; give it again as `loss`, in Python"
        )
    return _train(settings, directory, resume, init_from, own_data, own_loss)


def _train(
    settings: RunSettings,
    directory: RunDirectory,
    resume: bool,
    init_from: str | os.PathLike[str] | None,
    own_data: Data | None,
    own_loss: Loss | None,
) -> RunDirectory:
    if resume and init_from is not None:
        raise SettingsError(
            *(Setting("resume", True), " goes on with a run's own weights: leave out ", Setting("init_from")),
            *(", or ", Setting("resume", True)),
        )
    resume = resume and directory.begun
    if not resume:
        rank_zero_only(directory.check_new)()  # the others come later
    device = find_device(settings.device)
    processes = find_processes(settings, device)
    data = own_data or open_data(settings.data, settings.context, settings.horizon, settings.seed)
    settings = replace(settings, data=data.stored_settings)
    length = TrainingLength.of(settings, data.epoch_samples)
    if settings.loss == "balanced" and data.field.is_rain and data.field.normalisation != "rain":
        raise SettingsError(
            *(Setting("loss", "balanced"), " weighs the paper's pixels: leave out ", Setting("data.normalisation")),
            ", or the loss",
        )
    training = data.training(length.steps * settings.batch_size)
    validation = data.held_out("validation", on_crops=True)
    _check_own(own_loss, training[0], validation[0], settings)
    before = directory.settings() if resume else None
    settings, choices = _chosen(settings, before, training[0].shape, device, processes.total)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        frame_shape = training[0].shape[1:]
        module = Training(settings, length, data.field, frame_shape, data.fingerprint, training.title, own_loss)
    if init_from is not None:
        RunDirectory(init_from).load_into(module.model)
    if settings.precision == "64":
        module.double()  # before Lightning does: it restores checkpoints first
    set_memory_format(module.model, device)
    if settings.compile:
        # CUDA graphs: the backward pass, in a thread of its own, cannot search for convolutions while it is recorded
        graphs = device.type == "cuda" and settings.model.memory == "keep"
        module.model.compile(dynamic=False, mode="reduce-overhead" if graphs else None)
        rank_zero_only(sys.stderr.write)(
            "compiling: a minute or two before the first step, and before the first validation\n"
        )
    first_step = _resumed_step(directory, settings, data) if resume else 0
    trainer = _trainer(settings, length, directory, device, processes, first_step)
    process = Process(trainer.global_rank, trainer.world_size)
    share = settings.batch_size // (settings.accumulate * processes.total)
    with ExitStack() as stack:
        if trainer.is_global_zero:
            if not resume:
                directory.create(settings, data.field)
            stack.enter_context(directory.being_trained())
            if resume:
                directory.tidy(first_step)
            every = f"a validation every {length.steps_per_validation}"
            steps = f"{settings.data.name}: {length.steps} steps of {settings.batch_size} sequences, {every}"
            for note in (*choices, *data.notes, steps):
                sys.stderr.write(f"{note}\n")
            if resume and not first_step:
                sys.stderr.write(f"{directory.path} has no checkpoint: it begins again\n")
        _fit(
            trainer,
            module,
            training_loader(training, settings, length.steps, first_step, process),
            evaluation_loader(validation, share, settings.workers, process),
            directory,
            directory.last_checkpoint if first_step else None,
        )
    return directory


def _own_objects(changes: dict[str, Any]) -> tuple[Data | None, Loss | None]:
    """Take Python objects, and names alone, out of settings by name."""
    own_data = own_loss = None
    if isinstance(changes.get("data"), Data):
        own_data = changes["data"]
        changes["data"] = asdict(own_data.stored_settings)
    if callable(changes.get("loss")) or isinstance(changes.get("loss"), Loss):
        own_loss = changes["loss"] if isinstance(changes["loss"], Loss) else Loss(changes["loss"])
        changes["loss"] = OWN
    for name in ("model", "data"):
        value = changes.get(name)
        if isinstance(value, str | os.PathLike):
            changes[name] = {"name": str(value)}
        elif is_dataclass(value) and not isinstance(value, type):
            changes[name] = asdict(value)
        elif not isinstance(value, Mapping | NoneType):
            kinds = "a name, settings or, for data, msrnn.data.Datasets"
            raise SettingsError(Setting(name), f" cannot be {type(value).__name__}; give {kinds}")
    return own_data, own_loss


def _check_own(loss: Loss | None, training: Tensor, validation: Tensor, settings: RunSettings) -> None:
    """Raise a SettingsError if the first sequences, or a loss of the user's own, do not fit the settings."""
    for sequence in (training, validation):
        check_length(sequence, settings.context, settings.horizon)
    if loss is not None:
        loss.check((1, len(training) - 1, *training.shape[1:]))


def _fit(
    trainer: Trainer,
    module: Training,
    training: DataLoader[Any],
    validation: DataLoader[Any],
    directory: RunDirectory,
    checkpoint: Path | None,
) -> None:
    """Train; what ends it early says how to go on."""
    with warnings.catch_warnings():
        for message in LIGHTNING_NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, training, validation, ckpt_path=checkpoint)
        except SystemExit as leaving:
            if not leaving.code:  # another process speaks
                raise
            # what Lightning makes of a second Ctrl-C
            at = f"stopped in the middle of step {trainer.global_step + 1}; what was saved before is kept; go on with: "
            raise AbandonedError(at, directory.resume_call) from None
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            full = f"{error.filename}: {error.strerror}; what was saved before is kept; make room, then: "
            raise DiskFullError(full, directory.resume_call) from error
    if trainer.is_global_zero and module.skipped:
        sys.stderr.write(
            f"{int(module.skipped)} of {trainer.max_steps} steps were skipped: loss or gradient not finite\n"
        )


def _chosen(
    settings: RunSettings, before: RunSettings | None, sequence: torch.Size, device: torch.device, processes: int
) -> tuple[RunSettings, list[str]]:
    """Put what suits the device, or what a resumed run began with, in the place of auto.

    Returns the settings, and lines that say what was chosen; sequences are (time, channel, y, x).

    Raises:
        SettingsError: no memory mode fits; the message says what would.
    """
    said = []
    if settings.precision == "auto" and before:
        settings = replace(settings, precision=before.precision)
    elif settings.precision == "auto":
        batch = settings.batch_size // (settings.accumulate * processes)
        precision, line = choose_precision(settings.model, sequence[1:], batch, device, processes)
        said.append(line)
        settings = replace(settings, precision=precision)
    if settings.model.memory == "auto" and before:
        settings = replace(settings, model=replace(settings.model, memory=before.model.memory))
    elif settings.model.memory == "auto":
        cost = cost_of(settings.model, sequence[1], workload_of(settings, sequence, processes))
        available = free_memory(device)
        memory = fastest_that_fits(cost, available)
        if memory is None:
            assert available is not None
            ways = [part for way in ways_to_fit(cost, available, settings.accumulate) for part in (" ", *way)]
            raise SettingsError(Setting("model.memory", "auto"), ": nothing fits.", *ways)
        has = "an unknown amount of memory" if available is None else f"{format_bytes(available)} for it"
        said.append(f"memory auto: {memory}, about {format_bytes(cost.training_bytes(memory))}; {device} has {has}")
        settings = replace(settings, model=replace(settings.model, memory=memory))
    return settings, said


def _resumed_step(directory: RunDirectory, settings: RunSettings, data: Data) -> int:
    """Find the optimiser step after which the training goes on.

    Raises:
        SettingsError: it would not be the same training, or the checkpoint is damaged.
    """
    _check_unchanged(directory, settings)
    progress = directory.progress()
    if directory.field() != data.field or (progress.step and progress.fingerprint != data.fingerprint):
        raise SettingsError(
            Setting("resume", True),
            f": the files of {settings.data.name} have changed since {directory.path} was begun; ",
            *ANEW,
        )
    return progress.step


def fixed_on_resume(settings: RunSettings) -> dict[str, Any]:
    """List the settings that a resumed training cannot change, by their names."""
    return {name: value for name, value in _flat(asdict(settings)) if name not in FREE_ON_RESUME}


def _flat(settings: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def _check_unchanged(directory: RunDirectory, settings: RunSettings) -> None:
    """Raise a SettingsError if something that a training depends on has changed."""
    before, now = fixed_on_resume(directory.settings()), fixed_on_resume(settings)
    for name in before | now:
        was, given = (values.get(name, "not given") for values in (before, now))
        if was != given:
            raise _changed(directory, name, was, given)


def _check_same_data(directory: RunDirectory, settings: RunSettings | None, change: Any) -> None:
    """Raise a SettingsError if other data are given, before settings of the run's data are put on them."""
    was, given = directory.settings().data.name, None if settings is None else settings.data.name
    if isinstance(change, Mapping):
        given = change.get("name", given)
    if given not in (None, was):
        raise _changed(directory, "data.name", was, given)


def _changed(directory: RunDirectory, name: str, was: object, given: object) -> SettingsError:
    """Make the error of a setting that a resumed training cannot change."""
    now = f": it is {was} in {directory.path}, {given} was given; "
    return SettingsError(Setting("resume", True), " cannot change ", Setting(name), now, *ANEW)


def _trainer(
    settings: RunSettings,
    length: TrainingLength,
    directory: RunDirectory,
    device: torch.device,
    processes: Processes,
    first_step: int,
) -> Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    callbacks: list[Callback] = [
        BestWeights(directory.weights_file, MONITOR),
        *([] if settings.patience is None else [Patience(MONITOR, patience=settings.patience)]),
        LastCheckpoint(directory, length.steps_per_validation),
    ]
    interactive = sys.stderr.isatty()
    callbacks.append(TrainingBar() if interactive else ValidationLines())
    return Trainer(
        accelerator=device.type,
        devices=processes.devices,
        num_nodes=processes.nodes,
        strategy="ddp" if processes.total > 1 else "auto",
        precision=PRECISIONS[settings.precision],
        max_steps=length.steps,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=length.steps_per_validation * settings.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=1,  # the module logs by itself
        logger=[
            JSONLines(directory.metrics_file),
            TensorBoardLogger(directory.path, name=None, version="tensorboard", purge_step=first_step),
        ],
        callbacks=callbacks,
        plugins=[AtomicCheckpoints(), *environment()],
        enable_checkpointing=False,  # Lightning's own; ours are callbacks
        enable_progress_bar=interactive,
        enable_model_summary=False,
        use_distributed_sampler=False,
        benchmark=device.type == "cuda",  # all batches have one shape
    )
