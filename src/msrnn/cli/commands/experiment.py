"""The command `msrnn experiment`."""

import shutil
import sys
from pathlib import Path

from msrnn.cli.messages import at_least_one, leave, say, telling
from msrnn.settings import Device


def experiment(
    table: str, /, *, out: str = "runs/experiments", jobs: int | None = None, device: Device = "auto"
) -> None:
    """Train and score models x data x seeds, and put them into a table and a report.

    What is done already is not done again: after an interruption the same command goes on. Leaves table.md, table.csv,
    table.tex and report.md in a folder named after the table, and of every trial an ordinary run directory in trials/,
    where other tables find it too.

    Args:
        table: A YAML file: models x data x seeds.
        out: Where it all goes.
        jobs: Trainings at a time. Default: one on each GPU, or one.
        device: Where forecasts of the report are computed.
    """
    if jobs is not None:
        at_least_one(jobs=jobs)
    from msrnn.device import find_device
    from msrnn.experiment.plan import read_plan

    find_device(device)
    with telling("reading the table"):
        plan = read_plan(Path(table), Path(out))
    from msrnn.experiment.comparison import collect, grids_of, save_tables
    from msrnn.experiment.pictures import write_report
    from msrnn.experiment.workers import run_missing

    failed = run_missing(plan, jobs, say)
    with telling("comparing"):
        results = collect(plan)
        if not results.entries:
            leave(f"none of {len(plan.trials)} trials is done: see {plan.trials[0].beside('.log')}", 1)
        grids = {data: grids_of(results, data) for data in plan.data}
        every = [grid for of_data in grids.values() for grid in of_data]
        files = [*save_tables(results, every), write_report(results, grids, device)]
    columns = shutil.get_terminal_size().columns
    sys.stdout.write("\n".join(grid.text(columns) for grid in every))
    for path in files:
        sys.stderr.write(f"{path}: written\n")
    if failed:
        leave(f"{len(failed)} of {len(plan.trials)} failed: see {failed[0].beside('.log')}", 1)
