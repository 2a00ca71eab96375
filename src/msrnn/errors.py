"""Errors hold their message in parts: text, and the settings it speaks of.

`str(error)` spells a setting as Python does, `data.skip_bad=True`; the command line spells it as an option.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias


class Setting(NamedTuple):
    """A setting that a message names, with the value it has or should get."""

    name: str
    """Name as in a recipe, with its group: `data.skip_bad`. Arguments of a function have no group: `output`."""
    value: Any = None
    """None: any value, the name alone is shown."""

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


class Call(NamedTuple):
    """A function of the library that a message advises to call; the command line has a command of that name."""

    function: str
    settings: tuple[Setting, ...]
    """Keyword arguments, and the command's options."""
    given: tuple[str, ...] = ()
    """Names of arguments that a caller of the function has, and the command does not need."""

    def __str__(self) -> str:
        keywords = (f"{name}={value!r}" for name, value in self.settings)
        return f"{self.function}({', '.join((*self.given, *keywords))})"


MessagePart: TypeAlias = object
"""A `Setting`, a `Call`, or what `str` makes text of."""
Text: TypeAlias = "str | tuple[MessagePart, ...]"
"""Text, or its parts."""
Spell: TypeAlias = Callable[[Setting | Call], str]
"""Writes a setting or a call; `str` writes it as Python does."""


SKIP_BAD = Setting("data.skip_bad", True)


def join(parts: Iterable[MessagePart], spell: Spell = str) -> str:
    """Return parts of a message as text, with settings and calls spelled by `spell`."""
    return "".join(spell(part) if isinstance(part, Setting | Call) else str(part) for part in parts)


class ExplainedError(Exception):
    """An error that a user reads.

    Args:
        *parts: the message in parts, settings as `Setting`.
    """

    def __init__(self, *parts: MessagePart) -> None:
        super().__init__(*parts)
        self.parts = parts

    def __str__(self) -> str:
        return join(self.parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def text(self, spell: Spell) -> str:
        """Return the message, with settings spelled by `spell`."""
        return join(self.parts, spell)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Settings that the message names."""
        return tuple(part for part in self.parts if isinstance(part, Setting))


class SettingsError(ExplainedError, ValueError):
    """An input or a setting is not possible; the message says what is, and what to do."""

    @property
    def cause(self) -> "SettingsError":
        """The error without its fix, where these are apart; for notes on what was left out."""
        return self


class DataError(SettingsError):
    """A file cannot be used.

    Args:
        kind: a short name for errors of the same kind, e.g. "damaged file".
        path: the file, or another place.
        reason: what is wrong with it.
        fix: what to do about it.
    """

    def __init__(self, kind: str, path: object, reason: Text, fix: Text) -> None:
        super().__init__(path, ": ", *_parts(reason), "; ", *_parts(fix))
        self.kind, self.path, self.reason, self.fix = kind, path, reason, fix

    @property
    def cause(self) -> SettingsError:
        """The error without its fix."""
        return SettingsError(self.path, ": ", *_parts(self.reason))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.path, self.reason, self.fix)


class NotFiniteError(ExplainedError, FloatingPointError):
    """A loss, a gradient or a forecast is not finite."""


class DiskFullError(ExplainedError, OSError):
    """There is no space left for a file; `errno` is ENOSPC."""

    def __init__(self, *parts: MessagePart) -> None:
        super().__init__(*parts)
        self.errno, self.strerror, self.filename = errno.ENOSPC, os.strerror(errno.ENOSPC), None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.parts


class StoppedError(ExplainedError):
    """A signal stopped a training or an experiment; what was done is saved.

    Args:
        number: the signal.
        *parts: the message.
    """

    def __init__(self, number: int, *parts: MessagePart) -> None:
        super().__init__(*parts)
        self.signal = signal.Signals(number)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (int(self.signal), *self.parts)


class AbandonedError(KeyboardInterrupt):
    """A second SIGINT ended a training at once; `parts` are those of an `ExplainedError`."""

    def __init__(self, *parts: MessagePart) -> None:
        super().__init__(*parts)
        self.parts = parts

    def __str__(self) -> str:
        return join(self.parts)


def _parts(text: Text) -> tuple[MessagePart, ...]:
    return text if type(text) is tuple else (text,)  # a Setting is a tuple too
