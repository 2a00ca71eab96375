"""Quality after a time of training: models, ours and OpenSTL's, trained on one stream for equal CPU seconds.

    python benchmarks/time_to_quality.py measure PLAN.yaml --out FOLDER [--openstl CHECKOUT]
    python benchmarks/time_to_quality.py train PLAN.yaml --out FOLDER [--only TEXT ...] [--jobs N] [--openstl CHECKOUT]
    python benchmarks/time_to_quality.py table FOLDER [--figure PICTURE.svg]

A plan (`benchmarks/time_to_quality.yaml`) names contenders, and stages of trainings with budgets of CPU seconds. What
an optimiser step takes on one thread is measured once, all contenders in turn in one process, and kept in costs.json: a
training makes as many steps as fit into its budget at that cost, so that a busy machine changes no result. Making
batches and scoring do not count. All contenders see the same sequences in the same order and forecast freely, and one
code scores them. A training leaves one JSON file in FOLDER. One that has its file is not trained again; one that was
stopped goes on from its last checkpoint. Without a checkout of OpenSTL's source its models are left out, and the table
says so.
"""

import argparse
import json
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from matplotlib.figure import Figure
from openstl_peers import Recurrent, SimVP, import_models
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from msrnn.analysis.benchmark import machine
from msrnn.atomic import written
from msrnn.data import Data, open_data
from msrnn.data.held_out import Drawn, HeldOut
from msrnn.device import autocast
from msrnn.nn.models import build_model
from msrnn.plots.figures import run_colours, save_figure
from msrnn.scores import FrameScores, PixelErrors
from msrnn.scores.bootstrap import block_weights
from msrnn.settings import RunSettings, Split, merged, settings_from
from msrnn.tables import Column, Table
from msrnn.training.losses import LOSSES, pixel_weights
from msrnn.training.module import learning_rate_factor, training_horizon
from msrnn.training.scheduled_sampling import SCHEDULES, draw_mask

CHECKPOINT = 60.0
"""CPU seconds between two checkpoints."""
ROUNDS = 7
"""Times that each step is timed, after once that does not count."""
COSTS = "costs.json"
SCORING_BATCH = 8


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
    truncate: int = 0
    """Steps that gradients go back in time; 0: all."""
    first_kernel: int = 1
    """Edge of the convolution that reads patches, in patches."""
    against: str | None = None
    """The contender whose errors its own are divided by."""


@dataclass(frozen=True)
class Training:
    """One training of a plan."""

    stage: str
    contender: Contender
    data: dict[str, Any]
    precision: str
    learning_rate: float
    seconds: float
    seed: int
    split: Split
    sequences: int
    """Sequences of the split that are scored."""

    @property
    def key(self) -> str:
        """Name of its files: readable, with a number of all that it depends on."""
        document = json.dumps(asdict(self), sort_keys=True)
        contender = re.sub(r"\W+", "_", self.contender.name)
        words = (self.stage, contender, self.precision, self.learning_rate, f"{self.seconds:g}s", f"seed{self.seed}")
        return "-".join(map(str, (*words, f"{zlib.crc32(document.encode()):08x}")))

    @property
    def cost_key(self) -> str:
        """Name of what a step costs: a number of all that this depends on."""
        parts = {"contender": asdict(self.contender), "data": self.data, "precision": self.precision}
        return f"{zlib.crc32(json.dumps(parts, sort_keys=True).encode()):08x}"

    @property
    def run_settings(self) -> RunSettings:
        """Its settings as those of `msrnn train`; a peer has those of the training alone.

        An environment variable in the name of the data is its value.
        """
        own: dict[str, Any] = {"precision": self.precision, "learning_rate": self.learning_rate, "seed": self.seed}
        own |= {"model": {"name": "ms-convlstm"}} if self.contender.peer else {}
        if name := self.data["data"].get("name"):
            own["data"] = {"name": os.path.expandvars(name)}
        return settings_from(merged(merged(self.data, self.contender.settings), own))


def trainings(plan: dict[str, Any]) -> Iterator[Training]:
    """Yield the trainings of a plan, in its order."""
    contenders = {name: Contender(name, **(about or {})) for name, about in plan["contenders"].items()}
    for group in plan["trainings"]:
        data = plan["data"][group["data"]]
        for seconds, seed, name in product(group["seconds"], group["seeds"], group["contenders"]):
            for precision, rate in product(group["precisions"], group["learning_rates"]):
                training = (contenders[name], data, str(precision), float(rate), float(seconds), seed)
                yield Training(group["stage"], *training, group["split"], group["sequences"])


class Ours(nn.Module):
    """A model of msrnn."""

    def __init__(self, settings: RunSettings, channels: int, contender: Contender) -> None:
        super().__init__()
        self.model = build_model(settings.model, channels)
        self.truncate = contender.truncate
        if contender.first_kernel > 1:
            first, kernel = self.model.embed, contender.first_kernel
            self.model.embed = nn.Conv2d(first.in_channels, first.out_channels, kernel, padding=kernel // 2)

    def predict(self, frames: Tensor, context: int, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions of frames 1 ... T - 1, and an auxiliary loss."""
        if not self.truncate:
            return self.model(frames, context=context, truth_mask=mask)  # type: ignore[no-any-return]
        own, state = self.model.step(frames[:, 0])
        made = [own]
        for t in range(1, frames.shape[1] - 1):
            if t % self.truncate == 0:
                own, state = tree_map_only(Tensor, Tensor.detach, (own, state))
            own, state = self.model.step(torch.where(mask[:, t, None, None, None], frames[:, t], own), state)
            made.append(own)
        return torch.stack(made, dim=1), frames.new_zeros(())

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


class Cost(NamedTuple):
    """CPU seconds, or floating-point operations, of an optimiser step."""

    short: float
    """With one frame to predict."""
    full: float
    """With the whole horizon."""

    def of(self, horizon: int, longest: int) -> float:
        """Interpolate for a horizon."""
        return self.full - (self.full - self.short) * (longest - horizon) / max(longest - 1, 1)


class Trainer:
    """One training under way."""

    def __init__(self, training: Training, models: ModuleType | None, cost: Cost) -> None:
        self.training = training
        self.cost = cost
        self.settings = settings = training.run_settings
        self.data: Data = open_data(settings.data, settings.context, settings.horizon, settings.seed)
        self.sequences: Drawn = self.data.training(1_000_000)
        torch.manual_seed(settings.seed)
        frame = tuple(self.sequences[0].shape[1:])
        if training.contender.peer is None:
            self.model: Ours | Peer = Ours(settings, frame[0], training.contender)
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
        self.horizons: Counter[int] = Counter()
        """Steps so far, by horizon."""

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / self.training.seconds)

    def advance(self) -> None:
        """Make one step of the optimiser; count its CPU seconds."""
        horizon = training_horizon(self.settings, self.progress)
        self.take_step(horizon)
        self.seconds += self.cost.of(horizon, self.settings.horizon)
        self.horizons[horizon] += 1
        self.step += 1

    def take_step(self, horizon: int) -> float:
        """Make one step; return its CPU seconds, without those of making the batch."""
        batch, progress = self.settings.batch_size, self.progress
        samples = range(self.step * batch, (self.step + 1) * batch)
        values = torch.stack([self.sequences[sample] for sample in samples])
        began = time.process_time()
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * learning_rate_factor(self.settings, progress)
        self.optimizer.zero_grad(set_to_none=True)
        self._loss(values, samples, horizon, progress).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        self.optimizer.step()
        return time.process_time() - began

    def flops(self) -> float:
        """Count the floating-point operations of the steps so far."""
        longest, batch = self.settings.horizon, range(self.settings.batch_size)
        values = torch.stack([self.sequences[sample] for sample in batch])
        counted = []
        for horizon in (1, longest):
            with FlopCounterMode(display=False) as counter:
                self._loss(values, batch, horizon, progress=1).backward()
            counted.append(counter.get_total_flops())
        self.optimizer.zero_grad(set_to_none=True)
        return sum(count * Cost(*counted).of(horizon, longest) for horizon, count in self.horizons.items())

    def _loss(self, values: Tensor, samples: range, horizon: int, progress: float) -> Tensor:
        settings, contender = self.settings, self.training.contender
        frames, valid = self.data.field.to_network(values[:, : settings.context + horizon])
        probabilities = self.schedule(1.0 if contender.free_running else progress, settings.context, frames.shape[1])
        mask = draw_mask(probabilities, settings.seed, self.step, list(samples))
        with autocast(settings.precision, "cpu"):
            predictions, auxiliary = self.model.predict(frames, settings.context, mask)
        if contender.horizon_only:
            predictions = predictions[:, -horizon:]
        first = frames.shape[1] - predictions.shape[1]
        loss = self.loss(predictions.float(), frames[:, first:], pixel_weights(valid[:, first:]))
        return loss + auxiliary

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
        while self.seconds < self.training.seconds:
            self.advance()
            if self.seconds - saved >= CHECKPOINT:
                saved = self.seconds
                self._save(checkpoint)
                report(f"{self.seconds:.0f} s, step {self.step}")
        split = self.data.held_out(self.training.split, on_crops=True)
        values = self.score(split, self.training.sequences)
        report(f"{self.seconds:.0f} s, step {self.step}: {values['mse_sum']:.1f}, {values['ssim']:.3f}")
        return {
            "training": asdict(self.training),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "steps": self.step,
            "cpu_seconds": round(self.seconds, 3),
            "flops": self.flops(),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "scores": values,
            "machine": machine(torch.device("cpu")),
        }

    def _save(self, checkpoint: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": [self.step, self.seconds],
            "horizons": dict(self.horizons),
            "draws": torch.get_rng_state(),
        }
        with written(checkpoint) as partial:
            torch.save(state, partial)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["progress"]
        self.horizons = Counter(state["horizons"])
        torch.set_rng_state(state["draws"])


def measure(plan: Path, out: Path, openstl: Path | None) -> None:
    """Time a step of every contender of a plan, all in turn, and keep the medians beside those that are there."""
    torch.set_num_threads(1)
    models = None if openstl is None else import_models(openstl)
    found = {training.cost_key: training for training in trainings(read_plan(plan))}
    able = {key: one for key, one in found.items() if one.contender.peer is None or models}
    trainers = {key: Trainer(one, models, Cost(0, 0)) for key, one in able.items()}
    times: dict[str, list[list[float]]] = {key: [[], []] for key in trainers}
    for number in range(ROUNDS + 1):
        sys.stderr.write(f"round {number} of {ROUNDS}\n")
        for key, trainer in trainers.items():
            for taken, horizon in zip(times[key], (1, trainer.settings.horizon), strict=True):
                taken.append(trainer.take_step(horizon))
    about = machine(torch.device("cpu"))
    costs = {
        key: {
            "contender": found[key].contender.name,
            "precision": found[key].precision,
            "seconds": [statistics.median(taken[1:]) for taken in both],
            "machine": about,
        }
        for key, both in times.items()
    }
    path = out / COSTS
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    with written(path) as partial:
        partial.write_text(json.dumps(before | costs, indent=1) + "\n", encoding="utf-8")


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan."""
    plan: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return plan


def train(plan: Path, out: Path, only: Sequence[str], jobs: int, openstl: Path | None) -> None:
    """Make the trainings of a plan that are not done yet, each in a process of its own."""
    wanted = []
    for training in trainings(read_plan(plan)):
        if (out / f"{training.key}.json").exists() or not all(text in training.key for text in only):
            continue
        if training.contender.peer is not None and openstl is None:
            sys.stderr.write(f"{training.key}: left out, it needs --openstl CHECKOUT\n")
            continue
        wanted.append(training)

    def start(training: Training) -> bool:
        command = [sys.executable, __file__, "one", json.dumps(asdict(training)), "--out", str(out)]
        command += ["--openstl", str(openstl)] if openstl else []
        return subprocess.run(command, check=False).returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        if not all(list(pool.map(start, wanted))):
            sys.exit("some trainings failed: see above; the others are done")


def train_one(training: Training, out: Path, openstl: Path | None) -> None:
    """Make one training, and leave its file."""
    torch.set_num_threads(1)
    costs = json.loads((out / COSTS).read_text(encoding="utf-8")) if (out / COSTS).exists() else {}
    if training.cost_key not in costs:
        sys.exit(f"{training.key}: what its step costs is not known; first: time_to_quality.py measure")
    cost = Cost(*costs[training.cost_key]["seconds"])
    result = out / f"{training.key}.json"
    checkpoint = result.with_suffix(".pt")

    def report(line: str) -> None:
        sys.stderr.write(f"{training.key}: {line}\n")

    document = Trainer(training, None if openstl is None else import_models(openstl), cost).run(checkpoint, report)
    with written(result) as partial:
        partial.write_text(json.dumps(document) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)


class Entry:
    """Trainings of one contender that differ in nothing but the seed."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        self.results = sorted(results, key=lambda result: int(result["training"]["seed"]))
        self.training = self.results[0]["training"]
        self.name: str = self.training["contender"]["name"]

    def mean(self, *path: str) -> float:
        """Average a number of the results."""
        values = []
        for result in self.results:
            value: Any = result
            for key in path:
                value = value[key]
            values.append(float(value))
        return sum(values) / len(values)

    @property
    def errors(self) -> np.ndarray:
        """Squared error per frame of each sequence, mean over seeds."""
        each: np.ndarray = np.array([result["scores"]["mse_sum_of_each"] for result in self.results])
        return np.asarray(each.mean(axis=0))

    def against(self, other: "Entry") -> str:
        """Divide the mean squared error by another's, with the 95 % interval over sequences."""
        ours, theirs = self.errors, other.errors
        weights = block_weights(range(len(ours))).numpy()
        low, high = np.quantile((ours @ weights) / (theirs @ weights), (0.025, 0.975))
        return f"{ours.mean() / theirs.mean():.2f} ({low:.2f} - {high:.2f})"


def entries(folder: Path) -> dict[str, list[Entry]]:
    """Read the results of a folder, by stage: contenders, budgets and settings in order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(set(folder.glob("*.json")) - {folder / COSTS}):
        result = json.loads(path.read_text(encoding="utf-8"))
        training = result["training"] | {"seed": None}
        groups.setdefault(json.dumps(training, sort_keys=True), []).append(result)
    stages: dict[str, list[Entry]] = {}
    for entry in map(Entry, groups.values()):
        stages.setdefault(entry.training["stage"], []).append(entry)
    order = ("precision", "learning_rate")
    for found in stages.values():
        found.sort(key=lambda entry: (entry.training["seconds"], entry.name, *(entry.training[key] for key in order)))
    return stages


def table(stage: str, found: list[Entry]) -> Table:
    """Tabulate the trainings of a stage."""
    columns = [
        Column("model", align="<"),
        Column("parameters", form=",.0f"),
        *(Column(name) for name in ("precision", "learning rate")),
        Column("CPU s", form="g"),
        Column("seeds"),
        Column("steps", form=",.0f"),
        Column("s per step", form=".3f"),
        Column("TFLOP", form=".1f"),
        Column("peak MiB", form=".0f"),
        Column("MSE per frame", form=".1f"),
        Column("SSIM", form=".3f"),
        Column("MSE / that of"),
    ]
    rows = []
    for entry in found:
        training = entry.training
        other = _compared(entry, found)
        rows.append(
            (
                entry.name,
                entry.mean("parameters"),
                training["precision"],
                f"{training['learning_rate']:g}",
                training["seconds"],
                str(len(entry.results)),
                entry.mean("steps"),
                entry.mean("cpu_seconds") / entry.mean("steps"),
                entry.mean("flops") / 1e12,
                entry.mean("peak_mib"),
                entry.mean("scores", "mse_sum"),
                entry.mean("scores", "ssim"),
                f"{other.name}: {entry.against(other)}" if other else "",
            )
        )
    split, data = found[0].training["split"], found[0].training["data"].get("data", {}).get("name", "moving digits")
    count = found[0].training["sequences"]
    return Table(f"{stage}: {data}, {count} sequences of {split}", columns, rows)


def _compared(entry: Entry, found: list[Entry]) -> Entry | None:
    """Find what a contender is compared with: at equal seconds, and equal settings, if there are several."""
    name, seconds = entry.training["contender"]["against"], entry.training["seconds"]
    like = [one for one in found if (one.name, one.training["seconds"]) == (name, seconds)]
    for key in ("precision", "learning_rate"):
        if len(like) > 1:
            like = [one for one in like if one.training[key] == entry.training[key]]
    return like[0] if like else None


def draw(stages: dict[str, list[Entry]], path: Path) -> None:
    """Draw MSE and SSIM against CPU seconds and FLOPs, of the stages whose names begin with "final"."""
    found = [entry for stage, of_stage in stages.items() if stage.startswith("final") for entry in of_stage]
    names = sorted({entry.name for entry in found})
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col")
    for name, colour in run_colours(names).items():
        own = [entry for entry in found if entry.name == name]
        own.sort(key=lambda entry: float(entry.training["seconds"]))
        for row, score in enumerate(("mse_sum", "ssim")):
            values = [entry.mean("scores", score) for entry in own]
            for column, work in enumerate(
                ([e.mean("cpu_seconds") for e in own], [e.mean("flops") / 1e12 for e in own])
            ):
                panels[row, column].plot(work, values, color=colour, marker="o", markersize=4, label=name)
    for row, label in enumerate(("squared error per frame", "SSIM")):
        panels[row, 0].set_ylabel(label)
    for column, label in enumerate(("CPU seconds of training, one thread", "TFLOP of training")):
        panels[1, column].set(xlabel=label, xscale="log")
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    timed = commands.add_parser("measure", help="measure what a step costs")
    several = commands.add_parser("train", help="make the trainings of a plan")
    for command in (timed, several):
        command.add_argument("plan", type=Path)
    several.add_argument("--only", nargs="*", default=[], help="train what has all these in its name")
    several.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    one = commands.add_parser("one", help="make one training (JSON)")
    one.add_argument("training", type=json.loads)
    for command in (timed, several, one):
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--openstl", type=Path, help="a checkout of OpenSTL's source")
    tables = commands.add_parser("table", help="print the tables of what is done")
    tables.add_argument("folder", type=Path)
    tables.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        measure(arguments.plan, arguments.out, arguments.openstl)
    elif arguments.command == "train":
        train(arguments.plan, arguments.out, arguments.only, arguments.jobs, arguments.openstl)
    elif arguments.command == "one":
        document = arguments.training
        training = Training(**document | {"contender": Contender(**document["contender"])})
        train_one(training, arguments.out, arguments.openstl)
    else:
        stages = entries(arguments.folder)
        for stage, found in stages.items():
            sys.stdout.write(table(stage, found).markdown() + "\n")
        if not any(entry.training["contender"]["peer"] for found in stages.values() for entry in found):
            sys.stdout.write("OpenSTL's models are left out: no checkout of its source was given.\n")
        if arguments.figure:
            draw(stages, arguments.figure)


if __name__ == "__main__":
    main()
