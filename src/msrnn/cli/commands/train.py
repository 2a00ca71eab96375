"""The command `msrnn train`."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from msrnn.cli.parsing import Options
from msrnn.errors import StoppedError
from msrnn.settings import RunSettings, check_names, merged, read_document


def train(
    *,
    settings: Annotated[dict[str, Any], Options(RunSettings)],
    out: str,
    config: str | None = None,
    resume: bool = False,
    init_from: str | None = None,
) -> None:
    """Train a model and leave everything in a run directory.

    Args:
        out: The run directory to make.
        config: A YAML recipe: any of the settings below. Options count more.
        resume: Go on with the run in --out, from its last checkpoint; begin it, if there is none.
        init_from: Run directory whose weights to start from.
    """
    if config is not None:
        recipe = read_document(Path(config))
        check_names(RunSettings, recipe)
        settings = merged(recipe, settings)
    from lightning.pytorch.utilities import rank_zero_only

    import msrnn

    with _terminated(f"nothing is lost; go on with the same command and --resume, into {out}"):
        msrnn.train(out=out, resume=resume, init_from=init_from, **settings)
    rank_zero_only(sys.stderr.write)(f"{out}: trained; next: msrnn evaluate {out}\n")


@contextmanager
def _terminated(message: str) -> Iterator[None]:
    """Until the trainer listens, make SIGTERM stop with advice on how to resume."""

    def stop(number: int, _: object) -> None:
        raise StoppedError(number, f"{signal.Signals(number).name}: {message}")

    alone = threading.current_thread() is threading.main_thread()  # no other hears signals
    before = signal.signal(signal.SIGTERM, stop) if alone else None
    try:
        yield
    finally:
        if alone:
            signal.signal(signal.SIGTERM, before)
