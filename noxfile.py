"""The commands of all checks; `make` and the workflow call them by session, as `nox -s lint`.

Sessions run in the environment that holds nox, which `make .venv/installed-dev` makes with the versions in
constraints.txt. `lowest` and `wheel` make one of their own and remove it when all went well.
"""

import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.envdir = "build/nox"
nox.options.sessions = ["lint", "fast"]
nox.options.stop_on_first_error = True

# Tools are found without activating the environment, too.
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

FAST = ("pytest", "-n", "auto", "-m", "not slow")
LEAST_COVERED = 80
"""Per cent of the lines of a file; `coverage` names files with less."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style, the floors of imports, and types."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")
    session.run("mypy")


@nox.session
def fast(session: nox.Session) -> None:
    """The fast tests; arguments after -- go to pytest."""
    session.run(*FAST, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The fast tests, which run slower so, and how much of the package they run, in their own process."""
    found = Path("build/coverage.json")
    core = {"COVERAGE_CORE": "sysmon"} if sys.version_info >= (3, 12) else {}  # faster
    session.run(*FAST, "--cov", f"--cov-report=json:{found}", *session.posargs, env=core)
    report = json.loads(found.read_text())
    shares = {name: file["summary"]["percent_covered"] for name, file in report["files"].items()}
    for name, share in shares.items():
        if share < LEAST_COVERED:
            session.log(f"{share:3.0f} % of {name}")
    session.log(
        f"{report['totals']['percent_covered']:.1f} % of all lines; files with less than {LEAST_COVERED} % are above"
    )


@nox.session
def slow(session: nox.Session) -> None:
    """The slow tests. They need the extras radar and video, and Chromium with its driver."""
    session.run("pytest", "-n", "2", "-m", "slow", *session.posargs)


@nox.session(venv_backend="venv")
def lowest(session: nox.Session) -> None:
    """The fast tests with the oldest versions that pyproject.toml allows, of torch the tested one; on Python 3.11."""
    session.install("-c", "constraints-lowest.txt", "torch", "numpy")
    tools = ("av", "wradlib", "pytest", "pytest-xdist", "hypothesis", "scikit-image")
    session.install("-c", "constraints-lowest.txt", "-e", ".", *tools)
    session.run(*FAST, "-W", "default", *session.posargs)  # old versions warn of new ones
    _remove(session)


@nox.session(venv_backend="venv")
def wheel(session: nox.Session) -> None:
    """The wheel builds, and its models run where torch and numpy alone are installed."""
    folder = Path("build/wheel")
    shutil.rmtree(folder, ignore_errors=True)
    session.run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), ".", silent=True, external=True)
    (built,) = folder.glob("msrnn-*.whl")
    session.install("-c", "constraints.txt", "torch", "numpy")
    session.install("--no-deps", str(built))
    forecast = "msrnn.create_model('ms-predrnn').forecast(torch.rand(1, 2, 1, 16, 16), horizon=2)"
    with session.chdir(folder):
        session.run("python", "-c", f"import msrnn, torch; print({forecast}.shape)")
    shutil.rmtree(folder)
    _remove(session)


def _remove(session: nox.Session) -> None:
    """A gigabyte each, mostly torch."""
    shutil.rmtree(session.virtualenv.location)
