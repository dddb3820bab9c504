"""Headers, tokens, variables, commands and names that can be used as they are, and what is said of the others."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters

from mcptasks._transport.targets import Options, resolve

URL = "https://example.com/mcp"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Team": "blue"},
        {"x": ""},
        {"x": "a b\tc"},
        {"x!#$%&'*+.^_`|~1": "\x21\x7e"},
        {"Authorization": "Basic dXNlcjo="},
        {},
        None,
    ],
)
def test_headers(headers: Any) -> None:
    """What RFC 9110 has for a field's name and value, in ASCII, is sent."""
    assert resolve(URL, Options(headers=headers)).endpoint == URL


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-Key": "a\n"}, r"headers\['X-Key'\] has a newline at its end; remove the newline"),
        ({"X-Key": "a\r\n"}, r"headers\['X-Key'\] has a newline at its end; remove the newline"),
        ({"X-Key": "a\nb"}, r"headers\['X-Key'\] has a newline inside"),
        ({"X-Key": " a"}, r"headers\['X-Key'\] has white space at its beginning or end; remove it"),
        ({"X-Key": "a\t"}, r"headers\['X-Key'\] has white space at its beginning or end; remove it"),
        ({"X-Key": "a\x00b"}, r"headers\['X-Key'\] has a NUL character"),
        ({"X-Key": "a\x1bb"}, r"headers\['X-Key'\] has a control character"),
        ({"X-Key": "\u00e4"}, r"headers\['X-Key'\] has a character outside ASCII"),
        ({"X-Key": "\ud800"}, r"headers\['X-Key'\] has half a character"),
        ({"ok": "1", "": "a"}, "headers: name number 2 is empty or has a character"),
        ({"X Key": "a"}, "headers: name number 1 is empty or has a character"),
        ({"X-Key:": "a"}, "headers: name number 1 is empty or has a character"),
        ({"X-K\u00e4y": "a"}, "headers: name number 1 is empty or has a character"),
        ({"X-Key\n": "a"}, "headers: name number 1 is empty or has a character"),
        ({"X-Key": "a", "x-key": "b"}, "headers has one header twice: X-Key and x-key"),
    ],
)
@pytest.mark.parametrize("form", ["option", "entry"])
def test_bad_headers(headers: dict[str, str], words: str, form: str) -> None:
    """A header that cannot be sent is a `ValueError` with its name, where the client is made."""
    target: Any = URL if form == "option" else {"mcpServers": {"a": {"url": URL, "headers": headers}}}
    with pytest.raises(ValueError, match=rf"^(server 'a': )?{words}"):
        resolve(target, Options(headers=headers if form == "option" else None))


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "it has no characters"),
        ("  ", "it has no characters"),
        ("\n", "it has no characters"),
        ("abc\n", "it has a newline at its end; remove the newline"),
        ("abc ", "it has white space at its beginning or end; remove it"),
        ("Bearer abc", "white space in it; give the token alone, without a word such as Bearer"),
        ("t\u00f6ken", "it has a character outside ASCII"),
    ],
)
def test_bad_tokens(token: str, words: str) -> None:
    """The same for a token."""
    with pytest.raises(ValueError, match=f"^auth must be a token of printable ASCII characters; .*{words}"):
        resolve(URL, Options(auth=token))


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"": "x"}, "env: name number 1 has no characters"),
        ({"A": "x", "B=C": "x"}, "env: name number 2 has an '='"),
        ({"A\x00": "x"}, "env: name number 1 has a NUL character"),
        ({"TOKEN": "x\x00"}, r"env\['TOKEN'\] has a NUL character"),
        ({"TOKEN": "\ud800"}, r"env\['TOKEN'\] has half a character"),
    ],
)
@pytest.mark.parametrize("form", ["option", "entry", "parameters"])
def test_bad_variables(env: dict[str, str], words: str, form: str) -> None:
    """A variable that cannot be given to a process is named, wherever it stands."""
    target: Any = {
        "option": ["server"],
        "entry": {"mcpServers": {"a": {"command": "server", "env": env}}},
        "parameters": StdioServerParameters(command="server", env=env),
    }[form]
    with pytest.raises(ValueError, match=rf"^(server 'a': )?{words}"):
        resolve(target, Options(env=env if form == "option" else None))


def test_variables_of_this_process() -> None:
    """Everything that this process's own environment may hold can be handed on, undecodable bytes included."""
    kept = os.fsdecode(b"caf\xe9")
    assert resolve(["server"], Options(env={"A": "two\nlines", "B": "", "C": kept})).endpoint == "stdio:server"


@pytest.mark.parametrize(
    ("cwd", "words"), [("", "no characters"), ("/tmp\x00", "a NUL character"), ("/\ud800", "half a character")]
)
def test_bad_directories(cwd: str, words: str) -> None:
    """A folder that no path can name is refused by the option's name."""
    for target, given in ((["server"], cwd), ({"mcpServers": {"a": {"command": "server", "cwd": cwd}}}, None)):
        with pytest.raises(ValueError, match=f"cwd has {words}"):
            resolve(target, Options(cwd=given))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["server", "a", "b\x00"], "argument 2 of the command has a NUL character"),
        (["server", "\ud800"], "argument 1 of the command has half a character"),
        (["ser\x00ver"], "the program's name in the command has a NUL character"),
        (["server\n"], "the program's name in the command has white space at its beginning or end; remove it"),
        ([" "], "command must not be empty"),
        (["server --port 1"], "the program's name holds a whole command line; give each word by itself"),
        (["A=1", "server"], "the program's name holds a whole command line; .*variables as env"),
    ],
)
@pytest.mark.parametrize("form", ["list", "entry", "parameters"])
def test_bad_commands(command: list[str], words: str, form: str) -> None:
    """A command that no system can start is told by the place of the word, in each of its forms."""
    first, *rest = command
    target: Any = {
        "list": command,
        "entry": {"mcpServers": {"a": {"command": first, "args": rest}}},
        "parameters": StdioServerParameters(command=first, args=rest),
    }[form]
    with pytest.raises(ValueError, match=rf"^(server 'a': )?{words}"):
        resolve(target, Options())


def test_programs_with_white_space(tmp_path: Path) -> None:
    """A program whose path has spaces is one where it is there: by its path, beside `cwd`, or on the PATH."""
    program = tmp_path / "my server"
    program.touch()
    program.chmod(stat.S_IRWXU)
    assert resolve([str(program)], Options()).endpoint == "stdio:my server"
    assert resolve(["./my server"], Options(cwd=tmp_path)).endpoint == "stdio:my server"
    assert resolve(["my server"], Options(env={"PATH": str(tmp_path)})).endpoint == "stdio:my server"
    script = tmp_path / "my server.py"
    script.touch()
    assert resolve(str(script), Options()).endpoint.endswith("my server.py")
    assert resolve(f"{tmp_path}/my server.py", Options()).endpoint.endswith("my server.py")


def test_names_that_cannot_be_shown() -> None:
    """What is shown of a command is harmless: nothing in it moves a cursor or a reader's eye."""
    assert resolve(["/opt/\x1b[2Jserver"], Options()).endpoint == "stdio:\\x1b[2Jserver"


# --- a name of the program's own --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://example.com/s/hunter2/mcp",
        {"mcpServers": {"a": {"url": "https://example.com/s/hunter2/sse", "type": "sse"}}},
        ["server"],
    ],
)
def test_endpoint(target: Any) -> None:
    """`endpoint=` stands in the place of whatever would be shown of a target."""
    found = resolve(target, Options(endpoint="billing \u2013 EU"))
    assert found.endpoint == "billing \u2013 EU"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (5, TypeError, "a name for the server; got an int"),
        (b"x", TypeError, "a name for the server; got bytes"),
        ("", ValueError, "no characters"),
        ("  ", ValueError, "no characters"),
        ("x" * 201, ValueError, "more than 200 characters"),
        ("a\nb", ValueError, "a newline inside"),
        ("a\x1b[2J", ValueError, "a control character"),
        ("a\u202eb", ValueError, "a control character or an invisible one"),
        ("a\tb", ValueError, "an invisible character"),
        ("a\ud800", ValueError, "half a character"),
    ],
)
def test_bad_endpoints(name: Any, error: type[Exception], words: str) -> None:
    """It is a name that can be shown anywhere."""
    with pytest.raises(error, match=f"^endpoint must be .*{words}"):
        resolve(URL, Options(endpoint=name))


# --- kinds of entries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["type", "transport"])
@pytest.mark.parametrize(
    ("said", "fields", "endpoint"),
    [
        ("stdio", {"command": "server"}, "stdio:server"),
        ("stdio", {"command": "server", "url": URL}, "stdio:server"),
        ("http", {"url": URL}, URL),
        ("HTTP", {"url": URL, "command": "server"}, URL),
        ("streamable-http", {"url": URL}, URL),
        ("streamableHttp", {"url": URL}, URL),
        ("streamable_http", {"url": URL}, URL),
        ("sse", {"url": URL}, URL),
        (None, {"url": URL}, URL),
        (None, {"command": "server"}, "stdio:server"),
    ],
)
def test_types(key: str, said: str | None, fields: dict[str, Any], endpoint: str) -> None:
    """An entry's `type` or `transport` says what it is, in the spellings of various programs."""
    assert resolve({"mcpServers": {"a": {key: said, **fields}}}, Options()).endpoint == endpoint


KNOWN = "stdio, http, streamable-http, sse"


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"url": URL, "type": "websocket"}, ValueError, f"type is unknown; known are {KNOWN}"),
        ({"url": URL, "transport": ""}, ValueError, f"transport is unknown; known are {KNOWN}"),
        ({"url": URL, "type": 5}, TypeError, f"type must be one of {KNOWN}; got an int"),
        ({"url": URL, "type": "http", "transport": "sse"}, ValueError, "type and transport say different things"),
        ({"url": URL, "type": "stdio"}, ValueError, "type says stdio, which needs 'command'"),
        ({"command": "server", "type": "http"}, ValueError, "type says http, which needs 'url'"),
        ({"command": "server", "transport": "sse"}, ValueError, "transport says sse, which needs 'url'"),
        ({"command": "server", "url": URL}, ValueError, "expected 'url' or 'command', not both"),
    ],
)
def test_bad_types(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    """What contradicts itself, or is unknown, is refused by the field's name."""
    with pytest.raises(error, match=f"^server 'a': {words}"):
        resolve({"mcpServers": {"a": fields}}, Options())
