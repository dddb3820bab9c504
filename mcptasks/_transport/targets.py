"""Turns the target that a program gives into a function that connects to the server, as often as needed.

An error shows no value: a value in the wrong place or form may be a secret.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from attrs import evolve, field, frozen
from mcp.client.stdio import StdioServerParameters
from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from mcptasks._core import argument_checks, safe_text
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._transport import checks, configs, urls
from mcptasks._transport.checks import kind_of
from mcptasks._transport.config_files import parsed
from mcptasks._transport.foreign import ForeignTransport
from mcptasks._transport.http.transport import HttpTransport
from mcptasks._transport.sse import sse_transport
from mcptasks._transport.stdio.transport import stdio_transport
from mcptasks._transport.urls import Address

Connect = Callable[[], Any]
"""Makes a fresh transport, or returns a server object that `mcp.Client` runs itself."""

CheckHeaders = Callable[[Any], Mapping[str, str]]
"""Checks the headers that a program gives to one call, and returns them with names in lower case; see `checks`."""

_ACCEPTED = (
    "an http:// or https:// URL, a path to a .py or .js file, a list of strings (a command), "
    "mcp.StdioServerParameters, a mapping with 'mcpServers' or a path to a .json file that holds one, "
    "a server object of this process (mcp.server.Server, MCPServer, FastMCP), or an mcp transport"
)


@frozen(kw_only=True)
class Target:
    """A server, and how to connect to it."""

    endpoint: str
    """Names the server in references and errors; holds no secret."""
    connect: Connect = field(repr=False)
    """Makes a fresh transport."""
    reusable: bool = True
    """Whether `connect` works more than once."""
    bare: bool = False
    """Whether `connect` returns a server object, not a transport."""
    older: Connect | None = field(default=None, repr=False)
    """Makes a transport for HTTP+SSE, if `connect` makes one for Streamable HTTP; None if there is nothing to try."""
    lasting: bool = False
    """Whether the endpoint alone leads any client to this server; true for URLs only."""
    anonymous: bool = False
    """Whether the endpoint is only a word for errors, so that references leave it out."""
    learned_as: str | None = None
    """The name under which clients of this target share run times, if that is not a lasting endpoint; None for none."""
    check_headers: CheckHeaders | None = field(default=None, repr=False)
    """Checks the headers of one call; None if requests to this target have no headers of their own."""


def _server(value: str | None) -> str | None:
    return None if value is None else argument_checks.text(value, "server")


@frozen(kw_only=True)
class Options:
    """The options of `Client(...)` that only some kinds of target use."""

    headers: Mapping[str, str] | None = field(default=None, repr=False)
    auth: Any = field(default=None, repr=False)
    http_client: Any = field(default=None, repr=False)
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: str | os.PathLike[str] | None = None
    server: str | None = field(default=None, converter=_server)
    max_answer_size: int = ANSWER_SIZE
    """Most bytes of one answer, after decompression."""
    endpoint: str | None = None
    """The program's own name for the server, shown in place of the target."""

    def refuse(self, kind: str, *names: str) -> None:
        """Raise `ValueError` if the program gave an option that this kind of target does not use."""
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{name}= has no meaning for {kind}")


_HTTP_ONLY = ("headers", "auth", "http_client")
_STDIO_ONLY = ("env", "cwd")
_SUFFIXES = (".py", ".js", ".json")
_SECRETIVE = re.compile(r"\?|^[^/@]+@")
"""A URL's query, or credentials before its host."""


def resolve(target: Any, options: Options) -> Target:
    """Checks the target that a program gives, and finds out how to connect to it.

    Raises:
        TypeError: The target is of no accepted kind; the message lists the kinds.
        ValueError: The target cannot be right, or an option has no meaning for its kind.
        FileNotFoundError: The target is a path, and no file is there.
    """
    argument_checks.whole(options.max_answer_size, "max_answer_size")
    name = checks.endpoint(options.endpoint)
    found = _resolve(target, options)
    return found if name is None else evolve(found, endpoint=name)


def _resolve(target: Any, options: Options) -> Target:
    if isinstance(target, StdioServerParameters):
        return _stdio(target, options)
    if isinstance(target, Mapping):
        return _from_config(cast("Mapping[str, Any]", target), options)
    if isinstance(target, str):
        return _from_text(target, options)
    if isinstance(target, os.PathLike):
        path: Any = os.fspath(cast("os.PathLike[Any]", target))
        if not isinstance(path, str):
            raise TypeError(f"cannot connect to a path of {kind_of(path)}; give {_ACCEPTED}")
        return _from_path(path, options)
    if isinstance(target, list):
        return _from_command(cast("list[Any]", target), options)
    options.refuse("a server object or a transport", *_HTTP_ONLY, *_STDIO_ONLY, "server")
    if isinstance(target, MCPServer):
        return Target(endpoint=f"in-process:{target.name}", connect=lambda: cast("Any", target), bare=True)
    if isinstance(target, Server):
        server = cast("Server[Any]", target)
        return Target(endpoint=f"in-process:{server.name}", connect=lambda: _memory_transport(server))
    if _is_fastmcp(target):
        return Target(endpoint=f"in-process:{target.name}", connect=lambda: _fastmcp_transport(target))
    if _is_transport(target):
        return Target(
            endpoint=f"transport:{type(target).__name__}", connect=_once(ForeignTransport(target)), reusable=False
        )
    raise TypeError(f"cannot connect to {_described(target)}; give {_ACCEPTED}")


def _described(target: Any) -> str:
    """Describes a value that is no target, and says what to give instead."""
    if isinstance(target, type):
        return f"the class {target.__name__}, but perhaps to an object of it"
    if isinstance(target, bytes | bytearray):
        return f"{kind_of(target)}, but perhaps to a string: decode it"
    if hasattr(target, "scheme") and hasattr(target, "host"):
        return f"{kind_of(target)} object, but perhaps to a string: str(url)"
    if isinstance(target, tuple):
        return "a tuple, but perhaps to a list: list(command)"
    return kind_of(target)


def _from_text(text: str, options: Options) -> Target:
    if urls.scheme_of(text) is not None or text.startswith("://"):
        return _http(urls.address(text), options)
    if checks.is_file(text):
        return _from_path(text, options)
    if any(map(str.isspace, text)):
        # The text is not shown: it may be a command line with a secret in it.
        words = "cannot connect to a string with white space that is no file"
        raise TypeError(f"{words}; a command is given as a list of strings, one for each word. Give {_ACCEPTED}")
    meant = urls.suggestion(text)
    if Path(text).suffix not in _SUFFIXES or _SECRETIVE.search(text):
        hint = f"; did you mean {meant}?" if meant else "."
        raise TypeError(f"cannot connect to a string that is no URL and no such path{hint} Give {_ACCEPTED}")
    return _from_path(text, options)


def _from_path(text: str, options: Options) -> Target:
    suffix = Path(text).suffix
    if suffix not in _SUFFIXES:
        words = "cannot connect to a path that does not end in .py, .js or .json"
        raise TypeError(f"{words}; another program is given as a list of strings. Give {_ACCEPTED}")
    if not checks.is_file(text):
        raise FileNotFoundError(f"no such file: {text!r}{checks.why_no_file(text)}")
    if suffix == ".json":
        return _from_config(parsed(text), options)
    return _stdio(StdioServerParameters(command=sys.executable if suffix == ".py" else "node", args=[text]), options)


def _from_command(words: Sequence[Any], options: Options) -> Target:
    if not words or words[0] == "":
        raise ValueError("a command needs at least the program's name")
    for number, word in enumerate(words):
        if not isinstance(word, str):
            place = f"argument {number}" if number else "the program's name"
            raise TypeError(f"a command must be a list of strings; {place} is {kind_of(word)}")
    return _stdio(StdioServerParameters(command=words[0], args=list(words[1:])), options)


def _from_config(config: Mapping[str, Any], options: Options) -> Target:
    name, entry = configs.chosen(config, options.server)
    options = evolve(options, server=None)
    try:
        return _from_entry(configs.read(entry), options)
    except (TypeError, ValueError) as exc:
        words, kind = f"server {name!r}: {exc}", TypeError if isinstance(exc, TypeError) else ValueError
    raise kind(words)


def _from_entry(entry: configs.Entry, options: Options) -> Target:
    """The target in one entry of `mcpServers`."""
    if isinstance(entry, StdioServerParameters):
        return _stdio(entry, options)
    own = checks.headers(options.headers)
    overruled = {name.lower() for name in own}
    headers = {name: value for name, value in entry.headers.items() if name.lower() not in overruled} | own
    options = evolve(options, headers=headers or None)
    address = urls.address(entry.url)
    return _sse(address, options) if entry.sse else _http(address, options)


def _stdio(parameters: StdioServerParameters, options: Options) -> Target:
    options.refuse("a command", *_HTTP_ONLY, "server")
    env = checks.variables(parameters.env) | checks.variables(options.env)
    cwd = checks.directory(options.cwd if options.cwd is not None else parameters.cwd)
    given = parameters.env is not None or options.env is not None
    parameters = parameters.model_copy(update={"env": env if given else None, "cwd": cwd})
    checks.command(parameters)
    # Arguments may hold secrets, so only the names of the program and its script are shown.
    script = next(iter(parameters.args), "")
    shown = script.endswith((".py", ".js")) and not script.startswith("-") and "=" not in script
    words = [Path(parameters.command).name, *([Path(script).name] if shown else [])]
    size = options.max_answer_size
    return Target(
        endpoint=f"stdio:{safe_text.line(' '.join(words))}",
        connect=lambda: stdio_transport(parameters, max_size=size),
    )


def _http(address: Address, options: Options) -> Target:
    options.refuse("a URL", *_STDIO_ONLY, "server")
    headers, auth = _credentials(address, options)
    url, client = address.url, options.http_client
    if client is not None:
        if not hasattr(client, "build_request") or not inspect.iscoroutinefunction(getattr(client, "send", None)):
            raise TypeError(f"http_client must be an httpx2.AsyncClient or httpx.AsyncClient, got {kind_of(client)}")
        if headers or auth is not None:
            raise ValueError("headers=, auth= and credentials in the URL belong to the http_client if there is one")

    def connect() -> HttpTransport:
        return HttpTransport(url, headers=headers, auth=auth, http_client=client, max_size=options.max_answer_size)

    older = None if client is not None else _sse(address, options).connect
    check = partial(_call_headers, auth)
    return Target(endpoint=address.endpoint, connect=connect, older=older, lasting=True, check_headers=check)


def _call_headers(auth: httpx2.Auth | None, value: Any) -> Mapping[str, str]:
    """The headers of one call.

    Raises:
        TypeError: See `checks.call_headers`.
        ValueError: See there; or the client's auth object sets the same header.
    """
    found = checks.call_headers(value)
    if auth is not None and "authorization" in found:
        raise ValueError("headers= of the call and auth= of the client collide, since each sets Authorization")
    return found


def _sse(address: Address, options: Options) -> Target:
    options.refuse("a server-sent-events URL", *_STDIO_ONLY, "http_client")
    headers, auth = _credentials(address, options)
    shown = options.endpoint or address.endpoint

    def connect() -> Any:
        return sse_transport(address.url, headers=headers, auth=auth, shown=shown)

    return Target(endpoint=address.endpoint, connect=connect, lasting=True)


def _credentials(address: Address, options: Options) -> tuple[Mapping[str, str] | None, httpx2.Auth | None]:
    """The headers to send, Authorization included, and the auth object.

    Raises:
        TypeError: `auth` is neither a token nor an auth object.
        ValueError: The credentials are given twice, or the token or a header is invalid.
    """
    headers, auth = checks.headers(options.headers), options.auth
    given = {
        "auth=": auth is not None,
        "the credentials in the URL": address.authorization is not None,
        "the header Authorization": any(name.lower() == "authorization" for name in headers),
    }
    several = [name for name, there in given.items() if there]
    if len(several) > 1:
        raise ValueError(f"{' and '.join(several)} collide, since each sets the same header; give one of them")
    if address.authorization is not None:
        return {**headers, "Authorization": address.authorization}, None
    if isinstance(auth, str):
        return {**headers, "Authorization": f"Bearer {checks.token(auth)}"}, None
    if auth is not None and not isinstance(auth, httpx2.Auth):
        raise TypeError(f"auth must be a bearer token or an httpx2.Auth object, got {kind_of(auth)}")
    return headers or None, auth


@asynccontextmanager
async def _memory_transport(server: Server[Any]) -> AsyncGenerator[Any]:
    """Runs a server object in this process, over streams in memory."""
    async with (
        create_client_server_memory_streams() as (client_streams, (reader, writer)),
        anyio.create_task_group() as tg,
    ):
        tg.start_soon(server.run, reader, writer, server.create_initialization_options())
        try:
            yield client_streams
        finally:
            # Nobody reads what the server still writes. With its stream closed, the write fails at once; otherwise the
            # server would block until the SDK gives up.
            await client_streams[0].aclose()
            tg.cancel_scope.cancel()


def _is_transport(target: Any) -> bool:
    """Whether an object may be a transport: an async context manager, but not an MCP client, HTTP client or lock."""
    known = any(hasattr(target, name) for name in ("call_tool", "build_request", "acquire"))
    return isinstance(target, AbstractAsyncContextManager) and not known


def _once(transport: Any) -> Connect:
    """Returns a function that returns the transport once, and later raises an error that says why. Without that, a
    transport that is entered twice fails with errors that do not name the cause."""
    unused = [transport]

    def connect() -> Any:
        if not unused:
            raise TaskConnectionError("the connection is lost, and a transport can be used only once")
        return unused.pop()

    return connect


def _is_fastmcp(target: Any) -> bool:
    return any(cls.__name__ == "FastMCP" and cls.__module__.startswith("fastmcp.") for cls in type(target).__mro__)


@asynccontextmanager
async def _fastmcp_transport(target: Any) -> AsyncGenerator[Any]:
    """Runs a FastMCP object in this process.

    FastMCP's in-memory transport enters the server's lifespan. `session_class=streams` makes it hand over the streams
    instead of making a client session.
    """
    memory: Any = import_module("fastmcp.client.transports.memory")
    base: Any = import_module("fastmcp.client.transports.base")

    @asynccontextmanager
    async def streams(read_stream: Any, write_stream: Any, **_: Any) -> AsyncGenerator[Any]:
        yield read_stream, write_stream

    options = base.TransportOptions(session_class=streams)
    async with memory.FastMCPTransport(target).connect_session(transport_options=options) as pair:
        try:
            yield pair
        finally:
            await pair[0].aclose()  # See `_memory_transport`.
