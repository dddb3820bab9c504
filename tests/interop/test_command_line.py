"""The command line on each real server: every command at a terminal and in pipes, and what a failure says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from mcptasks import BY_HAND, TaskConnectionError
from mcptasks.sync import Client, Store
from tests.helpers.command_line import Home, home, warm
from tests.helpers.walking import COLOR, Step, Walk
from tests.interop.fault_proxy import FaultProxy
from tests.interop.targets import new_key

__all__ = ["home", "warm"]


@pytest.fixture
def names(home: Home, fastmcp_url: str, generation: int, fault_proxy: FaultProxy) -> Iterator[dict[str, str]]:
    """What a program has left in the user's store: a task at a gate, a task that asks, a call whose answer was lost;
    and a task that is in no store."""
    found = {"url": fastmcp_url, "gate": new_key("gate"), "shut": new_key("shut"), "lost_url": fault_proxy.url}
    asks = "ask_name" if generation == 4 else "endless"
    with closing(Store(home.folder / ".local/state/mcptasks/tasks.db")) as store:
        with Client(fastmcp_url, store=store, elicitation_handler=BY_HAND) as client:
            client.call_tool("gated", {"key": found["gate"]}, task=True, key="open")
            client.call_tool(asks, task=True, key="asks")
        with Client(fastmcp_url) as client:
            found["foreign"] = client.call_tool("gated", {"key": found["shut"]}, task=True).task_id
        fault_proxy.fail("tools/call", kind="reset", after_upstream=True)
        with Client(fault_proxy.url, store=store) as client, pytest.raises(TaskConnectionError):
            client.call_tool("add", {"a": 1, "b": 2}, task=True, key="lost")
        found["lost"] = store.tasks(phase="uncertain")[0].id
        yield found
        with Client(fastmcp_url) as client:
            client.call_tool("open_gates", {"keys": [found["gate"], found["shut"]]})


def steps(generation: int, *, typed: bool) -> tuple[list[list[Step]], list[list[Step]]]:
    """The table. fastmcp 2.14 shows a task only to the session that made the task, so later commands find none there
    (5). Before fastmcp 4, a question goes to the client that made the call.

    Args:
        generation: That of fastmcp.
        typed: Whether somebody types at a terminal.
    """
    found = generation != 2

    def later(words: str, *says: str, code: int = 0, meanwhile: tuple[tuple[str, str], ...] = ()) -> Step:
        return Step(words, says, code, meanwhile) if found else Step(words, ("not found",), 5)

    answer = [Step("answer key:asks value=Ada", ("the task asks nothing",), 5)]
    if generation == 4:
        answer = [
            Step("answer key:asks", ("What is your name?", "answered"), meanwhile=(("value (text): ", "Ada\n"),))
            if typed
            else Step("answer key:asks value=Ada", ("answered",)),
            Step("result key:asks", ("Hello, Ada!",)),
        ]
    compute = "slow_computation duration=0.2"
    first = [
        [
            Step("tools {url}", ("TOOL", "slow_computation", "Work for `duration` seconds")),
            Step(f"call {{url}} {compute}", ("computed for 0.2 seconds",)),
        ],
        [
            Step("call -d {url} gated key={shut} --key mine", ("watch it:", "cancel it:")),
            later("wait key:mine --timeout 0", "still working", code=124),
            later("result key:mine --no-wait", "the task is not over: working", code=8),
            # `cancel` waits two seconds for the end, which a busy server may need longer for.
            later("cancel key:mine", "cancel"),
            later("result key:mine", code=3),
        ],
        [
            later("watch key:open", "through {gate}", meanwhile=(("gated  working", "open"),)),
            Step("show key:open", ("gated", "completed" if found else "protocol")),
        ],
        answer,
        [later("adopt {foreign} --server {url}", "watch it:"), Step("show key:lost", ("may exist", "--none"))],
        [
            Step(
                "demo {url} --tool slow_computation --arguments '{{\"duration\": 0.2}}'",
                (f"connected to fastmcp{generation}, MCP 20", "computed for 0.2 seconds"),
            ),
            Step("servers", ("no servers are configured",)),
            Step("store info", ("tasks.db", "uncertain")),
            Step("completion bash", ("_mcptasks_completion",)),
        ],
    ]
    then = [
        [
            Step("recover", ("may exist", "settle"), 9),
            Step("settle {lost} --none"),
            Step("forget key:lost"),
            Step("list --all", ("slow_computation", "gated")),
        ]
    ]
    return first, then


@pytest.mark.parametrize("columns", [None, 132], ids=["pipes", "terminal"])
def test_every_command(
    home: Home, fastmcp_url: str, generation: int, names: dict[str, str], columns: int | None
) -> None:
    """Every command does its work, in pipes and at a terminal; pipes get no color and no cursor movement."""

    def open_gate() -> None:
        with Client(fastmcp_url) as client:
            client.call_tool("open_gate", {"key": names["gate"]})

    walk = Walk(home, names, {"open": open_gate}, columns)
    seen = walk.all(*steps(generation, typed=columns is not None))
    if columns is None:
        assert not any(b"\x1b" in each.raw for _, each in seen)
    else:
        assert any(COLOR.search(each.raw) for _, each in seen)
    last = seen[-1][1]
    assert names["lost"][:8] not in last.text


def test_failure(home: Home, fastmcp_url: str) -> None:
    """A tool that fails ends the command with 1, and its words are told."""
    done = home.run("call", fastmcp_url, "report_error", "message=no such month")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "no such month" in done.err


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
def test_question(home: Home, fastmcp_url: str) -> None:
    """A question is asked in the terminal of the call, and the answer reaches the tool."""
    with home.terminal("call", fastmcp_url, "ask_name") as terminal:
        terminal.until("What is your name?", ": ")
        terminal.type("Ada\n")
        assert terminal.end() == 0
        assert "Hello, Ada" in terminal.text
