"""The logger `mcptasks.task`: one record for each change of a task's status, quiet unless a program asks for it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry import trace

from mcptasks.testing import TaskServer, elicit
from tests.helpers.support import Era, begin, connected, make_server
from tests.helpers.tracing import Recording
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


def told(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The records about tasks."""
    return [record for record in caplog.records if record.name == "mcptasks.task" and hasattr(record, "new_status")]


async def test_one_record_for_each_change(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """Each change of status is told once, with fields. A change of the message alone is not told."""
    with caplog.at_level(logging.INFO, "mcptasks.task"):
        async with connected(server, telemetry=False) as client:
            task, steered = await begin(client, server)
            for number in range(3):
                steered.set_working(f"step {number}")
                await task.status()
            steered.complete()
            await task
    records = told(caplog)
    assert [(record.old_status, record.new_status) for record in records] == [
        (None, "working"),
        ("working", "completed"),
    ]
    assert {(record.task_id, record.tool) for record in records} == {(task.task_id, "work")}
    assert {record.levelno for record in records} == {logging.INFO}
    assert records[-1].getMessage() == f"'work' '{task.task_id}': working -> completed"


async def test_questions_by_key(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """What a task asks is told by its keys, without its words."""
    server = make_server(era, input_mode="push-related")
    with caplog.at_level(logging.INFO, "mcptasks.task"):
        async with connected(server) as client:
            task, steered = await begin(client, server)
            steered.need_input({"secret-free": elicit("The very words?")})
            async for status in task.updates():
                if status.input_requests:
                    break
    asking = [record for record in told(caplog) if record.new_status == "input_required"]
    assert len(asking[-1].question_keys) == 1
    assert "The very words" not in str([record.__dict__ for record in caplog.records if record.name != "mcp"])


async def test_quiet_by_default(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """A program that configures no logging sees nothing of it."""
    assert logging.getLogger("mcptasks.task").getEffectiveLevel() == logging.WARNING
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.complete()
        await task
    assert not told(caplog)


async def test_in_the_task_s_trace(
    server: TaskServer, recording: Recording, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that looks for the current span, as OpenTelemetry's does, finds the trace of the task."""
    traces: list[int] = []

    class Correlated(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            traces.append(trace.get_current_span().get_span_context().trace_id)

    handler = Correlated()
    logger = logging.getLogger("mcptasks.task")
    monkeypatch.setattr(logger, "handlers", [handler])
    with caplog.at_level(logging.INFO, "mcptasks.task"):
        async with connected(server, telemetry=recording.telemetry()) as client:
            task, steered = await begin(client, server)
            steered.complete()
            await task
    assert len(traces) == 2
    assert set(traces) == recording.traces
