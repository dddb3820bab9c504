"""What mypy and pyright, strict, make of the project itself, as pyproject.toml sets them up.

Not a test of the ordinary run, which has no type checkers: `nox -s types` runs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


CHECKERS = {"mypy": ["mypy"], "pyright": ["pyright", "--warnings", "--pythonpath", sys.executable]}


@pytest.mark.parametrize("name", CHECKERS)
def test_project(name: str) -> None:
    """The package, its tests and noxfile.py are free of errors and warnings."""
    run = subprocess.run(
        [sys.executable, "-m", *CHECKERS[name]], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
