"""What a state in bfloat16 changes in forecasts: `python benchmarks/half_state.py` prints a table.

Models (hidden 16) learn moving digits (32x32, 5 -> 10) for a while in float32. Then the same weights forecast sequences
that they have not seen in float32, in bfloat16 with the state in float32, and in bfloat16 throughout
(`half_state`, the default under autocast).
"""

import argparse

import torch
from torch import Tensor

import msrnn
from msrnn.analysis.benchmark import machine
from msrnn.data import Data, open_data
from msrnn.device import autocast
from msrnn.settings import DataSettings, DigitsSettings
from msrnn.tables import Column, Table

CONTEXT, HORIZON, BATCH, TEST = 5, 10, 4, 16


def trained(name: str, steps: int) -> msrnn.Forecaster:
    torch.manual_seed(0)
    model = msrnn.create_model(name, hidden_channels=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    sequences = digits().training(steps * BATCH)
    for step in range(steps):
        frames = torch.stack([sequences[step * BATCH + number] for number in range(BATCH)])
        predictions, auxiliary = model(frames, context=CONTEXT)
        loss = (predictions - frames[:, 1:]).square().mean() + auxiliary
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def digits() -> Data:
    settings = DataSettings(name="moving-mnist", digits=DigitsSettings(size=(32, 32), digit_size=16, number=1))
    return open_data(settings, CONTEXT, HORIZON, seed=0)


def row(name: str, steps: int) -> tuple[object, ...]:
    """Model, MSE of persistence and in each precision, and how far the latter two are from float32."""
    model = trained(name, steps)
    test = digits().held_out("test")
    frames = torch.stack([test[number] for number in range(TEST)])
    context, truth = frames[:, :CONTEXT], frames[:, CONTEXT:]

    def forecast(precision: str, half_state: bool) -> Tensor:
        model.half_state = half_state
        with autocast(precision, "cpu"):
            return model.forecast(context, HORIZON).float()

    single, mixed, half = forecast("32", True), forecast("bf16", False), forecast("bf16", True)
    errors = (float((frames - truth).square().mean()) for frames in (single, mixed, half))
    differences = (float((frames - single).square().mean().sqrt()) for frames in (mixed, half))
    persistence = (context[:, -1:] - truth).square().mean()
    return name, float(persistence), *errors, *differences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=msrnn.list_models())
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine(torch.device("cpu")).items()))
    print(f"{arguments.steps} steps of training, batch {BATCH}\n")
    headings = ("persistence", "MSE float32", "MSE bf16, state float32", "MSE bf16")
    changes = ("RMS change, state float32", "RMS change")
    columns: list[Column | str] = ["model", *(Column(name, form=".5f") for name in (*headings, *changes))]
    rows = (row(name, arguments.steps) for name in arguments.models)
    for line in Table("", columns, rows).markdown_lines():
        print(line, flush=True)
