"""A program's own HTTP client under the guarded one: its settings hold, and its faults are guarded too."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
import pytest

from mcptasks._faults import GUARD_KEY
from mcptasks._transport.http import Guard, GuardedClient
from tests.unit.samples import Pieces

URL = "https://example.com/mcp"
LIBRARIES = [pytest.param(httpx, id="httpx"), pytest.param(httpx2, id="httpx2")]
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("library", LIBRARIES)]

SDK_HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tasks/get",
    "mcp-name": "t-1",
    "mcp-session-id": "s-1",
    "user-agent": "the-sdk",
    "x-other": "of the SDK's client",
}


def body(library: Any, *pieces: bytes | Exception) -> Any:
    """A body of that library as it comes from the network, in pieces; it may break off."""

    class Body(library.AsyncByteStream):  # type: ignore[misc]
        def __aiter__(self) -> AsyncIterator[bytes]:
            return Pieces(*pieces)

    return Body()


def replying(response: Any) -> Callable[[Any], Any]:
    """A server that answers once."""

    def handler(_: Any) -> Any:
        return response

    return handler


async def send(
    library: Any, handler: Any, method: str = "POST", *, ready: bool = True, **settings: Any
) -> httpx2.Response:
    """A request through the guarded client over one of that library."""
    async with (
        library.AsyncClient(transport=library.MockTransport(handler), **settings) as foreign,
        GuardedClient(Guard(ready=ready), foreign=foreign) as client,
    ):
        request = client.build_request(method, URL, content=b'{"x": 1}', headers=SDK_HEADERS)
        response = await client.send(request, stream=True)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


async def test_headers(library: Any) -> None:
    """The program's headers, credentials and cookies go out with those that the protocol needs, and nothing else."""
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        seen.append(request)
        return library.Response(200, stream=body(library, b'{"ok": true}'), headers={"mcp-session-id": "s-2"})

    own = {"authorization": "Bearer secret", "x-tenant": "7", "user-agent": "the-program", "accept": "text/html"}
    response = await send(library, handler, headers=own, cookies={"c": "1"}, params={"key": "k"})
    (request,) = seen
    assert (request.method, str(request.url), request.content) == ("POST", f"{URL}?key=k", b'{"x": 1}')
    sent = request.headers
    for name in ("authorization", "x-tenant", "user-agent"):
        assert sent[name] == own[name]
    for name in ("accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"):
        assert sent.get_list(name) == [SDK_HEADERS[name]]
    assert sent["cookie"] == "c=1"
    assert "x-other" not in sent
    assert response.json() == {"ok": True}
    assert response.headers["mcp-session-id"] == "s-2"


async def test_auth_object(library: Any) -> None:
    """The program's auth object signs each request."""

    def handler(request: Any) -> Any:
        return library.Response(200, stream=body(library, request.headers["authorization"].encode()))

    response = await send(library, handler, auth=library.BasicAuth("user", "password"))
    assert response.text.startswith("Basic ")


async def test_client_is_left_open(library: Any) -> None:
    """The program's client is still usable after ours was closed."""
    transport = library.MockTransport(replying(library.Response(200, stream=body(library, b"still here"))))
    async with library.AsyncClient(transport=transport) as foreign:
        async with GuardedClient(Guard(ready=True), foreign=foreign) as client:
            await client.post(URL)
        assert (await foreign.get(URL)).text == "still here"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_requests_without_a_body(library: Any, method: str) -> None:
    """Every method goes through the program's client."""

    def handler(request: Any) -> Any:
        return library.Response(200, stream=body(library, request.method.encode()))

    assert (await send(library, handler, method)).text == method


async def test_compressed_answers(library: Any) -> None:
    """An answer is decoded once, though two clients handle it."""

    def handler(_: Any) -> Any:
        packed = body(library, gzip.compress(b'{"ok": true}'))
        return library.Response(200, stream=packed, headers={"content-encoding": "gzip"})

    assert (await send(library, handler)).json() == {"ok": True}


async def test_outages(library: Any) -> None:
    """Statuses and Retry-After are told as for our own client."""

    def handler(_: Any) -> Any:
        return library.Response(503, headers={"retry-after": "3"}, stream=body(library, b"busy"))

    response = await send(library, handler)
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": 503, "retry_after": 3.0}}


async def test_lost_session(library: Any) -> None:
    """A 404 in a session is recognised by the SDK's header."""
    response = await send(library, replying(library.Response(404, stream=body(library))))
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": 404, "session": True}}


@pytest.mark.parametrize(("name", "sent"), [("ReadError", True), ("ConnectError", False), ("PoolTimeout", False)])
async def test_broken_before_the_response(library: Any, name: str, sent: bool) -> None:
    """A transport error of either library costs one request; while connecting it is raised."""

    def handler(_: Any) -> Any:
        raise getattr(library, name)("words")

    response = await send(library, handler)
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": None, "sent": sent}}
    assert response.json()["error"]["message"] == f"{name}: words"
    with pytest.raises(getattr(library, name)):
        await send(library, handler, ready=False)


async def test_broken_in_the_body(library: Any) -> None:
    """A body that breaks off ends there, in the errors of either library."""
    half = body(library, b'{"half": ', library.ReadError("reset"))
    assert (await send(library, replying(library.Response(200, stream=half)))).content == b'{"half": '


async def test_bugs_are_not_covered_up(library: Any) -> None:
    """What is no transport error is raised, also out of a body."""

    def handler(_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await send(library, handler)
    with pytest.raises(ZeroDivisionError):
        await send(library, replying(library.Response(200, stream=body(library, ZeroDivisionError()))))


@pytest.mark.parametrize("pieces", [(), (b"x",)])
async def test_broken_body_of_an_error(library: Any, pieces: tuple[bytes, ...]) -> None:
    """An error whose body breaks off in the errors of either library is still an error with its status."""
    half = body(library, *pieces, library.ReadError("reset"))
    response = await send(library, replying(library.Response(503, stream=half)))
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": 503}}


@pytest.mark.parametrize("fault", ["reset", "encoding"])
async def test_broken_json(library: Any, fault: str) -> None:
    """A JSON answer that breaks off, or is not encoded as it says, costs one request in either library."""
    headers = {"content-type": "application/json", **({"content-encoding": "gzip"} if fault == "encoding" else {})}
    half = body(library, b'{"half": ', *([library.ReadError("reset")] if fault == "reset" else []))
    response = await send(library, replying(library.Response(200, stream=half, headers=headers)))
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": None}}
    assert response.json()["error"]["message"].startswith("the answer broke off: ")


# --- hooks ------------------------------------------------------------------------------------------------------------


async def read_it(response: Any) -> None:
    """A hook that reads each body, as logging hooks do."""
    await response.aread()


HOOKED: dict[str, Any] = {"event_hooks": {"response": [read_it]}}


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", None])
@pytest.mark.parametrize("packed", [False, True])
async def test_body_that_a_hook_has_read(library: Any, content_type: str | None, packed: bool) -> None:
    """A hook of the program's client may read the body; what it has read and decoded is the answer."""
    text = b'{"ok": true}'
    headers = {"mcp-session-id": "s-2", **({"content-encoding": "gzip"} if packed else {})}
    if content_type is not None:
        headers["content-type"] = content_type
    whole = body(library, gzip.compress(text) if packed else text)
    for ready in (True, False):
        handler = replying(library.Response(200, stream=whole, headers=headers))
        response = await send(library, handler, ready=ready, **HOOKED)
        assert (response.content, response.headers["mcp-session-id"]) == (text, "s-2")
        assert response.headers.get("content-type") == content_type


async def test_error_that_a_hook_has_read(library: Any) -> None:
    """A hook that has read an error's body takes neither the server's own error away nor the status."""
    own = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"unknown"}}'
    response = await send(library, replying(library.Response(400, stream=body(library, own))), **HOOKED)
    assert response.content == own
    response = await send(library, replying(library.Response(503, stream=body(library, b"busy"))), **HOOKED)
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": 503}}


@pytest.mark.parametrize("status", [200, 503])
async def test_hook_that_finds_a_broken_body(library: Any, status: int) -> None:
    """A body that breaks off, or is not encoded as it says, under a hook's hands costs one request."""
    half = body(library, b"x", library.ReadError("reset"))
    response = await send(library, replying(library.Response(status, stream=half)), **HOOKED)
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": None, "sent": True}}
    garbled = library.Response(status, stream=body(library, b"<html>"), headers={"content-encoding": "gzip"})
    response = await send(library, replying(garbled), **HOOKED)
    assert response.json()["error"]["data"] == {GUARD_KEY: {"status": None, "sent": True}}
