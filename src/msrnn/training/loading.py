"""Which sequence goes into which batch: a function of the step, so that rank, worker and resume never matter."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from msrnn.settings import RunSettings


class Numbered(Dataset[tuple[int, Tensor]]):
    """A data set whose items carry their number."""

    def __init__(self, dataset: Dataset[Tensor]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.dataset[index]


class TrainingBatches(Sampler[list[int]]):
    """The sample numbers of each part of each batch, from optimiser step `first_step` on.

    Step s works through samples s * batch_size ... (s + 1) * batch_size - 1, in `accumulate` parts.
    """

    def __init__(self, settings: RunSettings, first_step: int) -> None:
        self.part = settings.batch_size // settings.accumulate
        self.first = first_step * settings.accumulate
        self.last = settings.steps * settings.accumulate

    def __len__(self) -> int:
        return self.last  # all parts of the training: Lightning counts those before first_step as done

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.first, self.last):
            yield list(range(number * self.part, (number + 1) * self.part))


def training_loader(dataset: Dataset[Tensor], settings: RunSettings, first_step: int) -> DataLoader[tuple[int, Tensor]]:
    """(numbers, sequences) of each part of each batch from `first_step` on."""
    return DataLoader(
        Numbered(dataset),
        batch_sampler=TrainingBatches(settings, first_step),
        **_workers(settings.workers),
    )


def evaluation_loader(dataset: Dataset[Tensor], batch_size: int, workers: int) -> DataLoader[Tensor]:
    """Sequences of a split, in order."""
    return DataLoader(dataset, batch_size=batch_size, **_workers(workers))


def _workers(count: int) -> dict[str, Any]:
    """Workers are spawned: one that is forked would share its parent's open files."""
    return {
        "num_workers": count,
        "multiprocessing_context": "spawn" if count else None,
        "persistent_workers": count > 0,
    }
