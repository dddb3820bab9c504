"""A program with tasks that was written for fastmcp 2 or 3 runs here with another import (docs/coming-from.md)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environments import server_python
from tests.interop.processes import ROOT, SERVERS, HttpServer, server_settings

PROGRAM = SERVERS / "tasks_program.py"
THEIRS, OURS = "from fastmcp import Client\n", "from mcptasks import Client\n"

EXPECTED: dict[str, Any] = {
    "status": ["working", True, True],
    "at once": False,
    "wait": "timeout",
    "end": "completed",
    "state": "completed",
    "result": [True, True, True, True, False],
    "changed": True,
    "number": 5,
    "fields": {"place": "roof", "degrees": 21.5},
    "gathered": ["computed for 0.2 seconds"] * 5,
    "ids": 5,
    "in time": "computed for 0.2 seconds",
    "required": "as a task: x",
    "resource": ["the slow report", "report://slow"],
    "prompt": ["user", "Write slowly about bees."],
    "error": ["ToolError", "refused"],
    "cancelled": "cancelled",
}
"""What the program prints."""


def printed(python: Path | str, program: Path, url: str) -> dict[str, Any]:
    """What a program prints about the server at `url`."""
    done = subprocess.run(
        [str(python), str(program), url],
        env={**os.environ, **server_settings(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def moved(folder: Path) -> Path:
    """The program with our import in place of fastmcp's."""
    text = PROGRAM.read_text(encoding="utf-8")
    assert text.count(THEIRS) == 1
    ours = folder / PROGRAM.name
    ours.write_text(text.replace(THEIRS, OURS), encoding="utf-8")
    return ours


@pytest.mark.parametrize("generation", [2, 3], indirect=True)
def test_the_same_program(generation: int, fastmcp_url: str, tmp_path: Path) -> None:
    """The program gets the same from `mcptasks.Client` as from the `fastmcp.Client` for which it was written."""
    assert printed(server_python(generation), PROGRAM, fastmcp_url) == EXPECTED
    assert printed(sys.executable, moved(tmp_path), fastmcp_url) == EXPECTED


def test_a_server_of_fastmcp_4(shared_server: Callable[[int], HttpServer], tmp_path: Path) -> None:
    """The moved program gets the same from fastmcp 4, which has no `task=True` and decides itself what is a task."""
    assert printed(sys.executable, moved(tmp_path), shared_server(4).url) == EXPECTED
