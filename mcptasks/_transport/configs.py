"""Configurations in the usual `{"mcpServers": {...}}` form: picks the entry to connect to, and checks the entry.

An error names the entry and the field, and shows no value: commands, URLs and headers may hold secrets. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

from attrs import field, frozen
from mcp.client.stdio import StdioServerParameters

from mcptasks._transport import checks
from mcptasks._transport.checks import kind_of

_Kind: TypeAlias = Literal["stdio", "http", "sse"]
_KINDS: Mapping[str, _Kind] = {"stdio": "stdio", "http": "http", "streamablehttp": "http", "sse": "sse"}
"""The values of `type` and `transport`, without hyphens and capitals: programs write "streamable-http" differently."""
_KNOWN = "stdio, http, streamable-http, sse"


@frozen(kw_only=True)
class WebEntry:
    """An entry with a URL."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    sse: bool
    """Whether the server speaks HTTP+SSE, the transport before Streamable HTTP."""


Entry: TypeAlias = WebEntry | StdioServerParameters


def targets_of(servers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The servers of a group: the arguments of a `Client` for each, by name.

    Args:
        servers: A configuration, every entry of which is used, or a mapping of names to targets.

    Raises:
        TypeError: A name is not a string.
        ValueError: There is no server.
    """
    if "mcpServers" in servers:
        return {name: {"target": servers, "server": name} for name in _entries(servers)}
    if not servers:
        raise ValueError("a group needs at least one server")
    if not all(isinstance(name, str) for name in cast("Mapping[Any, Any]", servers)):
        raise TypeError("a group takes a mapping of names to targets, or one with 'mcpServers'")
    return {name: {"target": target} for name, target in servers.items()}


def chosen(config: Mapping[str, Any], server: Any) -> tuple[str, Any]:
    """Picks the entry to connect to; returns its name and the entry.

    Raises:
        TypeError: A name is not a string.
        ValueError: There are no entries, or several and `server` does not pick one, or `server` names none of them.
    """
    entries = _entries(config)
    names = ", ".join(sorted(entries))
    if not isinstance(server, str | None):
        raise TypeError(f"server must be the name of an entry, got {kind_of(server)}; there are: {names}")
    if server is None:
        if len(entries) > 1:
            raise ValueError(f"there are several servers ({names}); pick one with server=")
        server = next(iter(entries))
    if server not in entries:
        raise ValueError(f"no server {server!r} in the configuration; there are: {names}")
    return server, entries[server]


def _entries(config: Mapping[str, Any]) -> Mapping[str, Any]:
    servers = config.get("mcpServers")
    if not isinstance(servers, Mapping) or not servers:
        raise ValueError("a mapping must have 'mcpServers' with at least one entry")
    if not all(isinstance(name, str) for name in cast("Mapping[Any, Any]", servers)):
        raise TypeError("'mcpServers' must map names to entries")
    return cast("Mapping[str, Any]", servers)


def read(entry: Any) -> Entry:
    """Reads and checks an entry.

    Raises:
        TypeError: A field has a wrong type.
        ValueError: A field is missing, or has a value that cannot be right.
    """
    if not isinstance(entry, Mapping):
        raise ValueError(f"expected an object with 'url' or 'command', got {kind_of(entry)}")
    fields = cast("Mapping[str, Any]", entry)
    kind = _kind(fields)
    return _command(fields) if kind == "stdio" else _web(fields, sse=kind == "sse")


def _kind(fields: Mapping[str, Any]) -> _Kind:
    said: dict[str, _Kind] = {
        name: _said(fields[name], name) for name in ("type", "transport") if fields.get(name) is not None
    }
    if len(set(said.values())) > 1:
        raise ValueError(f"type and transport say different things: {said['type']!r} and {said['transport']!r}")
    there = [name for name in ("url", "command") if name in fields]
    if not said:
        if len(there) != 1:
            raise ValueError("expected 'url' or 'command'" + (", not both" if there else ""))
        return "stdio" if there == ["command"] else "http"
    name, kind = next(iter(said.items()))
    needed = "command" if kind == "stdio" else "url"
    if needed not in there:
        raise ValueError(f"{name} says {kind}, which needs {needed!r}")
    return kind


def _said(value: Any, name: str) -> _Kind:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {_KNOWN}; got {kind_of(value)}")
    kind = _KINDS.get(value.lower().replace("-", "").replace("_", ""))
    if kind is None:
        raise ValueError(f"{name} is unknown; known are {_KNOWN}")
    return kind


def _web(fields: Mapping[str, Any], *, sse: bool) -> WebEntry:
    if not isinstance(fields["url"], str):
        raise TypeError(f"url must be a string, got {kind_of(fields['url'])}")
    return WebEntry(url=fields["url"], headers=checks.headers(fields.get("headers")), sse=sse)


def _command(fields: Mapping[str, Any]) -> StdioServerParameters:
    command: Any = fields["command"]
    arguments: Any = [] if fields.get("args") is None else fields["args"]
    cwd: Any = fields.get("cwd")
    if not isinstance(command, str):
        raise TypeError(f"command must be a string, got {kind_of(command)}")
    if not isinstance(arguments, list):
        raise TypeError(f"args must be a list of strings, got {kind_of(arguments)}")
    words = cast("list[Any]", arguments)
    for place, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"args must be a list of strings; args[{place}] is {kind_of(word)}")
    if not isinstance(cwd, str | None):
        raise TypeError(f"cwd must be a string, got {kind_of(cwd)}")
    env = checks.variables(fields.get("env"))
    return StdioServerParameters(command=command, args=words, env=env or None, cwd=checks.directory(cwd))
