"""Many tasks of a real server that ask at once: each answer reaches its own task."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import Client, InputContext, Task, ToolResult
from tests.interop.targets import LONG, until

pytestmark = pytest.mark.anyio
each = pytest.mark.parametrize("generation", [3, 4], indirect=True)
untold = pytest.mark.parametrize("generation", [3], indirect=True)

MANY = 10


async def ask(client: Client) -> dict[str, Task[ToolResult]]:
    """Start many tasks, each of which asks in words of its own."""
    return {f"thing-{n}": await client.call_tool("ask_for", {"what": f"thing-{n}"}, task=True) for n in range(MANY)}


async def expect(task: Task[ToolResult], text: str) -> None:
    """Wait for a result."""
    assert (await task.result(LONG)).data == text


@each
async def test_by_handler(fastmcp_url: str) -> None:
    """The handler is told which task asks, once for each, though a 2025-11-25 server does not say it."""
    asked: list[str] = []

    async def answer(context: InputContext[Task[Any]], params: Any) -> dict[str, str]:
        assert context.task is not None, (params.message, context.candidates)
        asked.append(params.message)
        return {"value": context.task.task_id}

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        tasks = await ask(client)
        async with anyio.create_task_group() as waiters:
            for what, task in tasks.items():
                waiters.start_soon(expect, task, f"{what}: {task.task_id}")
        assert sorted(asked) == sorted(f"Which {what}?" for what in tasks)


@each
async def test_by_hand(fastmcp_url: str) -> None:
    """Each task's own question is found at it."""
    async with Client(fastmcp_url) as client:
        tasks = await ask(client)
        for what, task in reversed(tasks.items()):
            ((key, request),) = (await task.wait(state="input_required", timeout=LONG)).input_requests.items()
            assert request["params"]["message"] == f"Which {what}?"
            await task.answer(key, {"value": task.task_id})
        for what, task in tasks.items():
            await expect(task, f"{what}: {task.task_id}")


@untold
async def test_prompts_that_do_not_say_whose_they_are(fastmcp_url: str) -> None:
    """Nothing tells which task samples: its question is shown at each that it may be, also while they are being made,
    and none is refused."""
    prompts, tasks = [f"prompt-{n}" for n in range(5)], dict[str, Task[ToolResult]]()

    async def begin(prompt: str) -> None:
        tasks[prompt] = await client.call_tool("complete", {"prompt": prompt}, task=True)

    async with Client(fastmcp_url) as client:
        async with anyio.create_task_group() as group:
            for prompt in prompts:
                group.start_soon(begin, prompt)
        for prompt, task in tasks.items():

            async def key_of(prompt: str = prompt, task: Task[ToolResult] = task) -> str | None:
                found = task.input_requests.items()
                return next((key for key, request in found if prompt in str(request)), None)

            await task.answer(await until(key_of), prompt.upper())
        for prompt, task in tasks.items():
            await expect(task, f"{prompt}: {prompt.upper()}")


@untold
async def test_one_after_the_other(fastmcp_url: str) -> None:
    """A task that asks while the question of another is open is not left waiting without one."""
    async with Client(fastmcp_url) as client:
        first = await client.call_tool("complete", {"prompt": "one"}, task=True)
        ((one, _),) = (await first.wait(state="input_required", timeout=LONG)).input_requests.items()
        second = await client.call_tool("complete", {"prompt": "two"}, task=True)
        ((two, _),) = (await second.wait(state="input_required", timeout=LONG)).input_requests.items()
        third = await client.call_tool("ask_for", {"what": "three"}, task=True)
        ((three, _),) = (await third.wait(state="input_required", timeout=LONG)).input_requests.items()
        await third.answer(three, {"value": "c"})
        await second.answer(two, "b")
        await first.answer(one, "a")
        await expect(third, "three: c")
        await expect(second, "two: b")
        await expect(first, "one: a")
