"""Messages name settings; only the command line spells them as options."""

import ast
import pickle
import re
from pathlib import Path

import pytest

import msrnn
from msrnn.cli.parsing import option
from msrnn.data.loading import evaluation_loader
from msrnn.errors import Call, DataError, Setting, SettingsError

SOURCE = Path(msrnn.__file__).parent
SKIP = Setting("data.skip_bad", True)
AGAIN = Call("train", (Setting("resume", True), Setting("out", "runs/a")))
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
        ("data", Setting("data.reader_options.array"), "--reader-options array=..."),
        ("experiment", AGAIN, "msrnn train --resume --out runs/a"),
    ],
)
def test_a_command_spells_a_setting_as_its_option(command, setting, spelled):
    assert option(command, setting) == spelled


def test_python_reads_names_of_settings():
    assert str(ERROR) == "a.h5: is cut off; fetch it again, or leave it out with data.skip_bad=True"
    assert repr(ERROR) == f"DataError({str(ERROR)!r})"
    assert ERROR.settings == (SKIP,)
    assert str(AGAIN) == "train(resume=True, out='runs/a')"
    assert str(ERROR.cause) == "a.h5: is cut off"


def test_errors_are_pickled_whole():
    again = pickle.loads(pickle.dumps(ERROR))
    assert (again.kind, again.path, again.parts) == (ERROR.kind, ERROR.path, ERROR.parts)
    plain = SettingsError("no ", Setting("out"))
    assert pickle.loads(pickle.dumps(plain)).settings == plain.settings


class Damaged:
    """A data set whose only sequence cannot be read."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise ERROR


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_raises_the_same_error(workers):
    with pytest.raises(DataError) as raised:
        list(evaluation_loader(Damaged(), 1, workers))
    assert (raised.value.kind, raised.value.settings) == (ERROR.kind, ERROR.settings)


def test_the_library_speaks_no_command_line():
    found = []
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("cli/") or name in OF_OTHER_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            spoken = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != "--value"
            if spoken and re.search(r"(?<![\w-])--[a-z]", node.value):
                found.append(f"{name}:{node.lineno}: {node.value}")
    assert not found
