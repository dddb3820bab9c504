"""What is no target, and options that a kind of target has no use for: each is refused in words that help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.server import Server

from mcptasks import Client
from mcptasks._transport.targets import Options, resolve
from tests.helpers.target_samples import SEVERAL, Wire

ACCEPTED = [
    "http:// or https:// URL",
    ".py or .js file",
    "a list of strings",
    "StdioServerParameters",
    "mcpServers",
    ".json file",
    "server object of this process",
    "transport",
]


def _name(value: object) -> str:
    """The value without its address, since all processes of a run must give a test the same name."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(
    "target",
    [
        None,
        7,
        1.5,
        True,
        b"https://example.com",
        ("server",),
        {"server"},
        object(),
        Server,
        Wire,
        lambda: 1,
        anyio.Lock(),
        anyio.Semaphore(1),
        Client("https://example.com"),
        "",
        "server",
    ],
    ids=_name,
)
def test_no_target(target: Any) -> None:
    """What is of no accepted kind is a `TypeError` that names the type, not the value, and lists the kinds."""
    with pytest.raises(TypeError, match=r"^cannot connect to ") as caught:
        resolve(target, Options())
    name = target.__name__ if isinstance(target, type) else type(target).__name__.removesuffix("Type")
    assert ("a string" if isinstance(target, str) else name) in str(caught.value)
    assert target is None or not target or repr(target) not in str(caught.value)
    for kind in ACCEPTED:
        assert kind in str(caught.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ftp://example.com", "cannot connect to a url ftp://; use http:// or https://"),
        ("ws://example.com", "cannot connect to a url ws://; use http:// or https://"),
        ("://example.com", "cannot connect to a url without http:// or https://; use http:// or https://"),
        ("http://[::1", "not a url that can be connected to"),
        ("http://", "no host in http://..."),
        ("https:///mcp", "no host in https://..."),
        ("http://example.com:port/", "not a url that can be connected to"),
        ("http://example.com:99999/", "not a url that can be connected to"),
        ([], "a command needs at least the program's name$"),
        ([""], "a command needs at least the program's name$"),
        ({}, "a mapping must have 'mcpServers' with at least one entry"),
        ({"mcpServers": {}}, "a mapping must have 'mcpServers' with at least one entry"),
        ({"mcpServers": ["a"]}, "a mapping must have 'mcpServers' with at least one entry"),
        (SEVERAL, r"there are several servers \(local, web\); pick one with server="),
        (
            {"mcpServers": {"a": "https://example.com"}},
            "server 'a': expected an object with .*, got a str",
        ),
        ({"mcpServers": {"a": {}}}, "server 'a': expected 'url' or 'command'"),
        ({"mcpServers": {"a": {"url": "https://"}}}, "no host in"),
    ],
)
def test_wrong_values(target: Any, words: str) -> None:
    """What is of an accepted kind but cannot be right is a `ValueError` that says what is wrong with it."""
    with pytest.raises(ValueError, match=words):
        resolve(target, Options())


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["server", 7], "argument 1 is an int"),
        (["server", "a", None], "argument 2 is None"),
        (["server", Path("x")], "argument 1 is a PosixPath"),
        ([None], "the program's name is None"),
    ],
)
def test_wrong_words(words: list[Any], place: str) -> None:
    """A command consists of strings; the message says which word is none."""
    with pytest.raises(TypeError, match=f"^a command must be a list of strings; {place}$"):
        resolve(words, Options())


def test_unknown_server() -> None:
    """An entry that is not there is named with those that are."""
    with pytest.raises(ValueError, match="no server 'other' in the configuration; there are: local, web"):
        resolve(SEVERAL, Options(server="other"))
    with pytest.raises(ValueError, match="no server 'other' in the configuration; there are: a"):
        resolve({"mcpServers": {"a": {"command": "x"}}}, Options(server="other"))


@pytest.mark.parametrize("name", ["serve.py", "serve.js", "servers.json"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    """A file that is not there is named; a directory is no file."""
    path = tmp_path / name
    with pytest.raises(FileNotFoundError) as caught:
        resolve(path, Options())
    assert repr(str(path)) in str(caught.value)
    path.mkdir()
    with pytest.raises(FileNotFoundError):
        resolve(path, Options())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "must hold an object with 'mcpServers'"),
        (b"null", "must hold an object with 'mcpServers'"),
        (b"{}", "a mapping must have 'mcpServers'"),
    ],
)
def test_bad_configuration_files(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that holds no configuration is a `ValueError`."""
    path = tmp_path / "servers.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        resolve(path, Options())


HTTP: dict[str, Any] = {"headers": {"x": "1"}, "auth": "token", "http_client": object()}
STDIO: dict[str, Any] = {"env": {"x": "1"}, "cwd": "/tmp"}
PICK: dict[str, Any] = {"server": "a"}


def useless() -> list[Any]:
    """Each kind of target with each option that it has no use for."""
    found: list[Any] = []
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("url", "https://example.com", {**STDIO, **PICK}),
        ("command", ["server"], {**HTTP, **PICK}),
        ("parameters", StdioServerParameters(command="server"), {**HTTP, **PICK}),
        ("object", Server("low"), {**HTTP, **STDIO, **PICK}),
        ("transport", Wire(), {**HTTP, **STDIO, **PICK}),
        ("configured url", {"mcpServers": {"a": {"url": "https://example.com"}}}, STDIO),
        ("configured command", {"mcpServers": {"a": {"command": "server"}}}, HTTP),
        (
            "sse",
            {"mcpServers": {"a": {"url": "https://e.com", "type": "sse"}}},
            {**STDIO, "http_client": HTTP["http_client"]},
        ),
    ]
    for kind, target, options in kinds:
        found += [pytest.param(target, name, value, id=f"{kind}-{name}") for name, value in options.items()]
    return found


@pytest.mark.parametrize(("target", "name", "value"), useless())
def test_useless_options(target: Any, name: str, value: Any) -> None:
    """An option that would be passed over in silence is refused by name."""
    with pytest.raises(ValueError, match=f"^(server 'a': )?{name}= has no meaning for a"):
        resolve(target, Options(**{name: value}))


@pytest.mark.parametrize("client", [httpx.Client(), httpx2.Client(), object(), "AsyncClient", 7], ids=type)
def test_no_http_client(client: Any) -> None:
    """A client that cannot be awaited is a `TypeError` that says what would be right."""
    with pytest.raises(TypeError, match=r"http_client must be an httpx2.AsyncClient or httpx.AsyncClient, got"):
        resolve("https://example.com", Options(http_client=client))


@pytest.mark.parametrize("given", [{"headers": {"x": "1"}}, {"auth": "token"}, {"auth": httpx2.BasicAuth("a", "b")}])
def test_client_and_credentials(given: dict[str, Any]) -> None:
    """With a client of one's own, headers and auth belong to it."""
    with pytest.raises(ValueError, match="belong to the http_client"):
        resolve("https://example.com", Options(http_client=httpx2.AsyncClient(), **given))


@pytest.mark.parametrize("target", [["server"], StdioServerParameters(command="server")])
@pytest.mark.parametrize("cwd", [5, b"/tmp", ["/tmp"], False])
def test_bad_directories(target: Any, cwd: Any) -> None:
    """A directory is a path; what is none is refused by the option's name."""
    with pytest.raises(TypeError, match=rf"^cwd must be a path, got (an? )?{type(cwd).__name__}$"):
        resolve(target, Options(cwd=cwd))


@pytest.mark.parametrize("headers", [{"x": 1}, {1: "x"}, {"x": None}, [("x", "1")], "x: 1", 7])
def test_bad_headers(headers: Any) -> None:
    """Headers are strings by name; their values stay out of the message."""
    with pytest.raises(TypeError, match="headers must be a mapping of strings to strings"):
        resolve("https://example.com", Options(headers=headers))


@pytest.mark.anyio
@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_http_client_is_no_target(library: Any) -> None:
    """An HTTP client belongs into `http_client=`; taken for a transport it would fail only while connecting."""
    async with library.AsyncClient() as client:
        with pytest.raises(TypeError, match=r"cannot connect to .* give an http:// or https:// URL"):
            resolve(client, Options())


def test_options_show_no_secrets() -> None:
    """What may be a credential is left out of `repr`."""
    options = Options(headers={"x": "hunter2"}, auth="hunter2", env={"TOKEN": "hunter2"}, http_client="hunter2")
    assert "hunter2" not in repr(options)


@pytest.mark.parametrize("auth", ["", "  ", "tok\nen", "tok\x00en", "t\u00f6ken", "tok\u20acen"])
def test_bad_tokens(auth: str) -> None:
    """A token that cannot be sent is refused, and not shown."""
    with pytest.raises(ValueError, match="auth must be a token") as caught:
        resolve("https://example.com", Options(auth=auth))
    assert "en'" not in str(caught.value)


@pytest.mark.parametrize("auth", [7, ("user", "hunter2"), b"token", httpx.BasicAuth("user", "hunter2")])
def test_bad_auth(auth: Any) -> None:
    """Other credentials are refused by their type, without being shown."""
    with pytest.raises(TypeError, match=r"auth must be a bearer token or an httpx2.Auth object, got") as caught:
        resolve("https://example.com", Options(auth=auth))
    assert type(auth).__name__ in str(caught.value)
    assert "hunter2" not in str(caught.value)
