"""Servers that ask too much: how often tasks are looked at for that, how much is held, and what the program is told."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from mcp_types import INTERNAL_ERROR

from mcptasks import TaskProtocolError
from mcptasks.testing import Garbage, elicit
from tests.helpers.support import POLLED, begin, connected, make_server, settle
from tests.helpers.tampering import Wire, question
from tests.helpers.virtual_time import on_frozen_clocks
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

UNDER_WAY = 64


async def until_quiet(wire: Wire) -> None:
    """Wait until the client sends nothing more."""
    before = -1
    while before != len(wire.sent):
        before = len(wire.sent)
        for _ in range(20):
            await settle()


@async_only("one event loop")
@on_frozen_clocks
async def test_one_look_serves_all_questions() -> None:
    """However many questions come that do not say which task asks, each task is looked at twice: one look may have
    begun before the last of them came."""
    server = make_server("legacy", poll_interval_ms=3_600_000, **POLLED)
    wire = Wire(server)
    async with connected(wire, polling=None) as client:
        begun = [await begin(client, server) for _ in range(5)]
        wire.inject(*map(question, range(300)))
        await until_quiet(wire)
        assert server.requests.count("tasks/get") <= 2 * len(begun)
        assert wire.errors(INTERNAL_ERROR) == 0


@async_only("one event loop")
async def test_questions_under_way_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Of 300 questions at once 64 are held for the one task that there is; the others are answered with an error at
    once, and logged. Those that are held can be answered, and then others can be asked."""
    server = make_server("legacy", poll_interval_ms=3_600_000, **POLLED)
    wire = Wire(server)
    async with connected(wire, polling=None) as client:
        task, _ = await begin(client, server)
        with caplog.at_level(logging.WARNING, "mcptasks"):
            wire.inject(*map(question, range(300)))
            await until_quiet(wire)
        assert wire.errors(INTERNAL_ERROR) == 300 - UNDER_WAY
        assert len(task.input_requests) == UNDER_WAY
        assert "questions are under way" in caplog.text
        for key in list(task.input_requests):
            await task.answer(key, {"name": "Ada"})
        while len(wire.answers()) < UNDER_WAY:
            await settle()
        wire.inject(question(300))
        while not task.input_requests:
            await settle()


@async_only("one event loop")
async def test_a_handler_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose server asks again and again by requests of its own is given up by whoever waits for it."""
    monkeypatch.setattr("mcptasks._core.input_state.IN_A_LIFE", 50)
    server = make_server("legacy", **POLLED)
    wire, asked = Wire(server), list[str]()

    async def handler(context: Any, params: Any) -> Any:
        asked.append(params.message)
        wire.inject(question(len(asked), f"Who is number {len(asked)}?"))
        return {"name": "Ada"}

    async with connected(wire, elicitation_handler=handler) as client:
        task, _ = await begin(client, server)
        wire.inject(question(0))
        with pytest.raises(TaskProtocolError, match="without end, or too much at once; the task stays at the server"):
            await task.result()
        assert len(asked) == 50
        while wire.errors(INTERNAL_ERROR) == 0:
            await settle()


@pytest.mark.parametrize("waits", [True, False], ids=["result", "updates"])
async def test_new_keys_without_end(waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the server puts new keys into each answer: whoever waits gets an error that says so, again when it
    waits again, and no more is remembered."""
    monkeypatch.setattr("mcptasks._core.input_state.IN_A_LIFE", 50)
    server, asked = make_server("modern", **POLLED), list[str]()

    async def handler(context: Any, params: Any) -> Any:
        asked.append(params.message)
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client:
        task, steered = await begin(client, server)

        async def ask() -> None:
            for number in range(1000):
                await steered.wait_for(lambda found, number=number: len(found.answers) >= number)  # type: ignore[misc]
                steered.need_input({f"key-{number}": elicit("Who?")})

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            for _ in range(2):
                with pytest.raises(TaskProtocolError, match="more than 50 questions"):
                    await task.result()
            if not waits:
                with pytest.raises(TaskProtocolError, match="more than 50 questions"):
                    async for _ in task.updates():
                        pass
            group.cancel_scope.cancel()
        assert len(asked) == 50


@pytest.mark.parametrize("count", [1000, 1001, 200_000])
async def test_many_questions_in_one_answer(count: int) -> None:
    """A thousand questions at once are taken; more are an error, of which nothing is remembered, and the task's end is
    seen all the same."""
    server = make_server("modern", **POLLED)
    async with connected(server, limit=300) as client:
        task, steered = await begin(client, server)
        asked = {f"key-{n}": {"method": "elicitation/create", "params": {"message": "?"}} for n in range(count)}
        change = {"status": "input_required", "inputRequests": asked}
        rule = server.faults.add("tasks/get", Garbage(change=change), times=None)
        if count <= 1000:
            status = await task.wait(state="input_required")
            assert len(status.input_requests) == count
        else:
            with pytest.raises(TaskProtocolError, match=f"{count} questions at once"):
                await task.wait(state="input_required")
            assert task.input_requests == {}
        server.faults.clear()
        assert rule.fired
        steered.complete("done")
        assert (await task.wait()).status == "completed"
