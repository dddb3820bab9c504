"""Redirects under the guarded HTTP client: the SDK follows them, so it has to be told where to."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from mcptasks._transport.http import Guard, GuardedClient
from tests.unit.test_http_foreign import LIBRARIES, SDK_HEADERS, URL, body, replying, send
from tests.unit.test_http_guard import LOST, Body
from tests.unit.test_http_guard import replying as replying_to_ours
from tests.unit.test_http_guard import send as send_ours

pytestmark = pytest.mark.anyio
either = pytest.mark.parametrize("library", LIBRARIES)

NONSENSE = ["https://example.com:port/", "https://example.com\x7f/", "mailto:x", "http://["]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("content_type", ["application/json", "text/html", None])
@pytest.mark.parametrize("ready", [True, False])
async def test_redirects_of_our_own_client(status: int, content_type: str | None, ready: bool) -> None:
    """A redirect reaches the SDK with the request that would follow it, whatever its body is."""
    headers = {"location": "/mcp/", **({} if content_type is None else {"content-type": content_type})}
    answer = replying_to_ours(status, headers=headers, stream=Body(b'{"detail": "moved"}'))
    response = await send_ours(answer, guard=Guard(ready=ready))
    assert response.status_code == status
    assert response.next_request is not None
    assert response.next_request.method == ("POST" if status in (307, 308) else "GET")


@either
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_redirects_that_lose_the_message(library: Any, status: int) -> None:
    """A redirect of a POST that asks for a GET is told as one, so that the SDK can say why it does not follow."""
    answer = library.Response(status, headers={"location": "/mcp/"}, stream=body(library))
    following = (await send(library, replying(answer))).next_request
    assert following is not None
    assert following.method == "GET"


@either
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_bodies_of_redirects(library: Any, content_type: str) -> None:
    """What a redirect's body is takes nothing away from it."""
    headers = {"location": "/mcp/", "content-type": content_type}
    answer = library.Response(307, headers=headers, stream=body(library, b'{"detail": "moved"}'))
    assert (await send(library, replying(answer))).next_request is not None


@either
@pytest.mark.parametrize("location", NONSENSE)
async def test_redirects_to_nonsense(library: Any, location: str) -> None:
    """A place that is no URL costs one request, if it cannot be passed over."""
    answer = library.Response(307, headers={"location": location}, stream=body(library))
    assert (await send(library, replying(answer))).status_code in (307, 502)
    own = await send_ours(replying_to_ours(307, headers={"location": location}))
    assert own.status_code in (307, 502)


@either
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/mcp/", "https://example.com/mcp/"),
        ("mcp/", "https://example.com/mcp/"),
        ("https://example.com/v2?x=1", "https://example.com/v2?x=1"),
        ("//other.example/mcp", "https://other.example/mcp"),
    ],
)
@pytest.mark.parametrize("ready", [True, False])
async def test_redirects(library: Any, status: int, location: str, target: str, ready: bool) -> None:
    """A redirect that keeps the method is handed to the SDK with the request that would follow it; whether to is the
    SDK's decision."""
    answer = library.Response(status, headers={"location": location}, stream=body(library))
    response = await send(library, replying(answer), ready=ready)
    following = response.next_request
    assert following is not None
    assert (following.method, str(following.url), following.content) == ("POST", target, b'{"x": 1}')
    for name in ("accept", "content-type", "mcp-protocol-version", "mcp-session-id"):
        assert following.headers[name] == SDK_HEADERS[name]


@either
async def test_redirect_is_followed_with_the_programs_client(library: Any) -> None:
    """The following request goes through the program's client, with its credentials."""
    seen: list[tuple[str, str]] = []

    def handler(request: Any) -> Any:
        seen.append((request.url.path, request.headers["authorization"]))
        if request.url.path == "/mcp":
            return library.Response(307, headers={"location": "/mcp/"}, stream=body(library))
        return library.Response(200, stream=body(library, request.content))

    own = library.AsyncClient(transport=library.MockTransport(handler), headers={"authorization": "Bearer secret"})
    async with own as foreign, GuardedClient(Guard(ready=True), foreign=foreign) as client:
        request = client.build_request("POST", URL, content=b'{"x": 1}', headers=SDK_HEADERS)
        redirect = await client.send(request, stream=True)
        await redirect.aread()
        await redirect.aclose()
        assert redirect.next_request is not None
        response = await client.send(redirect.next_request, stream=True)
        assert await response.aread() == b'{"x": 1}'
        await response.aclose()
    assert seen == [("/mcp", "Bearer secret"), ("/mcp/", "Bearer secret")]


@either
@pytest.mark.parametrize(("status", "headers"), [(307, {}), (308, {}), (200, {"location": "/mcp/"})])
async def test_no_redirect(library: Any, status: int, headers: dict[str, str]) -> None:
    """Without a place to go to, or with another status, there is nothing to follow."""
    response = await send(library, replying(library.Response(status, headers=headers, stream=body(library))))
    assert (response.status_code, response.next_request) == (status, None)


@pytest.mark.parametrize("error", [*LOST, httpx2.DecodingError("no gzip")])
async def test_a_redirect_whose_body_is_broken(error: Exception) -> None:
    """The body of a redirect does not matter: the SDK, which would read it unguarded, gets none."""
    answer = replying_to_ours(307, headers={"location": "/mcp/"}, stream=Body(b"x", error))
    response = await send_ours(answer)
    assert (response.status_code, response.content) == (307, b"")
    assert response.next_request is not None


@either
async def test_a_redirect_whose_body_is_broken_with_the_programs_client(library: Any) -> None:
    """The same where the program's own client fetched it."""
    half = body(library, b"x", library.ReadError("reset"))
    answer = library.Response(307, headers={"location": "/mcp/"}, stream=half)
    assert (await send(library, replying(answer))).next_request is not None
