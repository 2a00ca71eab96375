"""How fast models are against a plain transcription of their equations: `python benchmarks/speed.py` prints tables.

The transcription (`benchmarks/transcription.py`) has the same weights and gives the same numbers; it runs every
convolution of an equation by itself. Everything is timed in turn in one process; ratios are medians of ratios of
neighbouring runs. "transcription / ours" is above 1 where msrnn is faster, "-" where the released code has no unused
branches. For GPUs there is `benchmarks/gpu.py`.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transcription import computes_unused, transcribe

import msrnn
from msrnn.analysis.benchmark import machine
from msrnn.analysis.cost import Cost, Workload
from msrnn.device import autocast
from msrnn.tables import Column, Table

MODELS = ("ms-convlstm", "ms-trajgru", "ms-predrnn", "ms-predrnn++", "ms-mim", "ms-motionrnn", "ms-predrnn-v2")


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def train(model: msrnn.Forecaster, frames: Tensor, context: int, precision: str = "32", memory: str = "keep") -> None:
    model.memory = memory
    with autocast(precision, "cpu"):
        predictions, auxiliary = model(frames, context=context)
    (predictions.square().mean() + auxiliary).backward()
    model.zero_grad(set_to_none=True)


def in_turn(functions: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(seconds(function))
    return times


def ratio(a: list[float] | None, b: list[float]) -> str:
    return "-" if a is None else f"{statistics.median(x / y for x, y in zip(a, b, strict=True)):.2f}"


def compare(name: str, arguments: argparse.Namespace) -> list[str]:
    """A row: this model against its transcriptions, and its memory modes against `keep`."""
    precision, size = arguments.precision, arguments.size
    work = Workload((size, size), arguments.context, arguments.horizon, arguments.batch, precision)
    torch.manual_seed(0)
    ours = msrnn.create_model(name, hidden_channels=arguments.hidden)
    frames = torch.rand(work.batch, work.context + work.horizon, 1, size, size)
    context = frames[:, : work.context]
    others = {"written": transcribe(ours)}
    if computes_unused(ours):
        others["unused"] = transcribe(ours, unused=True)
    expected, _ = others["written"](frames, context=work.context)
    torch.testing.assert_close(ours(frames, context=work.context)[0], expected, rtol=1e-3, atol=1e-4)

    def forecast(model: msrnn.Forecaster, precision: str) -> None:
        with autocast(precision, "cpu"):
            model.forecast(context, horizon=work.horizon)

    training = in_turn(
        {"ours": partial(train, ours, frames, work.context, precision)}
        | {key: partial(train, model, frames, work.context) for key, model in others.items()}
        | {mode: partial(train, ours, frames, work.context, precision, mode) for mode in arguments.modes},
        arguments.repeats,
    )
    forecasting = in_turn(
        {"ours": partial(forecast, ours, precision)}
        | {key: partial(forecast, model, "32") for key, model in others.items()},
        3 * arguments.repeats,
    )
    cost = Cost(lambda: msrnn.create_model(name, hidden_channels=arguments.hidden), work)
    median = statistics.median(training["ours"])
    return [
        name,
        str(work.batch),
        f"{median:.3f}",
        f"{cost.training_flops('keep') / median / 1e12:.3f}",
        *(ratio(training.get(other), training["ours"]) for other in ("written", "unused")),
        *(ratio(forecasting.get(other), forecasting["ours"]) for other in ("written", "unused")),
        *(ratio(training.get(mode), training["ours"]) for mode in ("step", "sqrt")),
    ]


def streaming(name: str, arguments: argparse.Namespace) -> list[str]:
    """A row: a 10-frame forecast after one new frame, by going on from a state and by starting from ten frames."""
    model = msrnn.create_model(name, hidden_channels=arguments.hidden).eval()
    frames = torch.rand(1, 10, 1, arguments.size, arguments.size)
    with torch.no_grad():
        state = None
        for t in range(9):
            _, state = model.step(frames[:, t], state)

        def go_on() -> None:
            own, after = model.step(frames[:, 9], state)
            for _ in range(9):
                own, after = model.step(own, after)

        times = in_turn(
            {"stream": go_on, "again": lambda: model.forecast(frames, horizon=10)},
            arguments.repeats,
        )
    return [name, ratio(times["stream"], times["again"])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--context", type=int, default=10)
    parser.add_argument("--horizon", type=int, default=10)
    parser.add_argument("--modes", nargs="*", default=("step", "sqrt"), help="memory modes beside keep")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    about = machine(torch.device("cpu"))
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"precision {arguments.precision}, {arguments.context} -> {arguments.horizon}, {arguments.repeats} repeats\n")
    theirs = ("transcription / ours", "with unused branches / ours")
    columns = [
        *("model", "batch", "train s", "TFLOP/s"),
        *(f"{what}: {other}" for what in ("train", "forecast") for other in theirs),
        *("step / keep", "sqrt / keep"),
    ]
    for line in Table("", columns, (compare(name, arguments) for name in arguments.models)).markdown_lines():
        print(line, flush=True)
    if arguments.batch == 1:
        print("\nA forecast after one new frame, by going on from a state, divided by one from ten frames:\n")
        rows = (streaming(name, arguments) for name in arguments.models)
        for line in Table("", ["model", Column("one new frame / ten frames")], rows).markdown_lines():
            print(line, flush=True)
