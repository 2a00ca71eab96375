"""Time stamps: in names of files, and in datasets."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from xarray.coding.times import decode_cf_datetime

from msrnn.errors import SettingsError

STAMPS = (
    (re.compile(r"(?<!\d)(\d{8})[-_T ]?(\d{6})(?!\d)"), "%Y%m%d%H%M%S"),
    (re.compile(r"(?<!\d)(\d{8})[-_T ]?(\d{4})(?!\d)"), "%Y%m%d%H%M"),
    (re.compile(r"(?<!\d)(\d{4}-\d\d-\d\d)[-_T ](\d\d[:-]?\d\d)(?!\d)"), "%Y-%m-%d%H%M"),
    (re.compile(r"(?<!\d)(\d{10})(?!\d)"), "%y%m%d%H%M"),
    (re.compile(r"(?<!\d)(\d{10})(?!\d)"), "%Y%m%d%H"),
    (re.compile(r"(?<!\d)(\d{9})(?!\d)"), "%y%j%H%M"),
    (re.compile(r"(?<!\d)(\d{4}-?\d\d-?\d\d)(?!\d)"), "%Y%m%d"),
)
"""Patterns to look for, in this order."""
_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3, "f": 6}


def time_in_name(name: str, pattern: str = "") -> np.datetime64 | None:
    """Find the time in a file's name, e.g. 201008260005, 20100826_000500, 1008260005 or 102380005.

    Args:
        pattern: the codes of `datetime.strptime` for the stamp, e.g. %Y-%m-%d_%H%M; by default one of `STAMPS`.
    """
    if pattern:
        found = re.search(f"(?<!\\d){_expression(pattern)}(?!\\d)", name)
        return _parse(found[0], pattern) if found else None
    for expression, _ in STAMPS:
        for found in expression.finditer(name):
            digits = re.sub("[-:]", "", "".join(found.groups()))
            times = {_parse(digits, s.replace("-", "")) for e, s in STAMPS if e.pattern == expression.pattern} - {None}
            if len(times) == 1:  # of 2012010112 nobody can say whether the year is 2012 or 2020
                return times.pop()
    return None


def _expression(pattern: str) -> str:
    """Write a strptime pattern as a regular expression.

    Raises:
        SettingsError: it has a code that is not known here.
    """
    pieces = re.split(r"%(.)", pattern)
    unknown = set(pieces[1::2]) - _DIGITS.keys()
    if unknown or len(pieces) == 1:
        raise SettingsError(f"pattern {pattern!r}: write it with %{', %'.join(_DIGITS)}")
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
    """Convert times to numpy's datetime64[ns]."""
    return np.array(list(times), dtype="datetime64[ns]")


def times_from(values: np.ndarray, units: str = "") -> np.ndarray | None:
    """Read the times of a dataset; None if it holds none.

    Text or whole numbers with a stamp in them, numbers in CF's `units` ("minutes since 2020-01-01"), or else seconds
    since 1970 after 1973.
    """
    if "since" in units:
        return nanoseconds(decode_cf_datetime(values, units))
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]
    if values.dtype.kind in "iuSOU":
        times = [time_in_name(text) for text in texts]
        if texts and None not in times:
            return nanoseconds(times)
    if values.dtype.kind in "iuf" and values.size and values.min() >= 1e8 and values.max() < 1e10:
        return nanoseconds(values.astype("datetime64[s]"))
    return None
