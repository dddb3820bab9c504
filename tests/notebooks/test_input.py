"""Handlers that call `input()`: they work where the kernel can ask, and where it cannot the task stays answerable.

On 2025-11-25 connections, where questions reach the handlers by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcptasks.testing import Complete, NeedInput, Options, ServerTask, TaskServer, elicit
from tests.notebooks.styles import Notebook, Style

pytestmark = pytest.mark.slow

HANDLER = "def ask(context, params):\n    return {'value': input(params.message + ' ')}"


@pytest.fixture
def server() -> TaskServer:
    """A server whose tool `ask` wants to know a name in the middle of its work."""
    server = TaskServer(era="legacy", options=Options(poll_interval_ms=20, input_mode="push"))
    server.add_tool("ask", [NeedInput({"name": elicit("Your name?")}), Complete("thanks")])
    return server


@pytest.fixture
def style() -> Style:
    """Blocking: there, plain handlers run on the thread of the cell."""
    return "blocking"


@pytest.fixture
def asked(notebook: Notebook) -> Iterator[Notebook]:
    """A notebook with a task that has a question, and a client that has a handler for it."""
    notebook.run(HANDLER)
    notebook.run("client = await mcptasks.Client(url, elicitation_handler=ask).open()")
    notebook.run("task = await client.call_tool('ask', task=True)")
    yield notebook
    notebook.run("await client.close()")


def answers_of(remote: ServerTask) -> list[object]:
    """What the server was told."""
    return [answer["content"] for answer in remote.answers.values()]


def test_input_in_a_handler(asked: Notebook, server: TaskServer) -> None:
    """The frontend shows the question, and the task goes on with what was typed."""
    cell = asked.run("(await task.result()).data", answers=["Ada"])
    assert cell.prompts == ["Your name? "]
    assert cell.value == "'thanks'"
    assert answers_of(server.next_task_blocking()) == [{"value": "Ada"}]


def test_no_standard_input(asked: Notebook, server: TaskServer) -> None:
    """Without a way to ask, the error says how to answer, the task keeps its question, and a later cell answers it."""
    cell = asked.try_("await task.result()")
    assert cell.error == "TaskInputRequiredError"
    assert "standard input" in cell.message
    assert "handler" in cell.message
    remote = server.next_task_blocking()
    assert (remote.status, remote.cancel_requested) == ("input_required", False)
    assert asked.run("(await task.status()).status").value == "'input_required'"
    assert asked.run("(await task.result()).data", answers=["Grace"]).value == "'thanks'"
    assert answers_of(remote) == [{"value": "Grace"}]


def test_stop_at_the_question(asked: Notebook, server: TaskServer) -> None:
    """The stop button at the prompt leaves the question open; the next cell asks again."""
    cell = asked.stop("await task.result()", asking=True)
    assert cell.error == "KeyboardInterrupt"
    remote = server.next_task_blocking()
    assert (remote.status, remote.cancel_requested) == ("input_required", False)
    assert asked.run("(await task.result()).data", answers=["Joan"]).value == "'thanks'"
    assert answers_of(remote) == [{"value": "Joan"}]
