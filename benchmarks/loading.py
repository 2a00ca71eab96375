"""How long training waits for data: `ms-convlstm` on 128x128 crops of a Zarr store.

    python benchmarks/loading.py STORE.zarr [--steps N] [--hidden-channels N]

STORE.zarr is what `msrnn data convert` made. Printed are sequences per second of loading alone and of training alone,
and the share of a training's time that it waits for the next batch, for each number of workers.
"""

import argparse
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import torch

from msrnn.data import open_data
from msrnn.data.loading import training_loader
from msrnn.settings import DataSettings, ModelSettings, RunSettings, TrainingLength
from msrnn.tables import Table
from msrnn.training.module import Training

CONTEXT, HORIZON, BATCH = 10, 10, 4


def steps(settings: RunSettings, workers: int) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
    """Seconds waited for each batch, and the batch; the first, for which workers start, is left out."""
    data = open_data(settings.data, CONTEXT, HORIZON, settings.seed)
    settings = replace(settings, workers=workers)
    length = TrainingLength.of(settings, data.epoch_samples)
    loader = iter(training_loader(data.training(length.steps * BATCH), settings, length.steps))
    next(loader)
    while True:
        began = time.perf_counter()
        try:
            batch = next(loader)
        except StopIteration:
            return
        yield time.perf_counter() - began, *batch


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--hidden-channels", type=int, default=64)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--workers", type=int, nargs="+", default=(0, 1, 2))
    arguments = parser.parse_args()
    crop = arguments.crop, arguments.crop
    settings = RunSettings(
        model=ModelSettings("ms-convlstm", hidden_channels=arguments.hidden_channels),
        data=DataSettings(arguments.store, crop=crop, epoch_samples=arguments.steps * BATCH),
        context=CONTEXT,
        horizon=HORIZON,
        batch_size=BATCH,
        epochs=1,
    )
    field = open_data(settings.data, CONTEXT, HORIZON, settings.seed).field
    module = Training(settings, TrainingLength(arguments.steps, arguments.steps), field, (1, *crop))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step(frames: torch.Tensor) -> float:
        began = time.perf_counter()
        values, valid = field.to_network(frames)
        predictions, _ = module.model(values, context=CONTEXT)
        loss = (valid[:, 1:] * (predictions - values[:, 1:]).abs()).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - began

    print(f"Loading, {date.today()}, {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print(
        f"{arguments.store}: {CONTEXT} + {HORIZON} frames, crops of {crop[0]} x {crop[1]}, batch {BATCH}, "
        f"ms-convlstm with {arguments.hidden_channels} hidden channels, {arguments.steps} steps\n"
    )

    def row(workers: int) -> tuple[str, ...]:
        alone = [seconds for seconds, *_ in steps(settings, workers)]
        waited, worked = 0.0, 0.0
        for seconds, _, frames in steps(settings, workers):
            waited += seconds
            worked += step(frames)
        loading, training = (BATCH * len(alone) / total for total in (sum(alone), worked))
        return str(workers), f"{loading:.1f} / s", f"{training:.2f} / s", f"{waited / (waited + worked):.1%}"

    columns = ["workers", "loading alone", "training alone", "waiting"]
    for line in Table("", columns, map(row, arguments.workers)).markdown_lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
