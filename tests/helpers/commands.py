"""What `msrnn` says when it refuses."""

import pytest

from msrnn.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the command answers before it exits with 2."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("msrnn: ")
    return lines[0]
