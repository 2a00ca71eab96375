"""The command `msrnn analyze`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msrnn.atomic import written
from msrnn.cli.messages import at_least_one, telling
from msrnn.errors import Setting, SettingsError
from msrnn.settings import Device, Memory, ModelSettings, Patch, Precision, Skips

if TYPE_CHECKING:
    from msrnn.analysis.summary import Analysis
    from msrnn.runs.predictor import Predictor

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
    patch: Patch | None = None,
    options: dict[str, Any] | None = None,
    channels: int | None = None,
    batch: int | None = None,
    precision: Precision | None = None,
    memory: Memory | None = None,
    device: Device = "auto",
    forecast: bool = False,
    output: tuple[str, ...] = (),
) -> None:
    """Say what training a model costs, before it is trained, and how far it sees; or what a forecast costs.

    Parameters, FLOPs, memory by layer and in all modes, plain stack beside pyramid; whether it fits this machine.

    Args:
        model: Name of a model, or a run directory.
        size: Height and width of the frames that training sees, in pixels. Default: 64 64, or as in the run; with
            --forecast of a run it must be given.
        context: Frames that are given. Default: 10, or as in the run.
        horizon: Frames that are predicted. Default: 10, or as in the run.
        hidden: Channels of every recurrent layer. Default: 64.
        kernel_size: Edge of the cells' convolutions. Default: 3.
        scales: One per layer: it works at 1/scale of the resolution. Default: what the name says.
        skips: Which earlier layers' outputs are added to a layer's input. Default: as the name says.
        patch: Edge in pixels of the patches that the network works on: 1, 2, 4 or 8. Default: 1.
        options: The cell's own options, e.g. links=13 for trajgru.
        channels: Channels of a frame. Default: 1, or as in the run.
        batch: Sequences at a time. Default: 4, or as in the run; with --forecast 1.
        precision: Of the computation: 32, 64 or bf16. Default: 32, or as in the run; with --forecast 32, and bf16 where
            the device has it.
        memory: What training is to hold: keep, step or sqrt. Default: keep, or as in the run.
        device: Where it is to be trained, or to forecast.
        forecast: Say time and memory of a forecast instead.
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
    changes: dict[str, Any] = {"hidden_channels": hidden, "kernel_size": kernel_size, "scales": scales}
    changes |= {"skips": skips, "patch": patch, "options": options}
    given = {name: value for name, value in changes.items() if value is not None}
    predictor = _predictor(model, own=bool(given) or channels is not None)
    run = predictor.settings if predictor else None
    settings = run.model if run else ModelSettings(model, **given, memory=memory or "keep")
    lengths = (context or run.context, horizon or run.horizon) if run else (context or 10, horizon or 10)
    from msrnn.analysis.cost import Workload

    if forecast:
        _check_forecast(memory, output, size, of_run=run is not None)
        from msrnn.analysis.forecasting import forecast_table

        in_channels = predictor.field.channels if predictor else channels or 1
        with telling("timing a few steps"):
            work = Workload(size or (64, 64), *lengths, batch or 1)
            table = forecast_table(settings, in_channels, work, precision, device)
        sys.stdout.write(f"{table.text(80)}\nPython and its libraries take some 300 MiB more.\n")
        return
    from msrnn.analysis.analyze import analyze_model, analyze_run
    from msrnn.cli.commands import spelling

    with telling("counting, and measuring how far it sees: seconds to a minute"):
        if predictor and run:
            each = batch or run.batch_size // run.accumulate
            analysis = analyze_run(predictor, size, *lengths, each, precision or run.precision, memory, device)
        else:
            work = Workload(size or (64, 64), *lengths, batch or 4, precision or "32")
            analysis = analyze_model(settings, channels or 1, work, device)
        text = analysis.table(spelling("train"))
    sys.stdout.write(text)
    for name in output:
        _write(Path(name), analysis)
        sys.stderr.write(f"{name}: written\n")


def _predictor(model: str, own: bool) -> "Predictor | None":
    """Load a run; None for the name of a model, which alone can have settings of its `own`."""
    if not Path(model).is_dir():
        if Path(model).name != model:
            raise SettingsError(f"{model}: no such run directory; name one, or a model")
        return None
    if own:
        fixed = "--hidden, --kernel-size, --scales, --skips, --patch, --options and --channels"
        raise SettingsError(f"{model} is a run: leave out {fixed}, or name a model")
    from msrnn.runs.predictor import load

    return load(model, "cpu")


def _write(output: Path, analysis: "Analysis") -> None:
    """Write all numbers, or the figure."""
    with written(output) as path:
        if output.suffix == ".json":
            path.write_text(json.dumps(analysis.document(), indent=1) + "\n", encoding="utf-8")
        else:
            analysis.figure().savefig(path)


def _check_forecast(memory: Memory | None, output: tuple[str, ...], size: tuple[int, int] | None, of_run: bool) -> None:
    """Raise a SettingsError if a setting is not for the cost of a forecast, or one is missing."""
    for setting, value in (("memory", memory), ("output", output)):
        if value:
            raise SettingsError(Setting(setting), " is not for ", Setting("forecast", True), ": leave one of them out")
    if of_run and size is None:
        raise SettingsError(Setting("size"), " must be given: a run forecasts frames of any size")
