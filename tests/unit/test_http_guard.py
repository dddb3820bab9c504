"""The guarded HTTP client: what becomes of bad answers and broken connections, one request at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any

import httpx2
import pytest

from mcptasks import TaskConnectionError
from mcptasks._faults import GUARD_KEY
from mcptasks._transport.http import Guard, GuardedClient, retry_after, synthetic_error
from tests.unit.samples import Pieces

URL = "https://example.com/mcp"
REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "t-1"}}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Handler = Callable[[httpx2.Request], httpx2.Response]


class Body(httpx2.AsyncByteStream):
    """A body that comes in pieces and may break off."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Begin at the first piece."""
        return Pieces(*self.pieces)

    async def aclose(self) -> None:
        """Remember that it was given back."""
        self.closed = True


def replying(*args: Any, **kwargs: Any) -> Handler:
    """A server that always answers the same."""
    return lambda _: httpx2.Response(*args, **kwargs)


def failing(error: Exception) -> Handler:
    """A server that cannot be spoken to."""

    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


async def send(
    handler: Handler, *, guard: Guard | None = None, method: str = "POST", headers: dict[str, str] | None = None
) -> httpx2.Response:
    """The guarded client's response, read to its end."""
    guard = guard or Guard(ready=True)
    async with GuardedClient(guard, transport=httpx2.MockTransport(handler)) as client:
        request = client.build_request(method, URL, json=REQUEST, headers=headers)
        response = await client.send(request, stream=True)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


def told(response: httpx2.Response) -> dict[str, Any]:
    """What our own answer says went wrong."""
    body = response.json()
    assert body.keys() == {"jsonrpc", "id", "error"}
    assert body["error"]["code"] == -32603
    found: dict[str, Any] = body["error"]["data"][GUARD_KEY]
    return found


# --- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"error": {"code": -32000, "message": "x"}}'])
async def test_outages(status: int, body: bytes) -> None:
    """A status that speaks of the server's condition is told with its Retry-After, whatever the body says."""
    response = await send(replying(status, content=body, headers={"retry-after": "7"}))
    assert response.status_code == status
    assert told(response) == {"status": status, "retry_after": 7.0}
    assert response.json()["error"]["message"].startswith(f"HTTP {status}")


@pytest.mark.anyio
async def test_retry_after_as_a_date() -> None:
    """Retry-After may be a time; what is told is how long that is from now."""
    date = format_datetime(datetime.fromtimestamp(time.time() + 60, UTC), usegmt=True)
    waits = told(await send(replying(503, headers={"retry-after": date})))["retry_after"]
    assert 50 < waits <= 60


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"\xb2", b"9" * 400, b"\xff\xfe", b""], ids=lambda value: f"{value!r:.40}")
async def test_odd_retry_after(value: bytes) -> None:
    """Whatever the header holds, the outage is told."""
    guard = told(await send(replying(503, headers=[(b"retry-after", value)])))
    assert guard["status"] == 503
    assert guard.get("retry_after") in (None, 999_999_999.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("\u00b2", None),
        ("\u0663", None),
        ("9" * 400, 999_999_999.0),
    ],
    ids=lambda value: f"{value!r:.40}",
)
@pytest.mark.usefixtures("far_from_utc")
def test_retry_after(value: str | None, expected: float | None) -> None:
    """Retry-After is whole seconds or an HTTP date in any of its three forms, all of them UTC wherever this machine
    is; a past one is now, and nonsense is nothing."""
    headers = {} if value is None else {"retry-after": value}
    assert retry_after(headers, NOW.timestamp()) == expected


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"Not Found", {}),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Session not found"}}', {"refused": True}),
    ],
)
async def test_404_with_a_session(body: bytes, refused: dict[str, bool]) -> None:
    """A 404 in a session says that the session is over (2025-11-25 transports); only with JSON-RPC in it is it the
    server's own word that the request was refused."""
    response = await send(replying(404, content=body), headers={"mcp-session-id": "s-1"})
    assert told(response) == {"status": 404, "session": True, **refused}


@pytest.mark.anyio
async def test_404_without_a_session() -> None:
    """A 404 without a session is the endpoint's; nothing is said of a session."""
    assert told(await send(replying(404, content=b"<html>"))) == {"status": 404}


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
@pytest.mark.parametrize("ready", [True, False])
async def test_json_rpc_errors_pass(status: int, ready: bool) -> None:
    """A JSON-RPC error under an HTTP status (fastmcp 4) is the server's answer, to the byte, also while connecting."""
    body = b'{ "jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "unknown"} }'
    response = await send(replying(status, content=body, headers={"x": "y"}), guard=Guard(ready=ready))
    assert (response.status_code, response.content) == (status, body)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b"{}", b'"error"', b'{"error": "x"}', b'{"error": null}', b"\xff\xfe", b"[" * 100_000],
    ids=lambda value: f"{value!r:.40}",
)
@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 422])
async def test_other_refusals(body: bytes, status: int) -> None:
    """What is no JSON-RPC error becomes one that says the status."""
    response = await send(replying(status, content=body))
    assert (response.status_code, told(response)) == (status, {"status": status})


@pytest.mark.anyio
async def test_broken_body_of_an_error() -> None:
    """An error whose body breaks off is still an error with its status, and the connection is given back."""
    body = Body(b'{"jsonrpc"', httpx2.ReadError("reset"))
    assert told(await send(replying(503, stream=body, headers={"retry-after": "2"}))) == {
        "status": 503,
        "retry_after": 2.0,
    }
    assert body.closed


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 202, 204])
async def test_other_answers_are_left_alone(status: int) -> None:
    """What is no error passes with its headers and body."""
    headers = {"mcp-session-id": "s-1", "location": "/elsewhere", "content-type": "application/json"}
    response = await send(replying(status, content=b"{}", headers=headers))
    assert (response.status_code, response.content, response.headers["mcp-session-id"]) == (status, b"{}", "s-1")


# --- broken connections -----------------------------------------------------------------------------------------------

LOST = [httpx2.ReadError("reset"), httpx2.WriteError(""), httpx2.ReadTimeout(""), httpx2.RemoteProtocolError("cut")]
UNSENT = [httpx2.ConnectError("refused"), httpx2.ConnectTimeout(""), httpx2.PoolTimeout("")]


@pytest.mark.anyio
@pytest.mark.parametrize(("error", "sent"), [*((error, True) for error in LOST), *((error, False) for error in UNSENT)])
async def test_broken_before_the_response(error: Exception, sent: bool) -> None:
    """A connection that breaks costs one request, with words, and it is said whether the server can have seen it."""
    response = await send(failing(error))
    assert told(response) == {"status": None, "sent": sent}
    words = response.json()["error"]["message"]
    assert words.startswith(f"{type(error).__name__}: ")
    assert not words.endswith(": ")


@pytest.mark.anyio
@pytest.mark.parametrize("error", LOST)
async def test_broken_in_the_body(error: Exception) -> None:
    """A body that breaks off ends there; what is missing is found where it is parsed."""
    body = Body(b'{"jsonrpc": "2.0", ', error)
    response = await send(replying(200, stream=body, headers={"content-type": "text/event-stream"}))
    assert response.content == b'{"jsonrpc": "2.0", '
    assert body.closed


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", None])
async def test_an_answer_of_another_kind(kind: str | None) -> None:
    """What is neither JSON nor an event stream is a gateway's page: asked for again like any fault. While the
    connection is being made it is left to the SDK."""
    headers = {} if kind is None else {"content-type": kind}
    response = await send(replying(200, content=b"<html>", headers=headers))
    assert response.status_code == 502
    assert "unexpected content type" in response.json()["error"]["message"]
    assert told(response) == {"status": None}
    assert (await send(replying(200, content=b"<html>", headers=headers), guard=Guard())).content == b"<html>"


@pytest.mark.anyio
@pytest.mark.parametrize("error", [*LOST, *UNSENT])
async def test_nothing_is_covered_up_while_connecting(error: Exception) -> None:
    """While the connection is being made an outage is raised as it is, not answered like a server would."""
    with pytest.raises(type(error)) as caught:
        await send(failing(error), guard=Guard(ready=False))
    assert caught.value is error


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
async def test_refused_while_connecting(status: int) -> None:
    """An outage or a refusal while connecting says so, lest the server be taken for one of another protocol."""
    with pytest.raises(TaskConnectionError, match=f"the server answered HTTP {status}"):
        await send(replying(status, content=b"<html>"), guard=Guard(ready=False))


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 404, 405, 406, 415])
async def test_older_servers_while_connecting(status: int) -> None:
    """What servers of the older protocol answer the newer one's first request with goes to the SDK, which then tries
    the older one."""
    assert told(await send(replying(status, content=b"what?"), guard=Guard(ready=False)))["status"] == status


@pytest.mark.anyio
@pytest.mark.parametrize("error", [RuntimeError("bug"), ValueError("bug"), OSError("disk")])
async def test_bugs_are_not_covered_up(error: Exception) -> None:
    """What is no transport error is raised, since it is a mistake of this side."""
    with pytest.raises(type(error)):
        await send(failing(error))


# --- sessions and streams ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("keep", [True, False])
async def test_delete(keep: bool) -> None:
    """The session is ended at the server only if nothing depends on it."""
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        return httpx2.Response(200)

    response = await send(handler, guard=Guard(ready=True, keep_session=keep), method="DELETE")
    assert response.is_success
    assert seen == ([] if keep else ["DELETE"])


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "expected"), [("GET", ["opened", "ended"]), ("POST", [])])
@pytest.mark.parametrize("pieces", [(b"data: {}\n\n",), (b"data", httpx2.ReadError("reset"))])
async def test_stream_of_unasked_messages(method: str, expected: list[str], pieces: tuple[Any, ...]) -> None:
    """A stream of unasked messages is told of when it opens and when it ends, broken or not; an answer is not."""
    heard: list[str] = []
    guard = Guard(ready=True, stream_opened=lambda: heard.append("opened"), stream_ended=lambda: heard.append("ended"))
    await send(replying(200, stream=Body(*pieces)), guard=guard, method=method)
    assert list(dict.fromkeys(heard)) == expected


@pytest.mark.anyio
async def test_stream_that_opens_before_the_connection_is_complete() -> None:
    """Its breaking off is covered up, and its end told to whoever wants to know by then."""
    ended: list[int] = []
    guard = Guard()

    def handler(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=Body(b"data", httpx2.ReadError("reset")))

    async with GuardedClient(guard, transport=httpx2.MockTransport(handler)) as client:
        response = await client.send(client.build_request("GET", URL), stream=True)
        guard.stream_ended = lambda: ended.append(1)
        assert await response.aread() == b"data"
        await response.aclose()
    assert ended


@pytest.mark.anyio
async def test_refused_stream_is_no_end() -> None:
    """A server that offers no stream of unasked messages (405) has not ended one."""
    never = partial(pytest.fail, "there was no stream")
    guard = Guard(ready=True, stream_opened=never, stream_ended=never)
    assert (await send(replying(405), guard=guard, method="GET")).status_code == 405


def test_synthetic_error() -> None:
    """Our own answers are JSON-RPC errors; what is not known is left out, and without a status it is 502."""
    request = httpx2.Request("POST", URL)
    response = synthetic_error(request, "words", status=None, sent=False, retry_after=None)
    assert (response.status_code, response.request) == (502, request)
    assert response.json()["error"]["message"] == "words"
    assert told(response) == {"status": None, "sent": False}
