"""Commands to parsers: the parameters of a command's function are its options."""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, cast, get_args, get_origin, get_type_hints

import docstring_parser

import msrnn
from msrnn.errors import Call, Setting, SettingsError
from msrnn.settings import read_value

SHORT = {"model.name": "--model", "data.name": "--data", "model.memory": "--memory", "model.patch": "--patch"}
"""Second names of options that set a setting."""
METAVARS = {
    "model.name": "NAME", "data.name": "NAME", "data.validation_from": "DATE", "data.test_from": "DATE",
    "out": "DIRECTORY", "init_from": "RUN", "runs": "RUN", "config": "FILE", "input": "FILE", "output": "FILE",
    "to": "FILE",
}  # fmt: skip
"""Placeholders in help of settings for which neither name nor type will do."""
TYPES = {int: "N", float: "X", bool: "[true|false]", dict: "KEY=VALUE"}
NUMBERS = re.compile(r"\[?-?[\d.][\d.,x\]e+-]*")
"""One or more numbers, or 64x64, as a word on the command line."""
GROUPS = {"data": "Look at files of frames, or make one store of them."}
"""First words of commands of two words, with a description."""


class Options(NamedTuple):
    """Settings as options; the function gets a dictionary of those that are given.

    A parameter asks for them with its type: `data: Annotated[dict[str, Any], Options(DataSettings, "data.", "data.")]`.
    """

    kind: type
    group: str = ""
    """Begins the settings' names."""
    prefix: str = ""
    """Begins the options' names."""
    default: str = ""
    """Default in help, in the place of each setting's own."""
    without: tuple[str, ...] = ()
    """Settings that are no options."""


@dataclass(frozen=True)
class Command:
    """A command. Its function's parameters are its options, positional-only ones its arguments."""

    name: str
    function: Callable[..., None]
    usage: str
    """Arguments, after the name."""


@dataclass(frozen=True)
class Option:
    """An option, or an argument, of a command."""

    setting: str
    """Name of what it sets."""
    flags: tuple[str, ...]
    """Its names; an argument has none."""
    hint: Any
    """Type of the value."""
    help: str
    path: tuple[str, ...]
    """Parameter of the function, and where in a dictionary the value goes."""
    required: bool = False

    @property
    def metavar(self) -> str | tuple[str, str]:
        """Placeholder of its value in help."""
        name = self.path[-1]
        if self.setting in METAVARS:
            return METAVARS[self.setting]
        if tuples := _tuples(self.hint):
            if tuple[int, int] in tuples:
                return "HEIGHT", "WIDTH"
            item = get_args(tuples[0])[0]
            return TYPES.get(item, name.upper().removesuffix("S"))
        if choices := _choices(self.hint):
            return f"{{{','.join(map(str, choices))}}}"
        kinds = (get_origin(part) or part for part in (self.hint, *get_args(self.hint)))
        return next((TYPES[kind] for kind in kinds if kind in TYPES), name.upper())

    @property
    def is_flag(self) -> bool:
        """Whether it can only be set: a switch of the command itself, off by default."""
        return self.hint is bool and len(self.path) == 1

    def add_to(self, parser: Any) -> None:
        """Add it to a parser, or a group, of argparse."""
        more: dict[str, Any] = {"dest": "/".join(self.path), "default": argparse.SUPPRESS}
        more["help"] = self.help.replace("%", "%%")
        if self.is_flag:
            parser.add_argument(*self.flags, action="store_true", **more)
            return
        more["metavar"] = self.metavar
        if self.hint == list[str] or _tuples(self.hint) or _is_dict(self.hint):
            more["nargs"] = "+"
        if not self.flags:
            parser.add_argument(more.pop("dest"), **more)
            return
        parser.add_argument(*self.flags, required=self.required, **more)

    def value(self, given: Any) -> Any:
        """Make of words on the command line what a recipe would hold.

        Raises:
            SettingsError: a word of a dictionary has no key.
        """
        if not isinstance(given, list) or self.hint == list[str]:
            return given
        if _is_dict(self.hint):
            for word in given:
                if "=" not in word:
                    raise SettingsError(f"{self.flags[-1]} {word}: write KEY=VALUE, and what has no key before it")
            return dict(word.split("=", 1) for word in given)
        if len(given) == 1 and get_origin(self.hint) is not tuple and given[0] in _choices(self.hint):
            return given[0]  # a word in the place of numbers
        between = "[,x]" if _are_numbers(self.hint) else ","
        return [word for text in given for word in re.split(between, text.strip("[]")) if word]


def _tuples(hint: Any) -> list[Any]:
    return [part for part in (hint, *get_args(hint)) if get_origin(part) is tuple]


def _are_numbers(hint: Any) -> bool:
    return any(get_args(one)[0] in (int, float) for one in _tuples(hint))


def _is_dict(hint: Any) -> bool:
    return any(get_origin(part) is dict for part in (hint, *get_args(hint)))


def _choices(hint: Any) -> list[Any]:
    literals = (part for part in (hint, *get_args(hint)) if get_origin(part) is Literal)
    return [choice for literal in literals for choice in get_args(literal)]


def options_of(command: Command) -> dict[str, list[Option]]:
    """List the options and arguments of a command by the title of their group in help."""
    hints, texts = get_type_hints(command.function, include_extras=True), _texts(command.function)
    found: dict[str, list[Option]] = {"": []}
    for name, parameter in signature(command.function).parameters.items():
        settings = [one for one in get_args(hints[name]) if isinstance(one, Options)]
        for one in settings:
            for title, option in _settings((name,), one):
                found.setdefault(title, []).append(option)
        if not settings:
            flags = () if parameter.kind is Parameter.POSITIONAL_ONLY else (_flag(name),)
            text = texts.get(name, "")
            needed = parameter.default is Parameter.empty
            help_ = text if needed else _with_default(text, parameter.default)
            found[""].append(Option(name, flags, hints[name], help_, (name,), needed and bool(flags)))
    return found


def _settings(path: tuple[str, ...], options: Options) -> Iterator[tuple[str, Option]]:
    """List settings as options, each with the title of its group."""
    title, hints, texts = (options.kind.__doc__ or "").rstrip("."), get_type_hints(options.kind), _texts(options.kind)
    inner = []
    for one in fields(options.kind):
        name, hint = f"{options.group}{one.name}", hints[one.name]
        if is_dataclass(hint):
            prefix = f"{options.prefix}{one.name}."
            inner.append(((*path, one.name), options._replace(kind=cast(type, hint), group=f"{name}.", prefix=prefix)))
        elif one.name not in options.without:
            text = texts.get(one.name, "")
            if options.default:
                help_ = f"{text.partition(' Default: ')[0]} Default: {options.default}."
            else:
                help_ = text if one.default is MISSING else _with_default(text, one.default)
            short = (SHORT[name],) if name in SHORT and options.prefix else ()
            yield title, Option(name, (*short, _flag(options.prefix + one.name)), hint, help_, (*path, one.name))
    for deeper in inner:
        yield from _settings(*deeper)


def _flag(name: str) -> str:
    return f"--{name}".replace("_", "-")


def _with_default(text: str, default: Any) -> str:
    if default is None or default is False or default == () or "Default:" in text:
        return text
    return f"{text} Default: {' '.join(map(str, default)) if isinstance(default, tuple) else default}."


def _texts(source: Any) -> dict[str, str]:
    """Read from docstrings what parameters and fields mean."""
    parsed = docstring_parser.parse_from_object(source)
    return {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params}


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors as `SettingsError`."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise SettingsError(message)


def parse(argv: Sequence[str], commands: Sequence[Command]) -> Callable[[], None]:
    """Find the command and its options, and return what runs it.

    Raises:
        SettingsError: there is no such command or option, one is missing, or a value is not possible.
    """
    top = Parser(prog="msrnn", description="Predict the next frames of a field that moves.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"msrnn {msrnn.__version__}")
    levels = {"": top.add_subparsers(metavar="COMMAND", required=True, title="commands")}
    known: dict[str, Option] = {}
    for command in commands:
        group, _, name = command.name.rpartition(" ")
        if group not in levels:
            outer = levels[""].add_parser(group, help=_lower(GROUPS.get(group, "")), description=GROUPS.get(group))
            levels[group] = outer.add_subparsers(metavar="COMMAND", required=True, title="commands")
        first = (command.function.__doc__ or "").partition("\n")[0]
        usage = f"msrnn {command.name} {command.usage}"
        parser = levels[group].add_parser(name, help=_lower(first), description=first, usage=usage, allow_abbrev=False)
        parser.set_defaults(command=command)
        if command is command_of(argv, commands):
            known = {"/".join(option.path): option for option in _fill(parser, command, argv)}
    flags = [flag for option in known.values() for flag in option.flags] or [*levels[""].choices, "--version"]
    words = _joined(argv, known.values())
    try:
        given, unknown = top.parse_known_args(words)
    except SettingsError:
        names = (word.partition("=")[0] for word in words if word.startswith("--"))
        if misspelt := [name for name in names if name not in (*flags, "--help", "--")]:
            raise _unknown(misspelt[0], flags) from None  # it is why another option is missing
        raise
    if unknown:
        raise _unknown(unknown[0], flags)
    values = vars(given)
    command = values.pop("command")
    return _call(command, {known[name]: value for name, value in values.items()})


def _unknown(word: str, flags: Sequence[str]) -> SettingsError:
    """Make the error of a word on the command line that means nothing."""
    if not word.startswith("-"):
        return SettingsError(f"unexpected argument {word}; a pattern, or a value with spaces, goes in quotes")
    close = get_close_matches(word.partition("=")[0].replace("_", "-"), flags, 1)
    return SettingsError(f"there is no option {word}{f'; did you mean {close[0]}?' if close else ''}")


def _joined(argv: Sequence[str], options: Iterable[Option]) -> list[str]:
    """Join numbers, true and false to the option before them.

    So a word after them is an argument, a minus begins no option, and a setting that is on or off needs no value.
    """
    options = list(options)
    numbers = {flag for option in options if _are_numbers(option.hint) for flag in option.flags}
    switches = {flag for option in options if option.hint is bool and not option.is_flag for flag in option.flags}
    words: list[str] = []
    for word in argv:
        flag, equals, _ = words[-1].partition("=") if words else ("", "", "")
        if flag in numbers and NUMBERS.fullmatch(word):
            words[-1] += f"{',' if equals else '='}{word}"
        elif words and words[-1] in switches and word in ("true", "false"):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return [f"{word}=true" if word in switches else word for word in words]


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _fill(parser: Parser, command: Command, argv: Sequence[str]) -> list[Option]:
    """Add the options of a command; what a dictionary may hold is known by what is given, as `--options.links 13`."""
    added = []
    for title, options in options_of(command).items():
        place = parser.add_argument_group(title) if title else parser
        for option in options:
            option.add_to(place)
            added.append(option)
            if _is_dict(option.hint):
                keys = {found[1] for word in argv if (found := re.match(rf"{option.flags[-1]}\.([\w-]+)", word))}
                for key in sorted(keys):
                    path = (*option.path, key.replace("-", "_"))
                    inner = Option(option.setting, (f"{option.flags[-1]}.{key}",), str, argparse.SUPPRESS, path)
                    inner.add_to(place)
                    added.append(inner)
    return added


def _call(command: Command, given: dict[Option, Any]) -> Callable[[], None]:
    """Bind the values that are given to the parameters of the command's function."""
    values: dict[str, Any] = {}
    hints = get_type_hints(command.function)
    for option, words in given.items():
        value, place = option.value(words), values
        for group in option.path[:-1]:
            place = place.setdefault(group, {})
        name = option.path[-1]
        place[name] = place.get(name, {}) | value if isinstance(value, dict) else value
    parameters = signature(command.function).parameters.items()
    groups: dict[str, Any] = {name: {} for name, one in parameters if get_origin(one.annotation) is Annotated}
    for name in values.keys() - groups.keys():
        values[name] = read_value(hints[name], values[name], name)
    arguments = [values.pop(name) for name, one in parameters if one.kind is Parameter.POSITIONAL_ONLY]
    return lambda: command.function(*arguments, **(groups | values))


def command_of(argv: Sequence[str], commands: Sequence[Command]) -> Command | None:
    """Find the command that a command line is for."""
    words = [word for word in argv[:2] if not word.startswith("-")]
    return next((one for one in commands if one.name in (" ".join(words), *words[:1])), None)


def spell(setting: Setting | Call, command: Command | None, commands: Sequence[Command]) -> str:
    """Spell a setting as an option of a command, or as Python does where it is none; a call as a command line."""
    if isinstance(setting, Call):
        called = next(one for one in commands if one.name == setting.function)
        return " ".join(("msrnn", called.name, *(spell(one, called, commands) for one in setting.settings)))
    options = [] if command is None else [one for group in options_of(command).values() for one in group]
    values = setting.value if isinstance(setting.value, tuple) else (setting.value,)
    words = [str(value) for value in values if value is not None and value is not True]
    group, _, key = setting.name.rpartition(".")
    for name in (setting.name, key):
        for option in options:
            if option.setting == name:
                return " ".join((option.flags[0] if option.flags else str(option.metavar), *words))
    for option in options:
        if option.setting.startswith(f"{setting.name}."):  # a group of settings
            return option.flags[-1].rpartition(".")[0]
        if option.setting == group and _is_dict(option.hint):
            return f"{option.flags[-1]} {key}={' '.join(words) or '...'}"
    return str(setting)
