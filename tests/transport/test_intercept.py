"""What passes a connection's two streams, and in which form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import (
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptasks._transport.intercept import Interceptor, Progress
from mcptasks._transport.intercepted import InterceptedTransport
from mcptasks._wire import envelope, legacy, modern
from tests.helpers.samples import json_values, wire_task

MODERN = {PROTOCOL_VERSION_META_KEY: "2026-07-28"}
MARKED: dict[str, Any] = {}
envelope.mark(MARKED, augment={"ttl": 5}, keep=False)


@define
class Ends:
    """An interceptor with what it hands on."""

    told: list[tuple[str, Mapping[str, Any]]] = field(factory=list[tuple[str, Mapping[str, Any]]])
    ended: int = 0
    given_up: list[str] = field(factory=list[str])
    passed: Interceptor = field(init=False)

    def __attrs_post_init__(self) -> None:
        told, give_up = self.told, self.given_up.append
        self.passed = Interceptor(lambda method, params: told.append((method, params)), self._end, give_up=give_up)

    def _end(self) -> None:
        self.ended += 1

    @property
    def open_requests(self) -> int:
        """How many requests are remembered."""
        return len(self.passed._asked)

    def ask(self, method: str, params: dict[str, Any] | None = None, id_: int | str = 1) -> dict[str, Any] | None:
        """Send a request; its params as they go out."""
        message = JSONRPCRequest(jsonrpc="2.0", id=id_, method=method, params=params)
        item = SessionMessage(message)
        assert self.passed.outbound(item) is item
        return message.params

    def answer(self, result: dict[str, Any], id_: int | str = 1) -> dict[str, Any]:
        """Receive a response; its result as it arrives."""
        message = JSONRPCResponse(jsonrpc="2.0", id=id_, result=result)
        item = SessionMessage(message)
        assert self.passed.inbound(item) is item
        return message.result

    def notify(self, method: str, params: dict[str, Any] | None) -> bool:
        """Receive a notification; whether it goes on to the SDK."""
        item = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params))
        passed = self.passed.inbound(item)
        assert passed in (None, item)
        return passed is item

    def cancel(self, params: dict[str, Any] | None) -> bool:
        """Send a cancellation; whether it goes out."""
        message = JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)
        return self.passed.outbound(SessionMessage(message)) is not None


@pytest.fixture
def ends() -> Ends:
    """A fresh interceptor."""
    return Ends()


# --- the handshake ----------------------------------------------------------------------------------------------------


def test_declarations_are_kept_as_they_came(ends: Ends) -> None:
    """What the server declares in the handshake is there with the kinds that the SDK does not know, or is empty."""
    assert ends.passed.answered == {}
    declared: dict[str, Any] = {"tasks": {"requests": {"resources": {"read": {}}}}}
    ends.ask("initialize", {})
    ends.answer({"protocolVersion": "2025-11-25", "capabilities": declared}, 2)
    assert ends.passed.answered == {}
    ends.answer({"protocolVersion": "2025-11-25", "capabilities": declared})
    assert ends.passed.answered == declared
    ends.ask("initialize", {})
    ends.answer({"protocolVersion": "2025-11-25", "capabilities": "all"})
    assert ends.passed.answered == {}


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tools/call", "tasks/get", "completion/complete", "server/discover"])
def test_result_type_is_filled_in_for_2026(ends: Ends, method: str) -> None:
    """A 2026-07-28 result without `resultType` counts as complete; one that has it keeps it."""
    ends.ask(method, {"_meta": MODERN})
    assert ends.answer({"x": 1}) == {"x": 1, "resultType": "complete"}
    ends.ask(method, {"_meta": MODERN})
    assert ends.answer({"resultType": "task"}) == {"resultType": "task"}


@pytest.mark.parametrize(
    "params", [None, {}, {"_meta": None}, {"_meta": {}}, {"_meta": {"progressToken": 1}}, {"_meta": 7}]
)
def test_other_results_are_left_alone(ends: Ends, params: dict[str, Any] | None) -> None:
    """Requests without the marks of 2026-07-28 or of a task are neither changed nor remembered, nor are answers."""
    before = repr(params)
    assert repr(ends.ask("tools/call", params)) == before
    assert ends.open_requests == 0
    raw: dict[str, Any] = {"task": wire_task(), "content": []}
    assert ends.answer(raw) == {"task": wire_task(), "content": []}


def test_augmented_call(ends: Ends) -> None:
    """A marked request goes out with its `task` field, and the creating answer arrives as an ordinary result."""
    assert ends.ask("tools/call", {"name": "add", "_meta": dict(MARKED)}) == {"name": "add", "task": {"ttl": 5}}
    found = ends.answer({"task": wire_task()})
    assert found == {"content": [], "isError": True, "_meta": envelope.carry(wire_task())}


def test_answers_find_their_own_request(ends: Ends) -> None:
    """Answers out of order are each read by the request they belong to, whatever the kind of their ids."""
    ends.ask("tools/call", {"_meta": dict(MARKED)}, 1)
    ends.ask("tools/call", {"_meta": MODERN}, "two")
    ends.ask("tools/call", {}, 3)
    assert ends.answer({"task": wire_task()}, 3) == {"task": wire_task()}
    assert ends.answer({}, "two") == {"resultType": "complete"}
    assert ends.answer({"task": wire_task()}, 1)["_meta"] == envelope.carry(wire_task())
    assert ends.answer({"task": wire_task()}, 1) == {"task": wire_task()}


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [MODERN, MARKED])
def test_nothing_is_remembered_of_settled_requests(ends: Ends, meta: dict[str, Any]) -> None:
    """A request is forgotten once it is answered, refused or cancelled."""
    for id_ in range(300):
        ends.ask("tools/call", {"_meta": dict(meta)}, id_)
    assert ends.open_requests == 300
    for id_ in range(100):
        ends.answer({}, id_)
        ends.cancel({"requestId": 100 + id_, "reason": "gone"})
        error = JSONRPCError(jsonrpc="2.0", id=200 + id_, error=ErrorData(code=-32602, message="no"))
        ends.passed.inbound(SessionMessage(error))
    assert ends.open_requests == 0


@pytest.mark.parametrize(
    ("method", "params", "goes_out", "given_up"),
    [
        ("tasks/get", {}, False, True),
        ("tasks/result", {}, False, True),
        ("tools/call", {"_meta": MARKED}, False, False),
        ("tools/call", {}, True, False),
        ("tasks/get", {"_meta": MODERN}, True, False),
    ],
)
def test_what_is_called_off(ends: Ends, method: str, params: dict[str, Any], goes_out: bool, given_up: bool) -> None:
    """Giving up on a look or on a creating call of 2025-11-25 sends no cancellation: it would end sessions of fastmcp
    2.14 and 3. The look's exchange ends by itself; a creating call's does not, since some servers might take that for a
    wish to cancel. A plain call is called off, and so is everything of 2026-07-28, where the transport does it."""
    ends.ask(method, {key: dict(value) for key, value in params.items()})
    assert ends.cancel({"requestId": 1}) is goes_out
    assert ends.given_up == (["1"] if given_up else [])


@pytest.mark.parametrize("params", [None, {}, {"requestId": None}, {"requestId": 99}, {"requestId": [1]}])
def test_odd_cancellations(ends: Ends, params: dict[str, Any] | None) -> None:
    """A cancellation that names no open request changes nothing."""
    ends.ask("tools/call", {"_meta": MODERN})
    ends.cancel(params)
    assert ends.open_requests == 1


@pytest.mark.parametrize("end", ["answer", "error", "cancel"])
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
def test_plain_requests_are_counted(ends: Ends, method: str, end: str) -> None:
    """Requests in whose midst a server may ask are counted while they are under way; no others are."""
    ends.ask(method, {}, 1)
    ends.ask(method, {"_meta": dict(MARKED)}, 2)
    ends.ask(method, {"_meta": dict(MODERN)}, 3)
    ends.ask("tools/list", {}, 4)
    assert ends.passed.calls == 1
    if end == "answer":
        ends.answer({"content": [], "contents": [], "messages": []}, 1)
    elif end == "error":
        error = ErrorData(code=1, message="no")
        ends.passed.inbound(SessionMessage(JSONRPCError(jsonrpc="2.0", id=1, error=error)))
    else:
        cancelled = JSONRPCNotification(
            jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 1, "reason": "given up"}
        )
        ends.passed.outbound(SessionMessage(cancelled))
    assert ends.passed.calls == 0


def test_error_without_an_id(ends: Ends) -> None:
    """An error that belongs to no request passes and settles none."""
    ends.ask("tools/call", {"_meta": MODERN})
    item = SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=-32700, message="parse")))
    assert ends.passed.inbound(item) is item
    assert ends.open_requests == 1


# --- notifications ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [modern.NOTIFICATION, legacy.NOTIFICATION])
@pytest.mark.parametrize("params", [None, {}, {"taskId": 7}, wire_task()])
def test_task_notifications_end_here(ends: Ends, method: str, params: dict[str, Any] | None) -> None:
    """Task notifications are handed on at once and go no further, whatever they hold."""
    assert not ends.notify(method, params)
    assert ends.told == [(method, params or {})]


def test_task_notifications_keep_their_order(ends: Ends) -> None:
    """Task notifications arrive in the order of the wire, also of both kinds."""
    for number in range(50):
        ends.notify(modern.NOTIFICATION if number % 3 else legacy.NOTIFICATION, {"n": number})
    assert [params["n"] for _, params in ends.told] == list(range(50))


@pytest.mark.parametrize("method", ["notifications/message", "notifications/tools/list_changed", "notifications/task"])
def test_other_notifications_pass(ends: Ends, method: str) -> None:
    """The SDK gets every other notification."""
    assert ends.notify(method, {"x": 1})
    assert ends.told == []


def noting(got: list[object]) -> Progress:
    """A progress handler that keeps what it gets."""

    def handler(progress: float, total: float | None, message: str | None) -> None:
        got.append((progress, total, message))

    return handler


def test_progress_in_order_until_forgotten(ends: Ends) -> None:
    """Progress under one of our tokens goes to its handler, in order, and nowhere after it was forgotten."""
    got, others = list[object](), list[object]()
    token = ends.passed.follow_progress(noting(got))
    other = ends.passed.follow_progress(noting(others))
    assert token != other
    assert not ends.notify(
        "notifications/progress", {"progressToken": token, "progress": 1, "total": 4, "message": "a"}
    )
    assert not ends.notify("notifications/progress", {"progressToken": token, "progress": 2.5})
    ends.passed.forget_progress(token)
    ends.passed.forget_progress(token)
    assert not ends.notify("notifications/progress", {"progressToken": token, "progress": 3})
    assert (got, others) == ([(1.0, 4.0, "a"), (2.5, None, None)], [])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"progress": None}, None),
        ({}, None),
        ({"progress": "1"}, None),
        ({"progress": True}, None),
        ({"progress": 1, "total": "4", "message": 7}, (1.0, None, None)),
        ({"progress": 1, "total": True}, (1.0, None, None)),
        ({"progress": math.inf}, None),
        ({"progress": math.nan}, None),
        ({"progress": 10**400}, None),
        ({"progress": 1, "total": 10**400}, (1.0, None, None)),
        ({"progress": 1, "total": -math.inf}, (1.0, None, None)),
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_garbled_progress(ends: Ends, params: dict[str, Any], expected: object) -> None:
    """Progress without a finite number is dropped, and so is what else makes no sense in it."""
    got: list[object] = []
    token = ends.passed.follow_progress(noting(got))
    assert not ends.notify("notifications/progress", {"progressToken": token, **params})
    assert got == ([] if expected is None else [expected])


@pytest.mark.parametrize("token", [None, True, 1.5, ["mcptasks-1"], {}])
def test_progress_under_no_token(ends: Ends, token: Any) -> None:
    """Progress under what is no token is dropped: the SDK would log each with a traceback. So is odd progress."""
    assert not ends.notify("notifications/progress", {"progressToken": token, "progress": 1})
    unfit: list[dict[str, Any]] = [{}, {"progress": "1"}, {"progress": 1, "total": "2"}, {"progress": 1, "message": []}]
    for odd in unfit:
        assert not ends.notify("notifications/progress", {"progressToken": 1, **odd})


def test_what_a_server_takes_back(ends: Ends) -> None:
    """A cancellation of what is no request's id is dropped; a number with very many digits harms nobody."""
    for request_id in (1, "1", 10**5000):
        assert ends.notify("notifications/cancelled", {"requestId": request_id, "reason": ["?"]})
    odds: list[Any] = [None, True, 1.5, [], {}]
    for odd in odds:
        assert not ends.notify("notifications/cancelled", {"requestId": odd})


def test_requests_that_are_open_are_bounded(ends: Ends) -> None:
    """Of a server that reads no answers ten thousand requests are taken; one that is answered makes room."""
    requests = [SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=n, method="ping")) for n in range(10_001)]
    passed = [ends.passed.inbound(item) for item in requests]
    assert passed == [*requests[:10_000], None]
    ends.passed.served(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=7, result={})))
    assert ends.passed.inbound(requests[-1]) is requests[-1]
    assert ends.passed.inbound(requests[-1]) is None


@pytest.mark.parametrize("token", [1, "1", "other-1"])
def test_progress_of_the_sdk_passes(ends: Ends, token: Any) -> None:
    """Progress under the SDK's own tokens is the SDK's."""
    got: list[object] = []
    ends.passed.follow_progress(noting(got))
    assert ends.notify("notifications/progress", {"progressToken": token, "progress": 1})
    assert got == []


@given(
    st.sampled_from([modern.NOTIFICATION, legacy.NOTIFICATION, "notifications/progress", "notifications/x"]),
    st.none() | st.dictionaries(st.text(max_size=8), json_values),
)
def test_any_notification(method: str, params: dict[str, Any] | None) -> None:
    """No notification, whatever it holds, breaks the stream."""
    Ends().notify(method, params)


# --- streams ----------------------------------------------------------------------------------------------------------


def test_requests_of_the_server_pass(ends: Ends) -> None:
    """What a server asks, and what it is answered, goes through as it is."""
    asked = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="elicitation/create", params={"_meta": MODERN}))
    answer = SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=1, result={"action": "accept"}))
    assert ends.passed.inbound(asked) is asked
    assert ends.passed.outbound(answer) is answer
    assert ends.open_requests == 0


def test_exceptions_pass(ends: Ends) -> None:
    """What the transport could not parse goes to the SDK."""
    error = ValueError("garbage")
    assert ends.passed.inbound(error) is error


class MemoryTransport:
    """A transport whose far ends a test holds."""

    def __init__(self) -> None:
        self.to_client, reader = anyio.create_memory_object_stream[SessionMessage | Exception](8)
        writer, self.from_client = anyio.create_memory_object_stream[SessionMessage](8)
        self.streams = (reader, writer)
        self.left: list[type[BaseException] | None] = []

    async def __aenter__(self) -> Any:
        return self.streams

    async def __aexit__(self, exc_type: Any, exc: Any, traceback: Any) -> None:
        self.left.append(exc_type)
        for stream in (*self.streams, self.to_client, self.from_client):
            stream.close()


@pytest.mark.anyio
async def test_streams(ends: Ends) -> None:
    """Both streams pass the interceptor; what ends in it is not seen, and the end of the peer's stream is told."""
    inner = MemoryTransport()
    async with InterceptedTransport(inner, ends.passed) as (reader, writer):
        await writer.send(
            SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params={"_meta": dict(MARKED)}))
        )
        sent = (await inner.from_client.receive()).message
        assert isinstance(sent, JSONRPCRequest)
        assert sent.params == {"task": {"ttl": 5}}
        await inner.to_client.send(
            SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=modern.NOTIFICATION, params={"n": 1}))
        )
        await inner.to_client.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=1, result={"task": wire_task()})))
        inner.to_client.close()
        items = [item async for item in reader]
        assert len(items) == 1
        assert ends.told == [(modern.NOTIFICATION, {"n": 1})]
        assert ends.ended == 1
        async with writer, reader:
            pass
    assert inner.left == [None]


@pytest.mark.anyio
async def test_senders_context(ends: Ends) -> None:
    """The SDK finds the sender's context variables on the wrapped stream, where the inner one has them."""
    inner = MemoryTransport()
    async with InterceptedTransport(inner, ends.passed) as (reader, _):
        assert reader.last_context is getattr(inner.streams[0], "last_context", None)


@pytest.mark.anyio
async def test_failures_reach_the_transport(ends: Ends) -> None:
    """What ends the block is the inner transport's to know."""
    inner = MemoryTransport()
    with pytest.raises(RuntimeError, match="boom"):
        async with InterceptedTransport(inner, ends.passed):
            raise RuntimeError("boom")
    assert inner.left == [RuntimeError]
