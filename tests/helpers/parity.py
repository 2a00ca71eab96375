"""Print agreement with the released code as a table: `MSRNN_REFERENCE_VECTORS=FOLDER python tests/helpers/parity.py`.

FOLDER holds a file for each model (ConvLSTM.safetensors, MS-ConvLSTM.safetensors, ...; MS-ConvLSTM-WO-Skip, -UNet3+ and
-FC for other skips), made with the released code: `frames` (batch, time, channel, y, x), its `predictions`, the paper's
`loss`, its weights under the names they have there as `weights/...`, gradients of that loss as `grads/...`; among the
metadata `preciplstm_window`. The warps of TrajGRU and MotionRNN were corrected first (README.md).
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import msrnn
from msrnn.nn.cells import CELLS
from msrnn.nn.models import MODELS
from msrnn.nn.released import released_row
from msrnn.training.losses import paper

SKIPS = {"-WO-Skip": "none", "-UNet3+": "unet3+", "-FC": "full"}
FOLDER = os.environ.get("MSRNN_REFERENCE_VECTORS")


def named(path: Path) -> tuple[str, dict[str, Any]]:
    """The model and the options that a file name stands for."""
    for ending, skips in SKIPS.items():
        if path.stem.endswith(ending):
            return path.stem.removesuffix(ending).lower(), {"skips": skips}
    return path.stem.lower(), {}


VECTORS = [path for path in sorted(Path(FOLDER).glob("*.safetensors")) if named(path)[0] in MODELS] if FOLDER else []


class Vectors(NamedTuple):
    tensors: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    grads: dict[str, torch.Tensor]
    name: str
    options: dict[str, Any]
    metadata: dict[str, str]


def read_vectors(path: Path) -> Vectors:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    name, options = named(path)
    if "preciplstm" in name:
        options["window"] = int(metadata["preciplstm_window"])
    tensors = load_file(path)
    weights, grads = (
        {key.removeprefix(group): tensor for key, tensor in tensors.items() if key.startswith(group)}
        for group in ("weights/", "grads/")
    )
    return Vectors(tensors, weights, grads, name, options, metadata)


def load(tensors: dict[str, torch.Tensor], name: str, **options: Any) -> msrnn.Forecaster:
    """from_reference without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return msrnn.from_reference(tensors, name, **options)


class Agreement(NamedTuple):
    prediction: float
    """max |ours - theirs| / max(1, max |theirs|)"""
    loss: float
    """relative"""
    gradient: float
    """worst ||ours - theirs|| / ||theirs|| of any weight"""
    parameters: int
    unused: int
    """parameters of the released model that feed nothing, by its own account, or but for rounding"""


def compare(path: Path) -> Agreement:
    vectors = read_vectors(path)
    model = load(vectors.weights, vectors.name, **vectors.options)
    # from_reference sorts and lays out gradients as it does weights
    zeros = {key: torch.zeros_like(weight) for key, weight in vectors.weights.items()}
    expected = load(zeros | vectors.grads, vectors.name, **vectors.options)
    frames, theirs = vectors.tensors["frames"], vectors.tensors["predictions"]
    predictions, auxiliary = model(frames, context=int(vectors.metadata["input_length"]))
    loss = paper(predictions, frames[:, 1:], torch.ones_like(predictions)) + auxiliary
    loss.backward()
    predictions = predictions.detach()
    silent, unused = json.loads(vectors.metadata["no_gradient"]), released_row(MODELS[vectors.name].cell).unused
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    pairs = zip(gradients, expected.parameters(), strict=True)
    return Agreement(
        float((predictions - theirs).abs().max() / max(1, theirs.abs().max())),
        float(abs(loss.detach() / vectors.tensors["loss"] - 1)),
        max(float((ours - grad.detach()).norm() / grad.detach().norm()) for ours, grad in pairs),
        sum(parameter.numel() for parameter in model.parameters()),
        sum(weight.numel() for key, weight in vectors.weights.items() if key in silent or key.endswith(unused)),
    )


def _short(value: float) -> str:
    return f"{value:.0e}" if value else "0"


if __name__ == "__main__":
    if not VECTORS:
        sys.exit("MSRNN_REFERENCE_VECTORS names no folder of vectors")
    rows: dict[str, dict[str, str]] = {}
    for path in VECTORS:
        name, options = named(path)
        cell = next(key for key, row in CELLS.items() if row is MODELS[name].cell)
        form = "plain" if set(MODELS[name].scales) == {1} else "MS"
        agreement = compare(path)
        label = cell + (f", skips {options['skips']}" if options else "")
        rows.setdefault(label, {})[form] = f"{_short(agreement.prediction)} | {_short(agreement.gradient)}"
    print("| cell | predictions | gradients | MS: predictions | MS: gradients |\n|---|---|---|---|---|")
    for label in sorted(rows, key=lambda label: list(CELLS).index(label.split(",")[0])):
        print(f"| {label} | {rows[label].get('plain', '- | -')} | {rows[label].get('MS', '- | -')} |")
