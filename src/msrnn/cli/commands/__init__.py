"""Commands: one file and one row each."""

from functools import partial

from msrnn.cli.commands.analyze import analyze
from msrnn.cli.commands.benchmark import benchmark
from msrnn.cli.commands.convert import convert
from msrnn.cli.commands.demo import demo
from msrnn.cli.commands.evaluate import evaluate
from msrnn.cli.commands.experiment import experiment
from msrnn.cli.commands.inspect import inspect
from msrnn.cli.commands.predict import predict
from msrnn.cli.commands.report import report
from msrnn.cli.commands.train import train
from msrnn.cli.parsing import Command, spell
from msrnn.errors import Spell

COMMANDS: list[Command] = [
    Command("train", train, "--model NAME --out DIRECTORY [options]"),
    Command("evaluate", evaluate, "RUN [options]"),
    Command("predict", predict, "RUN --input FILE [FILE ...] --output FORECAST [options]"),
    Command("report", report, "RUN [RUN ...] [options]"),
    Command("analyze", analyze, "MODEL [options]"),
    Command("benchmark", benchmark, "[options]"),
    Command("experiment", experiment, "TABLE.yaml [options]"),
    Command("demo", demo, "[options]"),
    Command("data inspect", inspect, "PATH [PATH ...] [options]"),
    Command("data convert", convert, "PATH [PATH ...] --to OUT.zarr [options]"),
]


def spelling(command: Command | str | None) -> Spell:
    """Return what spells settings as the options of a command."""
    if isinstance(command, str):
        command = next(one for one in COMMANDS if one.name == command)
    return partial(spell, command=command, commands=COMMANDS)
