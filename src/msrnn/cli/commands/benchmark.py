"""The command `msrnn benchmark`."""

import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from msrnn.cli.messages import at_least_one, show, telling
from msrnn.errors import Setting, SettingsError
from msrnn.settings import Device, Memory, ModelSettings, Precision

if TYPE_CHECKING:
    from msrnn.nn.forecaster import Forecaster


def benchmark(
    *,
    models: tuple[str, ...] = ("ms-convlstm", "ms-predrnn"),
    memory: tuple[Memory, ...] = ("keep", "step", "sqrt"),
    precision: tuple[Precision, ...] = ("32",),
    size: tuple[int, int] = (64, 64),
    context: int = 10,
    horizon: int = 10,
    hidden: int = 64,
    batch: int = 1,
    repeats: int = 5,
    compile: bool = False,
    device: Device = "auto",
    output: str = "benchmark.json",
    compare: str | None = None,
) -> None:
    """Measure how fast models train and forecast on this machine, and what they hold in memory.

    Prints a table and writes every number, with the machine, to a JSON file.

    Args:
        models: Names of models; all for all of them.
        memory: Memory modes, of keep, step and sqrt.
        precision: Of the computation, of 32, 64 and bf16.
        size: Height and width of a frame in pixels.
        context: Frames that are given.
        horizon: Frames that are predicted.
        hidden: Channels of every recurrent layer.
        batch: Sequences at a time.
        repeats: How often each is timed, in turn; the median counts.
        compile: Compile each time step with torch.compile.
        device: Where to compute.
        output: The file to write.
        compare: An earlier file; a second table holds this run's numbers divided by its.
    """
    at_least_one(size=min(size), context=context, horizon=horizon, hidden=hidden, batch=batch, repeats=repeats)
    if Path(output).suffix != ".json":
        raise SettingsError(Setting("output", output), ": write something.json")
    if compare is not None and Path(compare).resolve() == Path(output).resolve():
        another = ("; choose another ", Setting("output"))
        raise SettingsError(Setting("compare", compare), ": that file would be overwritten", *another)
    import torch

    from msrnn.analysis.benchmark import Benchmark, measure, work_of
    from msrnn.analysis.cost import Workload
    from msrnn.device import find_device
    from msrnn.nn.models import MODELS, build_model

    before = None if compare is None else Benchmark.read(Path(compare))
    if not Path(output).resolve().parent.is_dir():
        raise SettingsError(Setting("output", output), f": there is no folder {Path(output).parent}")
    where = find_device(device)
    names = tuple(MODELS) if models == ("all",) else models

    def build(name: str) -> "Forecaster":
        return build_model(ModelSettings(name, hidden_channels=hidden), channels=1)

    torch.manual_seed(0)
    for name in names:
        build(name)  # what is not possible is said before anything is measured
    work = Workload(size, context, horizon, batch)
    if before is not None:
        before.check_like(list(product(names, memory, precision)), work_of(work, hidden))
    with telling("measuring"):
        done = measure(build, names, memory, precision, work, where, repeats, compile, show)
    sys.stdout.write(done.table())
    if before is not None:
        sys.stdout.write(f"\n{done.compared(before, str(compare))}")
    done.save(Path(output))
    sys.stderr.write(f"{output}: written\n")
