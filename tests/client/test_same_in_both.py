"""One program sees one thing, whichever protocol its server speaks: how work ends, in all places where that shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import anyio
import pytest
from attrs import evolve
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

import mcptasks
from mcptasks import Task, TaskError, TaskStateError, ToolError
from mcptasks.__main__ import main
from mcptasks._engine.notebook.task_list import TaskList
from mcptasks.testing import Complete, ProtocolFailure, RawResult, ServerTask, TaskServer, ToolContext, ToolFailure
from tests.helpers import worlds
from tests.helpers.support import (
    ERAS,
    LONG_INTERVAL,
    POLLED,
    PUSH_ONLY,
    Era,
    Recorder,
    begin,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    settle,
)
from tests.helpers.tampering import Wire
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

End = Callable[[ServerTask], object]
WORDS = {"type": "text", "text": "no such city"}
MISNAMED = RawResult({"content": [WORDS], "isError": "true"})
"""A result that our server of 2025-11-25 does not take for an error, so that it calls the task completed."""
ENDS: dict[str, tuple[End, str, str, str | None]] = {
    "value": (lambda work: work.complete(42), "completed", "succeeded", None),
    "tool-error": (lambda work: work.fail("no such city"), "failed", "failed", "no such city"),
    "without-words": (
        lambda work: work.complete(RawResult({"content": [], "isError": True})),
        "failed",
        "failed",
        None,
    ),
    "protocol-error": (lambda work: work.fail("refused", code=-32011), "failed", "failed", "refused"),
    "cancelled": (lambda work: work.cancelled("not today"), "cancelled", "cancelled", "not today"),
}
"""How a task may end; the status, the outcome and the message that a program sees of it."""


def colour(html: str) -> str:
    """What the edge of a display is drawn in."""
    found = re.search(r"border-left:4px solid ([^;]+);", html)
    assert found is not None
    return found[1]


def cells(html: str) -> list[str]:
    """The texts of a display, without what is another's with each task: its id, its times and how to resume it."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    texts = [re.sub(r"<[^>]+>", "", row).strip() for row in rows]
    return [
        text for text in texts if not text.startswith(("id", "created", "last updated", "time", "kept for", "resume"))
    ]


async def said(call: Callable[[], Any]) -> str:
    """What comes of a call: its value, or its error."""
    try:
        found = await call()
    except TaskError as exc:
        return f"{type(exc).__name__}: {exc}"
    return str(getattr(found, "data", getattr(found, "status", found)))


def known(task: Task[Any]) -> dict[str, Any]:
    """All that is known of a task without asking anybody."""
    status = task.last_status
    return {
        "status": None if status is None else (status.status, status.status_message, status.is_terminal),
        "outcome": task.outcome,
        "done": task.done,
        "repr": repr(task).replace(repr(task.task_id), "ID"),
        "display": cells(task._repr_html_()),
        "colour": colour(task._repr_html_()),
        "list": re.findall(r"<strong>(\w+)</strong>", TaskList([task])._repr_html_()),
    }


async def program(server: TaskServer, end: End) -> dict[str, Any]:
    """A program that looks at the end of a task from all sides: what it sees."""
    seen: dict[str, Any] = {}
    async with connected(server) as client, connected(server) as other:
        task, work = await begin(client, server)
        untouched, steered = await begin(client, server, raise_on_error=False)
        told, updates = Recorder(), list[Any]()
        task.on_status_change(told)

        async def read() -> None:
            updates.extend([status async for status in task.updates()])

        async with anyio.create_task_group() as readers:
            readers.start_soon(read)
            await settle()
            end(work)
            end(steered)
        await told.until_over()  # In the blocking world it is called on a thread of its own.
        seen["told"] = [(each.status, each.status_message) for each in told.statuses if each.is_terminal]
        seen["updates"] = [(each.status, each.status_message) for each in updates if each.is_terminal]
        for state in ("working", "completed", "failed", "cancelled"):
            seen[state] = await said(partial(task.wait, state=state))
        seen["wait"] = await said(task.wait)
        seen["asked"] = await said(task.status)
        again = other.task(task.task_id)
        seen["elsewhere"] = await said(again.status)
        groups = await worlds.present.wait([untouched], return_when="FIRST_EXCEPTION")
        seen["group"] = [len(part) for part in groups]
        seen["result"] = [await said(task.result), await said(task.result), await said(again.result)]
        seen["quiet"] = await said(untouched.result)
        found = await worlds.present.gather(task, untouched, return_exceptions=True)
        seen["gathered"] = [type(each).__name__ for each in found]
        seen["listed"] = sorted(repr(each.outcome) for each in await client.list_tasks())
        seen["known"] = [known(each) for each in (task, untouched, again)]
        with pytest.raises(TaskStateError) as caught:
            await task.answer("k", {})
        seen["answer"] = str(caught.value)
    return seen


@pytest.mark.parametrize("options", [{}, POLLED], ids=["pushed", "polled"])
@pytest.mark.parametrize("name", ENDS)
async def test_one_program_sees_one_thing(name: str, options: dict[str, Any]) -> None:
    """All that a program can see of a task's end is the same in both protocols, and is what became of the work."""
    end, status, outcome, message = ENDS[name]
    modern, legacy = [await program(make_server(era, **options), end) for era in ERAS]
    assert modern == legacy
    assert modern["told"] == modern["updates"] == [(status, message)]
    assert {modern[key] for key in (status, "wait", "asked", "elsewhere")} == {status}
    for task in modern["known"]:
        assert task["status"] == (status, message, True)
        assert task["outcome"] == outcome
        assert task["repr"].endswith(f" {status}>")
        assert task["list"][-1:] == [status]


@pytest.mark.parametrize("fails", [False, True])
async def test_answered_at_once(fails: bool) -> None:
    """The same holds for a tool that is no task: a handle on an error has failed."""
    seen: list[Any] = []
    for era in ERAS:
        server = make_server(era)

        @server.tool(support="none")
        async def plain(ctx: ToolContext) -> str:
            if fails:
                raise ValueError("no such city")
            return "done"

        async with connected(server) as client:
            task = await client.call_tool("plain", task=True)
            assert task.returned_immediately
            told = Recorder()
            task.on_status_change(told)
            await told.until_over()
            statuses = {each.status async for each in task.updates()}
            asked = [await said(task.status), await said(task.wait), await said(partial(task.wait, state="failed"))]
            seen.append((known(task), told.messages, statuses, asked, await said(task.result)))
    modern, legacy = seen
    assert modern == legacy
    word, words = ("failed", "no such city") if fails else ("completed", None)
    assert modern[0]["status"] == (word, words, True)
    assert modern[0]["outcome"] == ("failed" if fails else "succeeded")
    assert modern[1:3] == ([words], {word})


@modern_only
async def test_the_servers_own_word(server: TaskServer) -> None:
    """`raw` keeps what the server sent, also where the client knows better."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        work.fail("no such city")
        status = await task.wait()
        assert (status.status, status.raw["status"]) == ("failed", "completed")
        assert status.raw["result"]["isError"] is True


@legacy_only
async def test_completed_with_an_error(server: TaskServer) -> None:
    """Where a server of 2025-11-25 calls completed what has failed, `outcome`, `repr` and the display say so as soon as
    the result was fetched; the status stays what it was."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        work.complete(MISNAMED)
        assert (await task.wait()).status == "completed"
        assert (task.outcome, repr(task).endswith(" completed>")) == (None, True)
        with pytest.raises(ToolError, match="no such city"):
            await task.result()
        after = known(task)
        assert after["status"] == ("completed", None, True)
        assert (after["outcome"], after["list"][-1:]) == ("failed", ["failed"])
        assert after["repr"].endswith(" failed>")
        assert any("no such city" in cell for cell in after["display"])
        assert after["colour"] == colour(task._repr_html_()) != "#16a34a"


class Bare:
    """A server of 2026-07-28 that leaves the result out where it says that a task is completed, but in `tasks/get`."""

    def __init__(self, era: Era = "modern") -> None:
        self.server = make_server(era, poll_interval_ms=LONG_INTERVAL)
        self.pushed = 0
        self.wire = Wire(self.server)
        self.wire.alter = self._alter
        self.server.middleware.insert(0, self._create)
        self.born_completed = False

    async def _create(self, ctx: Any, call_next: CallNext) -> HandlerResult:
        found: Any = await call_next(ctx)
        if self.born_completed and ctx.method == "tools/call":
            return {**found, "status": "completed"}
        return None if found is None else dict(found)

    def _alter(self, item: Any) -> list[Any]:
        message = item.message
        if not isinstance(message, JSONRPCNotification) or message.method != "notifications/tasks":
            return [item]
        params = {key: value for key, value in (message.params or {}).items() if key != "result"}
        self.pushed += params["status"] == "completed"
        return [SessionMessage(message.model_copy(update={"params": params}))]


@pytest.mark.parametrize("fails", [False, True])
async def test_pushed_without_the_result(fails: bool) -> None:
    """A push that says no more than "completed" is not told before it is known how: callbacks hear one ending, and
    soon, whatever the interval."""
    bare = Bare()
    async with connected(bare.wire, polling=PUSH_ONLY) as client:
        task, work = await begin(client, bare.server)
        told = Recorder()
        task.on_status_change(told)
        work.set_working("one")
        await told.until_message("one")
        ENDS["tool-error" if fails else "value"][0](work)
        await told.until_over()
        await settle()
        words = ("failed", "no such city") if fails else ("completed", None)
        assert [(each.status, each.status_message) for each in told.statuses][-2:] == [("working", "one"), words]
        assert bare.pushed
        assert task.outcome == ("failed" if fails else "succeeded")


@pytest.mark.parametrize("way", ["result", "wait", "callback", "plain"])
async def test_created_without_the_result(way: str) -> None:
    """A task that is completed when it is born is looked at as soon as anybody is interested, and told as what that
    finds."""
    bare = Bare()
    bare.born_completed = True

    async def end() -> None:
        (await bare.server.next_task()).fail("no such city")

    async with connected(bare.wire, polling=PUSH_ONLY) as client:
        if way == "plain":
            async with anyio.create_task_group() as group:
                group.start_soon(end)
                with pytest.raises(ToolError, match="no such city"):
                    await client.call_tool("work")
            return
        task = await client.call_tool("work", task=True)
        await end()
        assert (task.done, task.outcome) == (False, None)
        if way == "result":
            with pytest.raises(ToolError, match="no such city"):
                await task.result()
        elif way == "wait":
            assert (await task.wait(state="failed")).status_message == "no such city"
        else:
            told = Recorder()
            task.on_status_change(told)
            assert (await told.until_over()).status == "failed"
            assert [each.status for each in told.statuses] == ["failed"]
        assert task.outcome == "failed"
        assert bare.server.requests.count("tasks/get") == 1


@pytest.mark.parametrize("ending", [ToolFailure("no such city"), ProtocolFailure(-32011, "refused"), Complete("done")])
def test_demonstration(ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The demonstration shows the same in both protocols: failed work as failed, and its words."""
    printed: list[tuple[int, list[str], str]] = []
    for era in ERAS:
        server = make_server(era)
        server.add_tool("demo", [evolve(ending, after=0.05)])
        with http(server) as url:
            status = main(["demo", "--tool", "demo", "--arguments", "{}", url])
        told = capsys.readouterr()
        # What is told between the beginning and the end depends on when it is looked at.
        lines = [line.strip() for line in told.out.splitlines()[4:] if not line.startswith("  working")]
        printed.append((status, sorted(lines), told.err))
    modern, legacy = printed
    assert modern == legacy
    if isinstance(ending, Complete):
        assert modern == (0, ["completed", "result: 'done'"], "")
    else:
        word = "ToolError" if isinstance(ending, ToolFailure) else "TaskFailedError"
        assert modern == (1, [f"failed         {ending.message}"], f"{word}: {ending.message}\n")


def test_the_words_of_an_outcome() -> None:
    """The type that programs can name is that of `Task.outcome`."""
    assert get_args(mcptasks.TaskOutcome) == ("succeeded", "failed", "cancelled")
