"""Files are there, whole, or not there."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from msrnn.atomic import discard_partials, written


def fail_in_the_middle(path: Path, error: Exception) -> None:
    with written(path) as partial:
        partial.write_text("half")
        raise error


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyError):
        fail_in_the_middle(path, KeyError())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "before")]
    with written(path) as partial:
        partial.write_text("after")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "after")]


def test_a_full_disk_is_called_so_whatever_the_library_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OSError, match="No space left") as caught:
        fail_in_the_middle(tmp_path / "a.ckpt", RuntimeError("unexpected pos 576 vs 534"))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a.ckpt"))
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_discarded(tmp_path: Path) -> None:
    for name in (".last.4711.ckpt", ".settings.1.yaml", ".hidden", "last.ckpt", ".venv"):
        (tmp_path / name).touch()
    discard_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "last.ckpt", ".venv"}
