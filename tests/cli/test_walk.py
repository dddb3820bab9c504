"""Every command on a narrow terminal without color, and on a wide one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from mcptasks import BY_HAND, TaskConnectionError
from mcptasks._cli.untrusted import width
from mcptasks.sync import Client, Store
from mcptasks.testing import Disconnect, TaskServer
from tests.helpers.command_line import Home
from tests.helpers.walking import COLOR, Step, Walk

TABLES = ("tools", "servers", "list", "recover")
"""Commands that print tables."""
FIRST = [
    [Step("tools {url}", ("typed",)), Step("tools {url} typed", ("typed n=INTEGER [names=TEXT...]",))],
    [Step("call {url} short", ("done",)), Step("watch key:short", ("done",)), Step("show key:short", ("completed",))],
    [
        Step("call -d {url} long --key mine", ("watch it:", "cancel it:")),
        Step("wait key:mine --timeout 0", ("still working",), 124),
        Step("result key:mine --no-wait", ("the task is not over: working",), 8),
        # A server that is slow to say so has been asked at least.
        Step("cancel key:mine", ("cancel",)),
        Step("result key:mine", code=3),
    ],
    [
        Step(
            "answer key:asks",
            ("Which month?", "Which month to report", "answered"),
            meanwhile=(("whole number", "3\n"), ("[pdf]: ", "\n"), ("left out): ", "\n")),
        ),
        Step("result key:asks", ('"ok": true',)),
    ],
    [Step("adopt {foreign} --server {url}", ("watch it:",)), Step("list", ("ID", "long"))],
    [
        Step("demo {url} --tool short", ("connected to mine, MCP 2026-07-28", "result: 'done'")),
        Step("servers", ("mine", "http")),
        Step("store info", ("tasks.db", "uncertain")),
        Step("completion fish", ("_mcptasks_completion",)),
        Step("call", ("error: name the server and the tool",), 2),
    ],
]
THEN = [
    [
        Step("recover", ("may exist", "settle"), 9),
        Step("settle {lost} --none"),
        Step("forget key:lost"),
        Step("list --all", ("ID", "short")),
    ]
]


@pytest.fixture
def era() -> str:
    """2026-07-28 only: what is drawn is the same in both protocols."""
    return "modern"


@pytest.fixture
def names(home: Home, server: TaskServer, url: str) -> Iterator[dict[str, str]]:
    """What the table is about: a server with a name, tasks of a program that has ended, and a call that may exist."""
    path = home.folder / ".config/mcptasks/servers.json"
    path.parent.mkdir(parents=True)
    path.write_text(f'{{"mcpServers": {{"mine": {{"url": "{url}"}}}}}}')
    with closing(Store(home.folder / ".local/state/mcptasks/tasks.db")) as store:
        with Client(url, store=store, elicitation_handler=BY_HAND) as client:
            client.call_tool("short", task=True, key="short")
            client.call_tool("ask", task=True, key="asks")
        with Client(url) as client:
            foreign = client.call_tool("long", task=True).task_id
        server.faults.add("tools/call", Disconnect(), after=True)
        with Client(url, store=store) as client, pytest.raises(TaskConnectionError):
            client.call_tool("long", task=True, key="lost")
        yield {"url": url, "foreign": foreign, "lost": store.tasks(phase="uncertain")[0].id}


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "env"), [(20, {"NO_COLOR": "1"}), (200, {})], ids=["narrow", "wide"])
def test_every_command(home: Home, names: dict[str, str], columns: int, env: dict[str, str]) -> None:
    """Every command does its work on a terminal of this width. Tables keep to the width, and cut nothing where there is
    room; without color, nothing has one."""
    seen = Walk(home, names, columns=columns, env=env).all(FIRST, THEN)
    for step, each in seen:
        if step.words.split()[0] in TABLES and len(step.words.split()) < 3:
            table = COLOR.sub(b"", each.raw).decode().split("\r\n")
            if columns == 20:
                assert width(table[0]) <= columns
            assert ("…" in table[1]) is (columns == 20), f"{step.words}: {table}"
    colored = {step.words for step, each in seen if COLOR.search(each.raw)}
    assert not colored if env else colored >= {"list", "servers", "call"}
