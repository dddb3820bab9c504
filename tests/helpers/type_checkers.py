"""Runs mypy and pyright in strict mode, and parses their findings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Found:
    """A checker's finding on one line; lines count from 1."""

    file: str
    line: int
    is_error: bool
    message: str


def run_mypy(folder: Path) -> list[Found]:
    """Run mypy in strict mode on the files of a folder. Folders beside this one share what it learns of packages."""
    options = ["--strict", "--python-version", "3.11", "--output", "json", "--config-file", os.devnull]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", str(folder.parent / "mypy_cache"), "."],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return [Found(Path(one["file"]).name, one["line"], one["severity"] == "error", one["message"]) for one in found]


def run_pyright(folder: Path) -> list[Found]:
    """Run pyright on the files of a folder."""
    settings = {"typeCheckingMode": "standard", "pythonVersion": "3.11", "extraPaths": [str(ROOT)], "include": ["*.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return [
        Found(Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["severity"] == "error", one["message"])
        for one in json.loads(run.stdout)["generalDiagnostics"]
    ]


RUNS: dict[str, Callable[[Path], list[Found]]] = {"mypy": run_mypy, "pyright": run_pyright}
