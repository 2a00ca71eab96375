"""Gradient norms of the paper's loss at the start of training, in units of the frame's area.

`python benchmarks/gradient_norms.py` prints a table; `--clip` (default 10) is in the same units.
"""

import argparse
import platform
from collections.abc import Iterator
from datetime import date

import torch

import msrnn
from msrnn.data.digits import load_digits
from msrnn.data.moving_mnist import MovingDigits
from msrnn.tables import Column, Table
from msrnn.training.losses import LOSSES, pixel_weights

MODELS = ("convlstm", "ms-convlstm", "ms-predrnn", "ms-motionrnn")
FRAMES = ((16, 8, 4, 4), (32, 14, 16, 10), (64, 28, 16, 20))
"""Edges of frames and digits in pixels, hidden channels, frames of a sequence."""


def norms(name: str, size: int, digit_size: int, hidden_channels: int, length: int, steps: int) -> list[float]:
    """Gradient norms of the first training steps, divided by the frame's area."""
    torch.manual_seed(0)
    model = msrnn.create_model(name, hidden_channels=hidden_channels)
    data = MovingDigits(load_digits(None, "train", digit_size), 4 * steps, length, (size, size))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    found = []
    for step in range(steps):
        frames = torch.stack([data[4 * step + sample] for sample in range(4)])
        predictions, auxiliary = model(frames, context=length // 2)
        optimiser.zero_grad()
        truth = frames[:, 1:]
        weights = pixel_weights(torch.ones_like(truth, dtype=torch.bool))
        (LOSSES["paper"].function(predictions, truth, weights) + auxiliary).backward()
        gradients = (parameter.grad for parameter in model.parameters() if parameter.grad is not None)
        found.append(float(torch.nn.utils.get_total_norm(gradients)) / size**2)
        optimiser.step()
    return found


def rows(arguments: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    """Model, workload, and the least, mean and largest gradient norm."""
    for name in arguments.models:
        for size, digit_size, hidden, length in FRAMES[: arguments.frames]:
            found = norms(name, size, digit_size, hidden, length, arguments.steps)
            yield name, f"{size}x{size}", hidden, length, min(found), sum(found) / len(found), max(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frames", type=int, default=len(FRAMES), help="how many sizes of frames, the smallest first")
    arguments = parser.parse_args()
    print(f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"first {arguments.steps} steps, batch 4: least, mean and largest gradient norm / frame area\n")
    norm_columns = (Column(name, form=".2f") for name in ("least", "mean", "largest"))
    columns: list[Column | str] = ["model", "frame", "hidden", "frames", *norm_columns]
    for line in Table("", columns, rows(arguments)).markdown_lines():
        print(line, flush=True)
