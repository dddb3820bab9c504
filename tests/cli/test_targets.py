"""Which server is meant: URLs, files, configured names, and what other programs have configured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcptasks._cli import trust
from mcptasks._cli.entries import Entry, resolved, shown_url
from mcptasks._cli.sources import SOURCES, Problem, Scene, entries_of
from mcptasks._cli.targets import Target, TargetError, client_arguments, of_command, of_word


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A home directory and, in it, a project with a folder in which the user works."""
    (tmp_path / "home" / "work" / "deep").mkdir(parents=True)
    return Scene({}, tmp_path / "home", tmp_path / "home" / "work" / "deep", platform="linux")


def put(path: Path, value: Any) -> Path:
    """Write a configuration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def servers(**entries: Any) -> dict[str, Any]:
    """A configuration in the usual form."""
    return {"mcpServers": entries}


def entry_of(target: Target) -> Entry:
    """The entry of a configuration that a target stands for."""
    assert isinstance(target.given, Entry)
    return target.given


def nobody(name: str, description: str, secret: bool) -> str:
    """Nobody is there to be asked."""
    raise ValueError(f"asked for {name}")


URL = {"url": "https://example.com/mcp"}


@pytest.mark.parametrize(
    ("word", "shown", "again"),
    [
        ("https://example.com/mcp", "https://example.com/mcp", "https://example.com/mcp"),
        ("https://u:s3cret@example.com/mcp?key=s3cret#x", "https://example.com/mcp", None),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
    ],
)
def test_urls(word: str, shown: str, again: str | None, scene: Scene) -> None:
    """A URL is a target; only one without a secret is written down for later."""
    target = of_word(word, scene)
    assert (target.given, target.shown, target.again) == (word, shown, again)
    assert target.is_lasting
    assert "s3cret" not in repr(target)


def test_commands() -> None:
    """A command is shown by its program only, and never written down: its words may hold secrets."""
    target = of_command(["/usr/bin/server", "--token", "s3cret"])
    assert (target.shown, target.again, target.is_lasting) == ("server", None, False)
    assert "s3cret" not in repr(target)
    with pytest.raises(TargetError):
        of_command([])


def test_scripts(scene: Scene) -> None:
    """A script is a target, and is found again from other folders."""
    path = put(scene.cwd / "server.py", "")
    assert of_word(str(path), scene).again == str(path)
    with pytest.raises(TargetError, match=r"no such file: other\.py"):
        of_word("other.py", scene)


def test_own_configuration(scene: Scene) -> None:
    """A plain name is one of our own configuration."""
    put(scene.home / ".config/mcptasks/servers.json", servers(reports=URL, other=URL))
    target = of_word("reports", scene)
    assert (target.shown, target.again, target.is_lasting) == ("reports", "reports", True)
    with pytest.raises(TargetError, match="did you mean 'reports'"):
        of_word("report", scene)


def test_own_configuration_elsewhere(scene: Scene, tmp_path: Path) -> None:
    """`MCPTASKS_CONFIG`, `XDG_CONFIG_HOME` and `--config` name other files, whose servers are found again."""
    path = put(tmp_path / "mine.json", servers(reports=URL))
    put(tmp_path / "xdg/mcptasks/servers.json", servers(there=URL))
    named = Scene({"MCPTASKS_CONFIG": str(path)}, scene.home, scene.cwd)
    assert of_word("reports", named).again == f"{path}:reports"
    assert of_word("reports", scene, path).again == f"{path}:reports"
    assert of_word(f"{path}:reports", scene).shown == "reports"
    assert of_word("there", Scene({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, scene.home, scene.cwd)).shown == "there"
    with pytest.raises(TargetError, match="no such file"):
        of_word("reports", scene, tmp_path / "none.json")


def test_files_with_servers(scene: Scene) -> None:
    """A file with one server is that server; of several, one has to be named."""
    one = put(scene.cwd / "one.json", servers(only=URL))
    two = put(scene.cwd / "two.json", servers(a=URL, b=URL))
    assert of_word(str(one), scene).again == f"{one}:only"
    assert entry_of(of_word(f"{two}:b", scene)).name == "b"
    with pytest.raises(TargetError, match="has these servers: a, b; write "):
        of_word(str(two), scene)
    with pytest.raises(TargetError, match="has no server 'c'; it has: a, b"):
        of_word(f"{two}:c", scene)


PLACES = [
    ("claude-code", "work/.mcp.json", servers(x=URL), True),
    ("claude-code", ".claude.json", servers(x=URL), False),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", servers(x={"command": "npx"}), False),
    ("cursor", "work/.cursor/mcp.json", servers(x=URL), True),
    ("cursor", ".cursor/mcp.json", servers(x=URL), False),
    ("vscode", "work/deep/.vscode/mcp.json", {"servers": {"x": {"type": "http", **URL}}}, True),
    ("vscode", ".config/Code/User/mcp.json", {"servers": {"x": {"type": "http", **URL}}}, False),
    ("gemini", ".gemini/settings.json", {"theme": "dark", **servers(x={"httpUrl": URL["url"]})}, False),
    ("windsurf", ".codeium/windsurf/mcp_config.json", servers(x={"serverUrl": URL["url"]}), False),
]


@pytest.mark.parametrize(("source", "place", "config", "project"), PLACES, ids=[f"{a}:{b}" for a, b, *_ in PLACES])
def test_sources(source: str, place: str, config: Any, project: bool, scene: Scene) -> None:
    """The servers of each program are found where it has them, in the form in which it writes them."""
    put(scene.home / place, config)
    target = of_word(f"{source}:x", scene)
    assert target.again == f"{source}:x"
    assert entry_of(target).project is project
    given, more = client_arguments(target, scene, nobody)
    fields = given["mcpServers"]["x"]
    assert fields.get("url", fields.get("command")) in (URL["url"], "npx")
    assert more == {"server": "x"}


@pytest.mark.parametrize("source", SOURCES)
def test_sources_that_are_not_there(source: str, scene: Scene) -> None:
    """A program that is not installed has no servers, and that is no error."""
    assert not list(entries_of(source, scene))
    with pytest.raises(TargetError, match=f"{source} has no server 'x'; it has: none"):
        of_word(f"{source}:x", scene)


def test_nearest_file_first(scene: Scene) -> None:
    """Of two servers with one name, that of the nearest file is meant; for Claude Code, the folder comes before all."""
    put(scene.home / "work/.cursor/mcp.json", servers(x={"url": "https://near/"}))
    put(scene.home / ".cursor/mcp.json", servers(x={"url": "https://far/"}, y=URL))
    assert entry_of(of_word("cursor:x", scene)).place == "https://near/"
    assert not entry_of(of_word("cursor:y", scene)).project
    local = {"projects": {str(scene.cwd): servers(z={"url": "https://here/"})}, **servers(z=URL)}
    put(scene.home / ".claude.json", local)
    assert entry_of(of_word("claude-code:z", scene)).place == "https://here/"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON: line 1, column 2"),
        ("[]", "must hold a JSON object"),
        ('{"mcpServers": []}', "mcpServers must be an object"),
        ('{"mcpServers": {"s3cret": 3}}', "the entry 's3cret' must be an object"),
        ('{"mcpServers": {"a": {}, "a": {}}}', "an object has the name 'a' twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_files_that_make_no_sense(text: str, said: str, scene: Scene) -> None:
    """A file that makes no sense is named with the place of the fault; the files of others are left out."""
    path = put(scene.cwd / "bad.json", text)
    with pytest.raises(TargetError, match=said) as caught:
        of_word(f"{path}:a", scene)
    assert str(path) in str(caught.value)
    put(scene.home / ".cursor/mcp.json", text)
    assert [type(each) for each in entries_of("cursor", scene)] == [Problem]


def test_comments(scene: Scene) -> None:
    """Files of editors may have comments and a comma too many; what looks like these inside a text stays."""
    text = '{ // one\n "servers": { /* two, */ "x": {"url": "https://a//b/*c*/,}", }, },\n}'
    path = put(scene.cwd / "c.json", text)
    given, _ = client_arguments(of_word(f"{path}:x", scene), scene, nobody)
    assert given["mcpServers"]["x"]["url"] == "https://a//b/*c*/,}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${TOKEN}", "t"),
        ("Bearer ${env:TOKEN}!", "Bearer t!"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("$TOKEN ${} {TOKEN}", "$TOKEN ${} {TOKEN}"),
        ("${input:api-key}", "typed"),
        ("${userHome}", str(Path.home())),
    ],
)
def test_variables(text: str, value: str, scene: Scene) -> None:
    """Variables are filled in, in every form that the programs have."""
    path = put(scene.cwd / "v.json", servers(x={"url": "https://a/", "headers": {"k": text}}))
    environ = {"TOKEN": "t", "EMPTY": "", "MCPTASKS_INPUT_API_KEY": "typed"}
    found = resolved(entry_of(of_word(str(path), scene)), environ, nobody)
    assert found["headers"] == {"k": value}


def test_variables_that_are_not_set(scene: Scene) -> None:
    """A variable that is not set is named, with the entry; no other value is shown."""
    path = put(scene.cwd / "v.json", servers(x={"command": "s3cret", "env": {"A": "${NONE}"}}))
    with pytest.raises(ValueError, match="the entry 'x' uses the variable NONE, which is not set") as caught:
        resolved(entry_of(of_word(str(path), scene)), {}, nobody)
    assert "s3cret" not in str(caught.value)


def test_inputs(scene: Scene) -> None:
    """Inputs of VS Code are asked for once each, with their descriptions and whether they are secret."""
    config = {
        "inputs": [{"id": "key", "type": "promptString", "description": "API key", "password": True}],
        "servers": {"x": {"url": "https://a/", "headers": {"k": "${input:key}", "l": "${input:key}"}}},
    }
    path = put(scene.cwd / "i.json", config)
    asked: list[tuple[str, str, bool]] = []

    def ask(name: str, description: str, secret: bool) -> str:
        asked.append((name, description, secret))
        return "typed"

    found = resolved(entry_of(of_word(str(path), scene)), {}, ask)
    assert (found["headers"], asked) == ({"k": "typed", "l": "typed"}, [("key", "API key", True)])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "the target is empty"),
        ("localhost:8000/mcp", "begins with http:// or https://; did you mean http://localhost:8000/mcp?"),
        ("example.com/mcp", "a URL begins with .*did you mean https://example.com/mcp?"),
        ("nothing", "no server 'nothing' is configured"),
        ("none.json", "no such file: none.json"),
    ],
)
def test_refused(word: str, said: str, scene: Scene) -> None:
    """A word that names no server is refused with what would."""
    with pytest.raises(TargetError, match=said):
        of_word(word, scene)


def test_consent_is_for_what_was_read(scene: Scene, tmp_path: Path) -> None:
    """Consent to an entry is remembered, for what it says: a changed entry, and another file, are asked about again."""
    memory = tmp_path / "state" / "trusted.json"
    path = put(scene.home / "work/.mcp.json", servers(x={"command": "a"}))
    entry = entry_of(of_word("claude-code:x", scene))
    assert not trust.is_trusted(entry, memory)
    trust.remember(entry, memory)
    assert trust.is_trusted(entry, memory)
    put(path, servers(x={"command": "a", "args": ["--evil"]}))
    assert not trust.is_trusted(entry_of(of_word("claude-code:x", scene)), memory)
    memory.write_text("spoilt")
    assert not trust.is_trusted(entry, memory)


@pytest.mark.parametrize(
    ("url", "shown"),
    [("https://a/b?c#d", "https://a/b"), ("https://u:p@a:1/b@c", "https://a:1/b@c"), ("https://a?u@b", "https://a")],
)
def test_shown_urls(url: str, shown: str) -> None:
    """A URL is shown without what may be a secret."""
    assert shown_url(url) == shown
