"""`python -m mcptasks.testing`, the public names, and the pytest fixtures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.client.streamable_http import streamable_http_client

import mcptasks.testing
from tests.helpers.backends import ASYNCIO, Backend
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.testing.wire import Era, connect, process, refused

__all__ = ["stand_ins", "warm"]

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "mcptasks.testing"]
ERAS: list[Era] = ["modern", "legacy"]


MODULE = """
    import runpy

    runpy.run_module("mcptasks.testing", run_name="__main__", alter_sys=True)
"""
"""`python -m mcptasks.testing`, for a fork."""


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_stdio(era: Era, anyio_backend_name: str, tmp_path: Path, stand_ins: StandIns) -> None:
    """Over stdio the demonstration server runs a task in either era, on either backend."""
    options = ("--transport", "stdio", "--era", era, "--backend", anyio_backend_name, "--steps", "2")
    _, *command = stand_ins.script(tmp_path / "testing.py", MODULE)
    async with connect(process(*command, *options), era) as client:
        task = await client.poll((await client.start("slow_computation", duration=0.02))["taskId"])
        assert task["status"] == "completed"


@pytest.mark.anyio
async def test_a_script_of_ones_own_that_dies(tmp_path: Path, anyio_backend_name: str, stand_ins: StandIns) -> None:
    """`serve_stdio` serves any server in a subprocess, and a restart is that process's death."""
    script = tmp_path / "server.py"
    source = (
        "from mcptasks.testing import Restart, TaskServer, serve_stdio\n"
        "server = TaskServer()\n"
        "server.add_tool('work')\n"
        "server.faults.add('tasks/get', Restart(), skip=1)\n"
        f"serve_stdio(server, {anyio_backend_name!r})\n"
    )
    if anyio_backend_name == "asyncio":
        script.write_text(source)  # a fresh Python
    else:
        stand_ins.script(script, source)
    async with connect(process(str(script)), "modern") as client:
        task_id = (await client.start("work"))["taskId"]
        assert (await client.get(task_id))["status"] == "working"
        assert (await refused(client.get(task_id))).error.code == -32000


@pytest.fixture
def served() -> Iterator[subprocess.Popen[str]]:
    """The command, serving over HTTP."""
    with subprocess.Popen(
        [*COMMAND, "--transport", "http", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


# The server is a process of its own, so that it is the same on both event loops.
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [pytest.param(ASYNCIO, id="asyncio")])
async def test_http(anyio_backend: Backend, served: subprocess.Popen[str]) -> None:
    """Over HTTP the command prints its URL, serves there, and ends well on SIGTERM."""
    assert served.stdout is not None
    url = served.stdout.readline().strip()
    async with connect(streamable_http_client(url), "modern") as client:
        assert (await client.start("slow_computation", duration=30))["status"] == "working"
    served.send_signal(signal.SIGTERM)
    assert served.wait(timeout=60) == 0


def test_help_and_wrong_arguments() -> None:
    """`--help` explains the options; what cannot be served is refused in one line."""
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "--transport" in shown.stdout
    wrong = subprocess.run(
        [*COMMAND, "--transport", "http", "--backend", "trio"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "asyncio only" in wrong.stderr


def test_public_names() -> None:
    """Every public name can be imported, and the lazy table has neither more nor less than `__all__`."""
    assert sorted(mcptasks.testing.__all__) == mcptasks.testing.__all__
    for name in mcptasks.testing.__all__:
        assert getattr(mcptasks.testing, name) is not None
    homes = vars(mcptasks.testing)["_HOMES"]
    assert sorted(name for names in homes.values() for name in names) == mcptasks.testing.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        vars(mcptasks.testing)["__getattr__"]("nonsense")


def test_fixtures_for_users(tmp_path: Path) -> None:
    """The plugin gives a server and its URL, and its era and options can be overridden."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["mcptasks.testing.pytest_plugin"]\n')
    (tmp_path / "test_user.py").write_text(
        "import pytest\n"
        "from mcptasks.testing import Options\n"
        "@pytest.fixture\n"
        "def task_server_era():\n"
        "    return 'legacy'\n"
        "@pytest.fixture\n"
        "def task_server_options():\n"
        "    return Options(push='off')\n"
        "def test_url(task_server, task_server_url):\n"
        "    assert task_server.era == 'legacy'\n"
        "    assert task_server.options.push == 'off'\n"
        "    assert task_server_url.startswith('http://127.0.0.1:')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
