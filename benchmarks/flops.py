"""Parameters and forward FLOPs of every model, plain and multi-scale: `python benchmarks/flops.py` prints a table.

One 20-frame 64x64 sequence, hidden 64; a multiply and an add are two. Convolutions and matrix products are counted, by
torch's own counter on the meta device; warps and gate arithmetic are not.
"""

from datetime import date

import torch
from torch.utils.flop_counter import FlopCounterMode

import msrnn
from msrnn.cells import CELLS
from msrnn.models import MODELS


def cost(name: str) -> tuple[int, float]:
    """Parameters, and GFLOP of a forward pass."""
    model = msrnn.create_model(name).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 20, 1, 64, 64, device="meta"), context=10)
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() / 1e9


if __name__ == "__main__":
    print(f"{date.today()}, torch {torch.__version__}\n")
    print("| cell | parameters | plain: GFLOP | MS: GFLOP | MS / plain |\n|---|---|---|---|---|")
    for cell in CELLS:
        plain, pyramid = (name for name, model in MODELS.items() if model.cell is CELLS[cell])
        parameters, flops = cost(plain)
        _, ms_flops = cost(pyramid)
        print(f"| {cell} | {parameters:,} | {flops:.1f} | {ms_flops:.1f} | {ms_flops / flops:.3f} |")
