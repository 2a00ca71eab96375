"""Batches: their sequences are a function of the step, so that rank, worker and resume never matter."""

import atexit
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakSet

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from msrnn.errors import SettingsError
from msrnn.settings import RunSettings


class Sequences(DataLoader[Any]):
    """Batches of a data set; a worker's `SettingsError` arrives whole, not as text in another error.

    Workers end with the process, even where the loader outlives its last use: they ignore the signal by which Python
    would end them, and exiting would wait for them.
    """

    def __init__(self, dataset: Dataset[Any], **options: Any) -> None:
        super().__init__(_Caught(dataset), collate_fn=_collate, **options)
        _LOADERS.add(self)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # Lightning and loops ask for an iterator alone
        for batch in super().__iter__():
            if isinstance(batch, SettingsError):
                self.end_workers()
                raise batch
            yield batch

    def end_workers(self) -> None:
        """End the processes that make batches, if there are any."""
        iterator, self._iterator = self._iterator, None
        if iterator is not None:
            iterator._shutdown_workers()  # type: ignore[attr-defined]  # noqa: SLF001 - torch has no public way


_LOADERS: WeakSet[Sequences] = WeakSet()


@atexit.register
def _end_all_workers() -> None:
    for loader in list(_LOADERS):
        loader.end_workers()


class _Caught(Dataset[Any]):
    """A data set that returns a `SettingsError` in the place of an item."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except SettingsError as error:
            return error


def _collate(items: list[Any]) -> Any:
    return next((item for item in items if isinstance(item, SettingsError)), None) or default_collate(items)


class Numbered(Dataset[tuple[int, Tensor]]):
    """A data set whose items carry their number."""

    def __init__(self, dataset: Dataset[Tensor]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.dataset[index]


class Process(NamedTuple):
    """One of the processes that train together."""

    rank: int
    total: int


ALONE = Process(0, 1)


class TrainingBatches(Sampler[list[int]]):
    """Yields the sample numbers of each part of each batch of this process, from `first_step` on.

    Step s works through samples s * batch_size ... (s + 1) * batch_size - 1, in `accumulate` parts, of each of which
    each process takes an equal share.
    """

    def __init__(self, settings: RunSettings, steps: int, first_step: int = 0, process: Process = ALONE) -> None:
        self.share = settings.batch_size // (settings.accumulate * process.total)
        self.process = process
        self.first = first_step * settings.accumulate
        self.last = steps * settings.accumulate

    def __len__(self) -> int:
        return self.last  # all parts of the training: Lightning counts those before first_step as done

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.first, self.last):
            start = (number * self.process.total + self.process.rank) * self.share
            yield list(range(start, start + self.share))


def training_loader(
    dataset: Dataset[Tensor], settings: RunSettings, steps: int, first_step: int = 0, process: Process = ALONE
) -> DataLoader[tuple[int, Tensor]]:
    """Load (numbers, sequences) of each part of each batch, from `first_step` on, for a training of `steps` steps."""
    return Sequences(
        Numbered(dataset),
        batch_sampler=TrainingBatches(settings, steps, first_step, process),
        **_workers(settings.workers),
    )


def evaluation_loader(
    dataset: Dataset[Tensor], batch_size: int, workers: int, process: Process = ALONE
) -> DataLoader[Tensor]:
    """Load the sequences of a split, in order; each process gets its share, some one more than others."""
    own = range(process.rank, len(dataset), process.total)  # type: ignore[arg-type]
    return Sequences(dataset, batch_size=batch_size, sampler=own, **_workers(workers))


def _workers(count: int) -> dict[str, Any]:
    """Return options of a loader with spawned workers: a forked one would share its parent's open files.

    They leave signals to the training, which ends them when it has saved a checkpoint; they end by themselves if it is
    gone.
    """
    return {
        "num_workers": count,
        "multiprocessing_context": "spawn" if count else None,
        "persistent_workers": count > 0,
        "worker_init_fn": _ignore_signals if count else None,
    }


def _ignore_signals(_: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
