"""Device to compute on, and its free memory."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from msrnn.errors import Setting, SettingsError


def find_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is an accelerator if there is one, else the CPU.

    Raises:
        SettingsError: this machine has no such device.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            Setting("device", name), ": torch finds no CUDA device here; use ", Setting("device", "auto")
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(
            Setting("device", name), ": torch finds no MPS device here; use ", Setting("device", "auto")
        )
    return torch.device(name)


def set_memory_format(model: nn.Module, device: torch.device) -> None:
    """Set the memory format that `device`'s convolutions prefer; the model may still be elsewhere."""
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Say whether a device multiplies in bfloat16 by instructions of its own, not by way of float32.

    GPUs do from Ampere on; processors with AVX-512 BF16 or AMX, as far as the system tells (Linux).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & set(processor("flags").split()))


def autocast(precision: str, device: str) -> AbstractContextManager[object]:
    """Compute in `precision`: bfloat16 by autocast, else the weights' own."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def keep_freed_memory() -> bool:
    """Keep the memory of large tensors that are freed, in the whole process, for the next ones.

    By default the GNU C library maps each large tensor anew, and a forecast on a CPU may spend half its time on that.
    The process takes more memory, gives none back, and may go on growing for a while: the heap becomes fragmented.

    Returns:
        True where the C library can do so (glibc), False elsewhere.
    """
    library: Any = ctypes.CDLL(None) if os.name == "posix" else None
    if not hasattr(library, "mallopt"):
        return False
    trim_threshold, largest_mapped, never = -1, -4, -1  # numbers of malloc.h
    return bool(library.mallopt(largest_mapped, 0) and library.mallopt(trim_threshold, never))


def processor(what: str) -> str:
    """Return what Linux tells of the processor, such as its "model name" or "flags"; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")


HEADROOM = {"cpu": 1.5}
HEADROOM_ELSEWHERE = 1.15
"""Memory that a computation needs, as a multiple of its tensors' size: libraries use scratch memory, and heaps keep
freed memory."""


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that a computation's tensors may take on the device now; None if the system does not tell."""
    if device.type == "cuda":
        free: int | None = torch.cuda.mem_get_info(device)[0]
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    else:
        limits = [_available_memory(), *control_group_limits()]
        free = min((limit for limit in limits if limit is not None), default=None)
    return None if free is None else int(free / HEADROOM.get(device.type, HEADROOM_ELSEWHERE))


def _available_memory() -> int | None:
    """Return the machine's bytes that are free or can be freed, else all its bytes; None if unknown."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def control_group_limits(
    own: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield the bytes that each of the process's Linux control groups (of a container or a job) may still take.

    Cached files do not count: the system drops them when memory is needed.
    """
    names = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        limit, used, cache = names[controllers == "memory"]
        root = mounted / controllers
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):  # a container sees its own group as the root
            try:
                cached = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())[cache]
                yield int((folder / limit).read_text()) - int((folder / used).read_text()) + int(cached)
            except (OSError, ValueError, KeyError):  # no such group, or no limit
                pass
            if folder == root:
                break
