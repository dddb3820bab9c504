"""A program dies in mid-task, and another one takes the task up by what the first one printed."""

import json
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, TaskNotFoundError, TaskReference
from tests.interop.targets import LONG, new_key

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


async def _run_and_die(url: str, key: str, backend: str) -> TaskReference:
    def run() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", PROGRAM, url, key, backend]
        root = Path(__file__).parents[2]
        return subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=False, cwd=root)

    done = await anyio.to_thread.run_sync(run)
    assert done.returncode == -9, done.stderr
    return TaskReference.from_json(done.stdout)


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
async def test_another_program_resumes(fastmcp_url: str, anyio_backend_name: str) -> None:
    """The reference that a killed program printed is enough for another program to get the result."""
    key = new_key("resume")
    reference = await _run_and_die(fastmcp_url, key, anyio_backend_name)
    assert (reference.kind, reference.name) == ("tool", "gated")
    assert json.loads(reference.to_json())["endpoint"] == fastmcp_url
    async with Client(fastmcp_url) as client:
        task = client.resume(reference)
        assert (await task.status()).status == "working"
        await client.call_tool("open_gate", {"key": key})
        assert (await task.result(LONG)).data == f"through {key}"


@pytest.mark.parametrize("generation", [2], indirect=True)
async def test_server_that_ties_tasks_to_the_session(fastmcp_url: str, anyio_backend_name: str) -> None:
    """fastmcp 2 shows a task to the session that made it only; another program is told so at once."""
    reference = await _run_and_die(fastmcp_url, new_key("resume"), anyio_backend_name)
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
