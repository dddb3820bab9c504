"""A program dies in mid-task, and another one takes the task up by what the first one printed."""

import json
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, TaskNotFoundError, TaskReference
from tests.helpers.command_line import Home, home, warm
from tests.interop.targets import LONG, new_key

__all__ = ["home", "warm"]

pytestmark = pytest.mark.anyio

PROGRAM = """
import os, sys
import anyio
from mcptasks import Client

async def main():
    async with Client(sys.argv[1]) as client:
        task = await client.call_tool("gated", {"key": sys.argv[2]}, task=True)
        print(task.reference.to_json(), flush=True)
        os.kill(os.getpid(), 9)

anyio.run(main, backend=sys.argv[3])
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The file with the program."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return str(path)


async def _run_and_die(home: Home, program: str, *words: str) -> TaskReference:
    done = await anyio.to_thread.run_sync(partial(home.run, *words, script=program))
    assert done.code == -9, done.err
    return TaskReference.from_json(done.out)


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
async def test_another_program_resumes(fastmcp_url: str, anyio_backend_name: str, home: Home, program: str) -> None:
    """The reference that a killed program printed is enough for another program to get the result."""
    key = new_key("resume")
    reference = await _run_and_die(home, program, fastmcp_url, key, anyio_backend_name)
    assert (reference.kind, reference.name) == ("tool", "gated")
    assert json.loads(reference.to_json())["endpoint"] == fastmcp_url
    async with Client(fastmcp_url) as client:
        task = client.resume(reference)
        assert (await task.status()).status == "working"
        await client.call_tool("open_gate", {"key": key})
        assert (await task.result(LONG)).data == f"through {key}"


@pytest.mark.parametrize("generation", [2], indirect=True)
async def test_server_that_ties_tasks_to_the_session(
    fastmcp_url: str, anyio_backend_name: str, home: Home, program: str
) -> None:
    """fastmcp 2 shows a task to the session that made it only; another program is told so at once."""
    reference = await _run_and_die(home, program, fastmcp_url, new_key("resume"), anyio_backend_name)
    async with Client(fastmcp_url) as client:
        task = client.resume(reference)
        with anyio.fail_after(LONG), pytest.raises(TaskNotFoundError) as caught:
            await task.result()
        assert caught.value.reference == task.reference
        assert "only to the session that made it" in str(caught.value)


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
async def test_leaving_the_client_leaves_the_task(fastmcp_url: str) -> None:
    """A client that is left in good order cancels nothing: the next one gets the result."""
    key = new_key("resume")
    async with Client(fastmcp_url) as client:
        reference = (await client.call_tool("gated", {"key": key}, task=True)).reference
    async with Client(fastmcp_url) as client:
        task = client.resume(reference)
        await client.call_tool("open_gate", {"key": key})
        assert (await task.result(LONG)).data == f"through {key}"
