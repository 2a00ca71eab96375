"""Messages name settings; only the command line spells them as options."""

import ast
import pickle
import re
from pathlib import Path

import pytest
from torch import Tensor
from torch.utils.data import Dataset

import msrnn
from msrnn.cli.commands import spelling
from msrnn.data.loading import evaluation_loader
from msrnn.errors import (
    AbandonedError,
    Call,
    DataError,
    DiskFullError,
    ExplainedError,
    NotFiniteError,
    Setting,
    SettingsError,
    StoppedError,
)

SOURCE = Path(msrnn.__file__).parent
SKIP = Setting("data.skip_bad", True)
AGAIN = Call("train", (Setting("resume", True), Setting("out", "runs/a")), given=("settings",))
ERROR = DataError("damaged file", Path("a.h5"), "is cut off", ("fetch it again, or leave it out with ", SKIP))
OF_OTHER_PROGRAMS = {"experiment/workers.py", "training/processes.py"}
"""Files whose options are those of a command that is run, or of sbatch."""


@pytest.mark.parametrize(
    ("command", "setting", "spelled"),
    [
        ("train", SKIP, "--data.skip-bad"),
        ("predict", SKIP, "--skip-bad"),
        ("experiment", SKIP, "data.skip_bad=True"),
        ("experiment", Setting("jobs"), "--jobs"),
        ("train", Setting("data.name", "kth"), "--data kth"),
        ("train", Setting("model.memory", "step"), "--memory step"),
        ("train", Setting("data.size", (3, 4)), "--data.size 3 4"),
        ("train", Setting("data.reader_options.missing", -9), "--data.reader-options missing=-9"),
        ("data inspect", Setting("data.reader_options.array"), "--reader-options array=..."),
        ("data inspect", SKIP, "data.skip_bad=True"),
        ("evaluate", Setting("learning_rate"), "learning_rate"),
        ("analyze", Setting("model.kernel_size", 0), "--kernel-size 0"),
        ("experiment", AGAIN, "msrnn train --resume --out runs/a"),
    ],
)
def test_a_command_spells_a_setting_as_its_option(command: str, setting: Setting | Call, spelled: str) -> None:
    assert spelling(command)(setting) == spelled


def test_python_reads_names_of_settings() -> None:
    assert str(ERROR) == "a.h5: is cut off; fetch it again, or leave it out with data.skip_bad=True"
    assert repr(ERROR) == f"DataError({str(ERROR)!r})"
    assert ERROR.settings == (SKIP,)
    assert str(AGAIN) == "train(settings, resume=True, out='runs/a')"
    assert str(ERROR.cause) == "a.h5: is cut off"


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        SettingsError("no ", Setting("out")),
        NotFiniteError("lost"),
        DiskFullError("full; then ", AGAIN),
        StoppedError(15, "SIGTERM: go on with ", AGAIN),
        AbandonedError("go on with ", AGAIN),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_are_pickled_whole(error: ExplainedError | AbandonedError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (again.parts, str(again), vars(again)) == (error.parts, str(error), vars(error))


def test_a_setting_alone_may_be_a_fix() -> None:
    assert str(DataError("odd", "a.h5", "is odd", SKIP)) == "a.h5: is odd; data.skip_bad=True"


class Damaged(Dataset[Tensor]):
    """A data set whose only sequence cannot be read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Tensor:
        raise ERROR


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_raises_the_same_error(workers: int) -> None:
    with pytest.raises(DataError) as raised:
        list(evaluation_loader(Damaged(), 1, workers))
    assert (raised.value.kind, raised.value.settings) == (ERROR.kind, ERROR.settings)


def test_the_library_names_no_options() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("cli/") or name in OF_OTHER_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
            for piece in pieces:
                if not isinstance(piece, ast.Constant) or not isinstance(piece.value, str):
                    continue
                pattern = r"(?<![\w-])--([a-z]|$)" if piece is not node else r"(?<![\w-])--[a-z]"
                if piece.value != "--value" and re.search(pattern, piece.value):
                    found.append(f"{name}:{piece.lineno}: {piece.value}")
    assert not found
