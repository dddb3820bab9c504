"""A FastMCP server object as the target, in a process that has fastmcp 4: it needs an environment with both."""

import json
import os
import subprocess
from pathlib import Path

from tests.interop.environments import server_python
from tests.interop.processes import SERVERS, server_settings
from tests.interop.targets import LONG

ROOT = Path(__file__).parents[2]


def test_server_object_of_this_process() -> None:
    """Tools run in the background on a server object as they do over a wire, its lifespan included."""
    done = subprocess.run(
        [str(server_python(4)), str(SERVERS / "in_process4.py")],
        env={**os.environ, **server_settings(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "era": "2026-07-28",
        "in_background": True,
        "data": "computed for 0.1 seconds",
        "last": "completed",
        "failure": "refused",
        "cancelled": "cancelled",
        "resource": [True, "the slow report"],
        "unknown": True,
    }
