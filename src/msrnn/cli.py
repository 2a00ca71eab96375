"""The `msrnn` command."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from msrnn.arguments import Parser, add_run_settings, normalised, run_settings, settings_from
from msrnn.settings import DataSettings, SettingsError, Split

Device = Literal["auto", "cpu", "cuda", "mps"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits with 2 and one line on standard error where what was asked is not possible."""
    arguments = normalised(sys.argv[1:] if argv is None else argv)
    try:
        _run(arguments)
    except (SettingsError, FloatingPointError) as error:
        sys.stderr.write(f"msrnn: {' '.join(str(error).split())}\n")
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:
        sys.stderr.write("msrnn: interrupted\n")
        sys.exit(130)


def _run(argv: list[str]) -> None:
    parser = Parser(prog="msrnn", description="Predict the next frames of a field that moves.")
    commands = parser.add_subcommands(dest="command")
    training = Parser(
        usage="msrnn train --model NAME --out DIRECTORY [options]",
        description="Train a model and leave everything in a run directory.",
    )
    training.add_argument("--config", action="config", help="A YAML recipe: any of the options below.")
    training.add_argument("--out", type=str, required=True, help="The run directory to make.")
    training.add_argument(
        "--resume", action="store_true", help="Go on with the run in --out, from its last checkpoint."
    )
    training.add_argument("--init_from", type=str, metavar="RUN", help="Run directory whose weights to start from.")
    add_run_settings(training)
    if argv[:1] == ["train"] and "--resume" in argv and (out := _value(argv, "--out")):
        from msrnn.rundir import RunDirectory

        stored = training.parse_object(RunDirectory(out).document() | {"out": out})
        stored.pop("config", None)
        training.set_defaults(stored)
    commands.add_subcommand("train", training, help="train a model")
    for name, function in FUNCTIONS.items():
        first = (function.__doc__ or "").partition("\n")[0]
        command = Parser(usage=USAGE[name], description=first)
        if name != "demo":
            command.add_argument("run", metavar="RUN", help="A run directory that `msrnn train` made.")
        if name == "evaluate":
            command.add_class_arguments(DataSettings, "data")
        if name == "predict":
            command.add_argument("--overwrite", action="store_true", help="Replace the output if it exists.")
        command.add_function_arguments(function, skip={"run", "data", "overwrite"})
        commands.add_subcommand(name, command, help=first[0].lower() + first[1:].rstrip("."))
    parsed = parser.parse_args(argv)
    options = parsed[parsed.command]
    if parsed.command == "train":
        from msrnn.training.run import train

        train(run_settings(training, options), options.out, options.resume, options.init_from)
        sys.stderr.write(f"{options.out}: trained; next: msrnn evaluate {options.out}\n")
    elif parsed.command == "evaluate":
        evaluate(**(vars(options) | {"data": _group(argv, "--data.")}))
    else:
        FUNCTIONS[parsed.command](**vars(options))


def evaluate(
    run: str,
    data: list[str],
    context: int | None = None,
    horizon: int | None = None,
    split: Split = "test",
    batch_size: int = 16,
    workers: int = 0,
    device: Device = "auto",
) -> None:
    """Score a trained model on held-out sequences, beside persistence and the best constant image.

    Prints a table per lead time and leaves it, and every number, in the run directory (scores.txt, scores.csv).

    Args:
        context: Frames that are given. Default: as in training.
        horizon: Frames that are predicted. Default: as in training.
        split: Which sequences.
        batch_size: Sequences at a time.
        workers: Processes that make batches.
        device: Where to compute.
    """
    from msrnn.evaluation import evaluate as score
    from msrnn.predictor import load
    from msrnn.rundir import RunDirectory

    directory = RunDirectory(run)
    changed = {key: value for key, value in (("context", context), ("horizon", horizon)) if value is not None}
    settings = settings_from(directory.document() | changed, data)
    evaluation = score(load(run, device), settings, split, batch_size, workers)
    evaluation.save(directory.path)
    sys.stdout.write(evaluation.table())


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
        input: The context, .npy or .npz: (time, y, x), (time, channel, y, x) or (sequence, time, channel, y, x);
            floating point in [0, 1], or integers, which are scaled by their type's largest value.
        output: .npy (the forecast, as the input) or .gif (context and forecast).
        horizon: Frames to predict. Default: as in training.
        device: Where to compute.
    """
    from msrnn.forecasting import predict_file

    sys.stderr.write(predict_file(run, Path(input), Path(output), horizon, device, overwrite) + "\n")


def demo(out: str = "runs/demo", minutes: float = 4.0) -> None:
    """Train, evaluate and forecast on embedded data, in minutes.

    Args:
        out: The run directory to make; -2, -3, ... is added if it exists.
        minutes: About how long to train on two CPU cores.
    """
    from msrnn.demo import run_demo

    run_demo(Path(out), minutes)


USAGE = {
    "evaluate": "msrnn evaluate RUN [options]",
    "predict": "msrnn predict RUN --input FRAMES --output FORECAST [options]",
    "demo": "msrnn demo [options]",
}
FUNCTIONS: dict[str, Callable[..., None]] = {"evaluate": evaluate, "predict": predict, "demo": demo}


def _value(argv: list[str], option: str) -> str | None:
    """What stands behind `option`."""
    for token, following in zip(argv, [*argv[1:], None], strict=True):
        name, equals, value = token.partition("=")
        if name == option:
            return value if equals else following
    return None


def _group(argv: list[str], prefix: str) -> list[str]:
    """The options that begin with `prefix`, with their values."""
    found: list[str] = []
    for token, following in zip(argv, [*argv[1:], None], strict=True):
        if token.startswith(prefix):
            found += [token] if "=" in token or following is None else [token, following]
    return found
