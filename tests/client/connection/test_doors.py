"""Words at the door: what a program hears of a server that is there, but not as it was named."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from mcptasks import Client, TaskConnectionError
from mcptasks._transport.http import older
from mcptasks._transport.stdio import transport
from mcptasks.testing import HttpStatus, serve_http
from mcptasks.testing._asgi import TaskServerApp
from tests.helpers import raw_server
from tests.helpers.doors import quick_server, refused, sse_server, use
from tests.helpers.pairs import pairwise
from tests.helpers.raw_server import Line, Reply
from tests.helpers.support import LIMIT, connected
from tests.helpers.tls import running, tls_only, write_files
from tests.helpers.worlds import both_worlds, sdk_http

# Advice follows from what answered; the mode decides what is asked first, the event loop and the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

SECRET = "S3CRET"
USUAL = "MCP servers are usually at /mcp"
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP+SSE server on a busy machine may take long to send its first event."""
    monkeypatch.setattr(older, "_LOOK_SECONDS", LIMIT)


# --- another path -------------------------------------------------------------------------------------------------


@MODES
async def test_no_mcp_in_the_path(mode: str) -> None:
    """A 404 without `/mcp` says where servers usually are; with `/mcp` it says what the server did."""
    with serve_http(quick_server()) as url:
        for place in ("", "/", "/api", "/sse"):
            words = await refused(url.replace("/mcp", place), mode=mode)
            assert f"the server answered 404; {USUAL}" in words
        words = await refused(url.replace("/mcp", "/mcp/v2"), mode=mode)
    assert "HTTP 404" in words
    assert "usually" not in words


@MODES
async def test_a_web_site(mode: str, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """So does what a web site answers at such a path: 405 for its files, a page for everything."""
    (tmp_path / "index.html").write_text("<html></html>", encoding="utf-8")

    async def page(_: Request) -> Response:
        return HTMLResponse("<html>welcome</html>")

    files = Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path, html=True))])
    pages = Starlette(routes=[Route("/{rest:path}", page, methods=["GET", "POST"])])
    for name, app, words in [("files", files, "answered 405"), ("pages", pages, "content of type 'text/html'")]:
        with subtests.test(name), running(app) as place:
            said = await refused(f"http://{place}/", mode=mode)
            assert words in said
            assert USUAL in said
            # Nobody waits for what is no outage.
            assert USUAL in await refused(f"http://{place}/", mode=mode, wait_for_server=60)


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_no_advice_once_it_was_right(mode: str) -> None:
    """Where the server has answered, the path is right, and nothing is said of it later."""
    server = quick_server("legacy" if mode == "legacy" else "modern")
    app = TaskServerApp(server)

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": "/mcp"}, receive, send)

    with running(elsewhere) as place:
        async with connected(f"http://{place}/api", mode=mode) as client:
            await use(client)
            server.faults.add("*", HttpStatus(404), times=None)
            with pytest.raises(TaskConnectionError, match="HTTP 404") as caught:
                await client.list_tools()
            assert "usually" not in str(caught.value)


# --- HTTP+SSE -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "legacy", "2025-06-18"])
@pytest.mark.parametrize("how", ["405", "404", "400", "a stream"])
async def test_http_sse(mode: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A URL that turns out to be one of HTTP+SSE just connects, whatever the server says to a POST; the log has a note
    at level INFO, without what may be secret."""
    caplog.set_level(logging.INFO, logger="mcptasks")
    methods = ["GET", "POST"] if how == "a stream" else ["GET"]
    refusal = 405 if how == "a stream" else int(how)
    target = sse_server(quick_server(), methods, refusal)
    async with target as url, connected(f"{url}?key={SECRET}", mode=mode) as client:
        await use(client)
        assert client.protocol_version in ("2025-06-18", "2025-11-25")
    notes = [record.getMessage() for record in caplog.records if "HTTP+SSE" in record.getMessage()]
    assert notes == [f"{url} speaks HTTP+SSE, the older transport; the client goes on with that"]


async def test_http_sse_with_an_http_client() -> None:
    """An `http_client` cannot be used for it, and the error says so."""
    async with sse_server(quick_server(), ["GET"]) as url, httpx2.AsyncClient() as own:
        words = await refused(url, http_client=own)
    assert "speaks HTTP+SSE" in words
    assert "http_client= cannot be used" in words


@pytest.mark.parametrize("stream", ["comments", "silence", "another event", "no stream"])
async def test_what_is_no_http_sse(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is none of HTTP+SSE is left soon, however much or little comes, and the error is that of the
    POST."""
    monkeypatch.setattr(older, "_LOOK_SECONDS", 1.0)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    gets: list[str] = []

    async def handle(request: raw_server.Request, line: Line) -> Reply:
        if request.method == "POST":
            return Reply([b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"])
        gets.append(request.path)
        if stream == "no stream":
            return Reply([b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"])
        await line.send(head)
        while stream == "comments":
            await line.send(b": nothing to say\n" * 100)
        return Reply([b"event: message\ndata: {}\n\n"] if stream == "another event" else [], end="hang")

    async with raw_server.serving(handle) as url:
        words = await refused(url, reconnect_timeout=60)
    assert "HTTP 405" in words
    assert len(gets) == 1


@sdk_http
async def test_endless_answers_over_http_sse() -> None:
    """What such a server answers to a POST is read within bounds."""
    sent, timeout = 0, 3

    async def handle(request: raw_server.Request, line: Line) -> Reply:
        nonlocal sent
        if request.method == "GET":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            return Reply([head, b"event: endpoint\ndata: /messages\n\n"], end="hang")
        if request.path != "/messages":
            return Reply([b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"])
        await line.send(b"HTTP/1.1 202 Accepted\r\n\r\n")
        while sent < 1 << 28:
            await line.send(b" " * 65536)
            sent += 65536
        return Reply(end="close")

    async with raw_server.serving(handle) as url:
        while not sent:  # A busy machine may need longer to come so far.
            words = await refused(url, timeout=timeout, reconnect_timeout=60, limit=180)
            assert f"no answer within {timeout} s" in words
            timeout *= 4
    assert 0 < sent < 1 << 26


async def test_streamable_http_in_an_entry_of_sse() -> None:
    """An entry that names HTTP+SSE for a server of Streamable HTTP is told apart from a server that is not there."""
    with serve_http(quick_server("modern")) as url:
        words = await refused({"mcpServers": {"a": {"url": url, "type": "sse"}}})
    assert "HTTP 4" in words


# --- TLS ----------------------------------------------------------------------------------------------------------

ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""A TLS alert: protocol_version (RFC 8446, 6)."""
NGINX = b"<html><center>The plain HTTP request was sent to HTTPS port</center></html>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"


def page(body: bytes, kind: bytes) -> bytes:
    """A refusal, as web servers write it."""
    head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (kind, len(body)) + body


@MODES
@pytest.mark.parametrize(
    "first", [b"", ALERT, page(NGINX, b"text/html"), page(GO, b"text/plain")], ids=["nothing", "alert", "nginx", "go"]
)
async def test_http_where_https_is_spoken(mode: str, first: bytes, tmp_path: Path) -> None:
    """The error says to try https://, whether the server hangs up, sends an alert or a page; at once."""
    with tls_only(tmp_path, first=first) as place:
        assert "try https://" in await refused(f"http://{place}/mcp", mode=mode, wait_for_server=60)


async def test_http_on_a_real_tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does that of uvicorn's; with https:// its certificate is what is wrong, and with that trusted nothing is."""
    certificate, key = write_files(tmp_path)
    app = TaskServerApp(quick_server())
    with running(app, ssl_certfile=certificate, ssl_keyfile=key) as place:
        assert "try https://" in await refused(f"http://{place}/mcp")
        words = await refused(f"https://{place}/mcp")
        assert "certificate is not trusted" in words
        assert "SSL_CERT_FILE" in words
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        async with connected(f"https://{place}/mcp") as client:
            await use(client)


@MODES
async def test_https_where_http_is_spoken(mode: str) -> None:
    """The error says to try http://, at once."""
    with serve_http(quick_server()) as url:
        words = await refused(url.replace("http://", "https://"), mode=mode, wait_for_server=60)
    assert "does not speak TLS there; try http://" in words


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_https_where_somebody_hangs_up(end: Any) -> None:
    """So it does, with an if, where the server ends the connection instead of answering."""

    async def hang_up(stream: anyio.abc.SocketStream) -> None:
        await stream.receive()
        if end == "reset":
            raw_server.reset_on_close(stream)
        await stream.aclose()

    words = ""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hang_up)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        words = await refused(f"https://127.0.0.1:{port}/mcp")
        group.cancel_scope.cancel()
    assert "try http://" in words


async def test_a_server_that_resets() -> None:
    """A server that ends connections but speaks no TLS is not said to."""

    async def reset(_: raw_server.Request, __: Line) -> Reply:
        return Reply(end="reset")

    async with raw_server.serving(reset) as url:
        assert "https://" not in await refused(url)


# --- programs -----------------------------------------------------------------------------------------------------


async def test_no_right_to_run(tmp_path: Path) -> None:
    """A script without the right to run says what gives it; one without `#!`, a folder and a script whose interpreter
    is not there say what they are."""
    script = tmp_path / "server"
    script.write_text("#!/no/such/interpreter\n", encoding="utf-8")
    words = await refused([str(script)])
    assert "cannot start 'server': it is not executable; run `chmod +x`" in words
    script.chmod(0o755)
    assert "first line names does not exist" in await refused([str(script)])
    script.write_text("text", encoding="utf-8")
    assert "no first line (#!)" in await refused([str(script)])
    assert "it is a folder" in await refused([str(tmp_path)])
    assert "no such program" in await refused([str(tmp_path / "none")])


async def test_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.js` file without Node.js says what is missing."""
    script = tmp_path / "server.js"
    script.write_text("", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("node") is None
    assert "cannot start 'node': no such program; Node.js runs .js files" in await refused(str(script))


async def test_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that is not there is a `FileNotFoundError` when the client is made, which says where it was looked for,
    and that a folder is one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no such file: 'server\.py' in .*" + tmp_path.name):
        Client("server.py")
    with pytest.raises(FileNotFoundError, match="which is a folder"):
        Client("folder.py")


@MODES
async def test_a_server_that_ends_at_once(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has its exit status and the last lines of its stderr."""
    monkeypatch.setattr(transport, "_STATUS_SECONDS", LIMIT)
    script = tmp_path / "server.py"
    script.write_text("import sys\nfor n in range(9): print('line', n, file=sys.stderr)\nsys.exit(3)", encoding="utf-8")
    words = await refused([sys.executable, str(script)], mode=mode, limit=120, reconnect_timeout=60)
    assert "ended with exit status 3" in words
    assert "line 7 | line 8" in words
    words = await refused([sys.executable, "-S", str(tmp_path / "none.py")], mode=mode, limit=120, reconnect_timeout=60)
    assert "No such file" in words


# --- ids and references -------------------------------------------------------------------------------------------


async def test_ids_and_references_that_were_confused() -> None:
    """`task` with a reference, in whatever form, names `resume`; `resume` with an id names `task`; a handle in place of
    either says where it has them."""
    server = quick_server("modern")
    async with connected(server) as client:
        task = await client.call_tool("quick", task=True)
        text = task.reference.to_json()
        for wrong in (text, f" {text}\n", text[:-5], f'"{text}"'):
            with pytest.raises(ValueError, match=r"use resume\(reference\)"):
                client.task(wrong)
        wrongs: list[Any] = [task.reference, {"task_id": "a"}]
        for wrong in wrongs:
            with pytest.raises(TypeError, match=r"use resume\(reference\)"):
                client.task(wrong)
        for wrong in (task.task_id, "12345", '"abc"'):
            with pytest.raises(ValueError, match=r"task\(task_id\)"):
                client.resume(wrong)
        handle: Any = task
        with pytest.raises(TypeError, match=r"task\.task_id"):
            client.task(handle)
        with pytest.raises(ValueError, match=r"task\.reference"):
            client.resume(handle)
        assert client.task("{odd}").task_id == "{odd}"
