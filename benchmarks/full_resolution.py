"""One training step of ms-predrnn on the whole German radar frame: `python benchmarks/full_resolution.py`.

900x900 pixels, 5 -> 5 frames, hidden 64, batch 1, memory "sqrt", float32 unless `--precision bf16`. Prints duration and
peak resident memory beside what the cost model foretold; `--size 300` does the same on less. On Linux
`MALLOC_MMAP_THRESHOLD_=1048576` before the command makes the C library give memory back at once.
"""

import argparse
import resource
import sys
import time
from datetime import date

import torch

import msrnn
from msrnn.analysis.cost import Cost, Workload
from msrnn.device import autocast


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=900)
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--memory", choices=("step", "sqrt"), default="sqrt")
    arguments = parser.parse_args()
    workload = Workload((arguments.size,) * 2, context=5, horizon=5, precision=arguments.precision)
    torch.manual_seed(0)
    model = msrnn.create_model("ms-predrnn", memory=arguments.memory)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    frames = torch.rand(1, 10, 1, *workload.size)
    start = time.perf_counter()
    with autocast(arguments.precision, "cpu"):
        predictions, _ = model(frames, context=workload.context)
    loss = (predictions - frames[:, 1:]).square().mean()
    loss.backward()
    optimizer.step()
    seconds = time.perf_counter() - start
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = Cost(lambda: msrnn.create_model("ms-predrnn"), workload)
    flops = cost.training_flops(arguments.memory)
    print(f"{date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"ms-predrnn, {arguments.size}x{arguments.size}, 5 -> 5, {arguments.memory}, precision {arguments.precision}")
    print(f"loss {loss.item():.4f}, {seconds:.0f} s, {flops / 1e12:.1f} TFLOP, {flops / seconds / 1e9:.0f} GFLOP/s")
    print(f"peak resident {resident / 1e9:.1f} GB; foretold {cost.training_bytes(arguments.memory) / 1e9:.1f} GB")
    print(f"with all activations kept: {cost.training_bytes('keep') / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
