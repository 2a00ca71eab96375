"""The command `msrnn evaluate`."""

import sys
from typing import Annotated, Any

from msrnn.cli.parsing import Options
from msrnn.settings import DataSettings, Device, Precision, ScoringProtocol, Split


def evaluate(
    run: str,
    /,
    *,
    data: Annotated[dict[str, Any], Options(DataSettings, "data.", "data.", default="as in training")],
    context: int | None = None,
    horizon: int | None = None,
    split: Split = "test",
    protocol: ScoringProtocol = "forecast",
    baselines: tuple[str, ...] = (),
    thresholds: tuple[float, ...] | None = None,
    windows: tuple[int, ...] = (5, 15, 45),
    lpips: bool = False,
    batch_size: int | None = None,
    workers: int = 0,
    device: Device = "auto",
    precision: Precision = "32",
) -> None:
    """Score a trained model on held-out sequences, beside persistence, extrapolation and the like.

    Prints a table and leaves it, and every number, in the run directory: scores.txt, scores.csv and scores.json, with
    what differs from the default in the name.

    Args:
        run: A run directory that `msrnn train` made.
        context: Frames that are given. Default: as in training.
        horizon: Frames that are predicted. Default: as in training.
        split: Which sequences.
        protocol: forecast: the frames after the context, clipped to the valid range; paper: all but the first, those
            of the context forecast from true ones, not clipped, as MS-RNN's released code does.
        baselines: Further ones: constant (the best constant image), extrapolation, directories of earlier runs.
            Persistence is there always, and for rain extrapolation, for other data constant.
        thresholds: An event is a pixel at or above it, in mm/h for rain, else in the data's units. Default: 0.5 2 5 10
            30 for rain, none for other data.
        windows: Edges of the windows of the fractions skill score, in pixels.
        lpips: Score LPIPS too; needs torchvision and, the first time, a network.
        batch_size: Sequences at a time. Default: 16, or fewer of large frames.
        workers: Processes that make batches.
        device: Where to compute.
        precision: Of forecasts: 32, 64, or bf16 (faster where the device has it).
    """
    import msrnn

    evaluation = msrnn.evaluate(
        run,
        data=data,
        context=context,
        horizon=horizon,
        split=split,
        protocol=protocol,
        baselines=baselines,
        thresholds=thresholds,
        windows=windows,
        lpips=lpips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
    )
    sys.stdout.write(evaluation.table())
