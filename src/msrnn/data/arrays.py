"""Arrays in NumPy's files."""

import tokenize
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

_UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error, SyntaxError, tokenize.TokenError)
"""What NumPy raises on damaged files; code in them is never executed."""


def load_array(path: Path) -> np.ndarray:
    """The array in a .npy file, not read before it is used, or the only one in a .npz.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a .npy or .npz file")
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                return np.lib.format.open_memmap(path, mode="r")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            names = getattr(loaded, "files", [])
            content = loaded[names[0]] if len(names) == 1 else loaded
    except _UNREADABLE as error:
        raise ValueError(f"{path} is no .npy or .npz file, or a damaged one") from error
    if not isinstance(content, np.ndarray):
        holds = f"holds {len(names)} arrays ({', '.join(names)})" if len(names) > 1 else "holds no array"
        raise ValueError(f"{path} {holds}: expected one")
    return content
