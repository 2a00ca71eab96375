"""Trainings in processes of their own, that tests interrupt and compare."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

INTERRUPTIBLE = (str(Path(__file__).parent / "interruptible.py"),)


def arguments(out: Path, steps: int = 20, **options: Any) -> list[str]:
    """`msrnn train` of a small model on moving digits."""
    settings = {
        "model": "ms-convlstm",
        "model.hidden-channels": 4,
        "data": "moving-mnist",
        "data.digits.size": 16,
        "data.digits.digit-size": 8,
        "data.epoch-samples": steps // 2 * 4,
        "data.validation-samples": 5,
        "context": 2,
        "horizon": 2,
        "epochs": 2,
        "batch-size": 4,
        "learning-rate": 1e-3,
        "precision": "32",
        "device": "cpu",
        "out": out,
    } | {name.replace("_", "-"): value for name, value in options.items()}
    return ["train", *(part for name, value in settings.items() for part in (f"--{name}", str(value)))]


def start(
    command: list[str], program: tuple[str, ...] = ("-m", "msrnn"), prefix: tuple[str, ...] = (), **variables: str
) -> subprocess.Popen[str]:
    """A process group of its own that runs `msrnn` with those arguments."""
    return subprocess.Popen(
        [*prefix, sys.executable, *program, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 240) -> str:
    """What it says until it ends, which must be well."""
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return said


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def checkpoint(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return loaded


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same(run: Path, other: Path, tolerance: float = 0) -> None:
    """Weights, optimiser state and metrics."""
    torch.testing.assert_close(weights(run), weights(other), rtol=tolerance, atol=tolerance)
    ours, theirs = checkpoint(run), checkpoint(other)
    assert ours["global_step"] == theirs["global_step"]
    for part in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(ours[part], theirs[part], rtol=tolerance, atol=tolerance)
    if tolerance == 0:
        assert metrics(run) == metrics(other)
        return
    assert [line["step"] for line in metrics(run)] == [line["step"] for line in metrics(other)]
    for line, reference in zip(metrics(run), metrics(other), strict=True):
        assert line.keys() == reference.keys()
        for name, value in reference.items():
            assert abs(line[name] - value) <= tolerance * max(1, abs(value)), (name, line[name], value)
