"""Reads damaged copies of a file, and says of each what became of it: `python damage.py FILE READER SEED COUNT`.

A line before each copy, and one after it: "read", "refused", or the traceback of any other error. It runs in a process
of its own that may take so much memory and, for each copy, so many seconds of a processor, and no more.
"""

import random
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

from msrnn.data.archive import open_archive
from msrnn.errors import SettingsError
from msrnn.settings import ReaderSettings

MEMORY, SECONDS = 4 << 30, 20  # a picture of 112 million pixels takes five


class TooLongError(BaseException):
    pass


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Cut short, or with bytes that are others, missing, twice, zero or extreme; most of it near the beginning."""
    kind = draw.choice(("flip", "flip", "flip", "bytes", "cut", "zeros", "ones", "remove", "twice"))
    reach = draw.choice((64, 512, 4096, len(content)))
    place = draw.randrange(min(reach, len(content)))
    length = draw.choice((1, 2, 4, 8, 64, 1000))
    part = content[place : place + length]
    if kind == "flip":
        changed = bytearray(content)
        for _ in range(draw.randint(1, 8)):
            changed[draw.randrange(min(reach, len(content)))] ^= 1 << draw.randrange(8)
        return bytes(changed)
    new = {
        "bytes": draw.randbytes(len(part)),
        "zeros": bytes(len(part)),
        "ones": b"\xff" * len(part),
        "remove": b"",
        "twice": part + part,
        "cut": b"",
    }[kind]
    return content[:place] + new + (b"" if kind == "cut" else content[place + len(part) :])


def read(path: Path, reader: str) -> None:
    archive = open_archive(path, reader=reader, like=ReaderSettings(units="1"))
    archive.scan()
    for sequence in archive.sequences:
        values = sequence[: min(len(sequence), 20)].values
        assert values.dtype == np.float32
        assert values.shape[1:] == sequence.shape[1:]


def main(file: Path, reader: str, seed: int, count: int) -> None:
    warnings.simplefilter("ignore")
    read(file, reader)  # everything is imported
    held = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, -1))

    def too_long(*_: object) -> None:
        raise TooLongError

    signal.signal(signal.SIGPROF, too_long)
    folder = Path(f"{file.parent}/damaged-{seed}")
    folder.mkdir()
    for number in range(count):
        draw = random.Random(f"{reader} {seed} {number}")
        path = folder / f"{number}-{file.name}"
        if file.is_dir():
            shutil.copytree(file, path)
            victim = draw.choice(sorted(inner for inner in path.rglob("*") if inner.is_file()))
        else:
            victim = path
        source = file / victim.relative_to(path) if file.is_dir() else file
        victim.write_bytes(damaged(source.read_bytes(), draw))
        print(number, end=" ", flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read(path, reader)
            print("read", flush=True)
        except SettingsError:
            print("refused", flush=True)
        except (Exception, TooLongError):
            print(traceback.format_exc().replace("\n", " | "), flush=True)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5]))
