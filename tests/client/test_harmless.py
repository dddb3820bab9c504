"""A hostile server's words in every place where it may put words: what a person sees of them, and how long they take.

Errors, their tracebacks and log records are legible and short; the demonstration prints one line for each thing.
"""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from mcptasks import Client, Task, TaskError
from mcptasks.__main__ import main
from mcptasks.testing import (
    Complete,
    Garbage,
    NeedInput,
    Options,
    ProtocolFailure,
    RawResult,
    RpcError,
    ServerTask,
    TaskServer,
    ToolFailure,
    Working,
    elicit,
    serve_http,
)
from tests.helpers.hostile import TERMINAL, harm
from tests.helpers.support import Era, begin, connected, make_server, modern_only, settle
from tests.helpers.worlds import both_worlds

pytestmark = pytest.mark.anyio

# Half a character is a matter of the transports; see their tests.
WORDS = TERMINAL.replace("\ud800", "")
FLOOD = WORDS + "y" * 200_000
Provoke = Callable[[TaskServer, Client, Task[Any], ServerTask], Awaitable[Any]]


def hostile_server(era: Era, name: str = "hostile") -> TaskServer:
    """A server whose tasks have ids that a terminal would act on."""
    numbers = count()
    options = Options(poll_interval_ms=20, new_task_id=lambda: f"{next(numbers)}{WORDS}")
    server = TaskServer(name, era=era, options=options)
    server.add_tool("work")
    return server


# --- everything that a program may meet -------------------------------------------------------------------------------


async def refused(server: TaskServer, client: Client, _task: Task[Any], _work: ServerTask) -> None:
    """A call that the server refuses."""
    server.faults.add("tools/call", RpcError(-1, FLOOD, {WORDS: WORDS}))
    await client.call_tool("work", task=True)


async def plainly_refused(server: TaskServer, client: Client, _task: Task[Any], _work: ServerTask) -> None:
    """A list that the server refuses."""
    server.faults.add("tools/list", RpcError(-1, FLOOD, {WORDS: WORDS}), times=None)
    await client.list_tools()


async def unknown(server: TaskServer, _client: Client, task: Task[Any], _work: ServerTask) -> None:
    """A task that the server does not know."""
    server.faults.add("tasks/get", RpcError(-32602, FLOOD), times=None)
    await task.status()


async def untold(server: TaskServer, _client: Client, task: Task[Any], _work: ServerTask) -> None:
    """A task of which the server cannot tell."""
    server.faults.add("tasks/get", RpcError(-1, FLOOD), times=None)
    await task.wait()


async def failed(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A request that failed."""
    work.apply(ProtocolFailure(-1, FLOOD, {WORDS: WORDS}))
    await task.result()


async def tool_failed(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A tool that reports an error."""
    work.apply(ToolFailure(FLOOD))
    await task.result()


async def cancelled(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A task that the server cancels."""
    work.cancelled(FLOOD)
    await task.result()


async def late(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A deadline."""
    work.set_working(FLOOD)
    await task.result(timeout=0)


async def over(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A state that cannot come any more."""
    work.cancelled(FLOOD)
    await task.wait(state="input_required")


async def asked(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """A question that nobody answers."""
    work.need_input({WORDS: elicit(WORDS)}, FLOOD)
    await task.result()


async def unasked(_server: TaskServer, _client: Client, task: Task[Any], work: ServerTask) -> None:
    """An answer to what was not asked."""
    work.need_input({WORDS: elicit(WORDS)}, FLOOD)
    await task.wait(state="input_required")
    await task.answer(FLOOD, {})


async def no_status(server: TaskServer, _client: Client, task: Task[Any], _work: ServerTask) -> None:
    """A status that is none."""
    server.faults.add("tasks/get", Garbage(change={"status": FLOOD}), times=None)
    await task.status()


async def other_task(server: TaskServer, _client: Client, task: Task[Any], _work: ServerTask) -> None:
    """A status of another task."""
    server.faults.add("tasks/get", Garbage(change={"taskId": FLOOD}), times=None)
    await task.status()


PROVOKED: dict[str, Provoke] = {
    provoke.__name__: provoke
    for provoke in (
        *(refused, plainly_refused, unknown, untold, failed, tool_failed, cancelled),
        *(late, over, asked, unasked, no_status, other_task),
    )
}


@both_worlds
@pytest.mark.parametrize("name", PROVOKED)
async def test_errors_and_logs(era: Era, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a hostile server makes a program meet, the error, its traceback and the log do no harm."""
    server = hostile_server(era)

    def broken(_status: object) -> None:
        raise ValueError("of the program's own")

    with caplog.at_level(logging.DEBUG, "mcptasks"):
        async with connected(server) as client:
            task, work = await begin(client, server)
            task.on_status_change(broken)
            with pytest.raises(TaskError) as caught:
                await PROVOKED[name](server, client, task, work)
            await settle()
            assert not harm(repr(task) + repr(client))
            assert not harm(task._repr_html_())
    for shown in (str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)):
        assert not harm(shown)
        assert len(shown) < 5000
    for record in caplog.records:
        if record.name == "mcptasks":
            assert record.getMessage().isprintable()
            assert len(record.getMessage()) < 3000
            assert not harm(logging.Formatter().format(record))


@both_worlds
@pytest.mark.parametrize("name", ["refused", "failed", "tool_failed", "unknown"])
async def test_messages_are_exact(era: Era, name: str) -> None:
    """A program gets the server's words exactly, in the error's message."""
    server = hostile_server(era)
    async with connected(server) as client:
        task, work = await begin(client, server)
        with pytest.raises(TaskError) as caught:
            await PROVOKED[name](server, client, task, work)
    assert caught.value.message == FLOOD


# --- the event loop ---------------------------------------------------------------------------------------------------


@both_worlds
async def test_a_default_that_is_hard_to_read(server: TaskServer) -> None:
    """A form whose default is 1 MB of what is hardest to tell from an e-mail address is answered at once without it."""
    mail = {"type": "string", "format": "email", "default": "a@" + "." * 1_000_000 + "@"}
    question = elicit("Which account?", {"value": {"type": "string"}, "mail": mail})

    def mine(_context: object, _params: object) -> dict[str, str]:
        return {"value": "mine"}

    async with connected(server, elicitation_handler=mine, limit=100) as client:
        server.add_tool("asks", [NeedInput({"q": question}), Complete("done")])
        task: Task[Any] = await client.call_tool("asks", task=True)
        assert (await task.result(timeout=60)).data == "done"
    (answer,) = server.tasks[task.task_id].answers.values()
    assert answer["content"] == {"value": "mine"}


@both_worlds
@pytest.mark.parametrize("as_task", [False, True])
async def test_expressions_of_a_server_are_never_run(era: Era, as_task: bool) -> None:
    """A tool's output schema with a regular expression that never ends is no concern of a call's result."""
    server = TaskServer("patterns", era=era, options=Options(poll_interval_ms=20))
    schema = {"type": "object", "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}}
    text = {"text": "a" * 60 + "!"}
    result = RawResult({"content": [], "structuredContent": text})
    server.add_tool("work", [Complete(result)], output_schema=schema)
    async with connected(server) as client:
        await client.list_tools()
        if as_task:
            task: Task[Any] = await client.call_tool("work", task=True)
            assert (await task.result()).data == text
        else:
            assert (await client.call_tool("work")).data == text


# --- the demonstration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_demonstration(era: Era, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the demonstration prints of a hostile server is one short, legible line for each thing."""
    server = hostile_server(era, f"hostile{FLOOD}")
    server.add_tool("demo", [Working(FLOOD), Complete(FLOOD, after=0.05)])
    with serve_http(server) as url:
        status = main(["demo", "--tool", "demo", "--arguments", "{}", "--backend", backend, url])
    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[1].startswith("connected to hostile")
    assert lines[2].startswith("demo runs in the background as task 0")
    # Callbacks have a task of their own, so the last status may be told right after the result.
    assert {line.split()[0] for line in lines[-2:]} == {"result:", "completed"}
    assert all(line.isprintable() and len(line) < 2500 for line in lines)


@pytest.mark.parametrize(
    "ending",
    [ToolFailure(FLOOD), ProtocolFailure(-1, FLOOD), NeedInput({"q": elicit(FLOOD)}, FLOOD), RpcError(-1, FLOOD)],
    ids=lambda ending: type(ending).__name__,
)
def test_demonstration_that_fails(era: Era, ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is told in legible lines on the standard error, without a traceback; the exit status is 1."""
    server = hostile_server(era)
    server.add_tool("demo", [] if isinstance(ending, RpcError) else [ending])
    if isinstance(ending, RpcError):
        server.faults.add("tools/call", ending)
    with serve_http(server) as url:
        status = main(["demo", "--tool", "demo", "--arguments", "{}", url])
    told = capsys.readouterr()
    assert status == 1
    lines = told.err.splitlines()
    assert all(line.isprintable() and len(line) < 2 * 2500 for line in lines)
    if isinstance(ending, NeedInput):
        assert lines[0].startswith("the task asks: ")
        assert lines[1] == "this command cannot answer"
    else:
        assert len(lines) == 1
        assert "Error: " in lines[0]


@modern_only
def test_a_terminal_that_knows_few_characters(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal's encoding cannot write is spelled out; nothing fails for that."""
    server = make_server(era)
    server.add_tool("demo", [Working("größer \u2713"), Complete("größer \u2713", after=0.05)])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with serve_http(server) as url:
        assert main(["demo", "--tool", "demo", "--arguments", "{}", url]) == 0
    assert b"result: 'gr\\xf6\\xdfer \\u2713'" in written.getvalue().splitlines()[-2:]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mode", "nonsense", "http://127.0.0.1:9/mcp"], "mode must be one of auto, legacy, "),
        (["http://[/mcp"], "not a url that can be connected to"),
        (["/no/such/file.py"], "no such file: "),
    ],
)
def test_demonstration_of_nothing(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A target or mode that cannot be right is a usage error, told in a line, with a second one on where to read."""
    assert main(["demo", *arguments]) == 2
    line, _ = capsys.readouterr().err.splitlines()
    assert line.partition("error: ")[2].startswith(words)
