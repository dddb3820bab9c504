"""A tool of a real 2026-07-28 server that asks in rounds, two questions at once; and a program that dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, InputContext, Task, TaskInputRequiredError, TaskReference, TaskStateError
from tests.interop.targets import LONG

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("generation", [4], indirect=True)]

PROGRAM = """
import sys, time
import anyio
from mcptasks import Client

async def main():
    async with Client(sys.argv[1]) as client:
        task = await client.call_tool("book_trip", task=True)
        await task.wait(state="input_required")
        print(task.reference.to_json(), flush=True)
        time.sleep(600)

anyio.run(main, backend=sys.argv[2])
"""


def by_message(requests: Mapping[str, Any]) -> dict[str, str]:
    """The keys of open questions, by what is asked."""
    return {request["params"]["message"]: key for key, request in requests.items()}


async def test_by_handler(fastmcp_url: str) -> None:
    """Questions of one round are answered side by side, and each of all rounds once."""
    asked: list[str] = []
    both = anyio.Event()

    async def answer(context: InputContext[Task[Any]], params: Any) -> dict[str, str]:
        asked.append(params.message)
        if len(asked) == 2:
            both.set()
        await both.wait()
        assert context.task is not None
        assert context.key in context.task.input_requests
        return {"value": "Rome"} if params.message == "Which city?" else {} if len(asked) == 2 else {"value": "yes"}

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        task = await client.call_tool("book_trip", task=True)
        assert (await task.result(LONG)).data == "accept: Rome window"
    assert sorted(asked) == ["Sure: Rome window?", "Which city?", "Which seat?"]


async def test_by_hand(fastmcp_url: str) -> None:
    """One answer at a time: what is left stays open, what was answered is not open again, and the next round comes."""
    async with Client(fastmcp_url) as client:
        task = await client.call_tool("book_trip", task=True)
        first = by_message((await task.wait(state="input_required", timeout=LONG)).input_requests)
        await task.answer(first["Which seat?"], {})
        assert by_message(task.input_requests) == {"Which city?": first["Which city?"]}
        with pytest.raises(TaskInputRequiredError) as caught:
            await task.result(LONG)
        assert by_message(caught.value.input_requests) == {"Which city?": first["Which city?"]}
        with pytest.raises(TaskStateError, match="answered"):
            await task.answer(first["Which seat?"], {"value": "aisle"})
        await task.answer(first["Which city?"], {"value": "Oslo"})
        status = await task.wait(state="input_required", timeout=LONG)
        second = by_message(status.input_requests)
        assert second.keys() == {"Sure: Oslo window?"}
        await task.answer(second["Sure: Oslo window?"], None)
        assert (await task.result(LONG)).data == "decline: Oslo window"


async def _ask_and_die(url: str, backend: str) -> TaskReference:
    def run() -> tuple[int, str]:
        command = [sys.executable, "-c", PROGRAM, url, backend]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
        return process.returncode, said

    code, said = await anyio.to_thread.run_sync(run)
    assert code == -signal.SIGKILL
    return TaskReference.from_json(said)


async def test_killed_between_question_and_answer(fastmcp_url: str, anyio_backend_name: str) -> None:
    """What a killed program printed is enough for two others: one answers by hand, the next by its handler."""
    reference = await _ask_and_die(fastmcp_url, anyio_backend_name)
    async with Client(fastmcp_url) as client:
        task = client.resume(reference)
        with pytest.raises(TaskInputRequiredError) as caught:
            await task.result(LONG)
        await task.answer(by_message(caught.value.input_requests)["Which city?"], {"value": "Rome"})
    asked: list[str] = []

    async def answer(context: InputContext[Task[Any]], params: Any) -> dict[str, str]:
        asked.append(params.message)
        return {"value": "aisle"}

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        assert (await client.resume(reference).result(LONG)).data == "accept: Rome aisle"
    assert asked == ["Which seat?", "Sure: Rome aisle?"]
