"""The command `msrnn data inspect`."""

import sys
from typing import Annotated, Any

from msrnn.cli.messages import at_least_one
from msrnn.cli.parsing import Options
from msrnn.settings import ReaderSettings, read_settings


def inspect(
    path: list[str],
    /,
    *,
    files: Annotated[dict[str, Any], Options(ReaderSettings, "data.", without=("skip_bad",))],
    context: int = 10,
    horizon: int = 10,
) -> None:
    """Say what is in files: shape, time step, gaps, units, range, and what is wrong with them.

    Args:
        path: Files, folders, or patterns in quotes.
        context: Frames that are given, for the number of windows.
        horizon: Frames that are predicted, for the number of windows.
    """
    at_least_one(context=context, horizon=horizon)
    from msrnn.cli.commands import spelling
    from msrnn.data.inspect import inspect as look

    found = look(path, read_settings(ReaderSettings, files, "data."), context, horizon)
    sys.stdout.write(found.table(spelling("data inspect")))
