"""The `msrnn` command."""

import argparse
import errno
import json
import re
import shutil
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from inspect import signature
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msrnn
from msrnn.atomic import written
from msrnn.cli.parsing import Parser, add_data_overrides, add_run_settings, normalised, option, run_settings
from msrnn.errors import AbandonedError, DiskFullError, NotFiniteError, Setting, SettingsError, StoppedError, join
from msrnn.settings import (
    Device,
    Memory,
    ModelSettings,
    Precision,
    ReaderSettings,
    Skips,
    Split,
    UnitName,
    settings_from,
)

if TYPE_CHECKING:
    from msrnn.nn.forecaster import Forecaster


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    What was asked and is not possible ends with one line on standard error and exit code 2; what cannot go on, as the
    disk is full or numbers are not finite, with 1; Ctrl-C with 130, SIGTERM with 143.
    """
    argv = sys.argv[1:] if argv is None else argv
    spell = partial(option, argv[0] if argv else "")
    try:
        _run(normalised(argv))
    except SettingsError as error:
        _leave(error.text(spell), 2)
    except StoppedError as error:
        _leave(error.text(spell), 128 + error.signal)
    except (DiskFullError, NotFiniteError) as error:
        _leave(error.text(spell), 1)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _leave(message, 1 if error.errno == errno.ENOSPC else 2)
    except AbandonedError as error:
        _leave(join(error.parts, spell), 128 + signal.SIGINT)
    except KeyboardInterrupt:
        _leave("interrupted", 128 + signal.SIGINT)


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"msrnn: {' '.join(message.split())}\n")
    sys.exit(code)


def _run(argv: list[str]) -> None:
    parser = Parser(
        prog="msrnn", description="Predict the next frames of a field that moves.", version=msrnn.__version__
    )
    commands = parser.add_subcommands(dest="command", metavar="COMMAND")
    training = _train_parser(argv)
    commands.add_subcommand("train", training, help="train a model")
    function: Callable[..., None]
    for function in (evaluate, predict, report, analyze, benchmark, experiment, demo):
        command = _command(function)
        if function is report:
            command.add_argument("runs", nargs="+", type=str, metavar="RUN", help="Run directories; the first leads.")
        elif function is analyze:
            command.add_argument("model", type=str, metavar="MODEL", help="Name of a model, or a run directory.")
        elif function is experiment:
            command.add_argument("table", type=str, metavar="TABLE", help="A YAML file: models x data x seeds.")
        elif function in (evaluate, predict):
            command.add_argument("run", metavar="RUN", help="A run directory that `msrnn train` made.")
        if function is predict:
            command.add_argument("--input", nargs="+", type=str, required=True, metavar="FILE", help=INPUT)
        own = {"run", "runs", "data", "input", "table"} | ({"model"} if function is analyze else set())
        _add_options(command, function, own)
        if function is evaluate:
            add_data_overrides(command)
        commands.add_subcommand(function.__name__, command, help=_first_line(function))
    data = Parser(usage="msrnn data inspect PATH | convert PATH --to OUT.zarr", description="Look at files of frames.")
    commands.add_subcommand("data", data, help="look at files of frames, or make one store of them")
    actions = data.add_subcommands(dest="action", metavar="ACTION")
    for function in (inspect, convert):
        action = _command(function)
        action.add_argument("path", nargs="+", type=str, metavar="PATH", help=INPUT)
        _add_options(action, function, {"path"})
        actions.add_subcommand(function.__name__, action, help=_first_line(function))
    try:
        parsed = parser.parse_args(argv)
    except UnicodeDecodeError as error:
        raise SettingsError(Setting("config"), ": that is no YAML file") from error
    options = parsed[parsed.command]
    if parsed.command == "train":
        from lightning.pytorch.utilities import rank_zero_only

        from msrnn.training.train import train

        with _terminated(f"nothing is lost; go on with the same command and --resume, into {options.out}"):
            train(run_settings(options), options.out, options.resume, options.init_from)
        rank_zero_only(sys.stderr.write)(f"{options.out}: trained; next: msrnn evaluate {options.out}\n")
    elif parsed.command == "evaluate":
        evaluate(**(options.as_dict() | {"data": options.as_dict().get("data", {})}))
    else:
        functions: dict[str, Callable[..., None]] = {
            "predict": predict,
            "report": report,
            "analyze": analyze,
            "benchmark": benchmark,
            "experiment": experiment,
            "demo": demo,
            "inspect": inspect,
            "convert": convert,
        }
        name = options.action if parsed.command == "data" else parsed.command
        functions[name](**(options[name] if parsed.command == "data" else options).as_dict())


@contextmanager
def _terminated(message: str) -> Iterator[None]:
    """SIGTERM says what to do where the training does not yet hear it."""

    def stop(number: int, _: object) -> None:
        raise StoppedError(number, f"{signal.Signals(number).name}: {message}")

    alone = threading.current_thread() is threading.main_thread()  # no other hears signals
    before = signal.signal(signal.SIGTERM, stop) if alone else None
    try:
        yield
    finally:
        if alone:
            signal.signal(signal.SIGTERM, before)


INPUT = "A file, a folder, a pattern in quotes, or several of these."


def _first_line(function: Callable[..., None]) -> str:
    first = (function.__doc__ or "").partition("\n")[0]
    return first[0].lower() + first[1:].rstrip(".")


def _command(function: Callable[..., None]) -> Parser:
    return Parser(usage=USAGE[function], description=(function.__doc__ or "").partition("\n")[0])


def _add_options(parser: Parser, function: Callable[..., None], own: set[str]) -> None:
    """A function's parameters as options; flags need no value."""
    flags: set[str] = {name for name, parameter in signature(function).parameters.items() if parameter.default is False}
    parser.add_function_arguments(function, as_group=False, skip={*own, *flags})
    for flag in sorted(flags):
        text = re.search(rf"^ +{flag}: (.*)$", function.__doc__ or "", re.MULTILINE)
        parser.add_argument(f"--{flag}", action="store_true", help=text[1] if text else "")


def _train_parser(argv: list[str]) -> Parser:
    """The parser of `msrnn train`; with --resume, the run's settings are the defaults."""
    parser = Parser(
        usage="msrnn train --model NAME --out DIRECTORY [options]",
        description="Train a model and leave everything in a run directory.",
    )
    parser.add_argument("--config", action="config", help="A YAML recipe: any of the options below.")
    parser.add_argument("--out", type=str, required=True, metavar="DIRECTORY", help="The run directory to make.")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="Go on with the run in --out, from its last checkpoint; begin it, if there is none.",
    )
    parser.add_argument("--init_from", type=str, metavar="RUN", help="Run directory whose weights to start from.")
    add_run_settings(parser)
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--out", nargs="?")  # what is wrong is the other parser's to say
    early.add_argument("--resume", action="store_true")
    given, _ = early.parse_known_args(argv)
    if argv[:1] == ["train"] and given.resume and given.out:
        from msrnn.runs.directory import RunDirectory

        run = RunDirectory(given.out)
        if run.begun or not any(re.match("--(model|config)", argument) for argument in argv):
            stored = parser.parse_object(run.document() | {"out": given.out})
            stored.pop("config", None)
            parser.set_defaults(stored)
    return parser


def evaluate(
    run: str,
    data: dict[str, Any],
    context: int | None = None,
    horizon: int | None = None,
    split: Split = "test",
    protocol: Literal["forecast", "paper"] = "forecast",
    baselines: tuple[str, ...] = (),
    thresholds: tuple[float, ...] | None = None,
    windows: tuple[int, ...] = (5, 15, 45),
    lpips: bool = False,
    batch_size: int | None = None,
    workers: int = 0,
    device: Device = "auto",
) -> None:
    """Score a trained model on held-out sequences, beside persistence, extrapolation and the like.

    Prints a table and leaves it, and every number, in the run directory: scores.txt, scores.csv and scores.json, with
    what differs from the default in the name.

    Args:
        run: The run directory.
        data: Settings of the data that differ from the training's.
        context: Frames that are given. Default: as in training.
        horizon: Frames that are predicted. Default: as in training.
        split: Which sequences.
        protocol: forecast: the frames after the context, clipped to the valid range; paper: all but the first, those
            of the context forecast from true ones, not clipped, as MS-RNN's released code does.
        baselines: Further ones: constant (the best constant image), extrapolation, directories of earlier runs.
            Persistence is there always, and for rain extrapolation, for other data constant.
        thresholds: An event is a pixel at or above it, in mm/h for rain, else in the data's units. Default: 0.5 2 5 10
            30 for rain, none for other data.
        windows: Edges of the windows of the fractions skill score, in pixels.
        lpips: Score LPIPS too; needs torchvision and, the first time, a network.
        batch_size: Sequences at a time. Default: 16, or fewer of large frames.
        workers: Processes that make batches.
        device: Where to compute.
    """
    if batch_size is not None and batch_size < 1:
        raise SettingsError(Setting("batch_size", batch_size), " must be at least 1")
    if workers < 0:
        raise SettingsError(Setting("workers", workers), " must not be negative")
    from msrnn.evaluation.evaluate import Scoring
    from msrnn.evaluation.evaluate import evaluate as score
    from msrnn.runs.directory import RunDirectory
    from msrnn.runs.predictor import load

    directory = RunDirectory(run)
    document = directory.document()
    changes = {key: value for key, value in (("context", context), ("horizon", horizon)) if value is not None}
    stored = document["data"]
    if data.get("name", stored["name"]) != stored["name"] or {"shares", "split"} & data.keys():
        stored |= {"validation_from": None, "test_from": None}  # these are the training archive's
    if data.get("name", "moving-mnist") != "moving-mnist":
        stored.pop("digits", None)
    given = data | ({"digits": stored.get("digits", {}) | data["digits"]} if "digits" in data else {})
    settings = settings_from(document | changes | {"data": stored | given})
    scoring = Scoring(split, protocol, baselines, thresholds, windows, lpips)
    evaluation = score(load(run, device), settings, scoring, batch_size, workers)
    default = asdict(Scoring())
    changes |= data | data.get("digits", {})
    changes |= {name: value for name, value in asdict(scoring).items() if value != default[name]}
    differs = "".join(f"-{key}={_in_a_name(value)}" for key, value in changes.items() if key != "digits")
    sys.stdout.write(evaluation.table())
    evaluation.save(directory.path / f"scores{_short_name(differs)}")


def _in_a_name(value: Any) -> str:
    parts = [str(part) for part in (value if isinstance(value, list | tuple) else [value])]
    places = "".join(str(Path(part).resolve()) for part in parts if Path(part).name != part)
    number = f"-{zlib.crc32(places.encode()):08x}" if places else ""  # of two folders with the same last part
    return re.sub(r"[^\w.-]+", "_", "x".join(Path(part).name for part in parts)) + number


def _short_name(text: str) -> str:
    """The text; a long one is cut, and numbered by what is cut off."""
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}-{zlib.crc32(text.encode()):08x}"


LONGEST_NAME = 120


def predict(
    run: str,
    input: list[str],
    output: str,
    context: int | None = None,
    horizon: int | None = None,
    reader: str | None = None,
    reader_options: dict[str, Any] | None = None,
    units: UnitName | None = None,
    interval_minutes: float | None = None,
    device: Device = "auto",
    overwrite: bool = False,
    skip_bad: bool = False,
) -> None:
    """Forecast from files of your own.

    Args:
        run: The run directory.
        input: What to forecast from; its last frames are the context.
        output: The forecast: .nc or .zarr (with coordinates, times and units), .npy; with the context .gif, .mp4, .png.
        context: How many of the last frames to use. Default: as in training.
        horizon: Frames to predict. Default: as in training.
        reader: Reader of the files. Default: that of the training's files, or by the first file's content.
        reader_options: Options of the reader, as KEY=VALUE.
        units: Units of the numbers. Default: as in training for files of the same format; else what the files say.
        interval_minutes: Interval of units mm. Default: likewise.
        device: Where to compute.
        overwrite: Replace the output if it exists.
        skip_bad: Leave out files that cannot be used.
    """
    from msrnn.runs.from_files import predict_files

    settings = ReaderSettings(reader, reader_options or {}, units, interval_minutes, skip_bad)
    sys.stderr.write(predict_files(run, input, Path(output), settings, context, horizon, device, overwrite) + "\n")


def report(runs: list[str], output: str | None = None, sequences: int = 6, device: Device = "auto") -> None:
    """Write one HTML page about runs: scores with intervals, training curves, forecasts to play.

    Scores are those of `msrnn evaluate`; a run that has none yet is evaluated now.

    Args:
        runs: The run directories.
        output: The page to write, .html. Default: report.html in the first run directory.
        sequences: How many test sequences to show, from the best to the worst.
        device: Where to compute.
    """
    path = Path(runs[0]) / "report.html" if output is None else Path(output)
    if path.suffix != ".html":
        raise SettingsError(f"--output {path}: a report is called something.html")
    _at_least_one(sequences=sequences)
    from msrnn.report.page import write_report

    for note in write_report(runs, path, sequences, device):
        sys.stderr.write(f"{note}\n")
    sys.stderr.write(f"{path}: open it in a browser\n")


def analyze(
    model: str,
    size: tuple[int, int] | None = None,
    context: int | None = None,
    horizon: int | None = None,
    hidden: int | None = None,
    kernel_size: int | None = None,
    scales: tuple[int, ...] | None = None,
    skips: Skips | None = None,
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
        options: The cell's own options, e.g. --options.links 13 for trajgru.
        channels: Channels of a frame. Default: 1, or as in the run.
        batch: Sequences at a time. Default: 4, or as in the run.
        precision: Of the computation: 32, 64 or bf16. Default: 32, or as in the run.
        memory: What training is to hold: keep, step or sqrt. Default: keep, or as in the run.
        device: Where it is to be trained.
        output: Files to write as well: .json with all numbers, .png, .svg or .pdf with the figure.
    """
    for name in output:
        if Path(name).suffix not in (".json", *FIGURES):
            raise SettingsError(f"--output {name}: write something.json, or {', '.join(FIGURES)} for the figure")
    numbers = {"context": context, "horizon": horizon, "batch": batch, "channels": channels, "hidden": hidden}
    _at_least_one(**{name: value for name, value in numbers.items() if value is not None})
    if size is not None:
        _at_least_one(size=min(size))
    from msrnn.analysis.analyze import analyze_model, analyze_run
    from msrnn.analysis.cost import Workload

    changes: dict[str, Any] = {"hidden_channels": hidden, "kernel_size": kernel_size, "scales": scales}
    changes |= {"skips": skips, "options": options}
    given = {name: value for name, value in changes.items() if value is not None}
    with _telling("counting, and measuring how far it sees: seconds to a minute"):
        if Path(model).is_dir():
            from msrnn.runs.predictor import load

            predictor = load(model, "cpu")
            run = predictor.settings
            if given or channels is not None:
                fixed = "--hidden, --kernel-size, --scales, --skips, --options and --channels"
                raise SettingsError(f"{model} is a run: leave out {fixed}, or name a model")
            lengths = context or run.context, horizon or run.horizon, batch or run.batch_size // run.accumulate
            analysis = analyze_run(predictor, size, *lengths, precision or run.precision, memory, device)
        elif Path(model).name != model:
            raise SettingsError(f"{model}: no such run directory; name one, or a model")
        else:
            settings = ModelSettings(model, **given, memory=memory or "keep")
            work = (size or (64, 64), context or 10, horizon or 10, batch or 4)
            analysis = analyze_model(settings, channels or 1, Workload(*work, precision or "32"), device)
        table = analysis.table(partial(option, "train"))
    sys.stdout.write(table)
    for name in output:
        with written(Path(name)) as path:
            if Path(name).suffix == ".json":
                path.write_text(json.dumps(analysis.document(), indent=1) + "\n")
            else:
                analysis.figure().savefig(path)
        sys.stderr.write(f"{name}: written\n")


FIGURES = (".png", ".svg", ".pdf")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _tell(what: str) -> None:
    """On a terminal, in the place of what was told before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Tell what is going on as long as it does."""
    _tell(what)
    try:
        yield
    finally:
        _tell("")


def benchmark(
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
    _at_least_one(size=min(size), context=context, horizon=horizon, hidden=hidden, batch=batch, repeats=repeats)
    if Path(output).suffix != ".json":
        raise SettingsError(f"--output {output}: write something.json")
    if compare is not None and Path(compare).resolve() == Path(output).resolve():
        raise SettingsError(f"--compare {compare}: that file would be overwritten; choose another --output")
    import torch

    from msrnn.analysis.benchmark import Benchmark, measure, work_of
    from msrnn.analysis.cost import Workload
    from msrnn.device import find_device
    from msrnn.nn.models import MODELS, build_model

    before = None if compare is None else Benchmark.read(Path(compare))
    if not Path(output).resolve().parent.is_dir():
        raise SettingsError(f"--output {output}: there is no folder {Path(output).parent}")
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
    with _telling("measuring"):
        done = measure(build, names, memory, precision, work, where, repeats, compile, _tell)
    sys.stdout.write(done.table())
    if before is not None:
        sys.stdout.write(f"\n{done.compared(before, str(compare))}")
    done.save(Path(output))
    sys.stderr.write(f"{output}: written\n")


def inspect(
    path: list[str],
    reader: str | None = None,
    reader_options: dict[str, Any] | None = None,
    units: UnitName | None = None,
    interval_minutes: float | None = None,
    context: int = 10,
    horizon: int = 10,
) -> None:
    """Say what is in files: shape, time step, gaps, units, range, and what is wrong with them.

    Args:
        path: What to look at.
        reader: Reader of the files. Default: by the first file's content.
        reader_options: Options of the reader, as KEY=VALUE.
        units: Units of the numbers. Default: what the files say.
        interval_minutes: Interval of units mm. Default: what the files say.
        context: Frames that are given, for the number of windows.
        horizon: Frames that are predicted, for the number of windows.
    """
    _at_least_one(context=context, horizon=horizon)
    from msrnn.data.inspect import inspect as look

    found = look(path, ReaderSettings(reader, reader_options or {}, units, interval_minutes), context, horizon)
    sys.stdout.write(found.table(partial(option, "data")))


def convert(
    path: list[str],
    to: str,
    reader: str | None = None,
    reader_options: dict[str, Any] | None = None,
    units: UnitName | None = None,
    interval_minutes: float | None = None,
    size: tuple[int, int] | None = None,
    skip_bad: bool = False,
) -> None:
    """Make one chunked Zarr store of files; an interrupted conversion goes on where it was.

    Args:
        path: What to convert.
        to: The store to make, .zarr.
        reader: Reader of the files. Default: by the first file's content.
        reader_options: Options of the reader, as KEY=VALUE.
        units: Units of the numbers. Default: what the files say.
        interval_minutes: Interval of units mm. Default: what the files say.
        size: Resize frames to this height and width, by area mean (of mm/h).
        skip_bad: Leave out files that cannot be used, and list them.
    """
    if Path(to).suffix != ".zarr":
        raise SettingsError(f"--to {to}: a store is called something.zarr")
    if size is not None:
        _at_least_one(size=min(size))
    from msrnn.data.archive import open_archive
    from msrnn.data.write import convert as make_store

    archive = open_archive(path, ReaderSettings(reader, reader_options or {}, units, interval_minutes, skip_bad))
    make_store(archive, Path(to), size)
    for line in archive.skipped_lines:
        sys.stderr.write(f"skipped: {line}\n")
    frames = sum(map(len, archive.sequences))
    done = f"{to}: {frames} frames, {len(archive.skipped)} skipped"
    sys.stderr.write(f"{done}; next: msrnn train --model ms-predrnn --data {to} --out runs/first\n")


def _at_least_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise SettingsError(f"--{name} {value}: at least 1")


def experiment(table: str, out: str = "runs/experiments", jobs: int | None = None, device: Device = "auto") -> None:
    """Train and score models x data x seeds, and put them into a table and a report.

    What is done already is not done again: after an interruption the same command goes on. Leaves table.md, table.csv,
    table.tex and report.md in a folder named after the table, and of every trial an ordinary run directory in trials/,
    where other tables find it too.

    Args:
        table: The YAML file.
        out: Where it all goes.
        jobs: Trainings at a time. Default: one on each GPU, or one.
        device: Where forecasts of the report are computed.
    """
    if jobs is not None:
        _at_least_one(jobs=jobs)
    from msrnn.device import find_device
    from msrnn.experiment.plan import read_plan

    find_device(device)
    with _telling("reading the table"):
        plan = read_plan(Path(table), Path(out))
    from msrnn.experiment.comparison import collect, grids_of, save_tables
    from msrnn.experiment.pictures import write_report
    from msrnn.experiment.workers import run_missing

    failed = run_missing(plan, jobs, _say)
    with _telling("comparing"):
        results = collect(plan)
        if not results.entries:
            _leave(f"none of {len(plan.trials)} trials is done: see {plan.trials[0].beside('.log')}", 1)
        grids = {data: grids_of(results, data) for data in plan.data}
        every = [grid for of_data in grids.values() for grid in of_data]
        files = [*save_tables(results, every), write_report(results, grids, device)]
    columns = shutil.get_terminal_size().columns
    sys.stdout.write("\n".join(grid.text(columns) for grid in every))
    for path in files:
        sys.stderr.write(f"{path}: written\n")
    if failed:
        _leave(f"{len(failed)} of {len(plan.trials)} failed: see {failed[0].beside('.log')}", 1)


def demo(out: str = "runs/demo", minutes: float = 4.0) -> None:
    """Train, evaluate and forecast on embedded data, in minutes.

    Args:
        out: The run directory to make; -2, -3, ... is added if it exists.
        minutes: About how long to train on two CPU cores.
    """
    if not 0 < minutes < 1e6:
        raise SettingsError(f"--minutes {minutes}: must be positive")
    from msrnn.cli.demonstration import run_demo

    run_demo(Path(out), minutes)


USAGE: dict[Callable[..., None], str] = {
    evaluate: "msrnn evaluate RUN [options]",
    predict: "msrnn predict RUN --input FILE [FILE ...] --output FORECAST [options]",
    report: "msrnn report RUN [RUN ...] [options]",
    analyze: "msrnn analyze MODEL [options]",
    benchmark: "msrnn benchmark [options]",
    experiment: "msrnn experiment TABLE.yaml [options]",
    inspect: "msrnn data inspect PATH [PATH ...] [options]",
    convert: "msrnn data convert PATH [PATH ...] --to OUT.zarr [options]",
    demo: "msrnn demo [options]",
}
