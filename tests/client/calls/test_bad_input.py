"""What cannot be right is refused with words that name it, soon, and before anything is sent."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import mcp
import mcp_types
import pytest
from pydantic import FileUrl

from mcptasks import PollingPolicy, TaskConnectionError
from mcptasks.testing import TaskServer
from tests.helpers.support import (
    LIMIT,
    asked,
    begin,
    connected,
    http,
)
from tests.helpers.worlds import both_worlds, make_client

pytestmark = both_worlds

NOT_SECONDS: list[tuple[Any, type[Exception]]] = [
    (-1, ValueError),
    (-0.001, ValueError),
    (math.nan, ValueError),
    (math.inf, ValueError),
    (-math.inf, ValueError),
    (True, TypeError),
    ("5", TypeError),
    ([1], TypeError),
    (1 + 2j, TypeError),
]
NOT_ABOVE_ZERO: list[tuple[Any, type[Exception]]] = [*NOT_SECONDS, (0, ValueError)]


class NotATarget:
    """Nothing that one can connect to."""


# --- targets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", [None, 7, b"http://x", ("python", "x.py"), object(), NotATarget, {1, 2}, "server", "", str]
)
def test_unknown_targets(target: Any) -> None:
    """What is no target is a `TypeError` that lists what can be given, and does not show it: it may hold secrets."""
    with pytest.raises(TypeError, match=r"cannot connect to .*URL.*mcpServers.*transport") as caught:
        make_client(target)
    assert not target or target is None or repr(target) not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ftp://example.com/x", "ftp"),
        ("ws://example.com", "ws"),
        ("http://", "(?i)url"),
        ("http://:80/mcp", "(?i)url"),
        ("http://example.com:port/mcp", "(?i)port"),
        ("http://example.com:99999/mcp", "(?i)port"),
        ([], "program"),
        ([""], "program"),
        ({}, "mcpServers"),
        ({"mcpServers": {}}, "mcpServers"),
        ({"mcpServers": {"a": 7}}, "'a'"),
        ({"mcpServers": {"a": {"weather": 1}}}, "'a'.*url.*command"),
        ({"mcpServers": {"a": {"url": "http://x/"}, "b": {"url": "http://y/"}}}, "a, b.*server="),
    ],
)
def test_targets_that_cannot_be_right(target: Any, words: str) -> None:
    """A target of a known kind that cannot be right is a `ValueError` that says why."""
    with pytest.raises(ValueError, match=words):
        make_client(target)


@pytest.mark.parametrize("name", ["nowhere.py", "nowhere.js", "nowhere.json"])
@pytest.mark.parametrize("form", [str, Path])
def test_files_that_are_not_there(tmp_path: Path, name: str, form: Callable[[Path], Any]) -> None:
    """A path to nothing is a `FileNotFoundError` that names it."""
    with pytest.raises(FileNotFoundError, match=name):
        make_client(form(tmp_path / name))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"mcpServers": []}'])
def test_configurations_that_are_none(tmp_path: Path, text: str) -> None:
    """A file that holds no configuration is a `ValueError`."""
    path = tmp_path / "servers.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mcpServers|not JSON"):
        make_client(path)


def test_a_server_that_is_not_in_the_configuration() -> None:
    """`server=` that names no entry says which there are."""
    with pytest.raises(ValueError, match=r"no server 'c'.*a, b"):
        make_client({"mcpServers": {"a": {"url": "http://x/"}, "b": {"url": "http://y/"}}}, server="c")


@pytest.mark.parametrize(
    ("target", "options", "named"),
    [
        ("http://127.0.0.1:9/", {"env": {"A": "b"}}, "env="),
        ("http://127.0.0.1:9/", {"cwd": "/"}, "cwd="),
        ("http://127.0.0.1:9/", {"server": "a"}, "server="),
        (["python"], {"headers": {"a": "b"}}, "headers="),
        (["python"], {"auth": "token"}, "auth="),
        (mcp.StdioServerParameters(command="x"), {"http_client": object()}, "http_client="),
        (TaskServer(), {"headers": {"a": "b"}}, "headers="),
        (TaskServer(), {"cwd": "/"}, "cwd="),
    ],
)
def test_options_without_meaning(target: Any, options: Any, named: str) -> None:
    """An option that the kind of target has no use for is refused by name."""
    with pytest.raises(ValueError, match=f"{named} has no meaning"):
        make_client(target, **options)


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "error"), NOT_ABOVE_ZERO)
def test_client_timeouts(value: Any, error: type[Exception]) -> None:
    """A client's timeout is a number of seconds above zero, and the message shows what was given."""
    with pytest.raises(error, match=rf"^timeout must .*{re.escape(repr(value))}"):
        make_client(["x"], timeout=value)


@pytest.mark.parametrize(("value", "error"), NOT_SECONDS)
def test_reconnect_timeouts(value: Any, error: type[Exception]) -> None:
    """The same for `reconnect_timeout`."""
    with pytest.raises(error, match=rf"^reconnect_timeout must .*{re.escape(repr(value))}"):
        make_client(["x"], reconnect_timeout=value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"polling": 5}, TypeError),
        ({"mode": "newest"}, ValueError),
        ({"mode": "1999-01-01"}, ValueError),
        ({"elicitation_handler": "x"}, TypeError),
        ({"sampling_handler": 1}, TypeError),
        ({"log_handler": []}, TypeError),
    ],
)
def test_options_of_a_wrong_kind(options: dict[str, Any], error: type[Exception]) -> None:
    """Each option is checked where the client is made, and the message names it."""
    with pytest.raises(error) as caught:
        make_client(["x"], **options)
    (name,) = options
    assert str(caught.value).startswith(f"{name} must be ")


@pytest.mark.parametrize("roots", [7, "one/path", b"x", {"a": 1}])
def test_roots_that_are_no_list(roots: Any) -> None:
    """The same for `roots`, with the type in place of the value."""
    with pytest.raises(TypeError, match=f"^roots must be a list .*, not {type(roots).__name__}$"):
        make_client(["x"], roots=roots)


@pytest.mark.parametrize(
    "root",
    ["file://\ud83d", "a\0b", mcp_types.Root(uri=FileUrl("file:///x"), name="\ud83d")],
    ids=["uri", "path", "name"],
)
def test_roots_that_cannot_be_sent(root: Any) -> None:
    """A root that cannot be sent is refused by place where the client is made."""
    with pytest.raises(ValueError, match=r"^roots\[1\]"):
        make_client(["x"], roots=["/one", root])


def test_a_server_name_that_is_no_text() -> None:
    """`server=` is a text, as all that a program names."""
    config = {"mcpServers": {"a": {"url": "http://x/"}}}
    with pytest.raises(TypeError, match=r"^server must be a string, not int"):
        make_client(config, server=7)
    with pytest.raises(ValueError, match=r"^server holds a lone surrogate"):
        make_client(config, server="\ud83d")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"headers": "a: b"}, TypeError),
        ({"headers": {"a": 1}}, TypeError),
        ({"auth": 7}, TypeError),
        ({"auth": ""}, ValueError),
        ({"auth": "line\nbreak"}, ValueError),
        ({"http_client": "x"}, TypeError),
    ],
)
def test_http_options(options: Any, error: type[Exception]) -> None:
    """Headers, credentials and HTTP clients are checked, and no message shows a credential."""
    with pytest.raises(error) as caught:
        make_client("http://127.0.0.1:9/", **options)
    assert "break" not in str(caught.value)


@pytest.mark.parametrize("name", ["first", "default_interval", "floor", "ceiling", "push_interval"])
@pytest.mark.parametrize("value", [-1, 0, math.nan, "x", True])
def test_polling(name: str, value: Any) -> None:
    """A polling policy is checked where it is made."""
    with pytest.raises((TypeError, ValueError), match=name):
        PollingPolicy(**{name: value})


# --- servers that are not there -----------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("http://127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp"),
        ("http://nobody.invalid/mcp", "http://nobody.invalid/mcp"),
        (["/no/such/program"], "stdio:program"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "stdio:python"),
        ([sys.executable, "-c", "print('hello')"], "stdio:python"),
    ],
    ids=["refused", "no-host", "no-program", "exits", "talks-and-exits"],
)
async def test_not_there(target: Any, named: str) -> None:
    """A server that cannot be reached is a `TaskConnectionError` that names it, soon, in no exception group."""
    # The first use of the SDK's parts takes its time to import.
    with pytest.raises(TaskConnectionError):
        async with make_client("http://127.0.0.1:9/mcp"):
            raise AssertionError("connected")
    with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError) as caught:  # Less than its patience of a minute.
        async with make_client(target):
            raise AssertionError("connected")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.anyio
async def test_no_mcp_server(server: TaskServer) -> None:
    """A web server that is no MCP server is a `TaskConnectionError` that says what it answered."""
    with http(server) as url:
        elsewhere = url.replace("/mcp", "/elsewhere")
        with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError, match="elsewhere"):
            async with make_client(elsewhere):
                raise AssertionError("connected")


# --- calls --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_calls_are_checked_before_anything_is_sent(server: TaskServer) -> None:
    """Names, arguments, metadata, times to live and timeouts of calls are checked; the message names the argument, and
    what is wrong with it."""
    async with connected(server) as client:
        loose: Any = client
        before = asked(server)
        for call in (loose.call_tool, loose.get_prompt):
            for wrong in (7, None, b"work", ["work"]):
                with pytest.raises(TypeError, match=f"name must be a string, not {type(wrong).__name__}"):
                    await call(wrong)
            for arguments in (7, "text", [1]):
                with pytest.raises(TypeError, match=f"arguments must be a mapping .*, not {type(arguments).__name__}"):
                    await call("work", arguments)
            with pytest.raises(TypeError, match="arguments has a key of type int"):
                await call("work", {1: 2})
            with pytest.raises(ValueError, match="name must not be empty"):
                await call("")
        with pytest.raises(TypeError, match="uri must be a string"):
            await loose.read_resource(7)
        for value, error in NOT_ABOVE_ZERO:
            for name in ("timeout", "ttl"):
                with pytest.raises(error, match=rf"{name} must .*{re.escape(repr(value))}"):
                    await loose.call_tool("work", **{name: value})
        with pytest.raises(ValueError, match="ttl must"):
            await client.call_tool("work", ttl=timedelta(seconds=-1))
        for meta in (7, "text", {1: 2}):
            with pytest.raises(TypeError, match=r"^meta (must be a mapping|has a key)"):
                await loose.call_tool("work", meta=meta)
        for task_id in (7, None, ["x"]):
            with pytest.raises(TypeError, match="task_id must be a string"):
                loose.task(task_id)
        assert asked(server) == before


@pytest.mark.anyio
async def test_waits_are_checked_before_anything_is_sent(server: TaskServer) -> None:
    """States, timeouts and callbacks are checked; the message shows the value and what there is."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        loose: Any = task
        before = asked(server)
        for wrong in ("done", "Completed", "", "working "):
            with pytest.raises(ValueError, match=rf"unknown state {wrong!r}; .*working, input_required, completed"):
                await loose.wait(state=wrong)
        with pytest.raises(ValueError, match="unknown state 'gone'"):
            await loose.wait(state=["completed", "gone"])
        with pytest.raises(ValueError, match="must not be empty"):
            await loose.wait(state=[])
        with pytest.raises(TypeError, match="got 7"):
            await loose.wait(state=7)
        for value, error in NOT_SECONDS:
            for wait in (loose.wait, loose.result):
                with pytest.raises(error, match=rf"timeout must .*{re.escape(repr(value))}"):
                    await wait(timeout=value)
        for callback in (None, 7, "f"):
            with pytest.raises(TypeError, match="callback must be callable"):
                loose.on_status_change(callback)
        assert asked(server) == before


@pytest.mark.anyio
@pytest.mark.parametrize("entered", [False, True], ids=["never-entered", "closed"])
async def test_not_open(server: TaskServer, entered: bool) -> None:
    """A client outside its block says so, for every call, and shows its state in its repr."""
    client: Any = make_client(server)
    if entered:
        async with client:
            assert "open" in repr(client)
    words = "closed" if entered else "not open"
    begun = asked(server)
    asks: list[Callable[[], Any]] = [
        lambda: client.call_tool("work"),
        lambda: client.call_tool("work", task=True),
        lambda: client.read_resource("file:///x"),
        lambda: client.get_prompt("ask"),
        client.list_tools,
        client.list_resources,
        client.list_resource_templates,
        client.list_prompts,
        client.list_tasks,
    ]
    for ask in asks:
        with pytest.raises(TaskConnectionError, match=words):
            await ask()
    for name in ("protocol_version", "server_info", "server_capabilities", "instructions", "task_support", "mcp"):
        with pytest.raises(TaskConnectionError, match=words):
            getattr(client, name)
    with pytest.raises(TaskConnectionError, match=words):
        client.task("t")
    assert asked(server) == begun
    assert repr(client) == f"<Client in-process:task-server {'closed' if entered else 'new'}>"


@pytest.mark.parametrize("roots", [[7], [None]])
def test_roots_of_a_wrong_kind(roots: Any) -> None:
    """Roots of a wrong kind are refused by place and type where the client is made."""
    with pytest.raises(TypeError, match=rf"^roots\[0\] must be a path, .*not {type(roots[0]).__name__}$"):
        make_client(["x"], roots=roots)


@pytest.mark.anyio
async def test_states_that_cannot_be_hashed(server: TaskServer) -> None:
    """A state that is no string is refused in words about states, also where it is a list."""
    async with connected(server) as client:
        task: Any = (await begin(client, server))[0]
        with pytest.raises((TypeError, ValueError), match="state"):
            await task.wait(state=[["completed"]])
