"""Several processes that share the tests of a run: all run once, and what goes wrong in one of them is reported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = """
import os
from pathlib import Path

import pytest

@pytest.fixture(scope="module")
def shared():
    yield os.getpid()
    with Path(os.environ["ENDED"]).open("a") as file:
        file.write("ended\\n")

@pytest.mark.parametrize("number", range(50))
def test_many(shared, number, tmp_path):
    assert shared == os.getpid()
    (tmp_path / "file").touch(exist_ok=False)
    with Path(os.environ["RAN"]).open("a") as file:
        file.write(f"{number} {os.getpid()} {tmp_path}\\n")
"""
BAD = """
import os, time
from pathlib import Path

import pytest

def test_fails():
    print("these words")
    assert 1 + 1 == 3

@pytest.fixture
def broken():
    yield
    raise ValueError("no end")

def test_ends_badly(broken):
    pass

def test_dies():
    os._exit(7)

def test_dies_quietly():
    os._exit(0)

@pytest.mark.parametrize("number", range(5))
def test_after(number):
    pass

@pytest.mark.skip(reason="a reason")
def test_skipped():
    pass
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs pytest on files with tests."""

    def run(text: str, *options: str, forks: int = 3, files: int = 2) -> subprocess.CompletedProcess[str]:
        for number in range(files):
            (tmp_path / f"test_{number}.py").write_text(text, encoding="utf-8")
        ini = tmp_path / "pytest.ini"
        ini.write_text("[pytest]\naddopts = -q -ra -p no:cacheprovider", encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env.update(RAN=str(tmp_path / "ran"), ENDED=str(tmp_path / "ended"), TMPDIR=str(tmp_path))
        command = [sys.executable, "-m", "pytest", "-p", "tests.helpers.forks", "--forks", str(forks), *options]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_each_test_runs_once(run: Run, tmp_path: Path) -> None:
    """Every test runs once, in one of several processes, with a temporary folder that no other test has. A module's
    fixture ends once in each process that has made it."""
    result = run(GOOD)
    assert result.returncode == 0, result.stdout
    assert "100 passed" in result.stdout
    ran = [line.split() for line in (tmp_path / "ran").read_text(encoding="utf-8").splitlines()]
    assert sorted(int(number) for number, *_ in ran) == sorted([*range(50)] * 2)
    assert len({folder for *_, folder in ran}) == 100
    assert 2 <= len({pid for _, pid, _ in ran}) <= 3
    assert 2 <= (tmp_path / "ended").read_text(encoding="utf-8").count("ended") <= 6


def test_whole_files(run: Run, tmp_path: Path) -> None:
    """The tests of one file run in one process if that is asked for."""
    assert "150 passed" in run(GOOD, "--whole-files", files=3).stdout
    ran = [line.split() for line in (tmp_path / "ran").read_text(encoding="utf-8").splitlines()]
    assert len(ran) == 150
    assert (tmp_path / "ended").read_text(encoding="utf-8").count("ended") == 3


def test_what_goes_wrong(run: Run) -> None:
    """Failures, errors and skipped tests are reported as without forks. A test whose process dies has failed, and the
    tests after it run."""
    result = run(BAD, files=1)
    assert result.returncode == 1
    (line,) = re.findall(r".* in [\d.]+s.*", result.stdout)
    assert line.startswith("3 failed, 6 passed, 1 skipped, 1 error"), result.stdout
    for words in (
        "these words",
        "assert (1 + 1) == 3",
        "ValueError: no end",
        "has ended with 7",
        "has ended with 0",
        "a reason",
    ):
        assert words in result.stdout


def test_the_first_failure_ends_a_run(run: Run) -> None:
    """With `-x` the first failure ends the run, and the tests that run beside it are interrupted."""
    result = run(BAD.replace("os._exit(7)", "time.sleep(60)"), "-x", files=1, forks=2)
    assert result.returncode == 1
    # A test of the other process may fail in the same moment.
    assert re.search("stopping after [12] failures", result.stdout)


def test_processes_that_cannot_begin(run: Run, tmp_path: Path) -> None:
    """If no process can run tests, the run ends and says why."""
    plugin = "def pytest_runtest_protocol(item):\n    raise OSError('no space')\n"
    (tmp_path / "conftest.py").write_text(plugin, encoding="utf-8")
    result = run(GOOD)
    assert result.returncode == 1
    assert "no space" in result.stdout
