"""What runs the project's checks: `nox` runs all of them, `nox -s tests-3.12` one, `nox -s docs -- -x` with options.

A session installs what it needs from the package index; nothing but nox has to be there. The full test suite runs on
one Python, at the end; the other Pythons run less, and nothing that needs real servers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OLDEST = (3, 11)
PROJECT = nox.project.load_toml("pyproject.toml")
QUICK = ("-m", "not interop and not slow")
SIDE_BY_SIDE = ("-n", "3", "--dist", "worksteal")
"""Nearly all tests wait, for servers and threads, a good part of their time: three keep two cores busy."""
NEAR_THE_INTERPRETER = ("tests/portal", "tests/notebooks", "tests/test_docs.py::test_readme_script")
"""Threads, signals, forks, the end of a program, notebooks: what a Python may do in its own way. These run in full on
the oldest Python and on the newest."""

nox.needs_version = ">=2025.2.9"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = False


def _starts_as(executable: Path) -> tuple[int, int] | None:
    """The version of a finished CPython release that this file starts, if it does.

    A file on PATH is no proof: pyenv puts a `python3.12` there that fails unless that version is chosen.
    """
    code = "import sys; v = sys.version_info; print(sys.implementation.name, v[0], v[1], v.releaselevel)"
    try:
        run = subprocess.run([executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    name, major, minor, level = run.stdout.split()
    return (int(major), int(minor)) if (name, level) == ("cpython", "final") else None


def _installed_pythons() -> list[tuple[int, int]]:
    """Every usable Python from the oldest supported one: the running one, those on PATH, and pyenv's.

    Appends the folders of pyenv's versions to PATH where nox would not find them otherwise.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    running = sys.version_info[:2]
    found = {running} if running >= OLDEST else set[tuple[int, int]]()
    for minor in range(OLDEST[1], 40):
        version = (3, minor)
        folders = [*os.get_exec_path(), *sorted(map(str, (pyenv / "versions").glob(f"3.{minor}.*/bin")))]
        for folder in folders:
            executable = shutil.which(f"python3.{minor}", path=folder)
            if version in found or executable is None or _starts_as(Path(executable)) != version:
                continue
            found.add(version)
            if folder not in os.get_exec_path():
                os.environ["PATH"] += os.pathsep + folder
    return sorted(found)


PYTHONS = [f"{major}.{minor}" for major, minor in _installed_pythons()]
if not PYTHONS:
    raise SystemExit("mcptasks needs Python 3.11 or newer, and none was found on PATH or in pyenv")
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
MAIN = RUNNING if RUNNING in PYTHONS else PYTHONS[-1]


def _pytest(session: nox.Session, *options: str) -> None:
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """Both type checkers, strict."""
    session.install("-e", ".[test]", "nox", *nox.project.dependency_groups(PROJECT, "types"))
    session.run("mypy")
    session.run("pyright", "--warnings")
    # By its path, since it is no test of the ordinary run, which has no type checkers.
    _pytest(session, "tests/types/check_surfaces.py")


@nox.session(python=MAIN, default=False)
def generate(session: nox.Session) -> None:
    """Write mcptasks/_sync from mcptasks/_async."""
    session.run("python", "-m", "mcptasks._tools")


@nox.session(python=PYTHONS)
def generated(session: nox.Session) -> None:
    """mcptasks/_sync is what the generator writes, on each Python."""
    session.run("python", "-m", "mcptasks._tools", "--check")


@nox.session(python=MAIN, default=False)
def bench(session: nox.Session) -> None:
    """Measure how fast it is, beside others, and write the table of docs/speed.md: `nox -s bench -- [FIGURE ...]`.

    Numbers are no failures; a crash is one, and so are tasks that do not finish."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session(python=MAIN, default=False)
def soak(session: nox.Session) -> None:
    """Two thousand tasks that come and go for ten minutes under faults; `nox -s soak -- --backend trio` on trio."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks.soak", *session.posargs)


@nox.session(python=MAIN, default=False)
def docs(session: nox.Session) -> None:
    """Every example of the README and of docs/, and every link between those files; `tests` runs these too."""
    session.install("-e", ".[test]")
    _pytest(session, "tests/test_docs.py")


@nox.session(python=MAIN)
def package(session: nox.Session) -> None:
    """The wheel holds the package and nothing else, and the demo runs with the runtime dependencies alone."""
    wheels = Path(session.create_tmp()).resolve()
    for old in wheels.glob("*.whl"):
        old.unlink()
    # setuptools would pack what an earlier build left there.
    shutil.rmtree("build", ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(wheels), ".")
    (wheel,) = wheels.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = {path.as_posix() for path in Path("mcptasks").rglob("*.py")} | {"mcptasks/py.typed"}
    if packed != source:
        session.error(f"the wheel differs from the source in: {sorted(packed ^ source)}")
    session.install(str(wheel))
    # From a folder of its own, so that the installed package is what runs.
    session.chdir(wheels)
    session.run("python", "-m", "mcptasks", "demo")


def _lowest_pins() -> list[str]:
    """The lower bound of each requirement in pyproject.toml, as `name==version`."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    pins: list[str] = []
    for requirement in map(Requirement, lines):
        if canonicalize_name(requirement.name) == project["name"]:
            continue
        (bound,) = [spec.version for spec in requirement.specifier if spec.operator == ">="]
        pins.append(f"{requirement.name}=={bound}")
    return pins


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The tests on the lowest versions that the metadata admits, on the oldest Python found."""
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("\n".join(_lowest_pins()) + "\n", encoding="utf-8")
    session.install("-e", ".[test]", "-c", str(constraints), "-c", "tests/constraints-lowest.txt")
    # An anyio before 4.16 leaves a socket open, until it is collected, where connecting is cancelled at its end.
    _pytest(session, *QUICK, *SIDE_BY_SIDE, "-W", "ignore:unclosed:ResourceWarning")


@nox.session(python=[*(python for python in PYTHONS if python != MAIN), MAIN])
def tests(session: nox.Session) -> None:
    """The tests: all of them on one Python; on the newest and the oldest the quick ones, and the slow ones of what a
    Python may do in its own way; on those in between the unit tests."""
    session.install("-e", ".[test]")
    if session.python == MAIN and session.posargs:
        _pytest(session)
    elif session.python == MAIN:
        _pytest(session, *SIDE_BY_SIDE, "-m", "not alone")
        _pytest(session, "-m", "alone")
    elif session.python in (PYTHONS[0], PYTHONS[-1]):
        if session.python == PYTHONS[-1]:  # On the oldest one `lowest` runs them.
            _pytest(session, *QUICK, *SIDE_BY_SIDE)
        _pytest(session, *SIDE_BY_SIDE, "-m", "slow and not alone", *NEAR_THE_INTERPRETER)
        _pytest(session, "-m", "slow and alone", *NEAR_THE_INTERPRETER)
    else:
        _pytest(session, *QUICK, "tests/unit")
