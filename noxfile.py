"""What runs the project's checks: `nox -t quick` the quick ones, `nox` all, `nox -s tests-3.12` one session.

A session installs what it needs from the package index; nothing but nox has to be there. Where uv is beside nox, it
installs in a fifth of pip's time. Quick tests run on the oldest Python and on the newest, in turns. What is slow, or
needs real servers, runs on one Python, at the end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nox
from nox.command import CommandFailed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OLDEST = (3, 11)
PROJECT = nox.project.load_toml("pyproject.toml")
FORKS = ("-p", "tests.helpers.forks", "--forks")
SIDE_BY_SIDE = (*FORKS, "8")
"""Nearly all tests wait, for servers, threads and time limits, four fifths of their time: eight keep two cores busy."""
A_FEW = (*FORKS, "2", "--whole-files")
"""For checks that share what a file has made once."""
SOON = (*FORKS, "2")
"""For tests that say how soon something happens: each has a core to itself, and neither core waits for the other."""
TURN = ("-p", "tests.helpers.turns", "--turn")
"""For tests that run on the oldest Python and on the newest: each test on both, each combination of its parameters on
one."""
QUICK = "not interop and not slow"
UNIT = ("tests/core", "tests/wire", "tests/transport", "tests/engine", "tests/cli")
"""Unit tests: they mirror the package, and need neither servers nor a client."""

nox.needs_version = ">=2025.2.9"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = False
# With this variable set each program that a test starts would compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
"""uv, which the README installs beside nox. The tests that make environments look for it on PATH."""
if UV is not None:
    os.environ["PATH"] += os.pathsep + str(Path(UV).parent)
MAIN = RUNNING if RUNNING in PYTHONS else PYTHONS[-1]


def _install(session: nox.Session, *requirements: str) -> None:
    """Install with uv. pip installs if uv is missing or fails: only pip reads pip's settings of the package index."""
    if UV is not None:
        # Compiled now, by both cores.
        options = ("--quiet", "--compile-bytecode", "--python", session.virtualenv.location)
        try:
            session.run_install(UV, "pip", "install", *options, *requirements, external=True)
        except CommandFailed:
            session.log("uv has failed, so pip installs.")
        else:
            return
    session.install(*requirements)


def _install_once(session: nox.Session, *requirements: str) -> None:
    """Install, unless the last run of the session did just this and left its environment."""
    wanted = "\n".join([str(session.python), *requirements, *map(str, PROJECT["project"]["dependencies"])])
    note = Path(session.virtualenv.location, "installed.txt")
    if not note.exists() or note.read_text(encoding="utf-8") != wanted:
        _install(session, *requirements)
        note.write_text(wanted, encoding="utf-8")


def _pytest(session: nox.Session, *options: str) -> None:
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session(python=MAIN, tags=["quick"])
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    _install(session, *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=MAIN, default=False, tags=["quick"], reuse_venv=True)
def quick(session: nox.Session) -> None:
    """mypy, and the tests that take no time: what to run after each change, with `nox -t quick`.

    Keeps its environment, so that the second run is a matter of two minutes."""
    _install_once(session, "-e", ".[test]", "nox", *nox.project.dependency_groups(PROJECT, "types"))
    session.run("mypy")
    _pytest(session, *SIDE_BY_SIDE, "-m", QUICK)


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """Both type checkers, strict, on the project and on what users write."""
    _install(session, "-e", ".[test]", "nox", *nox.project.dependency_groups(PROJECT, "types"))
    # By their paths, since they are no tests of the ordinary run, which has no type checkers.
    checks = sorted(str(path) for path in Path("tests/types").glob("check_*.py"))
    _pytest(session, *A_FEW, *checks)


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
    _install(session, "-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session(python=MAIN, default=False)
def traces(session: nox.Session) -> None:
    """The tests with whole clients while OpenTelemetry records: no request of a client's own may start a trace."""
    _install(session, "-e", ".[test]")
    places = session.posargs or ["tests/client", "tests/engine", "tests/portal", "tests/remote", "tests/store"]
    options = ("-p", "tests.helpers.orphans", "-m", "not alone and not interop")
    session.run("python", "-m", "pytest", *SIDE_BY_SIDE, *options, *places)


@nox.session(python=MAIN, default=False)
def simulate(session: nox.Session) -> None:
    """How late polls are in virtual time, beside the best schedule: `nox -s simulate -- [FAMILY ...] [--fleets N ...]`.

    Rows that miss what they should reach make it fail; `--write docs/speed.md` writes the table."""
    _install(session, "-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks.simulate", *session.posargs)


@nox.session(python=MAIN, default=False)
def soak(session: nox.Session) -> None:
    """Two thousand tasks that come and go for ten minutes under faults; `nox -s soak -- --backend trio` on trio."""
    _install(session, "-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks.soak", *session.posargs)


@nox.session(python=MAIN)
def conformance(session: nox.Session) -> None:
    """The MCP project's own tests of the client, and of the testing server; `nox -s conformance -- SCENARIO ...`.

    Needs npm's registry once: the suite is kept beside the environments of tests/interop. A session that neither has
    the suite nor reaches the registry is skipped, and nox's last lines say why: a package index alone does not have the
    suite, and no fault of the project would be found that way.
    Writes the table of docs/protocols.md; in CI, where nothing may be written, a table that is not up to date fails."""
    _install(session, "-e", ".[trio]", *nox.project.dependency_groups(PROJECT, "conformance"))
    why_not = session.run("python", "-m", "tests.conformance", "--install", silent=True, success_codes=[0, 75])
    if isinstance(why_not, str) and "has not run" in why_not:
        session.skip(why_not.strip())
    check = ["--check"] if os.environ.get("CI") else []
    session.run("python", "-m", "tests.conformance", *check, *session.posargs)


ENGINES = ("distributed==2026.8.0", "temporalio==1.35.0", "celery==5.7.0", "dbos==3.4.0")
AIRFLOW = ("apache-airflow-core==3.3.2", "apache-airflow-task-sdk==1.3.2")
"""Pinned, so that a new version of an engine fails nothing until somebody looks at it."""
ENGINE_TESTS = ("hypothesis>=6.130", "pytest>=9.0", "pytest-trio>=0.8")
"""What the checks in tests/engines need beside the engines, and those in tests/frameworks: a part of the extra `test`,
whose rest takes a minute."""


@nox.session(python=MAIN)
def engines(session: nox.Session) -> None:
    """`mcptasks.contrib` with the real Dask and Temporal, and the examples of docs/cluster.md.

    `airflow` does the same with Airflow."""
    _install(session, "-e", ".[trio,dask,temporal]", *ENGINES, *ENGINE_TESTS)
    checks = (f"tests/engines/check_{name}.py" for name in ("dask", "temporal", "page"))
    _pytest(session, *A_FEW, *checks)


@nox.session(python=MAIN)
def airflow(session: nox.Session) -> None:
    """The same with Airflow, whose 130 packages need an environment of their own."""
    _install(session, "-e", ".[trio,airflow]", *AIRFLOW, *ENGINE_TESTS)
    _pytest(session, "tests/engines/check_airflow.py", "tests/engines/check_page.py")


@nox.session(python=MAIN)
def frameworks(session: nox.Session) -> None:
    """The adapters of `mcptasks.contrib` with the real agent frameworks, in an environment of their own.

    The environment is kept; see tests/interop/environments.py."""
    _install(session, "-e", ".[trio]", *ENGINE_TESTS)
    _pytest(session, *SOON, "tests/frameworks/check_frameworks.py")


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """The documentation site, into site/: a broken link, an unknown name or a warning fails it.

    `tests` runs the examples."""
    # ruff breaks long signatures into lines.
    _install(session, *(line for group in ("docs", "lint") for line in nox.project.dependency_groups(PROJECT, group)))
    report = session.run("zensical", "build", "--strict", "--clean", silent=True)
    assert isinstance(report, str)
    session.log(report)
    # `--strict` counts what is wrong with pages. What is wrong with docstrings is printed by the tools that read them.
    if complaints := re.findall(r"^(?:griffe|mkdocstrings|mkdocs_autorefs): .*", report, re.MULTILINE):
        session.error("\n".join(["docstrings:", *complaints]))


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
    _install(session, str(wheel))
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
    """The tests on the lowest versions that the metadata admits, on the oldest Python found.

    `tests` runs the other combinations of their parameters on the newest Python."""
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("\n".join(_lowest_pins()) + "\n", encoding="utf-8")
    _install(session, "-e", ".[test]", "-c", str(constraints), "-c", "tests/constraints-lowest.txt")
    # An anyio before 4.16 leaves a socket open, until it is collected, where connecting is cancelled at its end.
    warnings = ("-W", "ignore:unclosed:ResourceWarning")
    _pytest(session, *SIDE_BY_SIDE, *TURN, "1/2", "-m", f"{QUICK} and not once", *warnings)


@nox.session(python=[*(python for python in PYTHONS if python != MAIN), MAIN])
def tests(session: nox.Session) -> None:
    """The tests: the slow ones and those with real servers on one Python, the quick ones on the newest.

    The quick ones take turns with `lowest`. Those marked `interpreter` run on the oldest Python and on the newest, in
    turns. Any other Python in between runs a third of the combinations of the unit tests."""
    _install(session, "-e", ".[test]")
    if session.python == MAIN and session.posargs:
        _pytest(session)
        return
    newest, at_an_end = session.python == PYTHONS[-1], session.python in (PYTHONS[0], PYTHONS[-1])
    parts = [QUICK] if newest else []
    parts += ["interpreter and (slow or interop)"] if at_an_end else []
    parts += ["(slow or interop) and not interpreter"] if session.python == MAIN else []
    if not parts:
        _pytest(session, *FORKS, "2", *TURN, "1/3", "-m", QUICK, *UNIT)
        return
    turn = (*TURN, "2/2" if newest else "1/2") if len(PYTHONS) > 1 else ()
    chosen = " or ".join(f"({part})" for part in parts)
    _pytest(session, *SIDE_BY_SIDE, *turn, "-m", f"not alone and ({chosen})")
    if at_an_end:
        _pytest(session, *SOON, *turn, "-m", f"alone and not interop and ({chosen})")
    if session.python == MAIN:
        _pytest(session, "-m", "alone and interop", "tests/interop")
