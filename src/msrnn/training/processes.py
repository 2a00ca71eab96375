"""How many processes train together, and how they find each other."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from msrnn.errors import Setting, SettingsError
from msrnn.settings import RunSettings


@dataclass(frozen=True)
class Processes:
    """`devices` processes on each of `nodes` machines."""

    devices: int
    nodes: int

    @property
    def total(self) -> int:
        """Number of processes on all machines."""
        return self.devices * self.nodes


def find_processes(settings: RunSettings, device: torch.device) -> Processes:
    """Find the processes: those of the settings, else of torchrun or SLURM that started this one, else one.

    Raises:
        SettingsError: there are fewer devices, or a batch cannot be shared equally.
    """
    started = _started()
    processes = Processes(settings.devices or started.devices, settings.nodes or started.nodes)
    if started.total > 1 and processes != started:
        raise SettingsError(
            *(Setting("devices", processes.devices), " ", Setting("nodes", processes.nodes)),
            f": torchrun or SLURM has started {started.devices} on each of {started.nodes}; leave both out",
        )
    there = torch.accelerator.device_count() if device.type != "cpu" else processes.devices
    if processes.devices > there:
        raise SettingsError(Setting("devices", processes.devices), f": this machine has {there}")
    if settings.batch_size % (settings.accumulate * processes.total):
        parts = f" in {settings.accumulate} parts" if settings.accumulate > 1 else ""
        raise SettingsError(
            Setting("batch_size", settings.batch_size),
            f"{parts} cannot be shared equally by {processes.total} processes: it is that of all together",
        )
    return processes


def _started() -> Processes:
    """Find the processes that torchrun or SLURM has started.

    Raises:
        SettingsError: SLURM was not told how many tasks each node is to have.
    """
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(local, int(os.environ["WORLD_SIZE"]) // local)
    if SLURMEnvironment.detect():
        nodes, tasks = (int(os.environ.get(name, "1")) for name in ("SLURM_NNODES", "SLURM_NTASKS"))
        local = int(os.environ.get("SLURM_NTASKS_PER_NODE", "0" if tasks > 1 else "1"))
        if local * nodes != tasks:
            raise SettingsError(
                f"SLURM has started {tasks} tasks on {nodes} nodes: "
                "ask sbatch for them with --nodes and --ntasks-per-node, without --ntasks"
            )
        return Processes(local, nodes)
    return Processes(1, 1)


def environment() -> list[Any]:
    """Return Lightning's plugins: SLURM may end a job by SIGTERM, and Lightning does not requeue it."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
