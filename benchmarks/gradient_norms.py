"""Gradient norms of the paper's loss at the start of training, in units of the frame's area.

`python benchmarks/gradient_norms.py` prints a table; `--clip` (default 10) is in the same units.
"""

import platform
from datetime import date

import torch

import msrnn
from msrnn.data.digits import load_digits
from msrnn.data.moving_mnist import MovingDigits
from msrnn.training.losses import paper

STEPS = 20


def norms(name: str, size: int, digit_size: int, hidden_channels: int, length: int) -> list[float]:
    torch.manual_seed(0)
    model = msrnn.create_model(name, hidden_channels=hidden_channels)
    data = MovingDigits(load_digits(None, "train", digit_size), 4 * STEPS, length, (size, size))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    found = []
    for step in range(STEPS):
        frames = torch.stack([data[4 * step + sample] for sample in range(4)])
        predictions, auxiliary = model(frames, context=length // 2)
        optimiser.zero_grad()
        (paper(predictions, frames[:, 1:]) + auxiliary).backward()
        found.append(float(torch.nn.utils.get_total_norm(p.grad for p in model.parameters())) / size**2)
        optimiser.step()
    return found


if __name__ == "__main__":
    print(f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"first {STEPS} steps, batch 4: least, mean and largest gradient norm / frame area\n")
    print("| model | frame | hidden | frames | least | mean | largest |\n|---|---|---|---|---|---|---|")
    for name in ("convlstm", "ms-convlstm", "ms-predrnn", "ms-motionrnn"):
        for size, digit_size, hidden, length in ((16, 8, 4, 4), (32, 14, 16, 10), (64, 28, 16, 20)):
            found = norms(name, size, digit_size, hidden, length)
            row = f"{min(found):.2f} | {sum(found) / STEPS:.2f} | {max(found):.2f}"
            print(f"| {name} | {size}x{size} | {hidden} | {length} | {row} |")
