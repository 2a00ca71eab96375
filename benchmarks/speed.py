"""How fast models are against a plain transcription of their equations: `python benchmarks/speed.py` prints tables.

The transcription (`benchmarks/transcription.py`) has the same weights and gives the same numbers; it runs every
convolution of an equation by itself. Everything is timed in turn in one process; ratios are medians of ratios of
neighbouring runs, above 1 where msrnn is faster. With `--device cuda`, msrnn is compiled, computes in `--precision`
and channels-last, and the transcription in float32 with TF32.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transcription import transcribe

import msrnn
from msrnn.analysis.benchmark import machine
from msrnn.analysis.cost import Cost, Workload, autocast

MODELS = ("ms-convlstm", "ms-trajgru", "ms-predrnn", "ms-predrnn++", "ms-mim", "ms-motionrnn", "ms-predrnn-v2")


def seconds(function: Callable[[], Any], device: str) -> float:
    if device != "cpu":
        torch.accelerator.synchronize()
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def train(model: msrnn.Forecaster, frames: Tensor, precision: str = "32", memory: str = "keep") -> None:
    model.memory = memory
    with autocast(precision, frames.device.type):
        predictions, auxiliary = model(frames, context=frames.shape[1] // 2)
    (predictions.square().mean() + auxiliary).backward()
    model.zero_grad(set_to_none=True)


def in_turn(functions: dict[str, Callable[[], Any]], repeats: int, device: str) -> dict[str, list[float]]:
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(seconds(function, device))
    return times


def ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def compare(name: str, arguments: argparse.Namespace) -> str:
    """A row: this model against its transcriptions, and its memory modes against `keep`."""
    device, precision = arguments.device, arguments.precision
    size = arguments.size
    torch.manual_seed(0)
    plain = msrnn.create_model(name, hidden_channels=arguments.hidden).to(device)
    frames = torch.rand(arguments.batch, 20, 1, size, size, device=device)
    written, unused = transcribe(plain), transcribe(plain, unused=True)
    expected, _ = written(frames, context=10)
    torch.testing.assert_close(plain(frames, context=10)[0], expected, rtol=1e-3, atol=1e-4)
    ours = plain
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        ours.to(memory_format=torch.channels_last)
        ours.pyramid.compile()
    context = frames[:, :10]

    def forecast(model: msrnn.Forecaster, precision: str) -> None:
        with autocast(precision, device):
            model.forecast(context, horizon=10)

    training = in_turn(
        {
            "ours": lambda: train(ours, frames, precision),
            "written": lambda: train(written, frames),
            "unused": lambda: train(unused, frames),
            "step": lambda: train(ours, frames, precision, "step"),
            "sqrt": lambda: train(ours, frames, precision, "sqrt"),
        },
        arguments.repeats,
        device,
    )
    forecasting = in_turn(
        {
            "ours": lambda: forecast(ours, precision),
            "written": lambda: forecast(written, "32"),
            "unused": lambda: forecast(unused, "32"),
        },
        arguments.repeats,
        device,
    )
    cost = Cost(
        lambda: msrnn.create_model(name, hidden_channels=arguments.hidden),
        Workload((size, size), 10, 10, arguments.batch),
    )
    tflops = cost.training_flops("keep") / statistics.median(training["ours"]) / 1e12
    cells = [
        f"{statistics.median(training['ours']):.3f}",
        f"{tflops:.3f}",
        *(f"{ratio(training[other], training['ours']):.2f}" for other in ("written", "unused")),
        *(f"{ratio(forecasting[other], forecasting['ours']):.2f}" for other in ("written", "unused")),
        *(f"{ratio(training[mode], training['ours']):.2f}" for mode in ("step", "sqrt")),
    ]
    return f"| {name} | {arguments.batch} | {' | '.join(cells)} |"


def streaming(name: str, arguments: argparse.Namespace) -> str:
    """A row: a 10-frame forecast after one new frame, by going on from a state and by starting from ten frames."""
    model = msrnn.create_model(name, hidden_channels=arguments.hidden).to(arguments.device).eval()
    frames = torch.rand(1, 10, 1, arguments.size, arguments.size, device=arguments.device)
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
            arguments.device,
        )
    return f"| {name} | {ratio(times['stream'], times['again']):.1%} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    about = machine(torch.device(arguments.device))
    print(", ".join(f"{key} {value}" for key, value in about.items()), f"\nprecision {arguments.precision}\n")
    head = "| model | batch | train s | TFLOP/s | train: transcription / ours | with unused branches / ours "
    print(head + "| forecast: transcription / ours | with unused branches / ours | step / keep | sqrt / keep |")
    print("|---|" + "---:|" * 9)
    for name in arguments.models:
        print(compare(name, arguments), flush=True)
    print("\n| model | a forecast after one new frame / from ten frames |\n|---|---:|")
    for name in arguments.models:
        print(streaming(name, arguments), flush=True)
