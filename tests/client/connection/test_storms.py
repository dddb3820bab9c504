"""Servers that send very much, or oddities: the client neither crashes nor spins, and others are served."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import JSONRPCError, JSONRPCResponse

from tests.helpers.support import POLLED, Era, begin, connected, make_server, settle
from tests.helpers.tampering import Wire, notification, request
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

ODD: list[Any] = [None, True, 7, -1, 1e300, "", "x", "x" * 70_000, [], [1], {}, {"a": 1}, "mcptasks-1", "1", 1]
FIELDS = ("progressToken", "progress", "total", "message", "requestId", "reason", "taskId", "status", "level", "data")
METHODS = (
    "notifications/progress",
    "notifications/cancelled",
    "notifications/tasks/status",
    "notifications/tasks",
    "notifications/message",
    "notifications/tools/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/elicitation/complete",
    "notifications/nobody/knows",
    "",
)


@async_only("one event loop")
async def test_odd_notifications(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """Notifications of any method with any value in any field change nothing for a task that is under way; odd progress
    and cancellations leave no traceback in the log."""
    server = make_server(era, **POLLED)
    wire, told = Wire(server), list[tuple[object, ...]]()

    def follow(*values: object) -> None:
        told.append(values)

    async with connected(wire) as client:
        task = await client.call_tool("work", task=True, progress_handler=follow)
        steered = await server.next_task()
        for method in METHODS:
            wire.inject(notification(method), notification(method, {}))
            for value in ODD:
                wire.inject(*(notification(method, {field: value}) for field in FIELDS))
                wire.inject(notification(method, dict.fromkeys(FIELDS, value)))
            for _ in range(20):
                await settle()
        steered.complete("done")
        assert (await task.result()).data == "done"
    assert "validate notification: notifications/progress" not in caplog.text
    assert "validate notification: notifications/cancelled" not in caplog.text


@async_only("one event loop")
async def test_requests_that_nobody_knows(era: Era) -> None:
    """Requests with unknown methods, and pings, are answered each once, and a task under way ends as it should."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        before = len(wire.sent)
        wire.inject(*(request(f"ping-{n}", "ping") for n in range(200)))
        wire.inject(*(request(f"odd-{n}", "nobody/knows", {"n": n}) for n in range(200)))
        steered.complete("done")
        assert (await task.result()).data == "done"
        while sum(str(getattr(item.message, "id", "")).startswith(("ping-", "odd-")) for item in wire.sent) < 400:
            await settle()
        answers = [item.message for item in wire.sent[before:]]
        answered = [each.id for each in answers if isinstance(each, JSONRPCResponse | JSONRPCError)]
        assert len(answered) == len(set(answered)) == 400


@async_only("one event loop")
async def test_lists_that_change_all_the_time() -> None:
    """A server that says before each call that its tools have changed has its list fetched again a few times, then once
    a second, not for each call; a tool that was not listed before is found all the same."""
    server = make_server("legacy", **POLLED)
    server.add_tool("quick", result="done")
    wire = Wire(server)
    async with connected(wire, limit=120) as client:
        await client.call_tool("quick", task=True)
        lists, begun = server.requests.count("tools/list"), anyio.current_time()
        for _ in range(60):
            wire.inject(notification("notifications/tools/list_changed"))
            await settle()
            assert (await (await client.call_tool("quick", task=True)).result()).data == "done"
        assert server.requests.count("tools/list") <= lists + 8 + (anyio.current_time() - begun)
        server.add_tool("new", result="here")
        wire.inject(notification("notifications/tools/list_changed"))
        await settle()
        task = await client.call_tool("new", task=True)
        assert (await task.result()).data == "here"
        assert not task.returned_immediately


@async_only("one event loop")
async def test_large_pushes_before_the_creating_answer(era: Era) -> None:
    """Pushes of 0.9 MB for 256 tasks that nobody knows take no memory; that there was one for a task which becomes
    known has that looked at, so its end is seen though the server's interval is an hour."""
    server = make_server(era, poll_interval_ms=3_600_000, **POLLED)
    wire = Wire(server)
    method = "notifications/tasks" if era == "modern" else "notifications/tasks/status"

    def early(item: Any) -> list[Any]:
        result: dict[str, Any] = getattr(item.message, "result", None) or {}
        task_id: str | None = result.get("taskId") or (result.get("task") or result).get("taskId")
        if task_id is None or server.tasks[task_id].status == "completed":
            return [item]
        server.tasks[task_id].complete("done")
        push = {"taskId": task_id, "status": "completed", "result": {"content": [{"text": "x" * 900_000}]}}
        return [notification(method, push), item]

    async with connected(wire, polling=None) as client:
        for number in range(256):
            wire.inject(notification(method, {"taskId": f"t{number}", "status": "working", "x": "x" * 900_000}))
        wire.alter = early
        task = await client.call_tool("work", task=True)
        assert (await task.wait()).status == "completed"
        kept = client._open().core.monitor._known._early._pushes
        assert all(push is None for push in kept.values())
