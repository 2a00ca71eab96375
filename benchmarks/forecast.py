"""What a forecast costs on one core: `python benchmarks/forecast.py` prints a table.

Each row is a forecast of full frames in a process of its own, with one thread: CPU seconds of the forecast, the share
of them that the system takes (to map pages anew), and the most memory that the process holds, Python and torch
included. Weights are not trained, which changes no time.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch
import yaml

import msrnn
from msrnn.analysis.benchmark import machine
from msrnn.device import autocast, keep_freed_memory
from msrnn.tables import Column, Table

RECIPES = Path(__file__).parent.parent / "recipes"
MODELS: dict[str, dict[str, Any]] = {
    "ms-convlstm, the paper's": {"name": "ms-convlstm"},
    "ms-convlstm, scales (2, 4, 8, 8, 4, 2)": {"name": "ms-convlstm", "scales": [2, 4, 8, 8, 4, 2]},
    "ms-convlstm, hidden 16": {"name": "ms-convlstm", "hidden_channels": 16},
    "ms-predrnn, the paper's": {"name": "ms-predrnn"},
    "recipes/fast.yaml": yaml.safe_load((RECIPES / "fast.yaml").read_text(encoding="utf-8"))["model"],
}


def measure(model: dict[str, Any], precision: str, keep: bool, arguments: argparse.Namespace) -> dict[str, float]:
    """Make one forecast in this process."""
    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    forecaster = msrnn.create_model(**model).eval()
    frames = torch.rand(1, arguments.context, 1, *arguments.size)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    with torch.no_grad(), autocast(precision, "cpu"):
        for lead in forecaster.leads(frames, arguments.horizon):
            del lead
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.process_time() - began
    return {
        "seconds": seconds,
        "system": (after.ru_stime - before.ru_stime) / seconds,
        "mib": after.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--size", type=int, nargs=2, default=(765, 700))
    parser.add_argument("--context", type=int, default=5)
    parser.add_argument("--horizon", type=int, default=12)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        model, precision, keep = json.loads(arguments.one)
        print(json.dumps(measure(model, precision, keep, arguments)))
        return
    about = machine(torch.device("cpu")) | {"threads": 1}
    height, width = arguments.size
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"{arguments.context} -> {arguments.horizon} frames of {height}x{width}\n")
    columns = [
        Column("model", align="<"),
        *(Column(name) for name in ("precision", "memory kept")),
        Column("CPU s", form=".1f"),
        Column("system", form=".0%"),
        Column("peak MiB", form=",.0f"),
    ]

    def rows() -> Any:
        for name, precision, keep in product(arguments.models, ("32", "bf16"), (False, True)):
            lengths = ("--context", arguments.context, "--horizon", arguments.horizon, "--size", *arguments.size)
            command = [sys.executable, __file__, "--one", json.dumps([MODELS[name], precision, keep]), *lengths]
            told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
            numbers = json.loads(told)
            yield name, precision, "yes" if keep else "no", numbers["seconds"], numbers["system"], numbers["mib"]

    for line in Table("", columns, rows()).markdown_lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
