"""Where to compute."""

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
