"""Trainings that are killed, at any moment, and resumed."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers.processes import INTERRUPTIBLE, arguments, assert_same, checkpoint, finish, start

pytestmark = pytest.mark.slow
KILLS = 22


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Early ones hit a run that is being made; later ones steps, validations and the writing of checkpoints."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    steps = 2000
    finish(start(arguments(whole, steps)))
    draw = random.Random(0)
    kills, during_writing, last = 0, 0, 0
    while kills < KILLS or (not during_writing and kills < 3 * KILLS):  # until one has struck while it wrote
        workers = kills % 3
        process = start([*arguments(run, steps, workers=workers), "--resume"], INTERRUPTIBLE)
        if kills >= 4:
            _wait_for_a_step(process, run, last)
            time.sleep(draw.uniform(0, 0.7))
        else:
            time.sleep(draw.uniform(0.2, 8))
        process.poll()
        assert process.returncode is None, process.communicate()[0]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
        if (run / "checkpoints" / "last.ckpt").exists():
            during_writing += any(path.name.startswith(".") for path in (run / "checkpoints").iterdir())
            step = checkpoint(run)["global_step"]
            assert last <= step < steps
            last = step
    finish(start([*arguments(run, steps), "--resume"], INTERRUPTIBLE))
    assert during_writing > 0
    assert_same(run, whole)
    assert not list(run.rglob(".*"))


def _wait_for_a_step(process: subprocess.Popen[str], run: Path, last: int) -> None:
    """Until there is a checkpoint of a later step."""
    path = run / "checkpoints" / "last.ckpt"
    seen = path.stat().st_mtime_ns if path.exists() else 0
    deadline = time.monotonic() + 60
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == seen):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("workers", [0, 2])
def test_told_to_stop(tmp_path: Path, told: signal.Signals, code: int, workers: int) -> None:
    """The whole process group is told, as a terminal and a scheduler do."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    finish(start(arguments(whole, 400)))
    process = start(arguments(run, 400, workers=workers))
    while not (run / "metrics.jsonl").exists():
        time.sleep(0.05)
    os.killpg(process.pid, told)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    message = said.splitlines()[-1]
    assert message.startswith(f"msrnn: {told.name}: step ")
    assert message.endswith(f"go on with: msrnn train --resume --out {run}")
    assert checkpoint(run)["global_step"] >= 10
    finish(start(["train", "--resume", "--out", str(run)]))
    assert_same(run, whole)


def test_workers_end_with_the_training(tmp_path: Path) -> None:
    process = start(arguments(tmp_path / "run", 4000, workers=2))
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        time.sleep(0.05)
    children = _children(process.pid)
    assert len(children) >= 2
    process.kill()
    assert process.stdout is not None
    process.stdout.close()
    process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _children(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in told.stdout.split()]


def test_a_full_disk(tmp_path: Path) -> None:
    """What was saved before stays; with room again, the run goes on to the same end."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    disk, whole = tmp_path / "disk", tmp_path / "whole"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        run = disk / "run"
        finish(start(arguments(whole, 400)))
        process = start(arguments(run, 400), INTERRUPTIBLE)
        while not (run / "metrics.jsonl").exists():
            time.sleep(0.05)
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert "No space left on device" in said.splitlines()[-1]
        assert "msrnn train --resume --out" in said.splitlines()[-1]
        assert checkpoint(run)["global_step"] >= 9
        (disk / "filler").unlink()
        finish(start(["train", "--resume", "--out", str(run)]))
        assert_same(run, whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
