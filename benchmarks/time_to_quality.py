"""Quality after a time of training: models, ours and others', trained on one stream for equal CPU seconds.

    python benchmarks/time_to_quality.py train PLAN.yaml --out FOLDER [--only TEXT ...] [--openstl CHECKOUT]
    python benchmarks/time_to_quality.py table FOLDER [--figure PICTURE.svg]

A plan (such as benchmarks/time_to_quality.yaml) names contenders and their trainings. A training has one thread, and
a budget of CPU seconds: those of its steps, batches and scores left out. All see the same sequences in the same order,
forecast freely, and are scored by one code. A training leaves one JSON file in FOLDER; those that are there are not
trained again, and one that was stopped goes on from its last checkpoint. Without a checkout of OpenSTL's source its
models are left out, and the table says so.
"""

import argparse
import json
import math
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from openstl_peers import Recurrent, SimVP, import_models
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from msrnn.analysis.benchmark import machine
from msrnn.atomic import written
from msrnn.data import Data, open_data
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.device import autocast
from msrnn.nn.models import build_model
from msrnn.scores import FrameScores, PixelErrors
from msrnn.settings import RunSettings, merged, settings_from
from msrnn.training.losses import LOSSES, pixel_weights
from msrnn.training.module import learning_rate_factor, training_horizon
from msrnn.training.scheduled_sampling import SCHEDULES, draw_mask

WATCHED = 64
"""Sequences of validation that are scored on the way."""
MARKS = (30, 100, 300, 900)
"""CPU seconds after which they are."""
CHECKPOINT = 120.0
"""CPU seconds between two checkpoints."""
SCORING_BATCH = 8
RESULTS = "*.json"


@dataclass(frozen=True)
class Contender:
    """A model and the way it is trained, as a plan says."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of `msrnn train`."""
    peer: dict[str, Any] | None = None
    """A model of OpenSTL, in the place of ours: its class, and its sizes."""
    optimizer: str = "Adam"
    """A class of `torch.optim`."""
    free_running: bool = False
    """True to feed the model its own output after the context, from the start of the training."""
    horizon_only: bool = False
    """True to leave the frames of the context out of the loss."""


@dataclass(frozen=True)
class Training:
    """One training of a plan."""

    contender: Contender
    data: dict[str, Any]
    precision: str
    learning_rate: float
    seconds: float
    seed: int
    split: str
    sequences: int
    """Sequences of the split that are scored."""

    @property
    def key(self) -> str:
        """Name of its files: readable, with a number of all that it depends on."""
        document = json.dumps(asdict(self), sort_keys=True)
        words = (self.contender.name, self.precision, self.learning_rate, f"{self.seconds:g}s", f"seed{self.seed}")
        name = "-".join(map(str, (*words, self.split))).replace(" ", "_").replace("/", "_")
        return f"{name}-{zlib.crc32(document.encode()):08x}"

    @property
    def run_settings(self) -> RunSettings:
        """Its settings as those of `msrnn train`; a peer has those of the training alone."""
        own = {"precision": self.precision, "learning_rate": self.learning_rate, "seed": self.seed}
        model = {"model": {"name": "ms-convlstm"}} if self.contender.peer else {}
        return settings_from(merged(merged(merged(self.data, model), self.contender.settings), own))


def trainings(plan: dict[str, Any]) -> Iterator[Training]:
    """Yield the trainings of a plan, in its order."""
    contenders = {name: Contender(name, **(about or {})) for name, about in plan["contenders"].items()}
    for group in plan["trainings"]:
        precisions, rates = group["precisions"], group["learning_rates"]
        for seconds, seed, name in product(group["seconds"], group["seeds"], group["contenders"]):
            for precision, rate in product(precisions, rates):
                yield Training(
                    contenders[name],
                    plan["data"][group["data"]],
                    str(precision),
                    float(rate),
                    float(seconds),
                    seed,
                    group["split"],
                    group["sequences"],
                )


class Ours(nn.Module):
    """A model of msrnn, with the loss that trains it."""

    def __init__(self, settings: RunSettings, channels: int) -> None:
        super().__init__()
        self.model = build_model(settings.model, channels)

    def predict(self, frames: Tensor, context: int, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions of frames 1 ... T - 1, and an auxiliary loss."""
        return self.model(frames, context=context, truth_mask=mask)  # type: ignore[no-any-return]

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        """Predict the frames after the context."""
        return self.model.forecast(frames, horizon)


class Peer(nn.Module):
    """A model of OpenSTL, trained on what it predicts: all frames, or those after the context."""

    def __init__(self, models: ModuleType, about: dict[str, Any], shape: tuple[int, ...]) -> None:
        super().__init__()
        sizes = {name: value for name, value in about.items() if name != "model"}
        simvp = about["model"] == "SimVP"
        self.model = SimVP(models, shape, **sizes) if simvp else Recurrent(models, about["model"], shape, **sizes)

    def predict(self, frames: Tensor, context: int, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions of frames 1 ... T - 1, or of those after the context."""
        if isinstance(self.model, SimVP):
            return self.model.forecast(frames[:, :context], frames.shape[1] - context), frames.new_zeros(())
        return self.model(frames, context, mask), frames.new_zeros(())

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        """Predict the frames after the context."""
        return self.model.forecast(frames, horizon)


class Trainer:
    """One training under way."""

    def __init__(self, training: Training, models: ModuleType | None) -> None:
        self.training = training
        self.settings = settings = training.run_settings
        self.data: Data = open_data(settings.data, settings.context, settings.horizon, settings.seed)
        self.sequences: Drawn = self.data.training(1_000_000)
        torch.manual_seed(settings.seed)
        frame = tuple(self.sequences[0].shape[1:])
        if training.contender.peer is None:
            self.model: Ours | Peer = Ours(settings, frame[0])
        else:
            assert models is not None
            self.model = Peer(models, training.contender.peer, (settings.context, *frame))
        parameters = list(self.model.parameters())
        self.optimizer = getattr(torch.optim, training.contender.optimizer)(parameters, lr=settings.learning_rate)
        loss = LOSSES[settings.loss]
        self.loss = loss.function
        self.largest_norm = settings.clip * (math.prod(frame) if loss.sums_over_pixels else 1)
        self.schedule = SCHEDULES[settings.sampling or "scheduled"]
        self.step = 0
        self.seconds = 0.0
        self.flops = 0
        self.curve: list[dict[str, float]] = []

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / self.training.seconds)

    def advance(self) -> None:
        """Make one step of the optimiser; count its CPU seconds."""
        batch = self.settings.batch_size
        samples = range(self.step * batch, (self.step + 1) * batch)
        values = torch.stack([self.sequences[sample] for sample in samples])
        began = time.process_time()
        if self.step == 0:
            with FlopCounterMode(display=False) as counter:
                self._step(values, samples)
            self.flops = counter.get_total_flops()
            began = time.process_time() if self.seconds else began
        else:
            self._step(values, samples)
        self.seconds += time.process_time() - began
        self.step += 1

    def _step(self, values: Tensor, samples: range) -> None:
        settings, contender = self.settings, self.training.contender
        length = settings.context + training_horizon(settings, self.progress)
        frames, valid = self.data.field.to_network(values[:, :length])
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(settings, self.progress)
        progress = 1.0 if contender.free_running else self.progress
        probabilities = self.schedule(progress, settings.context, frames.shape[1])
        mask = draw_mask(probabilities, settings.seed, self.step, list(samples))
        with autocast(settings.precision, "cpu"):
            predictions, auxiliary = self.model.predict(frames, settings.context, mask)
        kept = settings.horizon if contender.horizon_only else predictions.shape[1]
        predictions = predictions[:, -kept:].float()
        first = frames.shape[1] - predictions.shape[1]
        loss = self.loss(predictions, frames[:, first:], pixel_weights(valid[:, first:])) + auxiliary
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        self.optimizer.step()

    def score(self, held_out: HeldOut, count: int) -> dict[str, Any]:
        """Score free-running forecasts of the first sequences of a split."""
        context, horizon = self.settings.context, self.settings.horizon
        scores = [PixelErrors(horizon), FrameScores(horizon)]
        of_each: list[float] = []
        self.model.eval()
        with torch.no_grad(), autocast(self.settings.precision, "cpu"):
            for start in range(0, min(count, len(held_out)), SCORING_BATCH):
                numbers = range(start, min(start + SCORING_BATCH, count, len(held_out)))
                frames, valid = self.data.field.to_network(torch.stack([held_out[number] for number in numbers]))
                forecast = self.model.forecast(frames[:, :context], horizon).float().clamp(0, 1)
                for one in scores:
                    one.update(forecast, frames[:, context:], valid[:, context:])
                of_each += next(v for (name, *_), v in scores[1].of_each().items() if name == "mse_sum").tolist()
        self.model.train()
        values = {name: float(value) for one in scores for (name, *_), value in one.overall().items()}
        return values | {"mse_sum_of_each": [round(value, 3) for value in of_each]}

    def run(self, checkpoint: Path, report: Callable[[str], None]) -> dict[str, Any]:
        """Train until the budget is spent, and score."""
        if checkpoint.exists():
            self._restore(torch.load(checkpoint, weights_only=True))
        saved = self.seconds
        validation = self.data.held_out("validation", on_crops=True)
        marks = [mark for mark in MARKS if self.seconds < mark < self.training.seconds]
        while self.seconds < self.training.seconds:
            self.advance()
            if marks and self.seconds >= marks[0]:
                marks.pop(0)
                values = self.score(validation, WATCHED)
                self.curve.append({"seconds": self.seconds, "mse_sum": values["mse_sum"], "ssim": values["ssim"]})
                report(f"{self.seconds:.0f} s, step {self.step}: {values['mse_sum']:.1f}, {values['ssim']:.3f}")
            if self.seconds - saved >= CHECKPOINT:
                saved = self.seconds
                self._save(checkpoint)
        split = validation if self.training.split == "validation" else self.data.held_out("test")
        values = self.score(split, self.training.sequences)
        report(f"{self.seconds:.0f} s, step {self.step}: {values['mse_sum']:.1f}, {values['ssim']:.3f}")
        return {
            "training": asdict(self.training),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "steps": self.step,
            "cpu_seconds": round(self.seconds, 1),
            "flops_of_step": self.flops,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "scores": values,
            "curve": self.curve,
            "machine": machine(torch.device("cpu")),
        }

    def _save(self, checkpoint: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": [self.step, self.seconds, self.flops],
            "curve": self.curve,
        }
        with written(checkpoint) as partial:
            torch.save(state, partial)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.flops = state["progress"]
        self.curve = state["curve"]


def train(plan: Path, out: Path, only: list[str], openstl: Path | None) -> None:
    """Make the trainings of a plan that are not done yet."""
    torch.set_num_threads(1)
    models = None if openstl is None else import_models(openstl)
    out.mkdir(parents=True, exist_ok=True)
    for training in trainings(yaml.safe_load(plan.read_text(encoding="utf-8"))):
        result = out / f"{training.key}.json"
        if result.exists() or not all(text in training.key for text in only):
            continue
        if training.contender.peer is not None and models is None:
            sys.stderr.write(f"{training.key}: left out, it needs --openstl CHECKOUT\n")
            continue
        checkpoint = result.with_suffix(".pt")

        def report(line: str, key: str = training.key) -> None:
            sys.stderr.write(f"{key}: {line}\n")

        document = Trainer(training, models).run(checkpoint, report)
        with written(result) as partial:
            partial.write_text(json.dumps(document) + "\n", encoding="utf-8")
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train")
    one.add_argument("plan", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--only", nargs="*", default=[], help="train what has all these in its name")
    one.add_argument("--openstl", type=Path, help="a checkout of OpenSTL's source")
    arguments = parser.parse_args()
    if arguments.command == "train":
        train(arguments.plan, arguments.out, arguments.only, arguments.openstl)
