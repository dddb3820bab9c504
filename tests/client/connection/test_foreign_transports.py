"""Transports of the program's own that hand over what is no JSON, or raise: errors of ours, and nothing hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCResponse

from mcptasks import TaskConnectionError, TaskError, TaskProtocolError
from tests.helpers.hostile import nested
from tests.helpers.pairs import pairwise
from tests.helpers.support import POLLED, Era, begin, connected, make_server
from tests.helpers.tampering import Wire, notification, request
from tests.helpers.virtual_time import on_frozen_clocks
from tests.helpers.worlds import async_only, both_worlds

# A message is refused where it leaves the transport, before anybody asks for its era, its place or the event loop.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

NO_JSON: dict[str, Any] = {
    "object": object(),
    "set": {1},
    "bytes": b"\xff",
    "huge": 10**5000,
    "nan": float("nan"),
    "deep": nested(100_000),
    "number as a key": {1: 2},
    "model": ErrorData(code=1, message="x"),
}
no_json = pytest.mark.parametrize("what", NO_JSON)
one_loop = async_only("one event loop")


def answering(change: Callable[[JSONRPCResponse], Any]) -> Callable[[Any], list[Any]]:
    """Has every answer changed."""
    return lambda item: [change(item.message) if isinstance(item.message, JSONRPCResponse) else item]


def with_result(message: JSONRPCResponse, result: Any) -> SessionMessage:
    """The same answer with another result."""
    return SessionMessage(JSONRPCResponse.model_construct(jsonrpc="2.0", id=message.id, result=result))


@one_loop
@no_json
@pytest.mark.parametrize("place", ["result", "field", "error"])
async def test_answers_that_are_no_json(era: Era, what: str, place: str) -> None:
    """An answer that is no JSON is a `TaskProtocolError` that says so, for a read and for a call; the connection stays,
    and the next answer is taken."""
    server, value = make_server(era, **POLLED), NO_JSON[what]

    def change(message: JSONRPCResponse) -> Any:
        if place == "error":
            error = ErrorData.model_construct(code=-32000, message="x", data=value)
            return SessionMessage(JSONRPCError.model_construct(jsonrpc="2.0", id=message.id, error=error))
        return with_result(message, value if place == "result" else {**message.result, "statusMessage": [value]})

    wire = Wire(server)
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        wire.alter = answering(change)
        with pytest.raises(TaskProtocolError, match="the transport delivered a message that is not JSON"):
            await task.result()
        with pytest.raises(TaskError, match="the transport delivered a message that is not JSON"):
            await client.call_tool("work", task=True)
        wire.alter = lambda item: [item]
        steered.complete("done")
        assert (await task.result()).data == "done"


@one_loop
async def test_lone_surrogates_are_mended(era: Era) -> None:
    """Texts with lone surrogates are taken with U+FFFD in their place; pairs become what they stand for."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        told = {"status": "working", "statusMessage": "a\ud800b \ud83d\ude00"}
        wire.alter = answering(lambda message: with_result(message, {**message.result, **told}))
        assert (await task.status()).status_message == "a\ufffdb \U0001f600"
        wire.alter = lambda item: [item]
        steered.complete("done")
        assert (await task.result()).data == "done"


@one_loop
@no_json
async def test_notifications_and_requests_that_are_no_json(era: Era, what: str) -> None:
    """A notification or request that is no JSON, wherever, costs nobody anything."""
    server, value = make_server(era, **POLLED), NO_JSON[what]
    wire = Wire(server)
    methods = ("notifications/tasks", "notifications/tasks/status", "notifications/progress", "notifications/cancelled")
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        for method in (*methods, "notifications/message", "notifications/tools/list_changed", value):
            wire.inject(notification(method, value), notification(method, {"progressToken": value, "taskId": value}))
        for method in ("elicitation/create", "ping", "tasks/get", value):
            wire.inject(request(1, method, value), request(value, method, {}), request(2, method, {"message": value}))
        steered.complete("done")
        assert (await task.result()).data == "done"


@one_loop
@on_frozen_clocks
@pytest.mark.parametrize("what", [*NO_JSON, "no message", "an id of no kind"])
async def test_what_nobody_can_be_given(era: Era, what: str) -> None:
    """What is no message at all, and an answer without a right id, end the connection: nobody waits for ever for what
    was perhaps the answer."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire, reconnect_timeout=0.5) as client:
        task, _ = await begin(client, server)

        def spoil(message: JSONRPCResponse) -> Any:
            if what == "an id of no kind":
                return SessionMessage(JSONRPCResponse.model_construct(jsonrpc="2.0", id=True, result=message.result))
            return SessionMessage(NO_JSON[what]) if what in NO_JSON else "a text"

        wire.alter = answering(spoil)
        for _ in range(2):
            with pytest.raises(TaskConnectionError) as caught:
                await task.result()
            assert caught.value.reference == task.reference
        with pytest.raises(TaskConnectionError):
            await client.call_tool("work", task=True)


@one_loop
@on_frozen_clocks
@pytest.mark.parametrize("where", ["receive", "send"])
@pytest.mark.parametrize("error", [ValueError("mine"), TimeoutError(), KeyError(1), OSError(5, "gone"), RuntimeError()])
async def test_what_a_transport_raises(era: Era, where: str, error: Exception) -> None:
    """Whatever a transport raises while it is used is a `TaskConnectionError`, with the reference."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire, reconnect_timeout=0.5) as client:
        task, _ = await begin(client, server)
        wire.broken[where] = error
        wire.inject(notification("notifications/nothing"))
        with pytest.raises(TaskConnectionError) as caught:
            await task.result()
        assert caught.value.reference == task.reference
        with pytest.raises(TaskConnectionError):
            await client.call_tool("work", task=True)


@one_loop
@on_frozen_clocks
@pytest.mark.parametrize("error", [ValueError("mine"), TimeoutError(), OSError(5, "gone"), anyio.EndOfStream()])
async def test_what_a_transport_raises_at_first(era: Era, error: Exception) -> None:
    """Whatever it raises when it is entered is a `TaskConnectionError` that names it and has the cause."""
    wire = Wire(make_server(era))
    wire.broken["enter"] = error
    with pytest.raises(TaskConnectionError, match="transport:Wire") as caught:
        async with connected(wire, reconnect_timeout=0.5):
            pytest.fail("it cannot be entered")
    assert caught.value.__cause__ is not None


@one_loop
@pytest.mark.parametrize("error", [ValueError("mine"), TimeoutError(), OSError(5, "gone"), RuntimeError()])
async def test_what_a_transport_raises_at_last(era: Era, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """What it raises when it is left is logged and keeps nobody from leaving the client."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        steered.complete("done")
        assert (await task.result()).data == "done"
        wire.broken["leave"] = error
    assert "when it was closed" in caplog.text


@one_loop
async def test_what_a_tampered_wire_survives(era: Era) -> None:
    """Answers that come twice, late, or with another's id are dropped; the right one counts."""
    server = make_server(era, **POLLED)
    wire = Wire(server)
    async with connected(wire) as client:
        task, steered = await begin(client, server)
        steered.complete("done")

        def twice(item: Any) -> list[Any]:
            if not isinstance(item.message, JSONRPCResponse):
                return [item]
            foreign = SessionMessage(JSONRPCResponse(jsonrpc="2.0", id="foreign", result={}))
            return [foreign, item, item]

        wire.alter = twice
        assert (await task.result()).data == "done"
