"""Exchanges over HTTP, through a program's own client of either library: what goes out, and what comes of each answer.

The same exchanges over connections of our own, against real servers, are tested in tests/client and tests/interop.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import MCPError

from mcptasks._core.faults import Fault
from mcptasks._transport.http.transport import HttpTransport
from tests.helpers.samples import Pieces

URL = "https://example.com/mcp"
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("library", [pytest.param(httpx, id="httpx"), pytest.param(httpx2, id="httpx2")]),
]
HEADERS = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tasks/get", "mcp-name": "t-1"}
RESULT = {"taskId": "t-1", "status": "working"}
Handler = Callable[[Any], Any]


def body(library: Any, *pieces: bytes | Exception) -> Any:
    """A body of that library as it comes from the network, in pieces; it may break off."""

    class Body(library.AsyncByteStream):  # type: ignore[misc]
        def __aiter__(self) -> AsyncIterator[bytes]:
            return Pieces(*pieces)

    return Body()


def message(request: Any, **parts: Any) -> bytes:
    """An answer to a request; `id` and other parts may be others, and a part that is `...` is left out."""
    whole = {"jsonrpc": "2.0", "id": json.loads(request.content)["id"], "result": RESULT, **parts}
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def event(data: bytes) -> bytes:
    """An event with this data."""
    return b"data: " + data + b"\n\n"


def answering(library: Any, kind: str = "application/json", **parts: Any) -> Handler:
    """A server that answers with such a message."""

    def handler(request: Any) -> Any:
        data = message(request, **parts)
        stream = body(library, event(data) if kind == "text/event-stream" else data)
        return library.Response(200, stream=stream, headers={"content-type": kind})

    return handler


def replying(library: Any, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> Handler:
    """A server that always answers the same."""
    return lambda _: library.Response(status, stream=body(library, content), headers=headers)


@asynccontextmanager
async def opened(
    library: Any, handler: Handler, *, max_size: int = 10_000, **settings: Any
) -> AsyncGenerator[HttpTransport]:
    """A transport over that library's client."""
    async with library.AsyncClient(transport=library.MockTransport(handler), **settings) as client:
        transport = HttpTransport(URL, headers=None, auth=None, http_client=client, max_size=max_size)
        async with transport:
            yield transport


async def ask(library: Any, handler: Handler, **settings: Any) -> Any:
    """What comes of one request: its result, the server's own error, or a fault."""
    async with opened(library, handler, **settings) as transport:
        try:
            with anyio.fail_after(60):
                return await transport.ask("tasks/get", {"taskId": "t-1"}, HEADERS)
        except MCPError as exc:
            return exc.data if isinstance(exc.data, Fault) else exc


async def test_what_goes_out(library: Any) -> None:
    """The message goes out with the headers of the protocol, and with those and the credentials of the program."""
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        seen.append(request)
        return answering(library)(request)

    own = {"authorization": "Bearer secret", "x-tenant": "7", "user-agent": "the-program", "accept": "text/html"}
    assert await ask(library, handler, headers=own, cookies={"c": "1"}, params={"key": "k"}) == RESULT
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", f"{URL}?key=k")
    sent = json.loads(request.content)
    assert (sent["jsonrpc"], sent["method"], sent["params"]) == ("2.0", "tasks/get", {"taskId": "t-1"})
    for name in ("authorization", "x-tenant", "user-agent"):
        assert request.headers[name] == own[name]
    for name, value in HEADERS.items():
        assert request.headers[name] == value
    assert request.headers.get_list("accept") == ["application/json, text/event-stream"]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["cookie"] == "c=1"


async def test_the_time_limits_of_the_client(library: Any) -> None:
    """The program's limits hold for connecting; the work of a call may take longer than its limit for reading."""
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        seen.append(request.extensions["timeout"])
        return answering(library)(request)

    await ask(library, handler, timeout=3.0)
    assert seen == [{"connect": 3.0, "read": None, "write": 3.0, "pool": 3.0}]


async def test_the_client_stays_open(library: Any) -> None:
    """The program's client is usable after ours was closed."""
    async with library.AsyncClient(transport=library.MockTransport(answering(library))) as client:
        async with HttpTransport(URL, headers=None, auth=None, http_client=client, max_size=1000) as _:
            pass
        assert (await client.post(URL, json={"id": 1})).json()["result"] == RESULT


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "application/json; charset=utf-8", ""])
@pytest.mark.parametrize("given", ["its own", "as a string"])
async def test_answers(library: Any, kind: str, given: str) -> None:
    """An answer in a body or in an event is the result, also where the server sends the id back as a string."""

    def handler(request: Any) -> Any:
        own = json.loads(request.content)["id"]
        return answering(library, kind, id=own if given == "its own" else str(own))(request)

    assert await ask(library, handler) == RESULT


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("given", [None, ...])
async def test_errors_without_an_id(library: Any, kind: str, given: Any) -> None:
    """An error whose id is null or missing is that of the request whose answer it is in."""
    error = {"code": -32603, "message": "out of memory", "data": 5}
    exc = await ask(library, answering(library, kind, id=given, result=..., error=error))
    assert (exc.code, exc.message, exc.data) == (-32603, "out of memory", 5)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"id": "not-yours"}, "the id of another request"),
        ({"id": True}, "the id of another request"),
        ({"id": 1.5}, "the id of another request"),
        ({"id": {}}, "the id of another request"),
        ({"id": None}, "no id"),
        ({"id": ...}, "no id"),
        ({"id": 5, "result": ..., "error": {"code": 1, "message": "x"}}, "the id of another request"),
        ({"jsonrpc": ...}, '"jsonrpc" is missing'),
        ({"jsonrpc": "1.0"}, '"jsonrpc" is not "2.0"'),
        ({"result": "secret"}, '"result" is a string, not an object'),
        ({"result": None}, '"result" is null, not an object'),
        ({"result": ..., "error": "secret"}, '"error" is a string, not an object'),
        ({"result": ..., "error": {"code": "secret", "message": ""}}, '"code" is a string, not an integer'),
        ({"result": ..., "error": {"code": True, "message": ""}}, '"code" is a boolean, not an integer'),
        ({"result": ..., "error": {"code": 1}}, '"message" is missing'),
    ],
)
async def test_answers_that_make_no_sense(library: Any, kind: str, parts: Any, words: str) -> None:
    """An answer that is wrong, or another request's, is a fault that says why without values, and costs one request."""
    fault = await ask(library, answering(library, kind, **parts))
    assert (fault.action, fault.meaning, fault.patient, fault.sent) == ("retry", "protocol", True, True)
    assert words in fault.reason
    assert "secret" not in fault.reason


@pytest.mark.parametrize(
    ("content", "meaning"),
    [(b"{broken", "protocol"), (b"[]", "protocol"), (b"7", "protocol"), (b"", "connection"), (b" \n", "connection")],
)
async def test_no_answers(library: Any, content: bytes, meaning: str) -> None:
    """What is no JSON-RPC answer is asked for again; nothing at all may be an outage."""
    fault = await ask(library, replying(library, 200, content, {"content-type": "application/json"}))
    assert (fault.action, fault.meaning, fault.sent) == ("retry", meaning, True)


@pytest.mark.parametrize("status", [202, 204])
async def test_success_without_an_answer(library: Any, status: int) -> None:
    """A success without an answer to a request is a fault: the request may have arrived."""
    fault = await ask(library, replying(library, status))
    assert (fault.action, fault.meaning, fault.sent) == ("retry", "connection", True)
    assert f"HTTP {status}" in fault.reason


async def test_a_page(library: Any) -> None:
    """A gateway's page in the place of an answer is a fault; its words are not shown."""
    fault = await ask(library, replying(library, 200, b"<html>secret</html>", {"content-type": "text/html"}))
    assert (fault.action, fault.meaning) == ("retry", "connection")
    assert "text/html" in fault.reason
    assert "secret" not in fault.reason


async def test_several_messages_in_one_body(library: Any) -> None:
    """Of an array of messages (2025-03-26) the answer is found, and the others are handed on."""

    def handler(request: Any) -> Any:
        note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
        content = b"[" + json.dumps(note).encode() + b"," + message(request) + b"]"
        return library.Response(200, stream=body(library, content), headers={"content-type": "application/json"})

    async with opened(library, handler) as transport:
        reader, _ = transport._reader, None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.receive)
            assert await transport.ask("tasks/get", {"taskId": "t-1"}, HEADERS) == RESULT


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip"])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_compressed_answers(library: Any, packing: str, kind: str) -> None:
    """A compressed answer is decompressed once, though two clients handle it."""

    def handler(request: Any) -> Any:
        data = message(request)
        data = event(data) if kind == "text/event-stream" else data
        for _ in packing.split(","):
            data = gzip.compress(data)
        headers = {"content-type": kind, "content-encoding": packing}
        return library.Response(200, stream=body(library, data), headers=headers)

    assert await ask(library, handler) == RESULT


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("packed", [False, True])
async def test_answers_that_are_too_large(library: Any, kind: str, packed: bool) -> None:
    """An answer of more bytes than may be, decompressed, is an error at once that names the option."""

    def handler(request: Any) -> Any:
        data = message(request, result={"text": "x" * 20_000})
        data = event(data) if kind == "text/event-stream" else data
        headers = {"content-type": kind, **({"content-encoding": "gzip"} if packed else {})}
        return library.Response(200, stream=body(library, gzip.compress(data) if packed else data), headers=headers)

    fault = await ask(library, handler)
    assert (fault.action, fault.meaning) == ("raise", "protocol")
    assert "10000 bytes" in fault.reason
    assert "max_answer_size=" in fault.reason
    assert await ask(library, handler, max_size=30_000) == {"text": "x" * 20_000}


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_answers_that_break_off(library: Any, kind: str) -> None:
    """An answer that breaks off is a fault: the request may have been carried out."""
    half = body(library, b'data: {"half": ', library.ReadError("reset"))
    fault = await ask(library, lambda _: library.Response(200, stream=half, headers={"content-type": kind}))
    assert (fault.action, fault.meaning, fault.sent) == ("retry", "connection", True)
    assert "broke off" in fault.reason


async def test_streams_that_end_without_the_answer(library: Any) -> None:
    """An event stream that ends without the answer, and cannot be resumed, is a fault."""
    fault = await ask(library, replying(library, 200, b": bye\n\n", {"content-type": "text/event-stream"}))
    assert (fault.action, fault.sent) == ("retry", True)
    assert "ended without the answer" in fault.reason


@pytest.mark.parametrize("broken", [False, True])
async def test_streams_that_are_resumed(library: Any, broken: bool) -> None:
    """A stream that ends or breaks off is resumed from its last event, as often as it takes."""
    asked: list[Any] = []
    answers: list[bytes] = []

    def handler(request: Any) -> Any:
        asked.append((request.method, request.headers.get("last-event-id")))
        if request.method == "POST":
            answers.append(message(request))
        number = len(asked)
        pieces: list[Any] = [b"id: e%d\nretry: 1\ndata:\n\n" % number]
        if number == 12:
            pieces = [event(answers[0])]
        elif broken:
            pieces.append(library.ReadError("reset"))
        return library.Response(200, stream=body(library, *pieces), headers={"content-type": "text/event-stream"})

    assert await ask(library, handler) == RESULT
    assert asked == [("POST", None), *(("GET", f"e{number}") for number in range(1, 12))]


async def test_streams_that_cannot_be_resumed(library: Any) -> None:
    """A server that does not let a stream be resumed is asked a few times, and then the answer is lost."""
    asked: list[str] = []

    def handler(request: Any) -> Any:
        asked.append(request.method)
        if request.method == "GET":
            return library.Response(405, stream=body(library))
        stream = body(library, b"id: 1\nretry: 1\n\n")
        return library.Response(200, stream=stream, headers={"content-type": "text/event-stream"})

    fault = await ask(library, handler)
    assert (fault.action, fault.sent) == ("retry", True)
    assert "HTTP 405" in fault.reason
    assert 1 < len(asked) < 10


# --- statuses and redirects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "content", "kind", "reason"),
    [
        (503, b"busy", "text/plain", "HTTP 503 Service Unavailable: busy"),
        (503, b"<html>", "text/html", "HTTP 503 Service Unavailable"),
        (403, b'{"detail": "who are you"}', "application/json", "HTTP 403 Forbidden: who are you"),
        (400, b'{"error": "bad request"}', "application/json", "HTTP 400 Bad Request: bad request"),
        (502, b'{"error": {"code": "x"}}', "application/json", "HTTP 502 Bad Gateway"),
        (503, b"\x1b[2J" + b"x" * 1000, "text/plain", None),
    ],
)
async def test_refusals(library: Any, status: int, content: bytes, kind: str, reason: str | None) -> None:
    """A refusal says its status and, cut and made harmless, the server's words."""
    fault = await ask(library, replying(library, status, content, {"content-type": kind, "retry-after": "3"}))
    assert (fault.status, fault.retry_after) == (status, 3.0)
    assert reason in (None, fault.reason)
    assert "\x1b" not in fault.reason
    assert len(fault.reason) < 400


@pytest.mark.parametrize("status", [400, 404, 501])
async def test_the_servers_own_error_under_a_status(library: Any, status: int) -> None:
    """A JSON-RPC error under an HTTP status (fastmcp 4) is the server's own."""

    def handler(request: Any) -> Any:
        content = message(request, result=..., error={"code": -32602, "message": "unknown task"})
        return library.Response(status, stream=body(library, content))

    exc = await ask(library, handler)
    assert (exc.code, exc.message) == (-32602, "unknown task")


@pytest.mark.parametrize("pieces", [(), (b"x",), (b"x" * 200_000,)])
async def test_refusals_whose_body_is_broken_or_endless(library: Any, pieces: tuple[bytes, ...]) -> None:
    """Whatever is wrong with a refusal's body, the status says enough."""
    half = body(library, *pieces, library.ReadError("reset"))
    fault = await ask(library, lambda _: library.Response(503, stream=half))
    assert (fault.status, fault.action) == (503, "retry")


@pytest.mark.parametrize("status", [307, 308])
async def test_redirects_within_the_origin(library: Any, status: int) -> None:
    """A redirect is followed with the whole message; a permanent one is remembered, another one is not."""
    seen: list[tuple[str, bytes]] = []

    def handler(request: Any) -> Any:
        seen.append((request.url.path, request.content))
        if request.url.path == "/mcp":
            return library.Response(status, stream=body(library, b"moved"), headers={"location": "/mcp/"})
        return answering(library)(request)

    async with opened(library, handler, follow_redirects=True) as transport:
        for _ in range(2):
            assert await transport.ask("tasks/get", {"taskId": "t-1"}, HEADERS) == RESULT
    again = ["/mcp", "/mcp/"] if status == 307 else ["/mcp/"]
    assert [path for path, _ in seen] == ["/mcp", "/mcp/", *again]
    assert seen[0][1] == seen[1][1]


async def test_a_permanent_redirect_behind_a_temporary_one(library: Any) -> None:
    """A permanent redirect that a temporary one led to is not remembered for the endpoint itself."""
    seen: list[str] = []
    moves = {"/mcp": (307, "/now"), "/now": (308, "/now/")}

    def handler(request: Any) -> Any:
        seen.append(request.url.path)
        if request.url.path not in moves:
            return answering(library)(request)
        status, location = moves[request.url.path]
        return library.Response(status, stream=body(library), headers={"location": location})

    async with opened(library, handler) as transport:
        for _ in range(2):
            assert await transport.ask("tasks/get", {"taskId": "t-1"}, HEADERS) == RESULT
    assert seen == ["/mcp", "/now", "/now/"] * 2


@pytest.mark.parametrize("location", ["https://evil.example/steal", "http://example.com/mcp", "//evil.example/"])
async def test_redirects_to_another_origin(library: Any, location: str) -> None:
    """Nothing of a request goes to another origin, whatever the program's client is set to."""
    seen: list[str] = []

    def handler(request: Any) -> Any:
        seen.append(request.url.host)
        return library.Response(307, stream=body(library), headers={"location": location})

    fault = await ask(library, handler, follow_redirects=True)
    assert (fault.action, fault.sent, fault.status) == ("raise", False, 307)
    assert seen == ["example.com"]


async def test_redirects_in_a_circle(library: Any) -> None:
    """Redirects that never end are an error after a few."""
    seen: list[str] = []

    def handler(request: Any) -> Any:
        seen.append(request.method)
        return library.Response(307, stream=body(library), headers={"location": "/mcp"})

    fault = await ask(library, handler)
    assert (fault.action, "too many" in fault.reason) == ("raise", True)
    assert len(seen) < 20


# --- the program's client ---------------------------------------------------------------------------------------------


async def test_auth_object(library: Any) -> None:
    """The program's auth object signs each request."""
    seen: list[str] = []

    def handler(request: Any) -> Any:
        seen.append(request.headers["authorization"])
        return answering(library)(request)

    assert await ask(library, handler, auth=library.BasicAuth("user", "password")) == RESULT
    assert seen[0].startswith("Basic ")


@pytest.mark.parametrize(("name", "sent"), [("ReadError", True), ("ConnectError", False), ("PoolTimeout", False)])
async def test_connections_that_break(library: Any, name: str, sent: bool) -> None:
    """A transport error of either library is a fault that says whether the server can have seen the request."""

    def handler(_: Any) -> Any:
        raise getattr(library, name)("words")

    fault = await ask(library, handler)
    assert (fault.action, fault.sent, fault.reason) == ("retry", sent, f"{name}: words")


async def test_clients_that_fail(library: Any) -> None:
    """Whatever the program's client raises is an error of ours, at once, which says where it comes from."""

    def handler(_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    fault = await ask(library, handler)
    assert (fault.action, fault.sent) == ("raise", False)
    assert fault.reason == "http_client= failed: ZeroDivisionError: a bug"


async def read_it(response: Any) -> None:
    """A hook that reads each body, as logging hooks do."""
    await response.aread()


async def raise_it(response: Any) -> None:
    """A hook that raises for statuses, as many programs have it."""
    response.raise_for_status()


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("packed", [False, True])
async def test_bodies_that_a_hook_has_read(library: Any, kind: str, packed: bool) -> None:
    """A hook of the program's client may read the body; what it has read and decoded is the answer."""

    def handler(request: Any) -> Any:
        data = message(request)
        data = event(data) if kind == "text/event-stream" else data
        headers = {"content-type": kind, **({"content-encoding": "gzip"} if packed else {})}
        return library.Response(200, stream=body(library, gzip.compress(data) if packed else data), headers=headers)

    assert await ask(library, handler, event_hooks={"response": [read_it]}) == RESULT


async def test_hooks_that_raise(library: Any) -> None:
    """A hook that raises for a status takes nothing away from what the status means."""
    hooks = {"response": [raise_it]}
    fault = await ask(library, replying(library, 503, headers={"retry-after": "3"}), event_hooks=hooks)
    assert (fault.action, fault.status, fault.retry_after) == ("retry", 503, 3.0)


async def test_hooks_that_find_a_broken_body(library: Any) -> None:
    """A body that breaks off under a hook's hands costs one request."""
    half = body(library, b"x", library.ReadError("reset"))
    fault = await ask(library, lambda _: library.Response(200, stream=half), event_hooks={"response": [read_it]})
    assert (fault.action, fault.sent) == ("retry", True)
