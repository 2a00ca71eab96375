"""Time stamps: in names of files, and in datasets."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np

STAMPS = (
    (re.compile(r"(?<!\d)(\d{8})[-_T ]?(\d{6})(?!\d)"), "%Y%m%d%H%M%S"),
    (re.compile(r"(?<!\d)(\d{8})[-_T ]?(\d{4})(?!\d)"), "%Y%m%d%H%M"),
    (re.compile(r"(?<!\d)(\d{4}-\d\d-\d\d)[-_T ](\d\d[:-]?\d\d)(?!\d)"), "%Y-%m-%d%H%M"),
    (re.compile(r"(?<!\d)(\d{10})(?!\d)"), "%y%m%d%H%M"),
    (re.compile(r"(?<!\d)(\d{9})(?!\d)"), "%y%j%H%M"),
    (re.compile(r"(?<!\d)(\d{4}-?\d\d-?\d\d)(?!\d)"), "%Y%m%d"),
)
"""What is looked for, in this order."""
_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3, "f": 6}


def time_in_name(name: str, pattern: str = "") -> np.datetime64 | None:
    """The time in a file's name, e.g. 201008260005, 20100826_000500, 1008260005 or 102380005; None if there is none.

    Args:
        pattern: the codes of `datetime.strptime` for the stamp, e.g. %Y-%m-%d_%H%M; by default one of `STAMPS`.
    """
    if pattern:
        found = re.search(f"(?<!\\d){_expression(pattern)}(?!\\d)", name)
        return _parse(found[0], pattern) if found else None
    for expression, stamp in STAMPS:
        for found in expression.finditer(name):
            joined = "".join(found.groups())
            time = _parse(joined.replace(":", ""), stamp) or _parse(re.sub("[-:]", "", joined), stamp.replace("-", ""))
            if time is not None:
                return time
    return None


def _expression(pattern: str) -> str:
    """A strptime pattern as a regular expression.

    Raises:
        ValueError: it has a code that is not known here.
    """
    pieces = re.split(r"%(.)", pattern)
    unknown = set(pieces[1::2]) - _DIGITS.keys()
    if unknown or len(pieces) == 1:
        raise ValueError(f"pattern {pattern!r}: write it with %{', %'.join(_DIGITS)}")
    literal, codes = pieces[0::2], [*pieces[1::2], ""]
    return "".join(
        re.escape(text) + (rf"\d{{{_DIGITS[code]}}}" if code else "") for text, code in zip(literal, codes, strict=True)
    )


def _parse(stamp: str, pattern: str) -> np.datetime64 | None:
    try:
        time = datetime.strptime(stamp, pattern)
    except ValueError:
        return None
    return np.datetime64(time) if 1900 <= time.year <= 2200 else None


def nanoseconds(times: Iterable[object]) -> np.ndarray:
    """Times as numpy's datetime64[ns]."""
    return np.array(list(times), dtype="datetime64[ns]")


def times_from(values: np.ndarray) -> np.ndarray | None:
    """Times of a dataset: text or whole numbers with a stamp in them, or seconds since 1970; None if it is neither."""
    if values.dtype.kind == "M":
        return nanoseconds(values)
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]
    if values.dtype.kind == "f" or (values.dtype.kind in "iu" and values.size and values.max() < 10**10):
        return nanoseconds(values.astype("datetime64[s]"))
    times = [time_in_name(text) for text in texts]
    return nanoseconds(times) if texts and None not in times else None
