"""Command-line arguments and YAML to settings."""

import re
import sys
from argparse import SUPPRESS, HelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter, Namespace, set_parsing_settings

from msrnn.errors import Call, Setting, SettingsError
from msrnn.settings import DataSettings, RunSettings, settings_from

set_parsing_settings(docstring_parse_attribute_docstrings=True)

NAMED = ("--model", "--data")
"""Options that may be given as a name alone: `--model ms-predrnn` is `--model.name ms-predrnn`."""
SHORT = {option: f"{option}.name" for option in NAMED} | {"--memory": "--model.memory"}
"""What options of settings may be called for short."""
READER_OPTIONS = ("--reader_options", "--data.reader_options")
"""Options that take KEY=VALUE, several at once."""
SIZES = ("--data.size", "--data.crop", "--data.digits.size", "--size")
NUMBERS = (
    *SIZES,
    "--thresholds",
    "--windows",
    "--data.shares",
    "--data.z_r",
    "--data.digits.speed",
    "--model.scales",
    "--scales",
)
LISTS = dict.fromkeys(NUMBERS, r"-?[\d.]+(e-?\d+)?") | {"--data.actions": r"[a-z]+", "--baselines": r"[^-\[].*"}
"""Options that take several values, and what each of these looks like."""
SWITCHES = ("--compile", "--data.skip_bad")
"""Settings that are true when they are named alone."""
LISTS_OF = {
    "analyze": {"--output": r"[^-].*"},
    "benchmark": {"--models": r"[a-z].*", "--memory": r"[a-z]+", "--precision": r"\w+"},
}
"""Those of one command."""


PLAIN_WORDS = (
    (r'Parser key "([\w.]+)"', lambda key: f"--{key[1].replace('_', '-')}"),
    (r"Does not validate.* Subtypes: \[(.*), <class 'NoneType'>\].*Given value: (.*)", r"Expected \1. Got value: \2"),
    (r"Expected (?:a )?(?:typing\.)?Literal\[([^\]]*)\]", r"expected one of \1"),
    (r"Expected (?:a )?<class '(\w+)'>", r"expected \1"),
    (r"Expected (?:a )?tuple\[(\w+), \.\.\.\]", r"expected a list of \1"),
    (r"(--\w+): Unable to load config ('[^']*').*", r"\1: expected settings such as {name: ...}, got \2"),
    (r"the following arguments are required: (.*)", lambda keys: f"{_options(keys[1])} must be given"),
)
"""The parser's messages in the words of the command line."""

UNKNOWN = re.compile(
    r"(?:Option|(?:Group '(?P<group>\w+)'|Subcommand '(?P<command>\w+)') does not accept option) '(?P<name>[\w.]+)'"
    r"(?: is not accepted|$)"
)
"""The parser's message of a setting that does not exist."""


def _options(keys: str) -> str:
    """`train.out, train.model.name` as `--out, --model`."""
    command = r"^(train|evaluate|predict|report|benchmark|data\.inspect|data\.convert)\.|\.name$"
    names = [re.sub(command, "", key) for key in keys.split(", ")]
    return ", ".join(PLACES.get(name, f"--{name}") for name in names)


PLACES = {"run": "RUN", "analyze.model": "MODEL", "experiment.table": "TABLE", "runs": "RUN", "path": "PATH"}
"""What is given without an option."""


class Formatter(DefaultHelpFormatter):
    """Help without Python's names of types."""

    def _get_help_string(self, action: Any) -> str:
        text = re.sub(r"(, )?type: %\(type\)s(, )?", r"\1", super()._get_help_string(action))
        if action.default in (None, ()):
            text = text.replace("default: %(default)s", "")
        return text.replace("required, )", "required)").replace(" ()", "")


class Parser(ArgumentParser):
    """Options are written with dashes; errors are one line, and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, default_env=False, formatter_class=Formatter, **options)

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """Help, with dashes in the names of options."""
        text = super().format_help(formatter)
        return re.sub(r"--[a-z][\w.]*", lambda option: option[0].replace("_", "-"), text)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong, in one line."""
        line = " ".join(message.split()).removeprefix("error: ")
        for pattern, plain in PLAIN_WORDS:
            line = re.sub(pattern, plain, line)
        line = UNKNOWN.sub(self._unknown, line)
        if self.exit_on_error:
            sys.stderr.write(f"msrnn: {line}\n")
            sys.exit(2)
        raise ArgumentError(None, line)

    def _unknown(self, found: re.Match[str]) -> str:
        commands = self._subcommands_action.choices if self._subcommands_action else {}
        parser = commands.get(found["command"], self)
        name = f"{found['group']}.{found['name']}" if found["group"] else found["name"]
        close = get_close_matches(name, [action.dest for action in parser._actions], 1)
        return f"there is no setting {name}" + (f"; did you mean {close[0]}?" if close else "")


def add_run_settings(parser: Parser) -> None:
    """All settings of a training, as options."""
    parser.add_class_arguments(RunSettings, None)
    _name_groups(parser)


def add_data_overrides(parser: Parser) -> None:
    """The settings of the data as options without defaults: only those given are in what is parsed."""
    parser.add_class_arguments(DataSettings, "data")
    for action in parser._actions:
        if action.dest.startswith("data."):
            action.default = SUPPRESS
            said, _, _ = str(action.help).partition(" Default: ")
            action.help = f"{said} Default: as in training."
    _name_groups(parser)


def _name_groups(parser: Parser) -> None:
    for action in parser._actions:
        if action.option_strings and action.option_strings[0] in NAMED:
            action.help = f"Short for {action.option_strings[0]}.name."
            action.metavar = "NAME"


def normalised(argv: Sequence[str]) -> list[str]:
    """`argv` as the parsers know it.

    Underscores in names of options; `--model NAME` as `--model.name NAME`; `--data.crop 64 64`, `64x64`, `64,64` or
    `64` as `[64,64]`; `--reader-options A=1 B=2` as one option each.
    """
    command = argv[0] if argv else ""
    short = SHORT if command in ("train", "evaluate") else {}
    lists = LISTS | LISTS_OF.get(command, {})
    tokens: list[str] = []
    option = ""
    for token in argv:
        if token.startswith("--"):
            name, equals, value = token.partition("=")
            option = "--" + name[2:].replace("-", "_")
            option = short.get(option, option)
            if option in lists and equals:
                tokens += [option, _listed(option, value, lists)]
            elif option in READER_OPTIONS:
                tokens += [_keyed(option, value)] if equals else []
            else:
                tokens.append(option + equals + value)
        elif option in READER_OPTIONS:
            tokens.append(_keyed(option, token))
        elif option in lists and tokens[-1].startswith("[") and re.fullmatch(lists[option], token):
            tokens[-1] = f"{tokens[-1][:-1]},{token}]"
        else:
            value = _listed(option, token, lists)
            tokens.append(value)
            option = option if value.startswith("[") else ""
    if command in ("train", "evaluate"):
        after = [*tokens[1:], "--"]
        tokens = [
            f"{token}=true" if token in SWITCHES and following.startswith("--") else token
            for token, following in zip(tokens, after, strict=True)
        ]
    return [_squared(before, token) for before, token in zip(["", *tokens], tokens, strict=False)]


def _keyed(option: str, token: str) -> str:
    if "=" not in token:
        raise SettingsError(f"{option.replace('_', '-')} {token}: write KEY=VALUE, and what has no key before it")
    return f"{option}.{token}"


def _listed(option: str, value: str, lists: Mapping[str, str]) -> str:
    """Numbers or words with commas, or 64x64, as a list in brackets."""
    if option not in lists or value.startswith("[") or (option == "--data.z_r" and value[:1].isalpha()):
        return value
    if option in NUMBERS:
        value = re.sub(r"(?<=[0-9])x(?=[0-9])", ",", value)
    return f"[{value}]"


def _squared(option: str, value: str) -> str:
    """One edge of a square as two."""
    one = re.fullmatch(r"\[(-?\d+)\]", value)
    return f"[{one[1]},{one[1]}]" if one and option in SIZES else value


def run_settings(parsed: Namespace) -> RunSettings:
    """Pick the settings out of what was parsed.

    Raises:
        SettingsError: a value is not possible.
    """
    values = parsed.as_dict()
    return settings_from({field.name: values[field.name] for field in fields(RunSettings) if field.name in values})


SHORT_NAMES = {"model.name": "model", "data.name": "data", "model.memory": "memory"}
OPTIONS_OF_EXPERIMENT = ("out", "jobs", "device")
"""Settings that `msrnn experiment` takes as options; all others stand in its table."""
READER_OPTION = "data.reader_options."


def option(command: str, setting: Setting | Call) -> str:
    """Spell a setting as the option of a command, and a call as a command line."""
    if isinstance(setting, Call):
        return " ".join(("msrnn", setting.function, *(option(setting.function, one) for one in setting.settings)))
    if command == "experiment" and setting.name not in OPTIONS_OF_EXPERIMENT:
        return str(setting)
    name, value = SHORT_NAMES.get(setting.name, setting.name), setting.value
    if command == "analyze":
        name = {"model.hidden_channels": "hidden"}.get(name, name.removeprefix("model."))
    if name.startswith(READER_OPTION):
        key = name.removeprefix(READER_OPTION)
        name, value = "data.reader_options", f"{key}={'...' if value is None else value}"
    if command not in ("train", "evaluate"):
        name = name.removeprefix("data.")
    values = value if isinstance(value, tuple) else () if value is None or value is True else (value,)
    return " ".join((f"--{name.replace('_', '-')}", *map(str, values)))
