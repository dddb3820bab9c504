"""What a program may name as its server, and what is made of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.server import Server
from mcp.server.mcpserver import MCPServer

from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._transport import targets
from mcptasks._transport.foreign import ForeignTransport
from mcptasks._transport.targets import Options, Target, resolve
from tests.helpers.target_samples import SEVERAL, Wire

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://localhost", "http://localhost"),
        ("https://example.com/mcp", "https://example.com/mcp"),
        ("https://example.com:8443/mcp/", "https://example.com:8443/mcp/"),
        ("https://EXAMPLE.com/MCP", "https://example.com/MCP"),
        ("HTTPS://example.com/mcp", "https://example.com/mcp"),
        ("Http://localhost:80", "http://localhost:80"),
        ("http://[::1]:8000/mcp", "http://[::1]:8000/mcp"),
        (f"https://user:{SECRET}@example.com/mcp", "https://example.com/mcp"),
        (f"https://{SECRET}@example.com:1/mcp", "https://example.com:1/mcp"),
        (f"https://example.com/mcp?key={SECRET}", "https://example.com/mcp"),
        (f"https://example.com/mcp#{SECRET}", "https://example.com/mcp"),
    ],
)
@pytest.mark.parametrize("form", ["text", "config", "sse"])
def test_urls(url: str, endpoint: str, form: str) -> None:
    """A URL is a target; its endpoint has neither credentials nor query."""
    config = {"mcpServers": {"a": {"url": url, **({"type": "sse"} if form == "sse" else {})}}}
    found = resolve(url if form == "text" else config, Options(headers={"x-key": SECRET}))
    assert (found.endpoint, found.reusable, found.bare) == (endpoint, True, False)
    assert SECRET not in repr(found)


class Seen:
    """Stands in for a transport factory and notes what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make what is not used."""
        self.calls.append((args, kwargs))
        return object()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Seen]:
    """Replaces the making of transports of one kind."""

    def replace(name: str) -> Seen:
        made = Seen()
        monkeypatch.setattr(targets, name, made)
        return made

    return replace


def connect(target: Target) -> Any:
    """Make the target's transport."""
    return target.connect()


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({}, None),
        ({"headers": {"x": "1"}}, {"x": "1"}),
        ({"auth": SECRET}, {"Authorization": f"Bearer {SECRET}"}),
        ({"auth": SECRET, "headers": {"x": "1"}}, {"x": "1", "Authorization": f"Bearer {SECRET}"}),
    ],
)
def test_url_with_credentials(seen: Callable[[str], Seen], given: dict[str, Any], headers: Any) -> None:
    """The whole URL, headers and token go to the transport, each time it is made anew."""
    made = seen("HttpTransport")
    url = f"https://example.com/mcp?key={SECRET}"
    target = resolve(url, Options(**given))
    target.connect()
    target.connect()
    expected = ((url,), {"headers": headers, "auth": None, "http_client": None, "max_size": ANSWER_SIZE})
    assert made.calls == [expected, expected]


def test_auth_object(seen: Callable[[str], Seen]) -> None:
    """An auth object of the HTTP library is handed on as it is."""
    made, auth = seen("HttpTransport"), httpx2.BasicAuth("user", SECRET)
    connect(resolve("https://example.com", Options(auth=auth)))
    assert made.calls[0][1]["auth"] is auth


@pytest.mark.anyio
@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_http_client(seen: Callable[[str], Seen], library: Any) -> None:
    """A ready client of either library is handed on as it is."""
    made = seen("HttpTransport")
    async with library.AsyncClient() as client:
        connect(resolve("https://example.com", Options(http_client=client)))
        assert made.calls[0][1]["http_client"] is client


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "endpoint", "words"),
    [
        (["server"], "stdio:server", ["server"]),
        (["/opt/bin/server", "--token", SECRET], "stdio:server", ["/opt/bin/server", "--token", SECRET]),
        (["python", "path/serve.py", SECRET], "stdio:python serve.py", ["python", "path/serve.py", SECRET]),
        (["node", "serve.js"], "stdio:node serve.js", ["node", "serve.js"]),
        (["uvx", SECRET, "serve.py"], "stdio:uvx", ["uvx", SECRET, "serve.py"]),
        (StdioServerParameters(command="server", args=[SECRET]), "stdio:server", ["server", SECRET]),
        ({"mcpServers": {"a": {"command": "server", "args": [SECRET]}}}, "stdio:server", ["server", SECRET]),
        ({"mcpServers": {"a": {"command": "server"}}}, "stdio:server", ["server"]),
        ({"mcpServers": {"a": {"command": "server", "args": None}}}, "stdio:server", ["server"]),
    ],
)
def test_commands(seen: Callable[[str], Seen], target: Any, endpoint: str, words: list[str]) -> None:
    """A command is a target in each of its forms; its endpoint has the program's name and no arguments."""
    made = seen("stdio_transport")
    found = resolve(target, Options(env={"TOKEN": SECRET}, cwd=PurePosixPath("/tmp")))
    assert (found.endpoint, found.reusable) == (endpoint, True)
    assert SECRET not in repr(found)
    connect(found)
    ((parameters,), _) = made.calls[0]
    assert [parameters.command, *parameters.args] == words
    assert (parameters.env, parameters.cwd) == ({"TOKEN": SECRET}, "/tmp")


def test_environment_and_directory(seen: Callable[[str], Seen]) -> None:
    """Given variables are added to the target's own and win; the program's objects are not changed."""
    made = seen("stdio_transport")
    given = StdioServerParameters(command="server", env={"A": "1", "B": "1"}, cwd="/tmp")
    connect(resolve(given, Options(env={"B": "2"})))
    connect(resolve(given, Options()))
    assert [call[0][0].env for call in made.calls] == [{"A": "1", "B": "2"}, {"A": "1", "B": "1"}]
    assert [call[0][0].cwd for call in made.calls] == ["/tmp", "/tmp"]
    assert (given.env, given.cwd) == ({"A": "1", "B": "1"}, "/tmp")


@pytest.mark.parametrize(("suffix", "program"), [(".py", sys.executable), (".js", "node")])
@pytest.mark.parametrize("form", [str, Path])
def test_scripts(seen: Callable[[str], Seen], tmp_path: Path, suffix: str, program: str, form: Any) -> None:
    """A path to a script is run with this Python or with node; only the file's name shows."""
    script = tmp_path / f"serve{suffix}"
    script.touch()
    made = seen("stdio_transport")
    found = resolve(form(script), Options())
    assert found.endpoint == f"stdio:{Path(program).name} serve{suffix}"
    connect(found)
    parameters = made.calls[0][0][0]
    assert (parameters.command, parameters.args) == (program, [str(script)])


# --- configurations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "endpoint"), [("web", "https://example.com"), ("local", "stdio:server")])
@pytest.mark.parametrize("form", ["mapping", "proxy", "file"])
def test_several_servers(tmp_path: Path, form: str, name: str, endpoint: str) -> None:
    """`server=` picks an entry, of a mapping or of a file that holds one."""
    path = tmp_path / "servers.json"
    path.write_text(json.dumps(SEVERAL))
    target: Any = {"mapping": SEVERAL, "proxy": MappingProxyType(SEVERAL), "file": path}[form]
    assert resolve(target, Options(server=name)).endpoint == endpoint


def test_configured_headers(seen: Callable[[str], Seen]) -> None:
    """Given headers are added to the configuration's own and win; the configuration is not changed."""
    made = seen("HttpTransport")
    config = {"mcpServers": {"a": {"url": "https://example.com", "headers": {"A": "1", "B": "1"}}}}
    before = json.dumps(config)
    connect(resolve(config, Options(headers={"B": "2"})))
    assert made.calls[0][1]["headers"] == {"A": "1", "B": "2"}
    assert json.dumps(config) == before


@pytest.mark.parametrize(
    ("listed", "given", "sent"),
    [
        ({"authorization": "old"}, {"Authorization": "new"}, {"Authorization": "new"}),
        ({"X-A": "old", "x-b": "old"}, {"x-a": "new"}, {"x-b": "old", "x-a": "new"}),
        ({"x": "old"}, {}, {"x": "old"}),
    ],
)
def test_configured_headers_in_another_spelling(
    seen: Callable[[str], Seen], listed: dict[str, str], given: dict[str, str], sent: dict[str, str]
) -> None:
    """Names of headers are case-insensitive: a given one takes the place of a configured one in any spelling."""
    made = seen("HttpTransport")
    connect(resolve({"mcpServers": {"a": {"url": "https://e.com", "headers": listed}}}, Options(headers=given)))
    assert made.calls[0][1]["headers"] == sent


@pytest.mark.parametrize("key", ["type", "transport"])
def test_sse(seen: Callable[[str], Seen], key: str) -> None:
    """The older transport of server-sent events is for configurations that name it."""
    made = seen("sse_transport")
    connect(resolve({"mcpServers": {"a": {"url": "https://example.com/sse", key: "sse"}}}, Options(auth="t")))
    ((place, options),) = made.calls
    assert place == ("https://example.com/sse",)
    assert (options["headers"], options["auth"]) == ({"Authorization": "Bearer t"}, None)


# --- objects of this process ------------------------------------------------------------------------------------------


def test_server_objects() -> None:
    """Server objects of the SDK are targets that can be connected to again and again."""
    low = resolve(Server("low"), Options())
    high_server = MCPServer("high")
    high = resolve(high_server, Options())
    assert (low.endpoint, low.reusable, low.bare) == ("in-process:low", True, False)
    assert (high.endpoint, high.reusable, high.bare) == ("in-process:high", True, True)
    assert connect(high) is high_server
    assert connect(low) is not connect(low)


def test_fastmcp_object() -> None:
    """A FastMCP object is told by its class, or that of an ancestor, without FastMCP being installed."""
    base = type("FastMCP", (), {"name": "fast", "__module__": "fastmcp.server.server"})
    for cls in (base, type("Mine", (base,), {"__module__": "mine"})):
        found = resolve(cls(), Options())
        assert (found.endpoint, found.reusable, found.bare) == ("in-process:fast", True, False)


def test_transport() -> None:
    """A transport can be connected to once; what its settings are does not show."""
    wire = Wire()
    found = resolve(wire, Options())
    assert (found.endpoint, found.reusable, found.bare) == ("transport:Wire", False, False)
    assert isinstance(connect(found), ForeignTransport)


@pytest.mark.anyio
async def test_memory_transport_ends_the_server() -> None:
    """Leaving an in-process connection ends the server's side too."""
    with anyio.fail_after(60):
        async with connect(resolve(Server("low"), Options())) as (reader, writer):
            assert hasattr(reader, "receive")
            assert hasattr(writer, "send")
