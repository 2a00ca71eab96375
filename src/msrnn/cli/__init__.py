"""The `msrnn` command."""

import errno
import signal
import sys
from collections.abc import Sequence

from msrnn.cli.commands import COMMANDS, spelling
from msrnn.cli.messages import leave
from msrnn.cli.parsing import command_of, parse
from msrnn.errors import AbandonedError, DiskFullError, NotFiniteError, SettingsError, StoppedError, join


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    What was asked and is not possible ends with one line on standard error and exit code 2; what cannot go on, as the
    disk is full or numbers are not finite, with 1; Ctrl-C with 130, SIGTERM with 143.
    """
    argv = sys.argv[1:] if argv is None else argv
    spelled = spelling(command_of(argv, COMMANDS))
    try:
        parse(argv, COMMANDS)()
    except SettingsError as error:
        leave(error.text(spelled), 2)
    except StoppedError as error:
        leave(error.text(spelled), 128 + error.signal)
    except (DiskFullError, NotFiniteError) as error:
        leave(error.text(spelled), 1)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        leave(message, 1 if error.errno == errno.ENOSPC else 2)
    except AbandonedError as error:
        leave(join(error.parts, spelled), 128 + signal.SIGINT)
    except KeyboardInterrupt:
        leave("interrupted", 128 + signal.SIGINT)
