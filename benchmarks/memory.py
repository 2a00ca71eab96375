"""What training holds in every memory mode: `python benchmarks/memory.py` prints a table.

One 20-frame 64x64 sequence, batch 1, hidden 64. Saved: bytes that the forward pass makes and leaves alive; peak: most
bytes alive at once in the forward and backward pass, gradients of weights included; both counted as storages are made
and die (`msrnn.analysis.counting`), with fake tensors, which leave the same traces as real ones and cost no time.
"""

import argparse
from datetime import date

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import msrnn
from msrnn.analysis.cost import follow
from msrnn.nn.recompute import MODES
from msrnn.tables import Column, Table


def measured(name: str, memory: str, precision: str) -> tuple[float, float]:
    """Saved and peak, in MiB."""
    with FakeTensorMode():
        model = msrnn.create_model(name, memory=memory)
        trace = follow(model, torch.empty(1, 20, 1, 64, 64), 10, precision)
    return trace.saved / 2**20, trace.peak / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=msrnn.list_models())
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    arguments = parser.parse_args()
    print(f"{date.today()}, torch {torch.__version__}, precision {arguments.precision}, MiB\n")
    columns: list[Column | str] = [
        "model",
        *(Column(f"{mode} {what}", form=".1f") for mode in MODES for what in ("saved", "peak")),
    ]
    rows = (
        (name, *(value for mode in MODES for value in measured(name, mode, arguments.precision)))
        for name in arguments.models
    )
    for line in Table("", columns, rows).markdown_lines():
        print(line, flush=True)
