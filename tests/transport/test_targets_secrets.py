"""What a program gives is shown by none of its errors: every wrong place and form, each with a secret in it."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
from mcp import StdioServerParameters

from mcptasks import Client
from mcptasks._transport.targets import Options, resolve

SECRET = "S3CRET"
URL = "https://example.com/mcp"
LONE = "\ud800"


class Fake:
    """Something whose `repr` shows all."""

    def __repr__(self) -> str:
        return f"<Fake {SECRET}>"


class BytesPath:
    """A path of bytes."""

    def __fspath__(self) -> bytes:
        return SECRET.encode()


def config(entry: Any) -> dict[str, Any]:
    """A configuration of one server."""
    return {"mcpServers": {"a": entry}}


TARGETS: dict[str, Any] = {
    "command in one string": f"npx server --token {SECRET}",
    "command in one string, of a script": f"python server.py --token {SECRET}.py",
    "command in one string, with a URL": f"npx server --url http://h/?k={SECRET}",
    "command in one string, in a list": [f"npx server --token {SECRET}"],
    "command in one string, as parameters": StdioServerParameters(command=f"npx server {SECRET}"),
    "command in one string, in an entry": config({"command": f"npx server --token {SECRET}"}),
    "assignment before the command": [f"TOKEN={SECRET}", "server"],
    "bytes": f"http://h/?k={SECRET}".encode(),
    "bytearray": bytearray(SECRET.encode()),
    "tuple": ("server", "--token", SECRET),
    "set": {SECRET},
    "object": Fake(),
    "path of bytes": BytesPath(),
    "path without a suffix": PurePosixPath(SECRET),
    "httpx2.URL": httpx2.URL(f"https://user:{SECRET}@h/?k={SECRET}"),
    "httpx.URL": httpx.URL(f"https://h/?k={SECRET}"),
    "split URL": urlsplit(f"https://h/?k={SECRET}"),
    "number in a command": ["server", "--token", SECRET, 8080],
    "NUL in a command": ["server", f"{SECRET}\x00"],
    "half a character in a command": ["server", f"{SECRET}{LONE}"],
    "NUL in the program's name": [f"{SECRET}\x00"],
    "newline in the program's name": [f"{SECRET}\n"],
    "no scheme": f"example.com/mcp?api_key={SECRET}",
    "no scheme, with userinfo": f"user:{SECRET}@example.com/mcp",
    "no scheme, a script's name": f"{SECRET}@example.com/server.py",
    "no scheme, query with a script's name": f"example.com/mcp?k={SECRET}.py",
    "no scheme, password with a slash": f"user:80/{SECRET}@example.com/mcp",
    "a token": f"eyJhbGciOi.{SECRET}.c2ln",
    "other scheme": f"ftp://user:{SECRET}@example.com/?k={SECRET}",
    "bad host": f"https://user:{SECRET}@ex\u2100mple.com/",
    "bad host in DNS": f"https://user:{SECRET}@{'a' * 64}.com/",
    "bad port": f"https://user:{SECRET}/mcp",
    "port 0": f"https://user:{SECRET}@example.com:0/",
    "no host": f"https://user:{SECRET}@/mcp?k={SECRET}",
    "space in a URL": f"https://example.com/?k={SECRET} ",
    "newline in a URL": f"https://example.com/?k={SECRET}\n",
    "half a character in a URL": f"https://example.com/?k={SECRET}{LONE}",
    "backslash in a URL": f"https:\\\\example.com\\{SECRET}",
    "backslash in a query": f"https://example.com/?k={SECRET}\\",
    "user with a colon": f"https://u%3A{SECRET}:p@example.com",
    "password that is no text": f"https://u:{SECRET}%ff@example.com",
    "password with a newline": f"https://u:{SECRET}%0a@example.com",
    "no mcpServers": {"a": {"url": f"http://h/?k={SECRET}"}},
    "mcpServers is a list": {"mcpServers": [f"http://h/?k={SECRET}"]},
    "mcpServers is a string": {"mcpServers": SECRET},
    "entry is a string": config(f"http://h/?k={SECRET}"),
    "entry is a list": config(["server", SECRET]),
    "entry of other fields": config({"token": SECRET}),
    "url in a list": config({"url": [f"http://h/?k={SECRET}"]}),
    "url of bytes": config({"url": SECRET.encode()}),
    "url without a scheme": config({"url": f"user:{SECRET}@h"}),
    "command is a list": config({"command": ["server", SECRET]}),
    "args in one string": config({"command": "server", "args": f"--token {SECRET}"}),
    "number in args": config({"command": "server", "args": [SECRET, 1]}),
    "NUL in args": config({"command": "server", "args": [f"{SECRET}\x00"]}),
    "cwd is a list": config({"command": "server", "cwd": [SECRET]}),
    "NUL in cwd": config({"command": "server", "cwd": f"{SECRET}\x00"}),
    "unknown type": config({"url": URL, "type": SECRET}),
    "type is a list": config({"url": URL, "transport": [SECRET]}),
    "env is a string": config({"command": "server", "env": f"TOKEN={SECRET}"}),
    "env with a list": config({"command": "server", "env": {"TOKEN": [SECRET]}}),
    "env with an assignment": config({"command": "server", "env": {f"TOKEN={SECRET}": ""}}),
    "headers in a string": config({"url": URL, "headers": f"Authorization: {SECRET}"}),
    "headers with a list": config({"url": URL, "headers": {"x": [SECRET]}}),
    "a whole line as a header's name": config({"url": URL, "headers": {f"Authorization: {SECRET}": ""}}),
    "headers twice": config({"url": URL, "headers": {"X-A": SECRET, "x-a": SECRET}}),
    "proxy of an entry": MappingProxyType(config({"url": f"//{SECRET}@h"})),
}

OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{
        f"header with {name}": (URL, {"headers": {"Authorization": f"Bearer {value}"}})
        for name, value in {
            "a newline": f"{SECRET}\n",
            "a newline inside": f"{SECRET}\r\nx: y",
            "a space at its end": f"{SECRET} ",
            "a NUL": f"{SECRET}\x00",
            "a delete": f"{SECRET}\x7f",
            "an umlaut": f"{SECRET}\u00e4",
            "a snowman": f"{SECRET}\u2603",
            "half a character": f"{SECRET}{LONE}",
        }.items()
    },
    **{
        f"auth with {name}": (URL, {"auth": value})
        for name, value in {
            "a newline": f"{SECRET}\n",
            "a word before": f"Bearer {SECRET}",
            "a tab": f"{SECRET}\t",
            "an umlaut": f"{SECRET}\u00e4",
            "half a character": f"{SECRET}{LONE}",
        }.items()
    },
    "auth of bytes": (URL, {"auth": SECRET.encode()}),
    "auth of a pair": (URL, {"auth": ("user", SECRET)}),
    "auth of another library": (URL, {"auth": httpx.BasicAuth("user", SECRET)}),
    "auth and userinfo": (f"https://u:{SECRET}@example.com", {"auth": SECRET}),
    "auth and a header": (URL, {"auth": SECRET, "headers": {"authorization": SECRET}}),
    "userinfo and a header": (f"https://u:{SECRET}@example.com", {"headers": {"AUTHORIZATION": SECRET}}),
    "userinfo and a client": (f"https://u:{SECRET}@example.com", {"http_client": httpx2.AsyncClient()}),
    "headers and a client": (URL, {"http_client": httpx2.AsyncClient(), "headers": {"x": SECRET}}),
    "http_client": (URL, {"http_client": Fake()}),
    "env": (["server"], {"env": {"TOKEN": f"{SECRET}\x00"}}),
    "env, half a character": (["server"], {"env": {"TOKEN": f"{SECRET}{LONE}"}}),
    "env, a name with =": (["server"], {"env": {f"TOKEN={SECRET}": "x"}}),
    "env, a name with NUL": (["server"], {"env": {f"{SECRET}\x00": "x"}}),
    "env in a list": (["server"], {"env": [f"TOKEN={SECRET}"]}),
    "env of bytes": (["server"], {"env": {"TOKEN": SECRET.encode()}}),
    "cwd": (["server"], {"cwd": f"{SECRET}\x00"}),
    "cwd of bytes": (["server"], {"cwd": BytesPath()}),
    "server": (config({"command": "server"}), {"server": [SECRET]}),
    "endpoint": (URL, {"endpoint": Fake()}),
    "endpoint that cannot be shown": (URL, {"endpoint": f"{SECRET}\x1b[2J"}),
    "endpoint that is too long": (URL, {"endpoint": SECRET * 100}),
    "elicitation_handler": (URL, {"elicitation_handler": Fake()}),
    "sampling_handler": (URL, {"sampling_handler": SECRET}),
    "log_handler": (URL, {"log_handler": [SECRET]}),
    "polling": (URL, {"polling": Fake()}),
    "mode": (URL, {"mode": Fake()}),
    "options of another target": (["server", SECRET], {"headers": {"x": SECRET}}),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that comes with it, suppressed or not."""
    while error is not None:
        yield error
        yield from chain(error.__cause__)
        error = error.__context__


def assert_discreet(error: Exception) -> None:
    """The secret is in no text or bytes that are made of the error."""
    for one in chain(error):
        texts = [str(one), repr(one), "".join(traceback.format_exception_only(one)), repr(one.__dict__)]
        assert not any(SECRET in text for text in texts)
        assert SECRET.encode() not in pickle.dumps(one)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_targets(target: Any) -> None:
    """A target that cannot be right is refused where the client is made; the error holds nothing of it."""
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(target)
    assert type(caught.value) in (TypeError, ValueError)
    assert_discreet(caught.value)


@pytest.mark.parametrize(("target", "options"), OPTIONS.values(), ids=list(OPTIONS))
def test_options(target: Any, options: dict[str, Any]) -> None:
    """The same for options."""
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(target, **options)
    assert type(caught.value) in (TypeError, ValueError)
    assert_discreet(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"mcpServers": {"a": {"command": "S3CRET"',
        b'{"mcpServers": {"a": {"command": "S3CRET\xff"}}}',
        b'["S3CRET"]',
        b'{"token": "S3CRET"}',
        b'{"S3CRET": ' + b"[" * 100_000,
        b'{"S3CRET": ' + b"1" * 5_000 + b"}",
        b'{"mcpServers": {"a": {"url": "https://S3CRET:p%ff@h"}}}',
        b'{"mcpServers": {"a": {"command": "x", "args": ["S3CRET\\ud800"]}}}',
    ],
    ids=["cut off", "no UTF-8", "a list", "no servers", "deep", "a long number", "userinfo", "half a character"],
)
def test_files(tmp_path: Path, content: bytes) -> None:
    """Configuration files are full of secrets. Their errors name the file, and hold no more of it than a position."""
    path = tmp_path / "servers.json"
    path.write_bytes(content)
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(path)
    assert_discreet(caught.value)


def test_a_file_with_a_mark(tmp_path: Path) -> None:
    """A byte order mark, which some editors write, is no part of a configuration."""
    path = tmp_path / "servers.json"
    path.write_text("\ufeff" + json.dumps(config({"command": "server"})), encoding="utf-8")
    assert resolve(path, Options()).endpoint == "stdio:server"


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (f"https://user:{SECRET}@example.com/mcp?k={SECRET}#{SECRET}", {}),
        (URL, {"auth": SECRET}),
        (URL, {"auth": httpx2.BasicAuth("user", SECRET)}),
        (URL, {"headers": {"Authorization": SECRET, f"X-{SECRET}": "1"}}),
        (URL, {"http_client": httpx2.AsyncClient(headers={"x": SECRET})}),
        (["server", "--token", SECRET], {"env": {"TOKEN": SECRET}}),
        (["python", f"--token={SECRET}.py"], {}),
        (StdioServerParameters(command="server", args=[SECRET], env={"TOKEN": SECRET}), {}),
        (config({"url": URL, "headers": {"Authorization": SECRET}}), {}),
        (config({"url": f"{URL}?k={SECRET}", "type": "sse"}), {"auth": SECRET}),
        (f"https://example.com/s/{SECRET}/mcp", {"endpoint": "tokens in the path"}),
    ],
)
def test_representations(target: Any, options: dict[str, Any]) -> None:
    """What is given shows in no `repr`: of the client, its configuration, its target, its options."""
    client = Client(target, **options)
    texts = [repr(client), str(client), repr(client._options), repr(client._options.target)]
    texts += [repr(Options(**options)), client._options.target.endpoint]
    assert not any(SECRET in text for text in texts)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError), match=r"pickle|local object") as caught:
        pickle.dumps(client)
    assert SECRET not in str(caught.value)
