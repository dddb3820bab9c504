"""Entries of `mcpServers`: each complaint names the entry and the field, in words of ours, and shows no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from mcptasks._transport.targets import Options, resolve

SECRET = "hunter2"
STRINGS = "must be a mapping of strings to strings"
COMMAND = "command must be a string, got "
ARGS = "args must be a list of strings, got "
WORD = "args must be a list of strings; "


def config(entry: Any, name: str = "a") -> dict[str, Any]:
    """A configuration of one server."""
    return {"mcpServers": {name: entry}}


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        ({"url": 5}, TypeError, "url must be a string, got an int"),
        ({"url": None}, TypeError, "url must be a string, got None"),
        ({"url": ["https://example.com"]}, TypeError, "url must be a string, got a list"),
        ({"url": ""}, ValueError, "cannot connect to a url without http:// or https://"),
        ({"url": "example.com/mcp"}, ValueError, "cannot connect to a url without http:// or https://"),
        ({"url": f"user:{SECRET}@e.com/mcp"}, ValueError, "cannot connect to a url without http:// or https://"),
        ({"url": f"user:{SECRET}@e.com?to=://"}, ValueError, "cannot connect to a url without http:// or https://"),
        ({"url": f"{SECRET}@e.com"}, ValueError, "cannot connect to a url without http:// or https://"),
        ({"url": f"https://u:{SECRET}@ex\u2100mple.com"}, ValueError, "not a url that can be connected to: "),
        ({"url": f"https://u:{SECRET}/mcp"}, ValueError, "not a url that can be connected to: "),
        ({"url": "http://[::1"}, ValueError, "not a url that can be connected to: "),
        ({"url": "ftp://example.com"}, ValueError, "cannot connect to a url ftp://; use http:// or https://"),
        ({"url": "ws://example.com"}, ValueError, "cannot connect to a url ws://; use http:// or https://"),
        ({"url": "https:///mcp"}, ValueError, "not a url that can be connected to: no host in https://..."),
        ({"url": "https://example.com:0x50/"}, ValueError, "not a url that can be connected to: "),
        ({"url": "https://example.com:99999/"}, ValueError, "not a url that can be connected to: "),
        ({"url": "https://example.com", "headers": f"x: {SECRET}"}, TypeError, f"headers {STRINGS}"),
        ({"url": "https://example.com", "headers": {"x": [SECRET]}}, TypeError, f"headers {STRINGS}"),
        ({"url": "https://example.com", "headers": [("x", SECRET)]}, TypeError, f"headers {STRINGS}"),
        ({"command": 5}, TypeError, f"{COMMAND}an int"),
        ({"command": None}, TypeError, f"{COMMAND}None"),
        ({"command": ["server", SECRET]}, TypeError, f"{COMMAND}a list"),
        ({"command": "x", "args": "server.py"}, TypeError, f"{ARGS}a str"),
        ({"command": ""}, ValueError, "command must not be empty"),
        ({"command": "x", "args": 5}, TypeError, f"{ARGS}an int"),
        ({"command": "x", "args": ""}, TypeError, f"{ARGS}a str"),
        ({"command": "x", "args": 0}, TypeError, f"{ARGS}an int"),
        ({"command": "x", "args": False}, TypeError, f"{ARGS}a bool"),
        ({"command": "x", "args": {}}, TypeError, f"{ARGS}a dict"),
        ({"command": "x", "args": {"0": SECRET}}, TypeError, f"{ARGS}a dict"),
        ({"command": "x", "args": [SECRET, 5]}, TypeError, f"{WORD}args[1] is an int"),
        ({"command": "x", "args": [SECRET, None]}, TypeError, f"{WORD}args[1] is None"),
        ({"command": "x", "env": {"TOKEN": [SECRET]}}, TypeError, f"env {STRINGS}"),
        ({"command": "x", "env": {5: SECRET}}, TypeError, f"env {STRINGS}"),
        ({"command": "x", "env": f"TOKEN={SECRET}"}, TypeError, f"env {STRINGS}"),
        ({"command": "x", "cwd": 5}, TypeError, "cwd must be a string, got an int"),
        ({"comand": "x"}, ValueError, "expected 'url' or 'command'"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [dict, MappingProxyType])
def test_garbled_entries(form: Any, entry: dict[Any, Any], error: type[Exception], words: str) -> None:
    """What is wrong with an entry is told by its name, the field and what would be right; values that may be secret
    stay out of it, and so do the words of the libraries underneath."""
    target = config(form(entry))
    with pytest.raises(error) as caught:
        resolve(target, Options())
    assert str(caught.value).startswith(f"server 'a': {words}")
    assert type(caught.value) is error
    assert "pydantic" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_garbled_entry_of_a_file(tmp_path: Path) -> None:
    """A file's entries are checked like a mapping's."""
    path = tmp_path / "servers.json"
    path.write_text(json.dumps(config({"command": "x", "env": {"TOKEN": [SECRET]}})))
    with pytest.raises(TypeError) as caught:
        resolve(path, Options())
    assert str(caught.value) == f"server 'a': env {STRINGS}; env['TOKEN'] is a list"


@pytest.mark.parametrize("name", ["a", "with space", "it's", "{x}"])
def test_entry_is_named(name: str) -> None:
    """The entry that is complained of is the one that was picked, under its own name."""
    several = {"mcpServers": {"good": {"command": "x"}, name: {"url": 5}}}
    with pytest.raises(TypeError) as caught:
        resolve(several, Options(server=name))
    assert str(caught.value) == f"server {name!r}: url must be a string, got an int"
    assert resolve(several, Options(server="good")).endpoint == "stdio:x"


@pytest.mark.parametrize("names", [(5,), (5, "b"), (None,), (b"a",)])
def test_names_that_are_no_strings(names: tuple[Any, ...]) -> None:
    """Entries have names; the complaint says where."""
    with pytest.raises(TypeError, match="'mcpServers' must map names to entries"):
        resolve({"mcpServers": {name: {"command": "x"} for name in names}}, Options())


@pytest.mark.parametrize(
    ("entry", "options", "words"),
    [
        ({"url": "https://example.com"}, {"headers": f"x: {SECRET}"}, f"headers {STRINGS}, got a str"),
        ({"url": "https://example.com"}, {"headers": {"x": 5}}, f"headers {STRINGS}; headers['x'] is an int"),
        ({"command": "x"}, {"env": f"TOKEN={SECRET}"}, f"env {STRINGS}, got a str"),
        ({"command": "x"}, {"env": {"TOKEN": 5}}, f"env {STRINGS}; env['TOKEN'] is an int"),
        ({"command": "x"}, {"cwd": 5}, "cwd must be a path, got an int"),
    ],
)
def test_garbled_options_beside_an_entry(entry: Any, options: dict[str, Any], words: str) -> None:
    """What a program adds to an entry is checked like the entry itself."""
    with pytest.raises(TypeError) as caught:
        resolve(config(entry), Options(**options))
    assert str(caught.value) == f"server 'a': {words}"


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "x", "args": None, "env": None, "cwd": None},
        {"command": "x", "args": [], "env": {}},
        {"command": "x", "description": "of no concern", "disabled": False},
        MappingProxyType({"command": "x", "env": MappingProxyType({"A": "1"})}),
    ],
    ids=str,
)
def test_tolerated_entries(entry: Mapping[str, Any]) -> None:
    """Optional fields may be null or empty, and fields for other programs are passed over."""
    assert resolve(config(entry), Options()).endpoint == "stdio:x"
