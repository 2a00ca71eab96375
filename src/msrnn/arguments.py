"""Command-line arguments and YAML to settings."""

import re
import sys
from argparse import HelpFormatter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter, Namespace, set_parsing_settings

from msrnn.settings import RunSettings, SettingsError

set_parsing_settings(docstring_parse_attribute_docstrings=True)

NAMED = ("--model", "--data")
"""Options that may be given as a name alone: `--model ms-predrnn` is `--model.name ms-predrnn`."""


class Formatter(DefaultHelpFormatter):
    """Help without Python's names of types."""

    def _get_help_string(self, action: Any) -> str:
        return re.sub(r"(, )?type: %\(type\)s(, )?", r"\1", super()._get_help_string(action)).replace(" ()", "")


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
        if self.exit_on_error:
            sys.stderr.write(f"msrnn: {line}\n")
            sys.exit(2)
        raise ArgumentError(None, line)


def add_run_settings(parser: Parser) -> None:
    """All settings of a training, as options."""
    parser.add_class_arguments(RunSettings, None)
    for action in parser._actions:
        if action.option_strings and action.option_strings[0] in NAMED:
            action.help = f"Short for {action.option_strings[0]}.name."
            action.metavar = "NAME"


def normalised(argv: Sequence[str]) -> list[str]:
    """`argv` as the parsers know it: underscores in names of options, `--model NAME` as `--model.name NAME`."""
    return [_normalised(token) if token.startswith("--") else token for token in argv]


def _normalised(option: str) -> str:
    name, equals, value = option.partition("=")
    name = "--" + name[2:].replace("-", "_")
    return (f"{name}.name" if name in NAMED else name) + equals + value


def settings_from(document: dict[str, Any], argv: Sequence[str] = ()) -> RunSettings:
    """Settings from a YAML document, with what `argv` (normalised) says instead.

    Raises:
        SettingsError: a name or a value is not possible.
    """
    parser = Parser(exit_on_error=False)
    add_run_settings(parser)
    try:
        defaults = parser.parse_object(document)
        parser.set_defaults(defaults)
        return run_settings(parser, parser.parse_args(list(argv)))
    except ArgumentError as error:
        raise SettingsError(str(error)) from error


def run_settings(parser: Parser, parsed: Namespace) -> RunSettings:
    """The settings among what was parsed."""
    values = vars(parser.instantiate(parsed))
    return RunSettings(**{field.name: values[field.name] for field in fields(RunSettings)})
