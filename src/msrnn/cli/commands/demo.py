"""The command `msrnn demo`."""

from pathlib import Path

from msrnn.errors import Setting, SettingsError


def demo(*, out: str = "runs/demo", minutes: float = 4.0) -> None:
    """Train, evaluate and forecast on embedded data, in minutes.

    Args:
        out: The run directory to make; -2, -3, ... is added if it exists.
        minutes: About how long to train on two CPU cores.
    """
    if not 0 < minutes < 1e6:
        raise SettingsError(Setting("minutes", minutes), ": must be positive")
    from msrnn.cli.demonstration import run_demo

    run_demo(Path(out), minutes)
