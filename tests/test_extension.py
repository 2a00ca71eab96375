"""Anybody adds a command, score, data set, output format or reader with one file and one row."""

from pathlib import Path

import numpy as np
import pytest

from msrnn.cli import commands, main
from msrnn.cli.parsing import Command
from msrnn.data.readers import READERS
from msrnn.runs.formats import FORMATS
from msrnn.scores.table import SCORES, ScoreInfo
from msrnn.settings import DATA_SETS, DataSet

PACKAGE = {
    "command": '''
import sys

def shout(word: str, /, *, times: int = 1) -> None:
    """Shout a word.

    Args:
        word: The word.
        times: How often.
    """
    sys.stdout.write(" ".join([word.upper()] * times) + "\\n")
''',
    "reader": '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from msrnn.data.readers.base import Header, Reader


@dataclass(frozen=True)
class TextReader(Reader):
    """Frames of 16 x 16 numbers in text."""

    name: ClassVar[str] = "text"
    signature: ClassVar[str] = "frames"

    def headers(self, path):
        return [Header(self.frames(path)[0].shape)]

    def frames(self, path):
        return [np.loadtxt(path, np.float32, skiprows=1).reshape(-1, 1, 16, 16)]
''',
    "data_set": """
import numpy as np

from msrnn.data.archive import open_archive


def open_files(settings, folder):
    return open_archive(folder)


def split_frames(archive):
    return [np.repeat([0, 1, 2], len(one) // 3) for one in archive.times]
""",
    "written": """
def write_text(path, forecasts):
    path.write_text(" ".join(f"{float(one.whole().mean()):.3f}" for one in forecasts.forecasts))
""",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody's own, with a row for each of its files."""
    folder = tmp_path / "extras"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    from extras.command import shout  # type: ignore[import-not-found]
    from extras.reader import TextReader  # type: ignore[import-not-found]
    from extras.written import write_text  # type: ignore[import-not-found]

    from helpers.worst_error import WorstError

    monkeypatch.setattr(commands, "COMMANDS", [*commands.COMMANDS])
    commands.COMMANDS.append(Command("shout", shout, "WORD [options]"))
    monkeypatch.setattr("msrnn.cli.COMMANDS", commands.COMMANDS)
    monkeypatch.setitem(READERS, "text", TextReader)
    monkeypatch.setitem(DATA_SETS, "noise", DataSet("extras.data_set"))
    monkeypatch.setitem(FORMATS, ".txt", write_text)
    monkeypatch.setitem(SCORES, "worst", ScoreInfo(WorstError))


@pytest.mark.usefixtures("package")
def test_one_of_each_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["shout", "rain", "--times", "2"])
    assert capsys.readouterr().out == "RAIN RAIN\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "shout a word" in capsys.readouterr().out
    (tmp_path / "noise").mkdir()
    frames = np.random.default_rng(0).random((30, 256))
    np.savetxt(tmp_path / "noise" / "frames.txt", frames, header="frames", comments="")
    run = tmp_path / "run"
    model = ["--model", "ms-convlstm", "--model.hidden-channels", "4", "--epochs", "1", "--device", "cpu"]
    data = ["--data", "noise", "--data.path", str(tmp_path / "noise"), "--context", "3", "--horizon", "2"]
    main(["train", *model, *data, "--out", str(run)])
    main(["evaluate", str(run), "--device", "cpu"])
    assert "worst" in (run / "scores.csv").read_text()
    assert "6 train, 6 validation, 6 test sequences" in capsys.readouterr().err
    output = tmp_path / "forecast.txt"
    main(["predict", str(run), "--input", str(tmp_path / "noise"), "--output", str(output), "--device", "cpu"])
    assert 0 <= float(output.read_text()) <= 1
