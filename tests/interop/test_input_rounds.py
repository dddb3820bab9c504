"""A tool of a real 2026-07-28 server that asks in rounds, two questions at once; and a program that dies in between."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, InputContext, Task, TaskInputRequiredError, TaskReference, TaskStateError
from tests.helpers.command_line import Home, home, warm
from tests.helpers.warm import Warm
from tests.interop.targets import LONG

__all__ = ["home", "warm"]

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


async def _ask_and_die(home: Home, program: Path, *words: str) -> TaskReference:
    assert home.warm is not None

    def run(warm: Warm) -> tuple[int, str]:
        program.write_text(PROGRAM, encoding="utf-8")
        with warm.start_in_pipes(words, home.variables(), home.folder, script=str(program)) as running:
            assert running.stdout is not None
            said = running.stdout.readline()
            running.kill()
        return running.wait(), said

    code, said = await anyio.to_thread.run_sync(run, home.warm)
    assert code == -signal.SIGKILL
    return TaskReference.from_json(said)


async def test_killed_between_question_and_answer(
    fastmcp_url: str, anyio_backend_name: str, home: Home, tmp_path: Path
) -> None:
    """What a killed program printed is enough for two others: one answers by hand, the next by its handler."""
    reference = await _ask_and_die(home, tmp_path / "program.py", fastmcp_url, anyio_backend_name)
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
