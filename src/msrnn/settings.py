"""Settings of a run: dataclasses, checked when they are made, for Python, the command line and recipes.

Nothing here imports torch, so that help is fast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from math import inf
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints

from msrnn.errors import Setting, SettingsError

Split = Literal["train", "validation", "test"]
ScoringProtocol = Literal["forecast", "paper"]
OWN = "own"
"""Stands in the settings of a run for a loss, or data, that were given as a Python object."""
FIXED_LENGTH = 20
"""Frames of a sequence in the field's fixed test file."""
UnitName = Literal["mm/h", "mm", "dBZ", "1"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["32", "64", "bf16"]
Memory = Literal["keep", "step", "sqrt"]
Patch = Literal[1, 2, 4, 8]
Skips = Literal["none", "mirror", "unet3+", "full"]


def _require(condition: bool, *message: object) -> None:
    if not condition:
        raise SettingsError(*message)


@dataclass(frozen=True)
class ModelSettings:
    """Model."""

    name: str
    """Name of the model, e.g. ms-predrnn; a wrong one lists them all."""
    hidden_channels: int = 64
    """Channels of every recurrent layer."""
    kernel_size: int = 3
    """Edge of the cells' convolutions in pixels, odd."""
    scales: tuple[int, ...] | None = None
    """One per layer: it works at 1/scale of the resolution. Default: what the name says."""
    skips: Skips | None = None
    """Earlier layers whose outputs are added to a layer's input: none, mirror, unet3+ or full. Default: as the name
    says."""
    patch: Patch = 1
    """Edge in pixels of the patches that the network works on; the work falls by its square. 1 is the paper's."""
    memory: Literal[Memory, "auto"] = "keep"
    """Memory mode of training: hold all activations (keep), the state of each step (step) or of a few (sqrt), and
    compute the rest again; auto: the fastest mode that fits the device."""
    half_state: bool = True
    """With precision bf16, carry the state from step to step in bfloat16 too; false: in float32."""
    options: dict[str, Any] = field(default_factory=dict)
    """The cell's own options, e.g. links=13 for trajgru."""

    def __post_init__(self) -> None:
        for name in ("hidden_channels", "kernel_size"):
            _require(getattr(self, name) >= 1, Setting(f"model.{name}", getattr(self, name)), " must be at least 1")


@dataclass(frozen=True)
class DigitsSettings:
    """Moving digits: only for data moving-mnist."""

    folder: str | None = None
    """Folder with MNIST's IDX files; without it, the handwritten digits that come with scikit-learn."""
    test_file: str | None = None
    """The field's fixed test set, mnist_test_seq.npy of shape (20, N, 64, 64), in the place of generated sequences."""
    size: tuple[int, int] = (64, 64)
    """Height and width of a frame in pixels."""
    digit_size: int = 28
    """Height and width of a digit in pixels."""
    number: int = 2
    """Digits in a frame."""
    speed: tuple[float, float] = (0.08, 0.12)
    """Least and greatest speed of a digit, as a share of its free range per frame."""
    whole_pixels: bool = True
    """Digits stand on whole pixels, as in the field's test file; false: between them too."""

    def __post_init__(self) -> None:
        _require(
            0 < self.digit_size <= min(self.size),
            Setting("data.digits.digit_size", self.digit_size),
            f" must be between 1 and the frame's edge, {min(self.size)}",
        )
        _require(self.number >= 1, Setting("data.digits.number", self.number), ": at least one digit is needed")
        _require(
            0 <= self.speed[0] <= self.speed[1] <= 1,
            Setting("data.digits.speed", self.speed),
            " must be two rising numbers between 0 and 1",
        )


@dataclass(frozen=True)
class ReaderSettings:
    """How files are read."""

    reader: str | None = None
    """Reader of the files. Default: by the first file's content."""
    reader_options: dict[str, Any] = field(default_factory=dict)
    """Options of the reader, as KEY=VALUE."""
    units: UnitName | None = None
    """Units of the numbers. Default: what the files say."""
    interval_minutes: float | None = None
    """Interval of units mm. Default: what the files say."""
    skip_bad: bool = False
    """Leave out files that cannot be used, and list them."""

    def __post_init__(self) -> None:
        minutes = Setting("data.interval_minutes", self.interval_minutes)
        possible = self.interval_minutes is None or 0 < self.interval_minutes < inf
        _require(possible, minutes, " must be positive and finite")


@dataclass(frozen=True)
class DataSettings:
    """Data."""

    name: str = "moving-mnist"
    """moving-mnist, kth, taxibj or germany; or your own: a file, a folder, or a pattern in quotes."""
    path: str | None = None
    """Folder with the files of kth, taxibj or germany."""
    reader: str | None = None
    """Reader of your files, e.g. knmi or pysteps:mch_gif. Default: by the first file's content."""
    reader_options: dict[str, Any] = field(default_factory=dict)
    """Options of the reader, as KEY=VALUE."""
    units: UnitName | None = None
    """Units of the numbers; mm is per interval_minutes. Default: what the files say."""
    interval_minutes: float | None = None
    """Interval of units mm. Default: what the files say."""
    z_r: Literal["dwd", "marshall-palmer", "hko"] | tuple[float, float] = "dwd"
    """Z = a R^b: dwd (256, 1.42), marshall-palmer (200, 1.6), hko (58.53, 1.56), or a and b."""
    normalisation: Literal["auto", "none", "range", "rain"] = "auto"
    """How values become [0, 1]: none, if they are already; range, from least to greatest of the training split; rain,
    the paper's pixel of reflectivity. Default: rain for units of rain, none for values in [0, 1], else range."""
    fill: Literal["dry", "last"] = "dry"
    """Filling of missing values: dry, 0, which is no rain; last, the last value there was."""
    size: tuple[int, int] | None = None
    """Resize frames to this height and width, by area mean (of mm/h). Default: kth 88 88, germany 124 124."""
    crop: tuple[int, int] | None = None
    """Train and validate on crops of this height and width, at random places; everything else is on full frames."""
    step_minutes: float | None = None
    """Time between the frames of a sequence. Default: the commonest in the files."""
    stride: int = 1
    """Frames between the beginnings of two sequences, at least."""
    split: Literal["time", "day", "event"] | None = None
    """Frames that a split keeps together: time (first, then, last), days, or events (stretches without a gap;
    without times, sequences). Default: event for several sequences without times, else time. Dates, which an archive
    that grows keeps, are stored."""
    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of training, validation and test."""
    validation_from: str | None = None
    """Begin of validation, e.g. 2015-01-01, in the place of shares."""
    test_from: str | None = None
    """Begin of the test, in the place of shares."""
    guard: int | None = None
    """Frames between two splits that belong to neither. Default: as many as the context."""
    max_missing: float = 0.5
    """Leave out sequences of which a greater share is missing; where no frame has data does not count."""
    min_wet: float = 0.0
    """Training sequences with a smaller share of wet pixels (0.1 mm/h) count as dry."""
    dry_keep: float = 0.0
    """Share of dry sequences that training keeps, drawn at random."""
    skip_bad: bool = False
    """Leave out files that cannot be used, and list them."""
    actions: tuple[str, ...] = ("walking", "jogging", "running")
    """Actions of kth; besides these there are boxing, handclapping and handwaving."""
    epoch_samples: int | None = None
    """Sequences that make an epoch of training. Default: all; of moving-mnist, none of which comes twice, 10000."""
    validation_samples: int | None = None
    """Sequences of the validation split, evenly spread. Default: all; of moving-mnist 500."""
    test_samples: int | None = None
    """Sequences of the test split, evenly spread. Default: all; of moving-mnist 1000."""
    digits: DigitsSettings = field(default_factory=DigitsSettings)

    def __post_init__(self) -> None:
        for name in ("epoch_samples", "validation_samples", "test_samples", "stride"):
            value = getattr(self, name)
            _require(value is None or value >= 1, Setting(f"data.{name}", value), " must be at least 1")
        for name in ("size", "crop"):
            value = getattr(self, name)
            _require(
                value is None or min(value) >= 1, Setting(f"data.{name}", value), " must be at least 1 high and wide"
            )
        for name in ("interval_minutes", "step_minutes"):
            value = getattr(self, name)
            _require(value is None or 0 < value < inf, Setting(f"data.{name}", value), " must be positive and finite")
        for name in ("max_missing", "min_wet", "dry_keep"):
            value = getattr(self, name)
            _require(0 <= value <= 1, Setting(f"data.{name}", value), " must be between 0 and 1")
        _require(
            min(self.shares) >= 0 and abs(sum(self.shares) - 1) < 1e-6,
            Setting("data.shares", self.shares),
            " must be three shares that sum to 1",
        )
        _require(self.guard is None or self.guard >= 0, Setting("data.guard", self.guard), " must not be negative")
        z_r = Z_R_NAMES.get(self.z_r) if isinstance(self.z_r, str) else self.z_r
        _require(
            z_r is not None and min(z_r) > 0, Setting("data.z_r", self.z_r), " must be a name or two positive numbers"
        )
        _require(
            set(self.actions) <= set(KTH_ACTIONS), Setting("data.actions"), f": choose from {', '.join(KTH_ACTIONS)}"
        )
        if self.name == "moving-mnist":
            self._refuse(FILE_SETTINGS, " is for files")
        else:
            self._refuse(("digits",), " is for moving-mnist")
        dated = self.validation_from is not None or self.test_from is not None
        _require(
            not dated or self.split in (None, "time"),
            *(Setting("data.split"), ": dates are given with ", Setting("data.validation_from"), " or "),
            *(Setting("data.test_from"), "; leave it out"),
        )
        if self.name in DATA_SETS:
            self._refuse(OWN_SETTINGS, " is for files of your own")
            need = (Setting("data.name", self.name), " needs its files: ", Setting("data.path", "FOLDER"))
            _require(self.path is not None, *need)
        else:
            self._refuse(
                ("path",), f" is for {', '.join(DATA_SETS)}; name your own files with ", Setting("data.name", "PATH")
            )
        for name, one in DATA_SETS.items():
            if name != self.name:
                self._refuse(one.own, f" is for {name}")

    @property
    def reader_settings(self) -> ReaderSettings:
        """How the files are read."""
        return ReaderSettings(self.reader, self.reader_options, self.units, self.interval_minutes, self.skip_bad)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Height and width that frames are resized to; None: they are not."""
        return self.size or (DATA_SETS[self.name].size if self.name in DATA_SETS else None)

    def _refuse(self, names: Sequence[str], *why: object) -> None:
        """Refuse settings that mean nothing here, unless they have their defaults."""
        for setting in fields(self):
            if setting.name not in names:
                continue
            default = setting.default if setting.default_factory is MISSING else setting.default_factory()
            given = (", given is ", Setting("data.name", self.name))
            _require(getattr(self, setting.name) == default, Setting(f"data.{setting.name}"), *why, *given)


class DataSet(NamedTuple):
    """A data set with a name."""

    module: str
    """Opens its files and splits its frames; see `msrnn.data.sets`."""
    size: tuple[int, int] | None = None
    """Frames are resized to it; None: they are not."""
    own: tuple[str, ...] = ()
    """Settings of data that are for it alone."""


DATA_SETS = {
    "kth": DataSet("msrnn.data.sets.kth", (88, 88), own=("actions",)),
    "taxibj": DataSet("msrnn.data.sets.taxibj"),
    "germany": DataSet("msrnn.data.sets.germany", (124, 124)),
}
OWN_SETTINGS = (
    "reader", "reader_options", "units", "interval_minutes", "split", "shares", "validation_from", "test_from", "guard",
)  # fmt: skip
FILE_SETTINGS = (
    *OWN_SETTINGS, "z_r", "normalisation", "fill", "size", "crop", "step_minutes", "stride", "max_missing", "min_wet",
    "dry_keep", "skip_bad",
)  # fmt: skip
KTH_ACTIONS = ("walking", "jogging", "running", "boxing", "handclapping", "handwaving")
Z_R_NAMES = {"dwd": (256.0, 1.42), "marshall-palmer": (200.0, 1.6), "hko": (58.53, 1.56)}
"""a and b of Z = a R^b, with Z in mm^6/m^3 and R in mm/h: the German weather service's, Marshall and Palmer's (1948),
the Hong Kong Observatory's."""


@dataclass(frozen=True)
class RunSettings:
    """Training."""

    model: ModelSettings
    data: DataSettings
    context: int = 10
    """Frames that are given."""
    horizon: int = 10
    """Frames that are predicted, in training and validation; predict takes any."""
    epochs: float = 20
    """Length of the training in epochs."""
    batch_size: int = 4
    """Sequences per optimiser step, over all devices."""
    accumulate: int = 1
    """Parts of a batch, worked through in turn: less memory, the same result."""
    loss: Literal["paper", "mse", "balanced", "gdl", "own"] = "paper"
    """paper: squared plus absolute error, summed over pixels; mse: mean squared error; balanced: squared plus absolute
    error weighted by rain rate; gdl: paper plus gradient difference; own: a function, given in Python."""
    sampling: Literal["scheduled", "reverse-scheduled"] | None = None
    """Schedule by which the model sees its own output in training: scheduled or reverse-scheduled. Default: as its
    paper."""
    learning_rate: float = 3e-4
    """Adam's learning rate."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Course of the learning rate over the whole training."""
    warmup: float = 0.0
    """Share of the training in which the learning rate rises from 0."""
    curriculum: float = 0.0
    """Share of the training in which the number of frames that are predicted grows from one to the horizon."""
    clip: float = 10.0
    """Largest gradient norm, times the numbers in a frame for losses that are sums over pixels: far above ordinary
    ones."""
    patience: int | None = None
    """Validations without a better score after which to stop."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """Reaction to a loss or gradient that is not finite: stop and name the sequences, or skip the step and count."""
    precision: Literal[Precision, "auto"] = "auto"
    """Floating point: 32 or 64 bit, or mixed with bfloat16 (bf16); auto: bf16 where it is at least 1.2 times as fast
    as 32, by a short measurement."""
    device: Device = "auto"
    """Device to train on."""
    compile: bool = False
    """Compile the time step with torch.compile, which takes a minute or two; meant for GPUs, where memory keep also
    uses CUDA graphs."""
    devices: int | None = None
    """Processes on each machine, on a device each. Default: as torchrun or SLURM has started, or 1."""
    nodes: int | None = None
    """Machines. Default: as torchrun or SLURM has started, or 1."""
    workers: int = 0
    """Processes that make batches; 0: the training itself does, in turn."""
    seed: int = 0
    """Seed of every random draw in training; held-out sequences do not depend on it."""

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "batch_size", "accumulate"):
            _require(getattr(self, name) >= 1, Setting(name, getattr(self, name)), " must be at least 1")
        for name in ("epochs", "learning_rate", "clip"):
            positive = 0 < getattr(self, name) < inf
            _require(positive, Setting(name, getattr(self, name)), " must be positive and finite")
        _require(
            self.batch_size % self.accumulate == 0,
            *(Setting("accumulate", self.accumulate), " must divide ", Setting("batch_size", self.batch_size)),
        )
        _require(0 <= self.warmup < 1, Setting("warmup", self.warmup), " must be at least 0 and less than 1")
        _require(0 <= self.curriculum <= 1, Setting("curriculum", self.curriculum), " must be between 0 and 1")
        patience = Setting("patience", self.patience)
        _require(self.patience is None or self.patience >= 1, patience, " must be at least 1")
        for name in ("devices", "nodes"):
            value = getattr(self, name)
            _require(value is None or value >= 1, Setting(name, value), " must be at least 1")
        for name in ("workers", "seed"):
            _require(getattr(self, name) >= 0, Setting(name, getattr(self, name)), " must not be negative")
        _require(
            self.data.digits.test_file is None or self.length <= FIXED_LENGTH,
            *(Setting("context", self.context), " and ", Setting("horizon", self.horizon)),
            *(f" exceed the {FIXED_LENGTH} frames of ", Setting("data.digits.test_file")),
        )

    @property
    def length(self) -> int:
        """Frames of a training sequence."""
        return self.context + self.horizon


class TrainingLength(NamedTuple):
    """Length of a training in optimiser steps: about one validation per epoch, the last at the end."""

    steps: int
    steps_per_validation: int

    @classmethod
    def of(cls, settings: RunSettings, epoch_samples: int) -> "TrainingLength":
        """Compute the length of a training whose epochs have `epoch_samples` sequences."""
        epoch = max(1, epoch_samples // settings.batch_size)
        validations = max(1, round(settings.epochs))
        between = max(1, round(settings.epochs * epoch) // validations)
        return cls(between * validations, between)


def read_document(path: Path) -> dict[str, Any]:
    """Read settings by name from a YAML file; dates stay text.

    Raises:
        SettingsError: it is no such file.
    """
    import yaml
    from jsonargparse import get_loader

    try:
        document = get_loader("yaml")(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no YAML file: it is not text") from error
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{path}{where}: that is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: {'expected settings by name' if document else 'it is empty'}")
    return document


def settings_from(document: Mapping[str, Any]) -> RunSettings:
    """Make settings of a document: a recipe, a run's settings.yaml, keywords.

    Raises:
        SettingsError: there is no such setting, or a value is not possible.
    """
    return read_settings(RunSettings, document)


Kind = TypeVar("Kind")


def read_settings(kind: type[Kind], document: Mapping[str, Any], group: str = "") -> Kind:
    """Make settings of one kind of a document; `group` stands before their names in messages, such as "data.".

    Raises:
        SettingsError: there is no such setting, or a value is not possible.
    """
    check_names(kind, document, group)
    hints = get_type_hints(kind)
    values = {}
    for setting in fields(kind):  # type: ignore[arg-type]
        name, hint = f"{group}{setting.name}", hints[setting.name]
        required = setting.default is MISSING and setting.default_factory is MISSING
        if setting.name in document or (required and is_dataclass(hint)):
            values[setting.name] = read_value(hint, document.get(setting.name, {}), name)
        elif required:
            raise SettingsError(Setting(name), " must be given")
    return kind(**values)


def check_names(kind: type[Any], document: Mapping[str, Any], group: str = "") -> None:
    """Raise a SettingsError if a document, or a group in it, has a name that settings of this kind do not have."""
    if not isinstance(document, Mapping):
        name = Setting(group.removesuffix("."))
        raise SettingsError(name, f": expected settings such as {{name: ...}}, got {document!r}")
    known = get_type_hints(kind)
    for unknown in (name for name in document if name not in known):
        close = get_close_matches(f"{group}{unknown}", setting_names(kind, group), 1)
        hint = ("; did you mean ", Setting(close[0]), "?") if close else ()
        raise SettingsError("there is no setting ", Setting(f"{group}{unknown}"), *hint)
    for name in (name for name in document if is_dataclass(known[name])):
        check_names(known[name], document[name], f"{group}{name}.")


def read_value(hint: Any, value: Any, name: str) -> Any:
    """Convert a value, which may be text, to a type; `name` is that of the setting, for messages.

    Raises:
        SettingsError: it is no such value.
    """
    from jsonargparse import ArgumentError

    if is_dataclass(hint):
        return read_settings(hint, value, f"{name}.")  # type: ignore[arg-type]
    if value is None and NoneType not in get_args(hint):
        raise SettingsError(Setting(name), ": null is no value for it; leave it out for the default")
    try:
        return _parser_of(hint).parse_object({"value": _both_edges(hint, _as_choice(hint, value))}).value
    except ArgumentError as error:
        raise SettingsError(Setting(name), f": expected {describe(hint)}, got {value!r}") from error


def _as_choice(hint: Any, value: Any) -> Any:
    """Return a number as text, if that is one of the choices, as in precision: 32."""
    choices = [choice for part in (hint, *get_args(hint)) if get_origin(part) is Literal for choice in get_args(part)]
    return str(value) if isinstance(value, int) and value not in choices and str(value) in choices else value


def _both_edges(hint: Any, value: Any) -> Any:
    """Return height and width of a square, if a value is its edge; else the value."""
    if tuple[int, int] not in (hint, *get_args(hint)):
        return value
    edge = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    return (edge, edge) if isinstance(edge, int | str) and "," not in str(edge) else value


@cache
def _parser_of(hint: Any) -> Any:
    """Return a parser of values of one type."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=hint)
    return parser


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings over others, group by group."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def setting_names(kind: type[Any], group: str = "") -> list[str]:
    """List the names of all settings, those in groups with a dot."""
    found = []
    for name, hint in get_type_hints(kind).items():
        found += setting_names(cast(type[Any], hint), f"{group}{name}.") if is_dataclass(hint) else [f"{group}{name}"]
    return found


def describe(hint: Any) -> str:
    """Say which values a type has, for a message."""
    arguments = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(hint) is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list of {_PLURALS.get(arguments[0]) or ', '.join(get_args(arguments[0]))}"
        edges = "one or " if arguments == [int, int] else ""
        return f"{edges}{_COUNTS[len(arguments)]} {_PLURALS[arguments[0]]}"
    if arguments and get_origin(hint) is not dict:
        return " or ".join(describe(part) for part in arguments)
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, "settings by name")


_PLURALS = {int: "whole numbers", float: "numbers", str: "words"}
_COUNTS = {2: "two", 3: "three"}
