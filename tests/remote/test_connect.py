"""`Connect`: what travels to a worker, and what is refused before anything is sent."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from mcptasks import TaskReference
from mcptasks._remote import connect as module
from mcptasks._remote.connect import leading_to, resolved
from mcptasks.remote import Connect, FromEnv
from mcptasks.testing import TaskServer

URL = "https://example.com/mcp"
SERVERS = {
    "mcpServers": {
        "one": {"url": URL, "headers": {"X-Team": "data"}},
        "two": {"command": sys.executable, "env": {"API_KEY": "hush"}},
    }
}
FULL = Connect(
    SERVERS,
    server="one",
    mode="legacy",
    auth=FromEnv("MCP_TOKEN"),
    headers={"X-Team": "ml", "X-Api-Key": FromEnv("MCP_KEY")},
    store=FromEnv("MCP_STORE"),
    timeout=5.0,
    reconnect_timeout=None,
    answers_later=True,
    endpoint="crunch",
)


@pytest.mark.parametrize("connect", [Connect(URL), FULL, Connect([sys.executable, "-c", "1"], env={"A": "b"})])
def test_travels(connect: Connect) -> None:
    """A `Connect` pickles, and is JSON text and a mapping away."""
    assert pickle.loads(pickle.dumps(connect)) == connect
    assert Connect.from_json(connect.to_json()) == connect
    assert Connect.from_json(connect.to_dict()) == connect
    assert hash(Connect.from_json(connect.to_json())) == hash(connect)


def test_later_versions_are_read() -> None:
    """A worker of this version reads what a later one wrote, without the fields that it does not know."""
    assert Connect.from_json({**Connect(URL).to_dict(), "colour": "red"}) == Connect(URL)


def test_other_entries_stay_at_home() -> None:
    """Of a configuration only the chosen entry travels: the others may hold secrets."""
    assert "hush" not in FULL.to_json()
    assert FULL.target == {"mcpServers": {"one": SERVERS["mcpServers"]["one"]}}


def test_variables_are_read_where_the_worker_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of variables are those of the process that connects, and are in nothing that travels or is shown."""
    secrets = {"MCP_TOKEN": "hush-1", "MCP_KEY": "hush-2", "MCP_STORE": "/tmp/hush-3.db"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    found = resolved(FULL)
    assert found.options["auth"] == "hush-1"
    assert found.options["headers"] == {"X-Team": "ml", "X-Api-Key": "hush-2"}
    assert found.options["store"] == "/tmp/hush-3.db"
    assert (found.endpoint, found.options["mode"]) == ("crunch", "legacy")
    for shown in (repr(found), repr(FULL), FULL.to_json()):
        assert "hush" not in shown


def test_a_new_token_needs_a_new_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls share a client only if they come with the same credentials."""
    connect = Connect(URL, auth=FromEnv("MCP_TOKEN"))
    monkeypatch.setenv("MCP_TOKEN", "old")
    old = resolved(connect).key
    assert resolved(connect).key == old
    monkeypatch.setenv("MCP_TOKEN", "new")
    assert resolved(connect).key != old


@pytest.mark.parametrize(("value", "words"), [(None, "is not set"), ("", "is empty")])
@pytest.mark.parametrize(
    ("options", "use"),
    [
        ({"auth": FromEnv("MCP_GONE")}, "auth="),
        ({"headers": {"X-Key": FromEnv("MCP_GONE")}}, "headers['X-Key']"),
        ({"store": FromEnv("MCP_GONE")}, "store="),
    ],
)
def test_a_missing_variable(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], use: str, value: str | None, words: str
) -> None:
    """A worker that lacks a variable says which one, what it is for and where."""
    if value is None:
        monkeypatch.delenv("MCP_GONE", raising=False)
    else:
        monkeypatch.setenv("MCP_GONE", value)
    with pytest.raises(ValueError, match="the environment variable MCP_GONE, which") as caught:
        resolved(Connect(URL, **options))
    assert f"which {use} of Connect names, {words} on {module._here()}" in str(caught.value)


def test_a_subprocess_stays_on_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subprocess is started on the machine where its `Connect` was made; elsewhere the worker refuses, also if the
    program is not installed there."""
    connect = Connect([sys.executable, "server.py"])
    assert resolved(connect).endpoint == "stdio:" + sys.executable.rpartition("/")[2] + " server.py"
    text = connect.to_json().replace(sys.executable, "/nowhere/python")
    monkeypatch.setattr(module, "_here", lambda: "other")
    for there in (pickle.loads(pickle.dumps(connect)), Connect.from_json(text)):
        with pytest.raises(
            ValueError, match=r"is a subprocess of machine .*, and this is other: .* serve it over HTTP"
        ):
            resolved(there)
    with pytest.raises(ValueError, match="is a subprocess of machine"):
        resolved(evolve(Connect.from_json(text)))


def test_a_script_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a script means the same in whichever folder the worker runs."""
    (tmp_path / "server.py").touch()
    monkeypatch.chdir(tmp_path)
    assert Connect("server.py").target == str(tmp_path / "server.py")


def test_a_store_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a store means the same in whichever folder the worker runs, so a call with a key is made once."""
    monkeypatch.chdir(tmp_path)
    connect = Connect(URL, store="tasks.db")
    monkeypatch.chdir("/")
    for there in (connect, Connect.from_json(connect.to_json()), pickle.loads(pickle.dumps(connect))):
        assert resolved(there).options["store"] == str(tmp_path / "tasks.db")
    url = "postgresql://db/tasks"
    assert Connect(URL, store=url).store == url


def test_a_url_goes_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL means the same on every machine."""
    connect = Connect(URL)
    monkeypatch.setattr(module, "_here", lambda: "other")
    assert resolved(connect).target == URL


def test_the_reference_of_another_server() -> None:
    """A reference is followed at its own server only; without a `Connect` its URL is enough, if there is one."""
    reference = TaskReference(task_id="t", endpoint=URL)
    assert leading_to(reference, Connect(URL)) == leading_to(reference, None) == Connect(URL)
    assert leading_to(TaskReference(task_id="t"), FULL) is FULL
    with pytest.raises(ValueError, match=r"the reference is of the server .*example\.com.*, and the Connect leads to"):
        leading_to(reference, Connect("https://other.example.com/mcp"))
    for endpoint in (None, "stdio:python server.py"):
        with pytest.raises(ValueError, match="the reference names no URL"):
            leading_to(TaskReference(task_id="t", endpoint=endpoint), None)


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        (TaskServer(), {}, TypeError, "travels to other machines"),
        ("servers.json", {}, TypeError, "travels to other machines"),
        (3, {}, TypeError, "travels to other machines"),
        ("https://me:hush@example.com/mcp", {}, ValueError, "credentials in the URL would travel"),
        (URL, {"auth": "hush"}, TypeError, "a token would travel"),
        (URL, {"headers": {"Authorization": "hush"}}, ValueError, "the secret .Authorization. in headers would travel"),
        (URL, {"headers": ["hush"]}, TypeError, "headers must be a mapping"),
        (URL, {"store": "postgresql://me:hush@db/tasks"}, ValueError, "the password in store= would travel"),
        (URL, {"store": 3}, TypeError, "store must be"),
        (URL, {"store": ""}, ValueError, "store must not be empty"),
        (URL, {"store": ":memory:"}, ValueError, "a store in memory is not shared"),
        (URL, {"store": "mysql://db/tasks"}, ValueError, "a store is a path or a postgresql:// URL"),
        (URL, {"answers_later": "no"}, TypeError, "answers_later must be True or False, not a str"),
        (URL, {"timeout": -1}, ValueError, "timeout"),
        (URL, {"mode": "modern?"}, ValueError, "mode"),
        (URL, {"server": "one"}, ValueError, "server="),
        (SERVERS, {}, ValueError, "pick one with server="),
        (SERVERS, {"server": "two"}, ValueError, "the secret .API_KEY. in env of server 'two' would travel"),
        ({"mcpServers": {"a": {"url": "https://me:hush@example.com"}}}, {}, ValueError, "credentials in the URL"),
        ([sys.executable], {"auth": FromEnv("T")}, ValueError, "auth= has no meaning for a command"),
        ("/nowhere/server.py", {}, FileNotFoundError, "no such file"),
    ],
)
def test_refused(target: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    """What cannot travel, or must not, is refused where the `Connect` is made, and no secret is shown."""
    with pytest.raises(error, match=words) as caught:
        Connect(target, **options)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "A=B", "A\0", 3])
def test_names_of_variables(value: Any) -> None:
    """What cannot be the name of a variable is refused at once."""
    with pytest.raises((ValueError, TypeError), match="the name of an environment variable"):
        FromEnv(value)


@pytest.mark.parametrize("source", ["", "{}", "[]", b"\xff", {"url": URL}, {"target": URL, "headers": 5}])
def test_not_a_connect(source: Any) -> None:
    """What `to_json` cannot have written is refused in a sentence."""
    with pytest.raises(ValueError, match="not a Connect"):
        Connect.from_json(source)
