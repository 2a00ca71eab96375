"""The command `msrnn analyze`."""

import json
import sys
from pathlib import Path
from typing import Any

from msrnn.atomic import written
from msrnn.cli.messages import at_least_one, telling
from msrnn.errors import Setting, SettingsError
from msrnn.settings import Device, Memory, ModelSettings, Precision, Skips

FIGURES = (".png", ".svg", ".pdf")


def analyze(
    model: str,
    /,
    *,
    size: tuple[int, int] | None = None,
    context: int | None = None,
    horizon: int | None = None,
    hidden: int | None = None,
    kernel_size: int | None = None,
    scales: tuple[int, ...] | None = None,
    skips: Skips | None = None,
    patch: int | None = None,
    options: dict[str, Any] | None = None,
    channels: int | None = None,
    batch: int | None = None,
    precision: Precision | None = None,
    memory: Memory | None = None,
    device: Device = "auto",
    output: tuple[str, ...] = (),
) -> None:
    """Say what training a model costs, before it is trained, and how far it sees.

    Parameters, FLOPs, memory by layer and in all modes, plain stack beside pyramid; whether it fits this machine.

    Args:
        model: Name of a model, or a run directory.
        size: Height and width of the frames that training sees, in pixels. Default: 64 64, or as in the run.
        context: Frames that are given. Default: 10, or as in the run.
        horizon: Frames that are predicted. Default: 10, or as in the run.
        hidden: Channels of every recurrent layer. Default: 64.
        kernel_size: Edge of the cells' convolutions. Default: 3.
        scales: One per layer: it works at 1/scale of the resolution. Default: what the name says.
        skips: Which earlier layers' outputs are added to a layer's input. Default: as the name says.
        patch: Edge in pixels of the patches that the network works on: 1, 2, 4 or 8. Default: 1.
        options: The cell's own options, e.g. links=13 for trajgru.
        channels: Channels of a frame. Default: 1, or as in the run.
        batch: Sequences at a time. Default: 4, or as in the run.
        precision: Of the computation: 32, 64 or bf16. Default: 32, or as in the run.
        memory: What training is to hold: keep, step or sqrt. Default: keep, or as in the run.
        device: Where it is to be trained.
        output: Files to write as well: .json with all numbers, .png, .svg or .pdf with the figure.
    """
    for name in output:
        if Path(name).suffix not in (".json", *FIGURES):
            figures = ", ".join(FIGURES)
            raise SettingsError(Setting("output", name), f": write something.json, or {figures} for the figure")
    numbers = {"context": context, "horizon": horizon, "batch": batch, "channels": channels, "hidden": hidden}
    at_least_one(**{name: value for name, value in numbers.items() if value is not None})
    if size is not None:
        at_least_one(size=min(size))
    from msrnn.analysis.analyze import analyze_model, analyze_run
    from msrnn.analysis.cost import Workload
    from msrnn.cli.commands import spelling

    changes: dict[str, Any] = {"hidden_channels": hidden, "kernel_size": kernel_size, "scales": scales}
    changes |= {"skips": skips, "patch": patch, "options": options}
    given = {name: value for name, value in changes.items() if value is not None}
    with telling("counting, and measuring how far it sees: seconds to a minute"):
        if Path(model).is_dir():
            from msrnn.runs.predictor import load

            predictor = load(model, "cpu")
            run = predictor.settings
            if given or channels is not None:
                fixed = "--hidden, --kernel-size, --scales, --skips, --patch, --options and --channels"
                raise SettingsError(f"{model} is a run: leave out {fixed}, or name a model")
            lengths = context or run.context, horizon or run.horizon, batch or run.batch_size // run.accumulate
            analysis = analyze_run(predictor, size, *lengths, precision or run.precision, memory, device)
        elif Path(model).name != model:
            raise SettingsError(f"{model}: no such run directory; name one, or a model")
        else:
            settings = ModelSettings(model, **given, memory=memory or "keep")
            work = (size or (64, 64), context or 10, horizon or 10, batch or 4)
            analysis = analyze_model(settings, channels or 1, Workload(*work, precision or "32"), device)
        table = analysis.table(spelling("train"))
    sys.stdout.write(table)
    for name in output:
        with written(Path(name)) as path:
            if Path(name).suffix == ".json":
                path.write_text(json.dumps(analysis.document(), indent=1) + "\n", encoding="utf-8")
            else:
                analysis.figure().savefig(path)
        sys.stderr.write(f"{name}: written\n")
