"""Parameters and forward FLOPs of every model, plain and multi-scale: `python benchmarks/flops.py` prints a table.

One 20-frame 64x64 sequence, hidden 64; a multiply and an add are two. Convolutions, matrix products, warps and
attention are counted, gate arithmetic is not.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import date

import torch

import msrnn
from msrnn.analysis.cost import Cost, Workload
from msrnn.nn.cells import CELLS
from msrnn.nn.models import MODELS
from msrnn.tables import Column, Table


def cost(name: str) -> tuple[int, float]:
    """Parameters, and GFLOP of a forward pass."""
    cost = Cost(lambda: msrnn.create_model(name), Workload((64, 64), context=10, horizon=10))
    return cost.parameters, cost.forward_flops / 1e9


def rows(cells: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Cell, parameters, GFLOP of the plain stack and of the pyramid, and their ratio."""
    for cell in cells:
        plain, pyramid = (name for name, model in MODELS.items() if model.cell is CELLS[cell])
        parameters, flops = cost(plain)
        _, ms_flops = cost(pyramid)
        yield cell, parameters, flops, ms_flops, ms_flops / flops


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    arguments = parser.parse_args()
    print(f"{date.today()}, torch {torch.__version__}\n")
    columns: list[Column | str] = [
        "cell",
        Column("parameters", form=","),
        Column("plain: GFLOP", form=".1f"),
        Column("MS: GFLOP", form=".1f"),
        Column("MS / plain", form=".3f"),
    ]
    for line in Table("", columns, rows(arguments.cells)).markdown_lines():
        print(line, flush=True)
