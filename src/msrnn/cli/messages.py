"""Messages of commands on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from msrnn.errors import Setting, SettingsError


def leave(message: str, code: int) -> NoReturn:
    """Say why the command ends, in one line, and end it."""
    sys.stderr.write(f"msrnn: {' '.join(message.split())}\n")
    sys.exit(code)


def say(line: str) -> None:
    """Write a line."""
    sys.stderr.write(f"{line}\n")


def show(what: str) -> None:
    """On a terminal, write over what was shown before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Tell what is going on as long as it does."""
    show(what)
    try:
        yield
    finally:
        show("")


def at_least_one(**values: int) -> None:
    """Raise a SettingsError if a setting is less than 1."""
    for name, value in values.items():
        if value < 1:
            raise SettingsError(Setting(name, value), ": at least 1")
