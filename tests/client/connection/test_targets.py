"""Every kind of target: the same conversation over each, and what the program gave with it arrives."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer

from mcptasks import Client, Task, TaskConnectionError, ToolError
from mcptasks.testing import Disconnect, Options, TaskServer, ToolContext
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.pairs import pairwise
from tests.helpers.stand_ins import StandIns
from tests.helpers.support import LIMIT, Era, asked, connected, http
from tests.helpers.worlds import ASYNC, World, both_worlds, sdk_http

__all__ = ["stand_ins", "warm"]

# The kind of target decides what is opened, the mode what is said over it; the event loop and the world, who waits.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

SCRIPT = """
    import os, sys
    from mcptasks.testing import Options, TaskServer, ToolContext, serve_stdio

    server = TaskServer(era=os.environ.get("TEST_ERA", "dual"), options=Options(poll_interval_ms=20))

    @server.tool()
    async def double(ctx: ToolContext, n: int) -> int:
        return 2 * n

    @server.tool(support="none")
    async def surroundings(ctx: ToolContext) -> dict:
        return {"cwd": os.getcwd(), "argv": sys.argv[1:], **{k: v for k, v in os.environ.items() if "TEST_" in k}}

    serve_stdio(server)
"""
MODES = ["auto", "legacy", "2026-07-28"]
STDIO_LIMIT = 120.0
"""Starting an interpreter takes its time on a busy machine."""


def make_double(era: Literal["modern", "legacy", "dual"] = "dual") -> TaskServer:
    """A server whose tool `double` can be a task."""
    server = TaskServer(era=era, options=Options(poll_interval_ms=20))

    async def double(_ctx: ToolContext, n: int) -> int:
        return 2 * n

    server.tool("double")(double)
    return server


@pytest.fixture
def script(tmp_path: Path, stand_ins: StandIns) -> Path:
    """A program that serves `double` and tells of its surroundings. It is a process that the client starts, and has a
    fork do its work."""
    path = tmp_path / "double_server.py"
    stand_ins.script(path, SCRIPT)
    return path


@pytest.fixture
def served() -> Generator[tuple[TaskServer, str]]:
    """A server over HTTP, and its URL."""
    server = make_double()
    with http(server) as url:
        yield server, url


async def converse(client: Client) -> Task[Any]:
    """The small conversation that must go the same way everywhere: a task, its status, its result."""
    task = await client.call_tool("double", {"n": 21}, task=True)
    assert not task.returned_immediately
    assert (await task.status()).status in ("working", "completed")
    result = await task.result()
    assert (result.data, result.is_error) == (42, False)
    assert (await task.status()).status == "completed"
    assert task.reference.endpoint
    return task


def headers_of(server: TaskServer, method: str) -> Mapping[str, str]:
    """What came with the latest request of that method."""
    return server.requests.of(method)[-1].headers


def assert_everywhere(server: TaskServer, name: str, value: str) -> None:
    """Each request that the server got carries this header."""
    for method in ("tools/call", "tasks/get"):
        assert server.requests.count(method)
    assert {request.headers.get(name) for request in server.requests} == {value}


# --- URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_url(served: tuple[TaskServer, str], mode: str) -> None:
    """A URL, in each mode; the mode decides what a server of both eras speaks."""
    _, url = served
    async with connected(url, mode=mode) as client:
        task = await converse(client)
        era = "2025-11-25" if mode == "legacy" else "2026-07-28"
        assert (client.task_support.era, task.reference.era) == (era, era)
        assert (client.protocol_version == "2026-07-28") == (era == "2026-07-28")
        assert task.reference.endpoint == url


def make_http_client(world: World, library: str, **options: Any) -> Any:
    """The program's own HTTP client."""
    module: Any = httpx if library == "httpx" else httpx2
    if world is not ASYNC:
        # A connection belongs to the event loop that opened it. What the blocking client, on its background thread,
        # kept alive could be neither used nor closed by this loop.
        options["limits"] = module.Limits(max_keepalive_connections=0)
    return module.AsyncClient(timeout=30, **options)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_own_http_client(served: tuple[TaskServer, str], mode: str, library: str, world: World) -> None:
    """The program's own HTTP client carries everything, with its headers, and stays open and usable afterwards."""
    server, url = served
    own = make_http_client(world, library, headers={"x-mine": "yes"})
    async with own:
        for _ in range(2):
            async with connected(url, mode=mode, http_client=own) as client:
                await converse(client)
            assert not own.is_closed
        assert_everywhere(server, "x-mine", "yes")
        with anyio.fail_after(LIMIT):
            answer = await own.get(url.replace("/mcp", "/elsewhere"))
        assert answer.status_code == 404


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_auth_of_the_own_http_client(
    served: tuple[TaskServer, str], mode: str, library: str, world: World
) -> None:
    """The auth, cookies and hooks of the program's own HTTP client are applied to each request."""
    server, url = served
    hooked: list[str] = []

    async def hook(request: Any) -> None:
        hooked.append(request.method)

    own = make_http_client(world, library, auth=("ann", "pw"), cookies={"crumb": "1"}, event_hooks={"request": [hook]})
    async with own:
        async with connected(url, mode=mode, http_client=own) as client:
            await converse(client)
        assert_everywhere(server, "authorization", "Basic YW5uOnB3")
        assert headers_of(server, "tools/call")["cookie"] == "crumb=1"
        assert len(hooked) >= asked(server)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_token_and_headers(served: tuple[TaskServer, str], mode: str) -> None:
    """A bearer token and headers come with every request, and show in no representation."""
    server, url = served
    async with connected(url, mode=mode, auth="s3cr3t", headers={"X-Team": "blue"}) as client:
        task = await converse(client)
        assert "s3cr3t" not in repr(client) + repr(task) + task.reference.to_json()
    assert_everywhere(server, "authorization", "Bearer s3cr3t")
    assert_everywhere(server, "x-team", "blue")


class CountingAuth(httpx2.Auth):
    """Numbers the requests."""

    def __init__(self) -> None:
        self.count = 0

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Write the number into the request."""
        self.count += 1
        request.headers["x-number"] = str(self.count)
        yield request


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_auth_object(served: tuple[TaskServer, str], mode: str) -> None:
    """An auth object of the HTTP library is asked for every request."""
    server, url = served
    auth = CountingAuth()
    async with connected(url, mode=mode, auth=auth) as client:
        await converse(client)
    numbers = [request.headers.get("x-number") for request in server.requests]
    assert None not in numbers
    assert len(set(numbers)) == len(numbers)
    assert auth.count >= len(numbers)


# --- subprocesses -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def stdio(target: Any, **options: Any) -> AsyncGenerator[Client]:
    """A client of a subprocess."""
    async with connected(target, limit=STDIO_LIMIT, reconnect_timeout=60.0, **options) as client:
        yield client


async def surroundings(client: Client) -> dict[str, Any]:
    """Where and how the subprocess runs."""
    told: dict[str, Any] = (await client.call_tool("surroundings")).data
    return told


def is_in(told: Mapping[str, Any], place: Path) -> bool:
    """Whether that is where it runs."""
    return Path(told["cwd"]).resolve() == place.resolve()


@pytest.mark.parametrize("form", ["text", "path"])
async def test_script(script: Path, form: str) -> None:
    """A path to a .py file runs it."""
    async with stdio(str(script) if form == "text" else script) as client:
        task = await converse(client)
        assert (task.reference.endpoint or "").endswith("double_server.py")


@pytest.mark.parametrize("mode", MODES)
async def test_command(script: Path, mode: str) -> None:
    """A list of strings is a command with its arguments, which show nowhere."""
    async with stdio([sys.executable, str(script), "--token", "s3cr3t"], mode=mode) as client:
        task = await converse(client)
        assert (await surroundings(client))["argv"] == ["--token", "s3cr3t"]
        assert "s3cr3t" not in repr(client) + repr(task) + task.reference.to_json()
        assert client.task_support.era == ("2025-11-25" if mode == "legacy" else "2026-07-28")


async def test_parameters(script: Path, era: Era, tmp_path: Path) -> None:
    """`StdioServerParameters` are used with their environment and working directory."""
    place = tmp_path / "place"
    place.mkdir()
    parameters = StdioServerParameters(
        command=sys.executable, args=[str(script)], env={"TEST_ERA": era, "TEST_ONE": "1"}, cwd=place
    )
    async with stdio(parameters) as client:
        await converse(client)
        told = await surroundings(client)
        assert told["TEST_ONE"] == "1"
        assert is_in(told, place)
        assert client.task_support.era == ("2025-11-25" if era == "legacy" else "2026-07-28")


@pytest.mark.parametrize("form", ["script", "command", "parameters", "mapping"])
async def test_env_and_cwd(script: Path, form: str, tmp_path: Path) -> None:
    """`env=` adds to a subprocess's environment and overrules what the target has; `cwd=` is where it runs."""
    place = tmp_path / "place"
    place.mkdir()
    own = {"TEST_OWN": "own", "TEST_BOTH": "own"}
    targets: dict[str, Any] = {
        "script": script,
        "command": [sys.executable, str(script)],
        "parameters": StdioServerParameters(command=sys.executable, args=[str(script)], env=own, cwd=tmp_path),
        "mapping": {"mcpServers": {"one": {"command": sys.executable, "args": [str(script)], "env": own}}},
    }
    async with stdio(targets[form], env={"TEST_BOTH": "option"}, cwd=place) as client:
        await converse(client)
        told = await surroundings(client)
        assert told["TEST_BOTH"] == "option"
        assert is_in(told, place)
        assert told.get("TEST_OWN") == ("own" if form in ("parameters", "mapping") else None)


# --- mcpServers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mapping", "file"])
@pytest.mark.parametrize("picked", ["local", "remote"])
async def test_configuration(
    served: tuple[TaskServer, str], script: Path, form: str, picked: str, tmp_path: Path
) -> None:
    """`server=` picks an entry of a mapping or .json file: a command with `env` and `cwd`, or a URL with `headers`."""
    server, url = served
    config = {
        "mcpServers": {
            "local": {
                "command": sys.executable,
                "args": [str(script)],
                "env": {"TEST_ONE": "1"},
                "cwd": str(tmp_path),
            },
            "remote": {"url": url, "headers": {"X-Team": "red", "X-Own": "entry"}},
        }
    }
    file = tmp_path / "servers.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    options = {"headers": {"x-team": "blue"}, "auth": "token"} if picked == "remote" else {}
    async with stdio(config if form == "mapping" else file, server=picked, **options) as client:
        await converse(client)
        if picked == "local":
            told = await surroundings(client)
            assert told["TEST_ONE"] == "1"
            assert is_in(told, tmp_path)
            assert not server.requests
        else:
            assert_everywhere(server, "x-team", "blue")
            assert_everywhere(server, "x-own", "entry")
            assert_everywhere(server, "authorization", "Bearer token")


async def test_configuration_with_one_server(served: tuple[TaskServer, str]) -> None:
    """The only entry needs no `server=`."""
    _, url = served
    async with connected({"mcpServers": {"only": {"type": "http", "url": url}}}) as client:
        await converse(client)


# --- objects of this process --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_server_object(mode: str) -> None:
    """A `Server` object, in each mode, and again by another client."""
    server = make_double()
    for _ in range(2):
        async with connected(server, mode=mode) as client:
            task = await converse(client)
            assert client.task_support.era == ("2025-11-25" if mode == "legacy" else "2026-07-28")
            assert task.reference.endpoint == "in-process:task-server"


async def test_several_clients_of_one_object(era: Era) -> None:
    """One `Server` object serves several clients at a time."""
    server = make_double(era)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server)) for _ in range(3)]
        async with anyio.create_task_group() as users:
            for client in clients:
                users.start_soon(converse, client)


@pytest.mark.parametrize("mode", MODES)
async def test_mcpserver_object(mode: str) -> None:
    """An `MCPServer` knows no tasks: a call as a task runs in the client, and its handle works all the same."""
    server = MCPServer("plain")

    @server.tool()
    async def double(n: int) -> int:
        if n < 0:
            raise ValueError("too small")
        return 2 * n

    del double
    async with connected(server, mode=mode) as client:
        assert not client.task_support.tools
        task = await client.call_tool("double", {"n": 21}, task=True)
        assert task.returned_immediately
        assert (await task.wait()).status == "completed"
        assert task.done
        assert (await task.status()).status == "completed"
        assert (await task.result()).text == "42"
        await task.cancel()
        assert (await client.call_tool("double", {"n": 4})).text == "8"
        with pytest.raises(ToolError, match="double"):
            await client.call_tool("double", {"n": -1})
        assert task.reference.endpoint == "in-process:plain"


# --- transports ---------------------------------------------------------------------------------------------------


@sdk_http
@pytest.mark.parametrize("mode", MODES)
async def test_transport(served: tuple[TaskServer, str], mode: str) -> None:
    """Any transport of the SDK is a target."""
    _, url = served
    async with connected(streamable_http_client(url), mode=mode) as client:
        await converse(client)
        assert client.task_support.era == ("2025-11-25" if mode == "legacy" else "2026-07-28")


@sdk_http
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_transport_is_used_once(mode: str) -> None:
    """When the connection of a transport is lost there is no other: `TaskConnectionError`, soon, with the reference."""
    server = make_double()
    server.add_tool("work")
    with http(server) as url:
        async with connected(streamable_http_client(url), mode=mode) as client:
            task = await client.call_tool("work", task=True)
            server.faults.add("tasks/get", Disconnect(), times=None)
            server.faults.add("tasks/result", Disconnect(), times=None)
            with anyio.fail_after(LIMIT):
                for ask in (task.status, task.wait, task.result, task.cancel):
                    with pytest.raises(TaskConnectionError) as caught:
                        await ask()
                    assert caught.value.reference == task.reference
                with pytest.raises(TaskConnectionError):
                    await client.call_tool("work", task=True)
