"""Where to compute."""

import os
from pathlib import Path

import torch

from msrnn.settings import SettingsError


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is an accelerator if there is one, else the CPU.

    Raises:
        SettingsError: this machine has no such device.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("--device cuda: torch finds no CUDA device here; use --device auto")
    if name == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("--device mps: torch finds no MPS device here; use --device auto")
    return torch.device(name)


def free_memory(device: torch.device) -> int | None:
    """Bytes that a computation on the device may take now; None, if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    limits = [_available(), _control_group()]
    return min((limit for limit in limits if limit is not None), default=None)


def _available() -> int | None:
    """Of the machine: what is free or could be freed, else all there is."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _control_group() -> int | None:
    """What the container that we are in may still take."""
    folder = Path("/sys/fs/cgroup")
    try:
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or no limit
        return None
