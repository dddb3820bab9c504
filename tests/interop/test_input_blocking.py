"""The blocking client and real servers that ask in mid-task: the handler runs on the thread that waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mcptasks import InputContext
from mcptasks.sync import Client, Task, TaskInputRequiredError
from tests.interop.targets import LONG

pytestmark = pytest.mark.parametrize("generation", [3, 4], indirect=True)


def test_handler_on_the_waiting_thread(fastmcp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain function may use `input()`, and look at the task that asks."""
    typed: list[tuple[str, threading.Thread]] = []

    def keyboard(prompt: str) -> str:
        typed.append((prompt, threading.current_thread()))
        return "Ada"

    monkeypatch.setattr("builtins.input", keyboard)

    def answer(context: InputContext[Task[Any]], params: Any) -> dict[str, str]:
        assert context.task is task
        assert task.status().task_id == task.task_id
        return {"value": input(params.message)}

    with Client(fastmcp_url, elicitation_handler=answer) as client:
        task = client.call_tool("ask_name", task=True)
        assert task.result(LONG).data == "Hello, Ada!"
    assert typed == [("What is your name?", threading.current_thread())]


def test_by_hand(fastmcp_url: str) -> None:
    """Without a handler the question comes out of `result()`, and a person answers it."""
    with Client(fastmcp_url) as client:
        task = client.call_tool("ask_name", task=True)
        with pytest.raises(TaskInputRequiredError) as caught:
            task.result(LONG)
        (key,) = caught.value.input_requests
        task.answer(key, {"value": "Grace"})
        assert task.result(LONG).data == "Hello, Grace!"
