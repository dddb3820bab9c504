"""From what a program names as its server to something that can be connected to, again and again."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx2
from attrs import evolve, field, frozen
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from mcptasks._exceptions import TaskConnectionError
from mcptasks._transport.http import Guard, http_transport

Connect = Callable[[Guard], Any]
"""Makes a fresh transport (or names a server object that `mcp.Client` takes as it is)."""

_ACCEPTED = (
    "an http:// or https:// URL, a path to a .py or .js file, a list of strings (a command), "
    "mcp.StdioServerParameters, a mapping with 'mcpServers' or a path to a .json file that holds one, "
    "a server object of this process (mcp.server.Server, MCPServer, FastMCP), or an mcp transport"
)


@frozen(kw_only=True)
class Target:
    """A server that can be connected to."""

    endpoint: str
    """Where it is, in a form that holds no secret; it goes into references and messages."""
    connect: Connect = field(repr=False)
    """Makes a fresh transport."""
    reusable: bool = True
    """Whether `connect` works more than once."""
    bare: bool = False
    """Whether `connect` gives a server object rather than a transport."""
    lasting: bool = False
    """Whether the endpoint alone says which server it is, to every client: so for URLs only."""


@frozen(kw_only=True)
class Options:
    """The parts of `Client(...)` that only some kinds of target have a use for."""

    headers: Mapping[str, str] | None = field(default=None, repr=False)
    auth: Any = field(default=None, repr=False)
    http_client: Any = field(default=None, repr=False)
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: str | os.PathLike[str] | None = None
    server: str | None = None

    def refuse(self, kind: str, *names: str) -> None:
        """Complain of options that a kind of target has no use for."""
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{name}= has no meaning for {kind}")


_HTTP_ONLY = ("headers", "auth", "http_client")
_STDIO_ONLY = ("env", "cwd")


def resolve(target: Any, options: Options) -> Target:
    """The target that a program names.

    Raises:
        TypeError: None of the accepted kinds; the message lists them.
        ValueError: Of an accepted kind, but it cannot be right; or an option that the kind has no use for.
        FileNotFoundError: A path to a file that is not there.
    """
    if isinstance(target, StdioServerParameters):
        return _stdio(target, options)
    if isinstance(target, Mapping):
        return _from_config(cast("Mapping[str, Any]", target), options)
    if isinstance(target, str | os.PathLike):
        return _from_text(os.fspath(cast("str | os.PathLike[str]", target)), options)
    if isinstance(target, list):
        return _from_command(cast("list[Any]", target), options)
    options.refuse("a server object or a transport", *_HTTP_ONLY, *_STDIO_ONLY, "server")
    if isinstance(target, MCPServer):
        return Target(endpoint=f"in-process:{target.name}", connect=lambda _: cast("Any", target), bare=True)
    if isinstance(target, Server):
        server = cast("Server[Any]", target)
        return Target(endpoint=f"in-process:{server.name}", connect=lambda _: _memory_transport(server))
    if _is_fastmcp(target):
        return Target(endpoint=f"in-process:{target.name}", connect=lambda _: _fastmcp_transport(target))
    if _is_transport(target):
        return Target(endpoint=f"transport:{type(target).__name__}", connect=_once(target), reusable=False)
    raise TypeError(f"cannot connect to {target!r} ({type(target).__name__}); give {_ACCEPTED}")


def _from_text(text: str, options: Options) -> Target:
    if "://" in text:
        return _http(_url(text), options)
    path = Path(text)
    if path.suffix not in (".py", ".js", ".json"):
        raise TypeError(f"cannot connect to {text!r}; give {_ACCEPTED}")
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {text!r}")
    if path.suffix == ".json":
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise ValueError(f"{text!r} holds no JSON: {exc}") from exc
        if not isinstance(config, Mapping):
            raise ValueError(f"{text!r} must hold an object with 'mcpServers'")
        return _from_config(cast("Mapping[str, Any]", config), options)
    command = sys.executable if path.suffix == ".py" else "node"
    return _stdio(StdioServerParameters(command=command, args=[str(path)]), options)


def _from_command(words: Sequence[Any], options: Options) -> Target:
    if not words or not all(isinstance(word, str) and word for word in words[:1]):
        raise ValueError(f"a command needs at least the program's name, got {words!r}")
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"a command must be a list of strings, got {words!r}")
    return _stdio(StdioServerParameters(command=words[0], args=list(words[1:])), options)


def _from_config(config: Mapping[str, Any], options: Options) -> Target:
    servers = config.get("mcpServers")
    if not isinstance(servers, Mapping) or not servers:
        raise ValueError("a mapping must have 'mcpServers' with at least one entry")
    entries = cast("Mapping[str, Any]", servers)
    if not all(isinstance(name, str) for name in cast("Mapping[Any, Any]", servers)):
        raise TypeError("'mcpServers' must map names to entries")
    names = ", ".join(sorted(entries))
    chosen = options.server
    if chosen is None:
        if len(entries) > 1:
            raise ValueError(f"there are several servers ({names}); pick one with server=")
        chosen = next(iter(entries))
    if chosen not in entries:
        raise ValueError(f"no server {chosen!r} in the configuration; there are: {names}")
    entry: Any = entries[chosen]
    if not isinstance(entry, Mapping):
        raise ValueError(f"server {chosen!r}: expected an object, got {entry!r}")
    fields = cast("Mapping[str, Any]", entry)
    options = evolve(options, server=None)
    try:
        return _from_entry(fields, options)
    except (TypeError, ValueError) as exc:
        raise type(exc)(f"server {chosen!r}: {exc}") from exc


def _from_entry(fields: Mapping[str, Any], options: Options) -> Target:
    """The target in one entry of `mcpServers`."""
    if "url" in fields:
        if not isinstance(fields["url"], str):
            raise TypeError(f"url must be a string, got {fields['url']!r}")
        url = _url(fields["url"])
        own = _strings(options.headers, "headers")
        overruled = {name.lower() for name in own}
        listed = _strings(fields.get("headers"), "headers")
        headers = {name: value for name, value in listed.items() if name.lower() not in overruled} | own
        options = evolve(options, headers=headers or None)
        sse = (fields.get("transport") or fields.get("type")) == "sse"
        return _sse(url, options) if sse else _http(url, options)
    if "command" not in fields:
        raise ValueError("expected 'url' or 'command'")
    arguments: Any = [] if fields.get("args") is None else fields["args"]
    words: list[Any] = [fields["command"], *(cast("list[Any]", arguments) if isinstance(arguments, list) else [None])]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("command must be a string and args a list of strings")
    if not words[0]:
        raise ValueError("command must not be empty")
    if not isinstance(fields.get("cwd"), str | None):
        raise TypeError(f"cwd must be a string, got {fields['cwd']!r}")
    env = _strings(fields.get("env"), "env")
    return _stdio(
        StdioServerParameters(command=words[0], args=words[1:], env=env or None, cwd=fields.get("cwd")), options
    )


def _strings(value: Any, name: str) -> dict[str, str]:
    """A mapping of strings to strings. What is wrong with it is not shown: it may hold secrets."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(v, str) for pair in cast("Any", value).items() for v in pair
    ):
        raise TypeError(f"{name} must be a mapping of strings to strings")
    return dict(cast("Mapping[str, str]", value))


def _stdio(parameters: StdioServerParameters, options: Options) -> Target:
    options.refuse("a command", *_HTTP_ONLY, "server")
    if options.env is not None:
        env = {**(parameters.env or {}), **_strings(options.env, "env")}
        parameters = parameters.model_copy(update={"env": env})
    cwd: Any = options.cwd
    if not isinstance(cwd, str | os.PathLike | None):
        raise TypeError(f"cwd must be a path, got {options.cwd!r}")
    if options.cwd is not None:
        parameters = parameters.model_copy(update={"cwd": os.fspath(options.cwd)})
    # Arguments may hold secrets; the names of programs and scripts do not.
    words = [Path(parameters.command).name, *(Path(a).name for a in parameters.args[:1] if a.endswith((".py", ".js")))]
    return Target(endpoint=f"stdio:{' '.join(words)}", connect=lambda _: stdio_client(parameters))


def _url(text: str) -> str:
    """An HTTP URL, or a complaint. Its credentials and query are not shown."""
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        named = f"{scheme}://" if separator and scheme.isalnum() else "without http:// or https://"
        raise ValueError(f"cannot connect to a url {named}; use http:// or https://")
    return text


def _endpoint(url: str) -> str:
    """The URL without credentials, query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Not shown: what is taken for a host or a port may be a password.
        raise ValueError("not a url that can be connected to: its host or port makes no sense") from None
    if not parts.hostname:
        raise ValueError(f"not a url that can be connected to: no host in {parts.scheme}://...")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _http(url: str, options: Options) -> Target:
    options.refuse("a URL", *_STDIO_ONLY, "server")
    headers, auth = _credentials(options)
    client = options.http_client
    if client is not None:
        if not hasattr(client, "build_request") or not inspect.iscoroutinefunction(getattr(client, "send", None)):
            raise TypeError(f"http_client must be an httpx2.AsyncClient or httpx.AsyncClient, got {client!r}")
        if headers or auth is not None:
            raise ValueError("headers= and auth= belong to the http_client where there is one")

    def connect(guard: Guard) -> Any:
        return http_transport(url, guard, headers=headers, auth=auth, http_client=client)

    return Target(endpoint=_endpoint(url), connect=connect, lasting=True)


def _sse(url: str, options: Options) -> Target:
    options.refuse("a server-sent-events URL", *_STDIO_ONLY, "http_client")
    headers, auth = _credentials(options)
    return Target(
        endpoint=_endpoint(url),
        connect=lambda _: sse_client(url, headers=dict(headers) if headers else None, auth=auth),
        lasting=True,
    )


def _credentials(options: Options) -> tuple[Mapping[str, str] | None, httpx2.Auth | None]:
    headers, auth = _strings(options.headers, "headers"), options.auth
    if isinstance(auth, str):
        if not auth.strip() or not auth.isprintable() or not auth.isascii():
            raise ValueError("auth must be a token: a non-empty string of printable ASCII characters")
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        return {**headers, "Authorization": f"Bearer {auth}"}, None
    if auth is not None and not isinstance(auth, httpx2.Auth):
        raise TypeError(f"auth must be a bearer token or an httpx2.Auth object, got {type(auth).__name__}")
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
            # What the server still writes, nobody reads: it shall fail, where it would block for the SDK's patience.
            await client_streams[0].aclose()
            tg.cancel_scope.cancel()


def _is_transport(target: Any) -> bool:
    """Whether this may be a transport: an async context manager, but no client, HTTP client or lock."""
    known = any(hasattr(target, name) for name in ("call_tool", "build_request", "acquire"))
    return isinstance(target, AbstractAsyncContextManager) and not known


def _once(transport: Any) -> Connect:
    """Gives the transport the first time, and a reason after that: entered again it would raise something obscure."""
    unused = [transport]

    def connect(_: Guard) -> Any:
        if not unused:
            raise TaskConnectionError("the connection is lost, and a transport can be used only once")
        return unused.pop()

    return connect


def _is_fastmcp(target: Any) -> bool:
    return any(cls.__name__ == "FastMCP" and cls.__module__.startswith("fastmcp.") for cls in type(target).__mro__)


@asynccontextmanager
async def _fastmcp_transport(target: Any) -> AsyncGenerator[Any]:
    """Runs a FastMCP object in this process. Its own in-memory transport enters the lifespan and hands us the streams,
    where it would make a session of its own."""
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
            await pair[0].aclose()  # for the reason that `_memory_transport` gives
