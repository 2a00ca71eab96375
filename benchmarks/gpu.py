"""How fast models are on a GPU: `python benchmarks/gpu.py` prints tables; it needs torch and numpy alone.

msrnn, compiled, in bfloat16 and channels-last, against a plain transcription of the equations
(`benchmarks/transcription.py`) in float32 with TF32 in eager mode; both with cuDNN's search for the fastest
convolutions. Models are compiled each in a process of its own, `--at-once` of them beside each other; then these are
timed in turn, nothing beside them. FLOPs are those of the cost model, which counts what the equations ask for. Columns:
training with the transcription, ms and peak GiB; msrnn in `keep` with CUDA graphs, ms, TFLOP/s and how many times as
fast; in `keep` and in `step` without CUDA graphs, ms, peak GiB, how many times as fast, and by what the peak is
divided; a forecast of both in ms, and how many times as fast. `--check` compares forecasts and gradients with those of
a CPU in float64.
"""

import argparse
import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from speed import MODELS
from torch import Tensor, multiprocessing
from torch._inductor import metrics
from torch._inductor.scheduler import ExternKernelSchedulerNode
from torch._logging._internal import set_logs
from transcription import transcribe

import msrnn
from msrnn.analysis.benchmark import machine
from msrnn.analysis.cost import Cost, Workload
from msrnn.device import autocast

HIDDEN, SIZE, CONTEXT, HORIZON = 64, 64, 10, 10
AnyModule = TypeVar("AnyModule", bound=torch.nn.Module)


def on_gpu(module: AnyModule) -> AnyModule:
    """Move a module to the GPU, channels last; torch's types do not know that modules have a memory format."""
    moved: AnyModule = module.to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def backpropagate(model: msrnn.Forecaster, frames: Tensor, context: int, precision: str) -> Tensor:
    """Forecasts; gradients are left in the weights."""
    with autocast(precision, frames.device.type):
        predictions, auxiliary = model(frames, context=context)
    torch.autograd.backward(predictions.square().mean() + auxiliary)
    result: Tensor = predictions.detach()
    return result


def seconds(function: Callable[[], object], repeats: int) -> float:
    """The median, after two runs that do not count."""
    times = []
    for _ in range(repeats + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def peak(function: Callable[[], object]) -> int:
    """Bytes allocated at once, above those before."""
    function()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    function()
    return torch.cuda.max_memory_allocated() - before


def ceilings() -> dict[str, float]:
    """What this GPU does at best: copying, matrix products, and the largest convolution of MS-ConvLSTM at batch 64."""
    source = torch.rand(2**30, device="cuda")
    target = torch.empty_like(source)
    copying = seconds(partial(target.copy_, source), 10)
    del source, target
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    multiplying = seconds(partial(torch.matmul, a, a), 10)
    conv = on_gpu(torch.nn.Conv2d(128, 256, 3, padding=1).bfloat16())
    x = torch.randn(64, 128, 64, 64, device="cuda", dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    gradient = conv(x).detach()
    flops = 2 * 9 * 128 * 256 * 64 * 64 * 64

    def backward(which: list[bool]) -> None:
        torch.ops.aten.convolution_backward(
            gradient, x, conv.weight, [256], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, which
        )

    return {
        "copy, TB/s read and written": 8 * 2**30 / copying / 1e12,
        "8192x8192x8192 product in bfloat16, TFLOP/s": 2 * 8192**3 / multiplying / 1e12,
        "convolution forward, TFLOP/s": flops / seconds(lambda: conv(x), 10) / 1e12,
        "convolution backward to x, TFLOP/s": flops / seconds(lambda: backward([True, False, False]), 10) / 1e12,
        "convolution backward to the weight, TFLOP/s": flops
        / seconds(lambda: backward([False, True, False]), 10)
        / 1e12,
    }


@contextmanager
def tensor_float(allowed: bool) -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    yield
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = before


def results(model: msrnn.Forecaster, frames: Tensor, context: int, precision: str) -> Tensor:
    """Forecasts, then gradients."""
    predictions = backpropagate(model, frames, context, precision)
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return torch.cat([part.flatten().cpu().double() for part in (predictions, *gradients)])


def differences(got: Tensor, expected: Tensor, forecasts: int) -> tuple[float, float]:
    """Of forecasts and of gradients, relative."""
    parts = slice(forecasts), slice(forecasts, None)
    one, other = (float((got[part] - expected[part]).norm() / expected[part].norm()) for part in parts)
    return one, other


def checked(name: str) -> str:
    """How far a GPU is from a CPU in float64, in float32 and in bfloat16."""
    torch.manual_seed(0)
    exact = msrnn.create_model(name, hidden_channels=16).double()
    frames = torch.rand(3, 8, 1, 32, 32, dtype=torch.float64)
    expected = results(exact, frames, 4, "64")
    cells = []
    for precision in ("32", "bf16"):
        model = on_gpu(copy.deepcopy(exact).float())
        with tensor_float(False):
            got = results(model, frames.float().cuda(), 4, precision)
        cells += [f"{value:.1e}" for value in differences(got, expected, frames[:, 1:].numel())]
    return f"| {name} | {' | '.join(cells)} |"


def by_kernel(function: Callable[[], object]) -> Counter[str]:
    """Seconds of a run on the GPU, of all fused kernels, of all of libraries, and of each."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        function()
        torch.cuda.synchronize()
    spent: Counter[str] = Counter()
    for event in profile.key_averages():
        own = event.self_device_time_total / 1e6
        kind = "fused" if event.key.startswith("triton") else "library"
        spent[kind] += own
        spent[f"{kind}: {event.key[:80]} ({event.count} times)"] += own
    return spent


def fused_bytes() -> int:
    """What the fused kernels of the graphs compiled so far read and write."""
    nodes = metrics.nodes_num_elem
    return sum(4 * elements for node, elements in nodes if not isinstance(node, ExternKernelSchedulerNode))


class Case:
    """One model on the GPU, compiled with and without CUDA graphs, and its transcription."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.name = name
        plain = msrnn.create_model(name, hidden_channels=HIDDEN)
        self.other = transcribe(plain).cuda()
        self.model, self.graphs = (on_gpu(copy.deepcopy(plain)) for _ in range(2))
        self.model.compile(dynamic=False)
        self.graphs.compile(dynamic=False, mode="reduce-overhead")

    def frames(self, batch: int, steps: int = CONTEXT + HORIZON) -> Tensor:
        return torch.rand(batch, steps, 1, SIZE, SIZE, device="cuda")

    def train(self, model: msrnn.Forecaster, frames: Tensor, memory: str = "keep") -> None:
        model.memory = memory
        backpropagate(model, frames, min(CONTEXT, frames.shape[1] - 1), "bf16")
        model.zero_grad()

    def train_other(self, frames: Tensor) -> None:
        with tensor_float(True):
            backpropagate(self.other, frames, CONTEXT, "32")
        self.other.zero_grad()

    def forecast(self, frames: Tensor) -> None:
        with autocast("bf16", "cuda"):
            self.graphs.forecast(frames[:, :CONTEXT], HORIZON)

    def forecast_other(self, frames: Tensor) -> None:
        with tensor_float(True):
            self.other.forecast(frames[:, :CONTEXT], HORIZON)

    def compile(self, batches: list[int]) -> str:
        """Training for all batch sizes, forecasts for the first; what that took and how far off its results are."""
        metrics.reset()
        set_logs(inductor_metrics=True)  # else bytes are not counted
        start = time.perf_counter()
        frames = self.frames(batches[0], 3)
        got = results(self.model, frames, 2, "bf16")
        spent, self.moved = time.perf_counter() - start, fused_bytes()
        set_logs()
        with tensor_float(False):
            found = differences(got, results(self.other, frames, 2, "32"), frames[:, 1:].numel())
        self.train(self.model, frames, "step")  # what it runs without gradients is compiled too
        for batch in batches:
            results(self.graphs, self.frames(batch, 3), 2, "bf16")
        self.forecast(self.frames(batches[0]))
        for model in (self.model, self.graphs, self.other):
            model.zero_grad()
        return (
            f"compiled {self.name} in {spent:.0f} s; forecasts {found[0]:.1e} off, gradients {found[1]:.1e}; "
            f"fused kernels move {self.moved / 1e9:.3f} GB a time step"
        )

    def flops(self, batch: int, memory: str) -> float:
        """Of a training step, in 10^12."""
        work = Workload((SIZE, SIZE), CONTEXT, HORIZON, batch, "bf16")
        cost = Cost(lambda: msrnn.create_model(self.name, hidden_channels=HIDDEN), work)
        return cost.training_flops(memory) / 1e12

    def row(self, batch: int, repeats: int) -> str:
        """Training and forecasting beside the transcription."""
        frames = self.frames(batch)
        theirs = partial(self.train_other, frames)
        slow, most = seconds(theirs, repeats), peak(theirs)
        cells = [f"{slow * 1e3:.1f}", f"{most / 2**30:.2f}"]
        fastest = seconds(partial(self.train, self.graphs, frames), repeats)
        cells += [f"{fastest * 1e3:.1f}", f"{self.flops(batch, 'keep') / fastest:.0f}", f"{slow / fastest:.2f}"]
        for mode in ("keep", "step"):
            step = partial(self.train, self.model, frames, mode)
            spent, held = seconds(step, repeats), peak(step)
            cells += [f"{spent * 1e3:.1f}", f"{held / 2**30:.2f}", f"{slow / spent:.2f}", f"{most / held:.1f}"]
        slow = seconds(partial(self.forecast_other, frames), repeats)
        fast = seconds(partial(self.forecast, frames), repeats)
        cells += [f"{slow * 1e3:.1f}", f"{fast * 1e3:.1f}", f"{slow / fast:.2f}"]
        return f"| {self.name} | {' | '.join(cells)} |"

    def large(self, batch: int, repeats: int) -> str:
        """Training at another batch size, with CUDA graphs."""
        spent = seconds(partial(self.train, self.graphs, self.frames(batch)), repeats)
        return f"{self.name}, batch {batch}: {spent * 1e3:.1f} ms, {self.flops(batch, 'keep') / spent:.0f} TFLOP/s"

    def kernels(self, batch: int, most: int) -> str:
        """What a training step without CUDA graphs spends its time on."""
        step = partial(self.train, self.model, self.frames(batch))
        step()
        spent = by_kernel(step)
        rate = self.moved * (CONTEXT + HORIZON - 1) / spent["fused"] / 1e12
        top = sorted(spent.items(), key=lambda item: -item[1])[:most]
        lines = "\n".join(f"  {value * 1e3:8.2f} ms {key}" for key, value in top)
        return f"{self.name}, fused kernels at {rate:.2f} TB/s\n{lines}"


def report(name: str, arguments: argparse.Namespace, together: Any, alone: Any) -> None:
    """Compile one model beside the others, then time it alone."""
    torch.backends.cudnn.benchmark = True
    large = arguments.large if name == arguments.models[0] else []
    try:
        case = Case(name)
        print(case.compile([arguments.batch, *large]), flush=True)
    finally:
        together.wait()  # one that fails does not keep the others waiting
    with alone:
        print(case.row(arguments.batch, arguments.repeats), flush=True)
        for batch in large:
            print(case.large(batch, arguments.repeats), flush=True)
        if arguments.profile:
            print(case.kernels(arguments.batch, arguments.profile), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--large", type=int, nargs="*", default=[], help="more batch sizes, for the first model's training"
    )
    parser.add_argument("--at-once", type=int, default=3, help="models that are compiled beside each other")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", type=int, default=0, help="show so many kernels of a training step")
    parser.add_argument("--check", action="store_true", help="compare with a CPU in float64, and no more")
    arguments = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine(torch.device("cuda")).items()), flush=True)
    if arguments.check:
        for name in arguments.models:
            print(checked(name), flush=True)
        raise SystemExit
    context = multiprocessing.get_context("spawn")
    for first in range(0, len(arguments.models), arguments.at_once):
        names = arguments.models[first : first + arguments.at_once]
        together, alone = context.Barrier(len(names)), context.Lock()
        processes = [context.Process(target=report, args=(name, arguments, together, alone)) for name in names]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    for what, value in ceilings().items():
        print(f"ceiling: {what} {value:.2f}")
