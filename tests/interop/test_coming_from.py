"""A program with tasks that was written for fastmcp 2 or 3 runs here with another import (docs/coming-from.md)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command_line import Home, home, warm
from tests.interop.processes import SERVERS, HttpServer
from tests.interop.warm_servers import WarmServers, printed_by

__all__ = ["home", "warm"]

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


def printed(home: Home, program: Path, url: str) -> dict[str, Any]:
    """What a program of ours prints about the server at `url`."""
    done = home.run(url, script=program)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def moved(folder: Path) -> Path:
    """The program with our import in place of fastmcp's."""
    text = PROGRAM.read_text(encoding="utf-8")
    assert text.count(THEIRS) == 1
    ours = folder / PROGRAM.name
    ours.write_text(text.replace(THEIRS, OURS), encoding="utf-8")
    return ours


@pytest.mark.parametrize("generation", [2, 3], indirect=True)
def test_the_same_program(
    generation: int, fastmcp_url: str, tmp_path: Path, home: Home, warm_servers: WarmServers
) -> None:
    """The program gets the same from `mcptasks.Client` as from the `fastmcp.Client` for which it was written."""
    assert printed_by(warm_servers, generation, PROGRAM.name, fastmcp_url) == EXPECTED
    assert printed(home, moved(tmp_path), fastmcp_url) == EXPECTED


def test_a_server_of_fastmcp_4(shared_server: Callable[[int], HttpServer], tmp_path: Path, home: Home) -> None:
    """The moved program gets the same from fastmcp 4, which has no `task=True` and decides itself what is a task."""
    assert printed(home, moved(tmp_path), shared_server(4).url) == EXPECTED
