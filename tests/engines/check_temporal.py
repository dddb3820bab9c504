"""`mcptasks.contrib.temporal` in Temporal's own environment for activities, which needs no server.

A plain `pytest` leaves this file out, since its environment has no Temporal: `nox -s engines` runs it by its path.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from temporalio.activity import ActivityCancellationDetails
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from mcptasks import TaskReference
from mcptasks.contrib.temporal import ToolCall, mcp_task
from mcptasks.remote import Connect, FromEnv
from mcptasks.testing import Complete, Options, ServerTask, TaskServer, serve_http

pytestmark = pytest.mark.filterwarnings("default")
LIMIT = 240.0
"""Seconds that anything may take, which nothing should come near."""


@pytest.fixture
def server() -> TaskServer:
    """A server whose tool `work` waits to be steered."""
    server = TaskServer(options=Options(poll_interval_ms=20))
    server.add_tool("work")
    return server


@pytest.fixture
def connect(server: TaskServer) -> Generator[Connect]:
    """The way to the server."""
    with serve_http(server) as url:
        yield Connect(url, reconnect_timeout=5.0)


class Attempt:
    """One attempt of an activity."""

    def __init__(self, call: ToolCall, details: Any = (), **info: Any) -> None:
        self.environment = ActivityEnvironment()
        self.environment.info = dataclasses.replace(
            self.environment.info, heartbeat_details=details, heartbeat_timeout=timedelta(seconds=0.2), **info
        )
        self.beats: list[Any] = []
        self.beaten = asyncio.Event()
        self.environment.on_heartbeat = self._beat
        self._call = call

    def _beat(self, *details: Any) -> None:
        # As the server keeps it.
        payloads = DataConverter.default.payload_converter.to_payloads(details)
        self.beats.append(DataConverter.default.payload_converter.from_payloads(payloads))
        self.beaten.set()

    async def run(self) -> Any:
        """What the activity returns."""
        return await self.environment.run(mcp_task, self._call)


def run(function: Callable[[], Awaitable[None]]) -> None:
    """Run a test on an event loop of its own, as Temporal's workers have."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await function()

    asyncio.run(limited())


async def steered(server: TaskServer) -> ServerTask:
    """The server's next task."""
    return await server.next_task()


def test_the_value(server: TaskServer, connect: Connect) -> None:
    """The activity returns the tool's value, and heartbeats the reference, what the server says, and again."""

    async def test() -> None:
        attempt = Attempt(ToolCall(connect.to_dict(), "work", {"n": 1}))
        running = asyncio.create_task(attempt.run())
        task = await steered(server)
        task.set_working("half")
        while not attempt.beats or attempt.beats[-1][2] != "half":  # noqa: ASYNC110 - what comes is not announced
            await asyncio.sleep(0.01)
        task.complete({"n": 42})
        assert await running == {"n": 42}
        assert TaskReference.from_json(attempt.beats[0][0]).task_id == task.task_id
        assert task.arguments == {"n": 1}

    run(test)


def test_the_next_attempt(server: TaskServer, connect: Connect) -> None:
    """The worker of the first attempt is gone: the next one finds the reference in the heartbeat, and makes no call."""

    async def test() -> None:
        call = ToolCall(connect.to_dict(), "work")
        first = Attempt(call)
        running = asyncio.create_task(first.run())
        task = await steered(server)
        await first.beaten.wait()
        running.cancel()  # As when the event loop of the worker ends.
        await asyncio.gather(running, return_exceptions=True)
        assert not task.cancel_requested
        second = Attempt(call, first.beats[-1], attempt=2)
        running = asyncio.create_task(second.run())
        await second.beaten.wait()
        task.complete("done")
        assert await running == "done"
        assert server.requests.count("tools/call") == 1

    run(test)


def test_a_worker_dies_before_its_first_heartbeat(server: TaskServer, connect: Connect, tmp_path: Path) -> None:
    """With a store the next attempt gets the task even if the heartbeat was lost: all attempts have one key."""

    async def test() -> None:
        call = ToolCall(evolve(connect, store=str(tmp_path / "tasks.db")).to_dict(), "work")
        first = Attempt(call)
        running = asyncio.create_task(first.run())
        task = await steered(server)
        await first.beaten.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        running = asyncio.create_task(Attempt(call, attempt=2).run())
        task.complete("done")
        assert await running == "done"
        assert server.requests.count("tools/call") == 1
        other = asyncio.create_task(Attempt(call, activity_id="other").run())
        (await steered(server)).complete("other")
        assert await other == "other"

    run(test)


@pytest.mark.parametrize(
    ("details", "detach", "cancelled"),
    [
        ({"cancel_requested": True}, False, True),
        ({"cancel_requested": True}, True, False),
        ({"worker_shutdown": True}, False, False),
        ({"timed_out": True}, False, False),
        ({"paused": True}, False, False),
    ],
)
def test_cancellation(
    server: TaskServer, connect: Connect, details: dict[str, bool], detach: bool, cancelled: bool
) -> None:
    """A cancelled activity asks the server to cancel the task; one that another attempt will follow does not."""

    async def test() -> None:
        attempt = Attempt(ToolCall(connect.to_dict(), "work", detach=detach))
        running = asyncio.create_task(attempt.run())
        task = await steered(server)
        await attempt.beaten.wait()
        attempt.environment.cancel(ActivityCancellationDetails(**details))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert task.cancel_requested is cancelled

    run(test)


def test_errors(server: TaskServer, connect: Connect) -> None:
    """What another attempt could not do better is not tried again, and the error names its class and the task."""

    async def test() -> None:
        running = asyncio.create_task(Attempt(ToolCall(connect.to_dict(), "work")).run())
        task = await steered(server)
        task.fail("it broke")
        with pytest.raises(ApplicationError, match="it broke") as caught:
            await running
        assert (caught.value.type, caught.value.non_retryable) == ("ToolError", True)
        assert TaskReference.from_json(caught.value.details[1]).task_id == task.task_id
        away = Connect("http://127.0.0.1:9/mcp", reconnect_timeout=0.1)
        with pytest.raises(ApplicationError) as caught:
            await Attempt(ToolCall(away.to_dict(), "work")).run()
        assert (caught.value.type, caught.value.non_retryable) == ("TaskConnectionError", False)

    run(test)


def test_bad_input(server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that the worker lacks is named, and nothing is sent."""
    monkeypatch.delenv("MCP_GONE", raising=False)

    async def test() -> None:
        lacking = evolve(connect, auth=FromEnv("MCP_GONE"))
        with pytest.raises(ValueError, match="the environment variable MCP_GONE"):
            await Attempt(ToolCall(lacking.to_dict(), "work")).run()
        with pytest.raises(ValueError, match="not a Connect"):
            await Attempt(ToolCall({}, "work")).run()

    run(test)
    assert not server.requests


def test_a_call_without_a_task(server: TaskServer, connect: Connect) -> None:
    """A call that becomes no task is made again by the next attempt: its heartbeats have no reference."""

    async def test() -> None:
        server.add_tool("plain", [Complete(42)], support="none")
        attempt = Attempt(ToolCall(connect.to_dict(), "plain"))
        assert await attempt.run() == 42
        assert all(details[0] is None for details in attempt.beats)

    run(test)


def test_the_call_travels(connect: Connect) -> None:
    """The activity's argument is plain JSON for Temporal's own converter."""
    call = ToolCall(connect.to_dict(), "work", {"n": 1}, key="order-42")
    converter = DataConverter.default.payload_converter
    assert converter.from_payloads(converter.to_payloads([call]), [ToolCall]) == [call]
