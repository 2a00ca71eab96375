"""What a device can do, and memory that is kept."""

import subprocess
import sys

import pytest
import torch

from msrnn.device import has_fast_bfloat16

PAGES = """
import resource, sys, torch
from msrnn.device import keep_freed_memory
if sys.argv[1] == "keep":
    print(keep_freed_memory())
for _ in range(20):
    torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def test_processors_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    cases: tuple[tuple[set[str], bool], ...] = (
        ({"avx512f"}, False),
        ({"avx512f", "avx512_bf16"}, True),
        ({"amx_bf16"}, True),
        (set(), False),
    )
    for flags, fast in cases:
        monkeypatch.setattr("msrnn.device.processor", lambda what, flags=flags: " ".join(flags))
        assert has_fast_bfloat16(torch.device("cpu")) is fast
    assert not has_fast_bfloat16(torch.device("meta"))


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library alone can keep memory")
def test_freed_memory_is_kept() -> None:
    """Tensors of 64 MiB, one after the other: their pages are touched once, not twenty times."""
    faults = {}
    for mode in ("keep", "free"):
        said = subprocess.run([sys.executable, "-c", PAGES, mode], capture_output=True, text=True, check=True).stdout
        *kept, count = said.split()
        assert kept == ["True"] * (mode == "keep")
        faults[mode] = int(count)
    pages = (64 << 20) // 4096
    assert faults["free"] - faults["keep"] > 10 * pages
