"""Loaders and the processes that make batches."""

import subprocess
import sys
from pathlib import Path

FORGOTTEN = """
import torch
from torch.utils.data import Dataset
from msrnn.data.loading import evaluation_loader

class Zeros(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, number):
        return torch.zeros(1)

if __name__ == "__main__":
    loader = evaluation_loader(Zeros(), 1, 1)
    loader.itself = loader  # a cycle, as a trainer has: only the collector would free it
    next(iter(loader))
    print("done")
"""


def test_a_process_ends_though_its_loader_is_not_freed(tmp_path: Path) -> None:
    """Its workers ignore signals; Python would wait for them for ever."""
    (tmp_path / "forgotten.py").write_text(FORGOTTEN)
    done = subprocess.run(
        [sys.executable, tmp_path / "forgotten.py"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "done\n"
