"""Bodies under the guarded HTTP client: JSON is read to its end there, streams are not, and faults cost one request."""

from __future__ import annotations

import gzip
from typing import Any

import httpx2
import pytest
from mcp_types import ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcptasks._transport.http import Guard, GuardedClient
from tests.unit.samples import Pieces
from tests.unit.test_http_guard import LOST, URL, Body, replying, send, told

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
JSON_TYPES = ["application/json", "application/json; charset=utf-8", "Application/JSON"]


# --- JSON answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", JSON_TYPES)
@pytest.mark.parametrize("status", [200, 202])
async def test_json_is_read_to_its_end(content_type: str, status: int) -> None:
    """A JSON answer is complete before the SDK sees it, with its status and headers, and its connection is free."""
    body = Body(b'{"jsonrpc": "2.0", ', b'"id": 1, "result": {}}')
    headers = {"content-type": content_type, "mcp-session-id": "s-1"}
    async with GuardedClient(
        Guard(ready=True), transport=httpx2.MockTransport(replying(status, stream=body, headers=headers))
    ) as client:
        request = client.build_request("POST", URL, json={"method": "tasks/get"})
        response = await client.send(request, stream=True)
        assert body.closed
        assert response.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert (response.status_code, response.request) == (status, request)
        assert response.headers["content-type"] == content_type
        assert response.headers["mcp-session-id"] == "s-1"
        await response.aread()
        await response.aclose()


async def test_compressed_json_is_decoded_once() -> None:
    """However often it is read, and by whichever way."""
    packed = gzip.compress(b'{"ok": true}')
    headers = {**JSON, "content-encoding": "gzip", "content-length": str(len(packed))}
    response = await send(replying(200, stream=Body(packed[:5], packed[5:]), headers=headers))
    assert response.json() == {"ok": True}
    assert await response.aread() == b'{"ok": true}'
    assert [piece async for piece in response.aiter_bytes()] == [b'{"ok": true}']


@pytest.mark.parametrize("error", LOST)
@pytest.mark.parametrize("pieces", [(), (b'{"half":',), (b'{"ok": true}',)])
async def test_json_that_breaks_off(error: Exception, pieces: tuple[bytes, ...]) -> None:
    """A JSON answer that breaks off costs one request, which the server has seen; it is said in words."""
    body = Body(*pieces, error)
    response = await send(replying(200, stream=body, headers=JSON))
    assert response.status_code == 502
    assert told(response) == {"status": None}
    assert response.json()["error"]["message"] == f"the answer broke off: {str(error) or type(error).__name__}"
    assert body.closed


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br, gzip"])
async def test_json_in_another_encoding_than_said(encoding: str) -> None:
    """A JSON answer that is not encoded as its header says is one that broke off."""
    body = Body(b'{"ok": true}')
    response = await send(replying(200, stream=body, headers={**JSON, "content-encoding": encoding}))
    assert told(response) == {"status": None}
    assert response.json()["error"]["message"].startswith("the answer broke off: ")
    assert body.closed


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"<html>"], ids=lambda c: f"{c!r:.20}")
async def test_garbled_json_is_the_parsers(content: bytes) -> None:
    """What a complete answer holds is not looked into here."""
    assert (await send(replying(200, stream=Body(content), headers=JSON))).content == content


async def test_bugs_in_json_are_not_covered_up() -> None:
    """What is no transport error is raised out of a JSON answer too, and the connection is given back."""
    body = Body(b"{", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await send(replying(200, stream=body, headers=JSON))
    assert body.closed


# --- other bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "text/application/json"])
async def test_streams_are_not_read_ahead(content_type: str) -> None:
    """What is no JSON is handed on as it comes: a stream of events has no end to wait for."""
    events = Pieces(*[b"data: {}\n\n"] * 3)

    class Stream(Body):
        def __aiter__(self) -> Pieces:
            return events

    handler = replying(200, stream=Stream(), headers={"content-type": content_type})
    async with GuardedClient(Guard(ready=True), transport=httpx2.MockTransport(handler)) as client:
        response = await client.send(client.build_request("GET", URL), stream=True)
        assert events.taken == 0
        pieces = aiter(response.aiter_raw())
        assert await anext(pieces) == b"data: {}\n\n"
        assert events.taken == 1
        assert len([piece async for piece in pieces]) == 2
        await response.aclose()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_error_in_another_encoding_than_said(encoding: str) -> None:
    """An error whose body cannot be decoded is still an error with its status."""
    headers = {"content-encoding": encoding, "retry-after": "2"}
    body = Body(b"<html>busy</html>")
    assert told(await send(replying(503, stream=body, headers=headers))) == {"status": 503, "retry_after": 2.0}
    assert body.closed


@pytest.mark.parametrize("error", [*LOST, ZeroDivisionError()])
@pytest.mark.parametrize("status", [404, 503])
async def test_error_whose_body_breaks_off(error: Exception, status: int) -> None:
    """Whatever is wrong with an error's body, the status says enough."""
    assert told(await send(replying(status, stream=Body(b"{", error)))) == {"status": status}


# --- while connecting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [JSON, {"content-type": "text/event-stream"}, {}])
@pytest.mark.parametrize("error", LOST)
async def test_broken_bodies_while_connecting(error: Exception, headers: dict[str, str]) -> None:
    """While the connection is being made a body that breaks off is raised as it is: half an answer must not look like
    another protocol's."""
    with pytest.raises(type(error)) as caught:
        await send(replying(200, stream=Body(b'{"half":', error), headers=headers), guard=Guard(ready=False))
    assert caught.value is error


async def test_wrong_encoding_while_connecting() -> None:
    """While the connection is being made a body that cannot be decoded is raised as it is."""
    headers = {**JSON, "content-encoding": "gzip"}
    with pytest.raises(httpx2.DecodingError):
        await send(replying(200, stream=Body(b"<html>"), headers=headers), guard=Guard(ready=False))


# --- how long a server may take ---------------------------------------------------------------------------------------


async def silence(message: JSONRPCMessage | None, method: str = "POST") -> float | None:
    """How long a server may be silent after this message, as the SDK writes it."""
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200)

    content = None if message is None else message.model_dump(by_alias=True, mode="json", exclude_unset=True)
    timeout = httpx2.Timeout(3.0, read=300.0)
    async with GuardedClient(Guard(ready=True), transport=httpx2.MockTransport(handler), timeout=timeout) as client:
        await client.request(method, URL, json=content)
    (request,) = seen
    found: dict[str, float | None] = request.extensions["timeout"]
    assert (found["connect"], found["write"]) == (3.0, 3.0)
    return found["read"]


NAMED = {
    "name": "notifications/send",
    "arguments": {"method": "notifications/x", "text": '{"method": "notifications/y"}'},
}


@pytest.mark.parametrize("id_", [1, "one", "notifications/1", '"method": "notifications/x"'])
@pytest.mark.parametrize("params", [None, {}, NAMED, {"_meta": {"method": "notifications/x"}, **NAMED}])
async def test_requests_may_take_long(id_: int | str, params: dict[str, Any] | None) -> None:
    """A request's answer may take as long as any, whatever names the request holds."""
    request = JSONRPCRequest(jsonrpc="2.0", id=id_, method="tools/call", params=params)
    assert await silence(request) == 300.0


@pytest.mark.parametrize(
    "message",
    [
        JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized"),
        JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 1}),
        JSONRPCResponse(jsonrpc="2.0", id=1, result={}),
        JSONRPCResponse(jsonrpc="2.0", id=1, result={"method": "tools/call", "content": {"method": "tools/call"}}),
        JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=-32601, message='{"method": "tools/call"}')),
    ],
)
async def test_what_is_not_answered_is_accepted_soon(message: JSONRPCMessage) -> None:
    """A notification, or an answer of ours, only has to be accepted: the SDK sends nothing else meanwhile."""
    assert await silence(message) == 10.0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_requests_without_a_message(method: str) -> None:
    """A stream of unasked messages may be silent for long."""
    assert await silence(None, method) == 300.0
