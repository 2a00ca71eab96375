"""Does what is missing of an experiment: each trial trains and is scored in processes of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

import torch
import yaml

from msrnn.atomic import written
from msrnn.errors import SettingsError, StoppedError
from msrnn.experiment.plan import Plan, Trial
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import load
from msrnn.scores.results import Evaluation


def run_missing(plan: Plan, jobs: int | None = None, report: Callable[[str], None] = lambda line: None) -> list[Trial]:
    """Train and score the trials that are not done; one that was interrupted goes on where it was.

    Args:
        plan: the experiment.
        jobs: so many at a time, on the GPUs in turn; by default one for each GPU, or one.
        report: gets lines: what is done, and for each trial one when it begins and one when it ends.

    Returns:
        Trials that failed: what they said is in the file beside their run directory, `seed-0.log`.

    Raises:
        StoppedError: SIGINT, SIGTERM or SIGHUP stopped it; trainings have left checkpoints, and go on next time.
    """
    for trial in plan.trials:
        _write_recipe(trial)
    missing = [trial for trial in plan.trials if not is_done(trial)]
    failed = []
    on_cpu = all(trial.document.get("device") == "cpu" for trial in missing)
    default = 1 if on_cpu else max(1, torch.cuda.device_count())
    workers = _Workers(min(jobs or default, max(1, len(missing))), report)
    ended = len(plan.trials) - len(missing)
    report(f"{ended} of {len(plan.trials)} trials are done")
    with workers, ThreadPoolExecutor(workers.count) as pool:
        futures = {pool.submit(workers.do, trial): trial for trial in missing}
        try:
            for future in as_completed(futures):
                trial, (problem, seconds) = futures[future], future.result()
                if workers.stopped_by:
                    continue
                ended += 1
                if problem:
                    failed.append(trial)
                what = f"failed: {problem}" if problem else "trained and scored"
                report(f"{ended} of {len(plan.trials)}: {trial.name}: {what} ({seconds:.0f} s)")
        except BaseException:
            workers.stop(signal.SIGTERM)  # else it would wait for all
            raise
    if workers.stopped_by:
        number = signal.Signals(workers.stopped_by)
        raise StoppedError(number, f"{number.name}: what was trained is saved; give the same command to go on")
    return failed


def is_done(trial: Trial) -> bool:
    """Whether it has been trained to its end, and the weights that it has now are scored."""
    directory = RunDirectory(trial.path)
    try:
        scored = Evaluation.load(directory.scores).protocol["weights"]
        return directory.progress().ended and scored == load(trial.path, "cpu").fingerprint
    except SettingsError:  # no scores yet; or something is damaged, and training or scoring will say so
        return False


OF_A_LAUNCHER = ("SLURM_", "TORCHELASTIC_", "RANK", "LOCAL_", "WORLD_SIZE", "MASTER_")
"""Variables that tell a process that it is one of several."""


class _Workers:
    """Runs `msrnn` for trials, at most `count` at a time, each on its share of the machine; ends when told to stop."""

    def __init__(self, count: int, report: Callable[[str], None]) -> None:
        self.count = count
        self.report = report
        self.stopped_by = 0
        """The signal."""
        self.places: SimpleQueue[int] = SimpleQueue()
        for place in range(count):
            self.places.put(place)
        self.active: set[subprocess.Popen[bytes]] = set()
        self.before: dict[int, object] = {}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        self.gpus = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # no other hears signals
            numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # not under nohup
            self.before = {number: signal.signal(number, lambda number, _: self.stop(number)) for number in heard}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def stop(self, number: int) -> None:
        """Let trainings end their step and leave checkpoints; a second SIGINT does not wait for that."""
        at_once = self.stopped_by and number == signal.SIGINT
        self.stopped_by = number
        for process in list(self.active):
            process.send_signal(signal.SIGINT if at_once else signal.SIGTERM)  # after SIGTERM, SIGINT does not wait

    def do(self, trial: Trial) -> tuple[str, float]:
        """Return what went wrong, or "", and the seconds it took."""
        begins = "goes on" if trial.path.exists() else "begins"
        if not self.stopped_by:
            self.report(f"{trial.name}: {begins}, see {trial.beside('.log')}")
        place = self.places.get()
        start = time.monotonic()
        run, device = str(trial.path), str(trial.document.get("device", "auto"))
        train = ["train", "--config", str(trial.beside(".yaml")), "--out", run, "--resume"]
        try:
            for command in (train, ["evaluate", run, "--device", device]):
                if self._run(command, trial, place):
                    return f"{_last_words(trial)} (see {trial.beside('.log')})", time.monotonic() - start
        except OSError as error:
            return f"it cannot be run ({error})", time.monotonic() - start
        finally:
            self.places.put(place)
        return "", time.monotonic() - start

    def _run(self, command: list[str], trial: Trial, place: int) -> int:
        """The exit status of `msrnn`."""
        if self.stopped_by:
            return 128 + self.stopped_by
        own = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_LAUNCHER)}
        own["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // self.count))
        if self.gpus:
            own["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
        with trial.beside(".log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "msrnn", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=own,
                start_new_session=True,  # a Ctrl-C is this process's to pass on
            )
        self.active.add(process)
        if self.stopped_by:  # since it was asked for
            process.terminate()
        code = process.wait()
        self.active.discard(process)
        return code


def _last_words(trial: Trial) -> str:
    """Why it failed, as `msrnn` says it in its last line."""
    lines = trial.beside(".log").read_text(errors="replace").splitlines()
    return lines[-1].removeprefix("msrnn: ") if lines else "it said nothing"


def _write_recipe(trial: Trial) -> None:
    path = trial.beside(".yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as partial:
        partial.write_text(yaml.safe_dump(trial.document, sort_keys=False), encoding="utf-8")
