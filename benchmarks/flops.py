"""Parameters and forward FLOPs of every model, plain and multi-scale: `python benchmarks/flops.py` prints a table.

One 20-frame 64x64 sequence, hidden 64; a multiply and an add are two. Convolutions, matrix products, warps and
attention are counted, gate arithmetic is not.
"""

from datetime import date

import torch

import msrnn
from msrnn.analysis.cost import Cost, Workload
from msrnn.nn.cells import CELLS
from msrnn.nn.models import MODELS


def cost(name: str) -> tuple[int, float]:
    """Parameters, and GFLOP of a forward pass."""
    cost = Cost(lambda: msrnn.create_model(name), Workload((64, 64), context=10, horizon=10))
    return cost.parameters, cost.forward_flops / 1e9


if __name__ == "__main__":
    print(f"{date.today()}, torch {torch.__version__}\n")
    print("| cell | parameters | plain: GFLOP | MS: GFLOP | MS / plain |\n|---|---|---|---|---|")
    for cell in CELLS:
        plain, pyramid = (name for name, model in MODELS.items() if model.cell is CELLS[cell])
        parameters, flops = cost(plain)
        _, ms_flops = cost(pyramid)
        print(f"| {cell} | {parameters:,} | {flops:.1f} | {ms_flops:.1f} | {ms_flops / flops:.3f} |")
