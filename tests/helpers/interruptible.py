"""`msrnn` with a checkpoint after every optimiser step; with STOP_IN=STEP it sends itself SIGTERM in that one."""

import os
import signal
import sys
from unittest import mock

from torch import Tensor

from msrnn.cli import main
from msrnn.training import callbacks
from msrnn.training.module import Training

callbacks.CHECKPOINT_SECONDS = 0
original = Training.training_step


def training_step(self: Training, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
    last = self.trainer.global_rank == self.trainer.world_size - 1  # of several processes
    if last and self.global_step + 1 == int(os.environ.get("STOP_IN", "0")):
        os.kill(os.getpid(), signal.SIGTERM)
    return original(self, batch, number)


if __name__ == "__main__":
    with mock.patch.object(Training, "training_step", training_step):
        main(sys.argv[1:])
