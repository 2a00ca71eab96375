"""The `msrnn` command."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msrnn
from msrnn.arguments import Parser, add_data_overrides, add_run_settings, normalised, run_settings, settings_from
from msrnn.settings import Device, SettingsError, Split


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    What was asked and is not possible ends with one line on standard error and exit code 2; a training that cannot go
    on with 1; Ctrl-C with 130.
    """
    arguments = normalised(sys.argv[1:] if argv is None else argv)
    try:
        _run(arguments)
    except (SettingsError, OSError) as error:
        _leave(error, 2)
    except UnicodeDecodeError:
        _leave("--config: that is no YAML file", 2)
    except FloatingPointError as error:
        _leave(error, 1)
    except KeyboardInterrupt as error:
        _leave(error, 130)


def _leave(error: BaseException | str, code: int) -> None:
    sys.stderr.write(f"msrnn: {' '.join(str(error).split()) or 'interrupted'}\n")
    sys.exit(code)


def _run(argv: list[str]) -> None:
    parser = Parser(
        prog="msrnn", description="Predict the next frames of a field that moves.", version=msrnn.__version__
    )
    commands = parser.add_subcommands(dest="command", metavar="COMMAND")
    training = _train_parser(argv)
    commands.add_subcommand("train", training, help="train a model")
    for function in (evaluate, predict, demo):
        first = (function.__doc__ or "").partition("\n")[0]
        command = Parser(usage=USAGE[function], description=first)
        if function is not demo:
            command.add_argument("run", metavar="RUN", help="A run directory that `msrnn train` made.")
        if function is predict:
            command.add_argument("--overwrite", action="store_true", help="Replace the output if it exists.")
        command.add_function_arguments(function, as_group=False, skip={"run", "data", "overwrite"})
        if function is evaluate:
            add_data_overrides(command)
        commands.add_subcommand(function.__name__, command, help=first[0].lower() + first[1:].rstrip("."))
    parsed = parser.parse_args(argv)
    options = parsed[parsed.command]
    if parsed.command == "train":
        from msrnn.training.run import train

        train(run_settings(training, options), options.out, options.resume, options.init_from)
        sys.stderr.write(f"{options.out}: trained; next: msrnn evaluate {options.out}\n")
    elif parsed.command == "evaluate":
        evaluate(**(options.as_dict() | {"data": options.as_dict().get("data", {})}))
    else:
        functions: dict[str, Callable[..., None]] = {"predict": predict, "demo": demo}
        functions[parsed.command](**options.as_dict())


def _train_parser(argv: list[str]) -> Parser:
    """The parser of `msrnn train`; with --resume, the run's settings are the defaults."""
    parser = Parser(
        usage="msrnn train --model NAME --out DIRECTORY [options]",
        description="Train a model and leave everything in a run directory.",
    )
    parser.add_argument("--config", action="config", help="A YAML recipe: any of the options below.")
    parser.add_argument("--out", type=str, required=True, metavar="DIRECTORY", help="The run directory to make.")
    parser.add_argument("--resume", action="store_true", help="Go on with the run in --out, from its last checkpoint.")
    parser.add_argument("--init_from", type=str, metavar="RUN", help="Run directory whose weights to start from.")
    add_run_settings(parser)
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--out")
    early.add_argument("--resume", action="store_true")
    given, _ = early.parse_known_args(argv)
    if argv[:1] == ["train"] and given.resume and given.out:
        from msrnn.rundir import RunDirectory

        stored = parser.parse_object(RunDirectory(given.out).document() | {"out": given.out})
        stored.pop("config", None)
        parser.set_defaults(stored)
    return parser


def evaluate(
    run: str,
    data: dict[str, Any],
    context: int | None = None,
    horizon: int | None = None,
    split: Split = "test",
    batch_size: int = 16,
    workers: int = 0,
    device: Device = "auto",
) -> None:
    """Score a trained model on held-out sequences, beside persistence and the best constant image.

    Prints a table per lead time and leaves it, and every number, in the run directory: scores.txt and scores.csv, with
    what differs from the training in the name.

    Args:
        run: The run directory.
        data: Settings of the data that differ from the training's.
        context: Frames that are given. Default: as in training.
        horizon: Frames that are predicted. Default: as in training.
        split: Which sequences.
        batch_size: Sequences at a time.
        workers: Processes that make batches.
        device: Where to compute.
    """
    if batch_size < 1:
        raise SettingsError(f"--batch-size {batch_size}: must be at least 1")
    if workers < 0:
        raise SettingsError(f"--workers {workers}: must not be negative")
    from msrnn.evaluation import evaluate as score
    from msrnn.predictor import load
    from msrnn.rundir import RunDirectory

    directory = RunDirectory(run)
    document = directory.document()
    changes = {key: value for key, value in (("context", context), ("horizon", horizon)) if value is not None}
    settings = settings_from(document | changes | {"data": document["data"] | data})
    evaluation = score(load(run, device), settings, split, batch_size, workers)
    changes |= data | ({} if split == "test" else {"split": split})
    differs = "".join(f"-{key}={_in_a_name(value)}" for key, value in changes.items())
    evaluation.save(directory.path / f"scores{differs}")
    sys.stdout.write(evaluation.table())


def _in_a_name(value: Any) -> str:
    text = "x".join(map(str, value)) if isinstance(value, list | tuple) else Path(str(value)).name
    return re.sub(r"[^\w.-]+", "_", text)


def predict(
    run: str,
    input: str,
    output: str,
    horizon: int | None = None,
    device: Device = "auto",
    overwrite: bool = False,
) -> None:
    """Forecast from frames of your own.

    Args:
        run: The run directory.
        input: The context, .npy or .npz: (time, y, x), (time, channel, y, x) or (sequence, time, channel, y, x);
            floating point in [0, 1], uint8 or uint16.
        output: .npy (the forecast, as the input) or .gif (context and forecast).
        horizon: Frames to predict. Default: as in training.
        device: Where to compute.
        overwrite: Replace the output if it exists.
    """
    from msrnn.forecasting import predict_file

    sys.stderr.write(predict_file(run, Path(input), Path(output), horizon, device, overwrite) + "\n")


def demo(out: str = "runs/demo", minutes: float = 4.0) -> None:
    """Train, evaluate and forecast on embedded data, in minutes.

    Args:
        out: The run directory to make; -2, -3, ... is added if it exists.
        minutes: About how long to train on two CPU cores.
    """
    if not 0 < minutes < 1e6:
        raise SettingsError(f"--minutes {minutes}: must be positive")
    from msrnn.demo import run_demo

    run_demo(Path(out), minutes)


USAGE: dict[Callable[..., None], str] = {
    evaluate: "msrnn evaluate RUN [options]",
    predict: "msrnn predict RUN --input FRAMES --output FORECAST [options]",
    demo: "msrnn demo [options]",
}
