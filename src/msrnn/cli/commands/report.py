"""The command `msrnn report`."""

import sys
from pathlib import Path

from msrnn.cli.messages import at_least_one
from msrnn.errors import Setting, SettingsError
from msrnn.settings import Device


def report(runs: list[str], /, *, output: str | None = None, sequences: int = 6, device: Device = "auto") -> None:
    """Write one HTML page about runs: scores with intervals, training curves, forecasts to play.

    Scores are those of `msrnn evaluate`; a run that has none yet is evaluated now.

    Args:
        runs: Run directories; the first leads.
        output: The page to write, .html. Default: report.html in the first run directory.
        sequences: How many test sequences to show, from the best to the worst.
        device: Where to compute.
    """
    path = Path(runs[0]) / "report.html" if output is None else Path(output)
    if path.suffix != ".html":
        raise SettingsError(Setting("output", path), ": a report is called something.html")
    at_least_one(sequences=sequences)
    from msrnn.report.page import write_report

    for note in write_report(runs, path, sequences, device):
        sys.stderr.write(f"{note}\n")
    sys.stderr.write(f"{path}: open it in a browser\n")
