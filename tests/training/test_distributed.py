"""Several processes, and several machines, train as one does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.processes import INTERRUPTIBLE, arguments, assert_same, checkpoint, finish, start
from msrnn.errors import SettingsError
from msrnn.settings import DataSettings, ModelSettings, RunSettings
from msrnn.training.processes import Processes, find_processes

pytestmark = pytest.mark.slow
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
SAME = 1e-6
OPTIONS: dict[str, Any] = {"steps": 20, "data.validation-samples": 5, "model": "ms-predrnn-v2"}
"""Reverse-scheduled sampling, a loss term of the model's own, and validation sequences that two cannot halve."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "alone"
    finish(start(arguments(run, **OPTIONS)))
    return run


def test_two_processes_are_one(alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    said = finish(start(arguments(run, **OPTIONS, devices=2)))
    assert_same(run, alone, SAME)
    assert said.count("trained; next") == 1
    assert said.count("validation mse") == 2


def test_two_processes_are_one_to_the_last_digits(tmp_path: Path) -> None:
    """In float64, where what rounding differs by does not grow to 1e-6; in parts, and with workers."""
    one, two = tmp_path / "one", tmp_path / "two"
    finish(start(arguments(one, **OPTIONS, precision=64, curriculum=0.5)))
    finish(start(arguments(two, **OPTIONS, precision=64, curriculum=0.5, devices=2, accumulate=2, workers=1)))
    assert_same(one, two, 1e-10)


def test_torchrun_says_how_many(alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    finish(start(arguments(run, **OPTIONS), prefix=(*TORCHRUN, "--nproc-per-node=2", "--no-python")))
    assert_same(run, alone, SAME)


def slurm(tasks: int, **more: str) -> dict[str, Any]:
    """What srun tells the tasks of a job on this machine."""
    return {
        "SLURM_JOB_ID": "4242",
        "SLURM_JOB_NAME": "train",
        "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": str(tasks),
        "SLURM_NTASKS_PER_NODE": str(tasks),
    } | more


def test_slurm_says_how_many(alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tasks = [
        start(arguments(run, **OPTIONS), **slurm(2, SLURM_PROCID=str(number), SLURM_LOCALID=str(number)))
        for number in range(2)
    ]
    said = [finish(task) for task in tasks]
    assert_same(run, alone, SAME)
    assert sum(text.count("trained; next") for text in said) == 1


def test_slurm_must_know_how_many_on_each_node(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RunSettings(ModelSettings("ms-convlstm"), DataSettings(), batch_size=8)
    for name, value in (slurm(4) | {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "2"}).items():
        monkeypatch.setenv(name, value)
    assert find_processes(settings, torch.device("cpu")) == Processes(2, 2)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(SettingsError, match="--ntasks-per-node"):
        find_processes(settings, torch.device("cpu"))
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_NNODES", "1")
    assert find_processes(settings, torch.device("cpu")) == Processes(1, 1)


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_another_number_of_processes_resumes(alone: Path, tmp_path: Path, first: int, then: int) -> None:
    run = tmp_path / "run"
    process = start(arguments(run, **OPTIONS, devices=first), INTERRUPTIBLE, STOP_IN="13")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert said.count("go on with") == 1
    assert checkpoint(run)["global_step"] == 13
    finish(start(["train", "--resume", "--out", str(run), f"--devices={then}"]))
    assert_same(run, alone, SAME)


@pytest.mark.parametrize("which", ["first", "second"])
def test_the_death_of_one_ends_the_other(tmp_path: Path, which: str) -> None:
    run = tmp_path / "run"
    process = start(arguments(run, 20000, devices=2))
    while not (run / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True)
    (other,) = map(int, told.stdout.split())
    os.kill(other if which == "second" else process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    deadline = time.monotonic() + 60
    while Path(f"/proc/{other}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_two_machines(alone: Path, tmp_path: Path) -> None:
    """Two network namespaces with a cable between them, and a torchrun in each."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    run = tmp_path / "run"
    hosts = ("msrnn-a", "msrnn-b")
    ip("link", "add", "msrnn0", "type", "veth", "peer", "name", "msrnn1")
    try:
        for number, host in enumerate(hosts):
            ip("netns", "add", host)
            ip("link", "set", f"msrnn{number}", "netns", host)
            ip("-n", host, "addr", "add", f"10.77.0.{number + 1}/24", "dev", f"msrnn{number}")
            for device in ("lo", f"msrnn{number}"):
                ip("-n", host, "link", "set", device, "up")
        processes = []
        for number, host in enumerate(hosts):
            prefix: tuple[str, ...] = ("ip", "netns", "exec", host, *TORCHRUN, "--nnodes=2", "--nproc-per-node=1")
            prefix += (f"--node-rank={number}", "--master-addr=10.77.0.1", "--master-port=29400", "--no-python")
            variables: dict[str, Any] = {"GLOO_SOCKET_IFNAME": f"msrnn{number}"}
            processes.append(start(arguments(run, **OPTIONS), prefix=prefix, **variables))
        for process in processes:
            finish(process)
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host], check=False)
        subprocess.run(["ip", "link", "delete", "msrnn0"], check=False, stderr=subprocess.DEVNULL)
    assert_same(run, alone, SAME)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
