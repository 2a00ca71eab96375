"""Training: what a step does, which sequences it sees, what it leaves behind."""

import signal


class StoppedError(Exception):
    """A training was told to stop, by a signal; a checkpoint is saved."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal.Signals(number)
