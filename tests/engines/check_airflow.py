"""`mcptasks.contrib.airflow` with the real Airflow, without its servers: the operator executed, the trigger run alone.

A plain `pytest` leaves this file out, since its environment has no Airflow:
`nox -s airflow` runs it, by its path, in an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

# Airflow makes its files where it is first imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))

from airflow.sdk.exceptions import TaskDeferred
from airflow.serialization.serialized_objects import BaseSerialization

from mcptasks import TaskInputRequiredError, ToolError
from mcptasks.contrib.airflow import McpTaskTrigger, McpToolOperator
from mcptasks.remote import Connect, FromEnv
from mcptasks.testing import Complete, NeedInput, Options, TaskServer, elicit, serve_http

pytestmark = pytest.mark.filterwarnings("default")
LIMIT = 240.0
"""Seconds that anything may take, which nothing should come near."""
CONTEXT = {"ti": SimpleNamespace(dag_id="nightly", run_id="r1", task_id="crunch", map_index=-1, try_number=1)}


@pytest.fixture
def server() -> TaskServer:
    """A server whose tool `work` waits to be steered."""
    server = TaskServer(options=Options(poll_interval_ms=20))
    server.add_tool("work")
    return server


@pytest.fixture
def connect(server: TaskServer) -> Generator[Connect]:
    """The way to the server."""
    with serve_http(server) as url:
        yield Connect(url, reconnect_timeout=5.0)


def deferred(operator: McpToolOperator) -> McpTaskTrigger:
    """The trigger that an operator defers to, after the way through Airflow's database."""
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(CONTEXT)
    assert caught.value.method_name == "execute_complete"
    path, arguments = caught.value.trigger.serialize()
    assert json.loads(json.dumps(arguments)) == arguments
    module, _, name = path.rpartition(".")
    kept = BaseSerialization.deserialize(BaseSerialization.serialize(arguments))
    trigger: McpTaskTrigger = getattr(import_module(module), name)(**kept)
    return trigger


async def events(trigger: McpTaskTrigger) -> list[Any]:
    """What a trigger tells."""
    async with asyncio.timeout(LIMIT):
        return [event.payload async for event in trigger.run()]


def test_the_value(server: TaskServer, connect: Connect) -> None:
    """The operator calls and defers, the trigger waits, and the operator returns the value; one call in all."""
    operator = McpToolOperator(task_id="crunch", connect=connect, tool="work", arguments={"n": 1})
    trigger = deferred(operator)
    (task,) = server.tasks.values()
    assert task.arguments == {"n": 1}

    async def test() -> list[Any]:
        waiting = asyncio.create_task(events(trigger))
        await asyncio.sleep(0)
        task.complete({"n": 42})
        return await waiting

    (event,) = asyncio.run(test())
    assert (event["reference"]["task_id"], event["status"]) == (task.task_id, "completed")
    assert operator.execute_complete(CONTEXT, json.loads(json.dumps(event))) == {"n": 42}
    assert server.requests.count("tools/call") == 1


def test_a_trigger_twice(server: TaskServer, connect: Connect) -> None:
    """A trigger that runs twice at the same time, or again after a restart of the triggerer, tells the same."""
    trigger = deferred(McpToolOperator(task_id="crunch", connect=connect, tool="work"))
    (task,) = server.tasks.values()

    async def test() -> list[Any]:
        stopped = asyncio.create_task(events(trigger))
        while not server.requests.count("tasks/get"):  # noqa: ASYNC110 - what comes is not announced
            await asyncio.sleep(0.01)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        assert not task.cancel_requested
        task.complete("done")
        return await asyncio.gather(events(trigger), events(trigger))

    first, second = asyncio.run(test())
    assert first == second
    assert len(first) == 1


@pytest.mark.parametrize("detach", [False, True])
def test_a_killed_task(server: TaskServer, connect: Connect, detach: bool) -> None:
    """A person who kills the Airflow task has the server asked to cancel, unless it is detached."""
    trigger = deferred(McpToolOperator(task_id="crunch", connect=connect, tool="work", detach=detach))
    (task,) = server.tasks.values()
    asyncio.run(trigger.on_kill())
    assert task.cancel_requested is not detach


def test_errors(server: TaskServer, connect: Connect) -> None:
    """An error of the tool fails the Airflow task, and so does a question: nobody answers it there."""
    operator = McpToolOperator(task_id="crunch", connect=connect, tool="work")
    trigger = deferred(operator)
    next(iter(server.tasks.values())).fail("it broke")
    (event,) = asyncio.run(events(trigger))
    with pytest.raises(ToolError, match="it broke"):
        operator.execute_complete(CONTEXT, event)
    server.add_tool("asking", [NeedInput({"sure": elicit("Really?")}), Complete("deleted")])
    operator = McpToolOperator(
        task_id="ask", connect=evolve(connect, answers_later=True), tool="asking", arguments={"n": 1}
    )
    (event,) = asyncio.run(events(deferred(operator)))
    assert event["status"] == "input_required"
    with pytest.raises(TaskInputRequiredError) as caught:
        operator.execute_complete(CONTEXT, event)
    assert caught.value.input_requests


def test_without_a_triggerer(server: TaskServer, connect: Connect) -> None:
    """With `deferrable=False` the worker waits; a call that becomes no task is never deferred."""
    server.add_tool("quick", [Complete(42)])
    server.add_tool("plain", [Complete(43)], support="none")
    operator = McpToolOperator(task_id="crunch", connect=connect, tool="quick", deferrable=False)
    assert operator.execute(CONTEXT) == 42
    assert McpToolOperator(task_id="plain", connect=connect, tool="plain").execute(CONTEXT) == 43


def test_another_try(server: TaskServer, connect: Connect, tmp_path: Path) -> None:
    """With a store a try that follows a crash gets the task of the try before; another run gets its own."""
    connect = evolve(connect, store=str(tmp_path / "tasks.db"))
    operator = McpToolOperator(task_id="crunch", connect=connect, tool="work")
    first, second = deferred(operator), deferred(operator)
    assert first.reference == second.reference
    assert server.requests.count("tools/call") == 1
    other = {"ti": SimpleNamespace(**{**vars(CONTEXT["ti"]), "run_id": "r2"})}
    with pytest.raises(TaskDeferred):
        operator.execute(other)
    assert server.requests.count("tools/call") == 2
    for task in server.tasks.values():
        task.complete(1)


def test_bad_input(server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that the worker or the triggerer lacks is named, a subprocess refused, and nothing is sent."""
    monkeypatch.delenv("MCP_GONE", raising=False)
    lacking = evolve(connect, auth=FromEnv("MCP_GONE"))
    with pytest.raises(ValueError, match="the environment variable MCP_GONE"):
        McpToolOperator(task_id="a", connect=lacking, tool="work").execute(CONTEXT)
    with pytest.raises(ValueError, match="is a subprocess"):
        McpToolOperator(task_id="b", connect=Connect(["python"]), tool="work").execute(CONTEXT)
    reference = {"task_id": "t", "endpoint": connect.endpoint}
    with pytest.raises(ValueError, match="the environment variable MCP_GONE"):
        asyncio.run(events(McpTaskTrigger(lacking.to_dict(), reference)))
    with pytest.raises(ValueError, match="the Connect leads to"):
        asyncio.run(events(McpTaskTrigger(connect.to_dict(), {**reference, "endpoint": "https://other.example"})))
    assert not server.requests
