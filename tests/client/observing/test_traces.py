"""Traces: a task is one trace of at most four spans, whatever its length."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from mcptasks import TaskFailedError, TaskNotFoundError, TaskTimeoutError, ToolError
from mcptasks.store import Store
from mcptasks.testing import Complete, NeedInput, TaskServer, ToolFailure, elicit
from tests.helpers import worlds
from tests.helpers.people import Oracle, answered
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    Recorder,
    begin,
    call_tool,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    settle,
)
from tests.helpers.tracing import Recording, attributes_of, context_of
from tests.helpers.worlds import World, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

NAME, AGE = elicit("Who?"), elicit("How old?", {"value": {"type": "integer", "default": 7}})
AWAITED = ("tools/call work", ["MCP send tools/call work", "task work", "task.result work"])

OPENING: dict[Era, list[str]] = {
    "legacy": ["MCP send initialize", "MCP send server/discover"],
    "modern": ["MCP send server/discover"],
}
"""What a client records when it is opened in a span of the program: the newer protocol is tried first."""


async def finished(client: Any, server: TaskServer) -> Any:
    """A task that was waited for, its end told while somebody waits."""
    task, steered = await begin(client, server)
    async with anyio.create_task_group() as group:
        group.start_soon(task.result)
        await settle()
        steered.complete()
    return task


async def test_an_awaited_task_is_one_trace(era: Era, recording: Recording) -> None:
    """However often a task is polled, it is one trace of four spans."""
    server = make_server(era, **POLLED)
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await server.requests.wait_for("tasks/get", 10)
            steered.complete()
    assert recording.trees == [AWAITED]


async def test_pushes_make_no_traces(era: Era, recording: Recording) -> None:
    """The streams that bring pushes belong to no trace, over HTTP either."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, telemetry=recording.telemetry()) as client:
            await finished(client, server)
    assert recording.trees == [AWAITED]


async def test_a_task_joins_the_program_s_trace(server: TaskServer, era: Era, recording: Recording) -> None:
    """In a span of the program all spans of the task are below that one, and so is the opening of the client."""
    with recording.provider.get_tracer("program").start_as_current_span("job"):
        async with connected(server, telemetry=recording.telemetry()) as client:
            await finished(client, server)
    ((name, children),) = recording.trees
    assert name == "job"
    assert ("tools/call work", ["MCP send tools/call work", "task work"]) in children
    assert "task.result work" in children
    assert sorted(child for child in children if isinstance(child, str)) == sorted([*OPENING[era], "task.result work"])


async def test_a_wait_elsewhere_is_linked(server: TaskServer, recording: Recording) -> None:
    """A wait in a trace of its own stays there, and links to the call that created the task."""
    tracer = recording.provider.get_tracer("program")
    async with connected(server, telemetry=recording.telemetry()) as client:
        with tracer.start_as_current_span("begin"):
            task, steered = await begin(client, server)
        with tracer.start_as_current_span("later"):
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                await settle()
                steered.complete()
    created, waited = recording.one("tools/call work"), recording.one("task.result work")
    assert ("later", ["task.result work"]) in recording.trees
    assert [link.context.span_id for link in waited.links] == [context_of(created).span_id]
    assert context_of(waited).trace_id != context_of(created).trace_id


async def test_what_spans_say(server: TaskServer, recording: Recording) -> None:
    """The creating call has the attributes of the conventions; the task's span has its own, and the true times."""
    before = datetime.now(UTC).timestamp()
    with http(server) as url:
        async with connected(url, telemetry=recording.telemetry()) as client:
            task = await finished(client, server)
            version = client.protocol_version
    call, whole = recording.one("tools/call work"), recording.one("task work")
    assert call.kind is SpanKind.CLIENT
    port = int(url.rpartition(":")[2].partition("/")[0])
    assert attributes_of(call) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": version,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "work",
        "server.address": "127.0.0.1",
        "server.port": port,
        "network.transport": "tcp",
    }
    told = attributes_of(whole)
    assert (told["mcptasks.task.id"], told["mcptasks.task.status"]) == (task.task_id, "completed")
    assert told["mcptasks.task.polls"] + told["mcptasks.task.pushes"] > 0
    assert call.start_time is not None
    assert whole.start_time is not None
    assert whole.end_time is not None
    assert before <= call.start_time / 1e9 <= whole.start_time / 1e9 <= whole.end_time / 1e9
    # The task began when the call was answered, and not when it was waited for.
    waited = recording.one("task.result work")
    assert waited.start_time is not None
    assert whole.start_time <= waited.start_time


async def test_a_group(era: Era, recording: Recording, world: World) -> None:
    """Of thirty gathered tasks each has its call and its whole span, and nothing else is recorded but the opening of
    the client."""
    count, server = 30, make_server(era)
    with recording.provider.get_tracer("program").start_as_current_span("job"):
        async with connected(server, limit=300, telemetry=recording.telemetry()) as client:
            tasks = [await begin(client, server) for _ in range(count)]
            recorder = Recorder()
            tasks[-1][0].on_status_change(recorder)
            for _, steered in tasks:
                steered.complete()
            await world.gather(*(task for task, _ in tasks))
    ((_, children),) = recording.trees
    each = ("tools/call work", ["MCP send tools/call work", "task work"])
    assert sorted(children, key=str) == sorted([*[each] * count, *OPENING[era]], key=str)


@pytest.mark.slow
async def test_two_questions(era: Era, recording: Recording) -> None:
    """Each handler has a span below the wait, and the whole span tells how long the task has waited for input."""
    server = make_server(era, input_mode="push-related")
    async with connected(server, telemetry=recording.telemetry(), elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "age": AGE})
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await answered(steered)
            steered.complete()
    # On 2025-11-25 the answers are responses, which have no spans.
    answers = ["MCP send tasks/update"] * 2 if era == "modern" else []
    waited = ("task.result work", [*answers, *["elicitation work"] * 2])
    assert recording.trees == [("tools/call work", [waited, "MCP send tools/call work", "task work"])]
    told = attributes_of(recording.one("task work"))
    # 2025-11-25 servers ask by requests, which come one by one, and may say that a task waits when it waits no more.
    assert told["mcptasks.task.rounds"] == 1 or era == "legacy"
    assert told["mcptasks.task.rounds"] >= 1
    assert 0 < told["mcptasks.task.input_wait_s"] < LIMIT


@modern_only
async def test_a_question_beside_a_display(server: TaskServer, recording: Recording) -> None:
    """A display waits for a task without a span: what is sent then belongs to the task's trace all the same."""
    async with connected(server, telemetry=recording.telemetry(), elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: worlds.present.progress(task, file=io.StringIO()))
            await answered(steered)
            steered.complete()
    below = ["MCP send tasks/update", "MCP send tools/call work", "elicitation work", "task work"]
    assert recording.trees == [("tools/call work", sorted(below))]


@legacy_only
async def test_a_poll_for_whose_question_it_is(server: TaskServer, recording: Recording) -> None:
    """A question that no task is known to ask has tasks polled, outside of any wait: that is no trace of its own."""
    server.add_tool("plain", [NeedInput({"k": NAME}), Complete("done")], support="none")
    async with connected(server, telemetry=recording.telemetry(), elicitation_handler=Oracle()) as client:
        _, steered = await begin(client, server)
        assert (await client.call_tool("plain")).data == "done"
        steered.complete()
    assert server.requests.of("tasks/get")
    assert not any("tasks/get" in span.name for span in recording.spans)


async def test_a_resumed_task(server: TaskServer, recording: Recording) -> None:
    """A client that takes a task up with its trace context writes the task's span into the trace of its creator."""
    async with connected(server, telemetry=recording.telemetry()) as first:
        task, steered = await begin(first, server)
        reference, place = task.reference, task.trace_context
    async with connected(server, telemetry=recording.telemetry()) as second:
        resumed = second.resume(reference, trace_context=place)
        async with anyio.create_task_group() as group:
            group.start_soon(resumed.result)
            await settle()
            steered.complete()
        assert resumed.trace_context == place
    assert recording.trees == [AWAITED]


async def test_a_recovered_task(server: TaskServer, recording: Recording) -> None:
    """The store keeps the trace context: a client that recovers the task writes the task's span into the trace of its
    creator, and so does one that makes a call with the same key."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as first:
        task, steered = await begin(first, server, key="k")
        place = task.trace_context
        assert place is not None
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        (recovered,) = (await second.recover()).tasks
        assert recovered.trace_context == place
    async with connected(server, telemetry=recording.telemetry(), store=store) as third:
        known = await call_tool(third, "work", task=True, key="k")
        assert known.trace_context == place
        async with anyio.create_task_group() as group:
            group.start_soon(known.result)
            await settle()
            steered.complete()
        assert third.stats().tasks_ended == 1
    assert recording.trees == [AWAITED]


@pytest.mark.parametrize("given", [None, "", "00-0-0-00", 7])
async def test_a_resumed_task_without_a_trace(server: TaskServer, recording: Recording, given: Any) -> None:
    """Without its creator's trace, or with one that makes no sense, a task belongs to the first wait for it."""
    async with connected(server) as first:
        task, steered = await begin(first, server)
        reference = task.reference
    recording.exporter.clear()
    async with connected(server, telemetry=recording.telemetry()) as second:
        resumed = second.resume(reference, trace_context=given)
        assert resumed.trace_context is None
        async with anyio.create_task_group() as group:
            group.start_soon(resumed.result)
            await settle()
            steered.complete()
    assert recording.trees == [("task.result work", ["task work"])]


@pytest.mark.parametrize(
    ("code", "error", "told"), [(None, ToolError, "tool_error"), (-32042, TaskFailedError, "-32042")]
)
async def test_a_failed_task(
    server: TaskServer, recording: Recording, code: int | None, error: type[Exception], told: str
) -> None:
    """The span of a task that failed is an error, of the tool's or by the server's code; so is the wait for it."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)

        async def fail() -> None:
            with pytest.raises(error):
                await task

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await settle()
            steered.fail("no", code=code)
    assert recording.trees == [AWAITED]
    for name in ("task work", "task.result work"):
        assert recording.one(name).status.status_code is StatusCode.ERROR
    assert attributes_of(recording.one("task work"))["error.type"] == told


async def test_a_cancelled_task(server: TaskServer, recording: Recording) -> None:
    """A cancelled task is no error; the request belongs to the task's trace."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, _ = await begin(client, server)
        await task.cancel()
        await task.wait()
    whole = recording.one("task work")
    assert whole.status.status_code is StatusCode.UNSET
    assert attributes_of(whole)["mcptasks.task.status"] == "cancelled"
    assert len(recording.traces) == 1


async def test_a_forgotten_task(server: TaskServer, recording: Recording) -> None:
    """A task that the server forgets has a span that says so."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        await task.status()
        steered.forget()
        with pytest.raises(TaskNotFoundError):
            await task
    assert attributes_of(recording.one("task work"))["error.type"] == "TaskNotFoundError"
    assert len(recording.traces) == 1


async def test_waits_that_have_nothing_to_wait_for(server: TaskServer, recording: Recording) -> None:
    """Asking again for what is known makes no span; a wait whose time is up is an error."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        with pytest.raises(TaskTimeoutError):
            await task.wait(timeout=0)
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await settle()
            steered.complete()
        for _ in range(3):
            await task
            await task.wait()
    names = [span.name for span in recording.spans]
    assert (names.count("task.result work"), names.count("task.wait work")) == (1, 1)
    assert attributes_of(recording.one("task.wait work"))["error.type"] == "TaskTimeoutError"


async def test_calls_without_tasks(server: TaskServer, recording: Recording) -> None:
    """A call that is answered at once is one trace, with its error where the tool reports one."""
    server.add_tool("bad", [ToolFailure("no")], support="forbidden")
    async with connected(server, telemetry=recording.telemetry()) as client:
        with pytest.raises(ToolError):
            await client.call_tool("bad")
    assert recording.trees == [("tools/call bad", ["MCP send tools/call bad"])]
    assert attributes_of(recording.one("tools/call bad"))["error.type"] == "tool_error"


@pytest.mark.parametrize("where", ["link", "off"])
async def test_where_the_task_s_span_goes(server: TaskServer, recording: Recording, where: Any) -> None:
    """With "link" a task's span is a trace of its own, linked to the call; with "off" there is none."""
    async with connected(server, telemetry=recording.telemetry(task_span=where)) as client:
        await finished(client, server)
    below = ("tools/call work", ["MCP send tools/call work", "task.result work"])
    assert recording.trees == ([below] if where == "off" else [below, "task work"])
    if where == "link":
        (link,) = recording.one("task work").links
        assert link.context.span_id == context_of(recording.one("tools/call work")).span_id


@modern_only
async def test_polls_if_asked_for(era: Era, recording: Recording) -> None:
    """With `polls=True` each poll is recorded below the task's call."""
    server = make_server(era, **POLLED)
    async with connected(server, telemetry=recording.telemetry(polls=True)) as client:
        await finished(client, server)
    (tree,) = [tree for tree in recording.trees if tree[0] == "tools/call work"]
    assert "MCP send tasks/get" in tree[1]


async def test_callbacks_have_no_strange_parent(server: TaskServer, recording: Recording) -> None:
    """A span that a status callback of the program makes is recorded, and stands below no poll."""
    tracer = recording.provider.get_tracer("program")
    told = Recorder()

    def callback(status: Any) -> None:
        tracer.start_span("called back").end()
        told(status)

    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        task.on_status_change(callback)
        steered.complete()
        await told.until_over()
    assert "called back" in recording.trees


async def test_the_context_of_the_program_stays(server: TaskServer, recording: Recording) -> None:
    """Whatever a program awaits, its own span is the current one afterwards."""
    with recording.provider.get_tracer("program").start_as_current_span("job") as span:
        async with connected(server, telemetry=recording.telemetry()) as client:
            task = await finished(client, server)
            await task.status()
            assert trace.get_current_span(contexts.get_current()) is span


async def test_off(server: TaskServer, recording: Recording) -> None:
    """With `telemetry=False` the client makes no spans, and leaves those of the SDK as they are."""
    async with connected(server, telemetry=False) as client:
        task = await finished(client, server)
        assert task.trace_context is None
    assert {span.instrumentation_scope.name for span in recording.spans if span.instrumentation_scope} == {
        "mcp-python-sdk"
    }


async def test_the_server_gets_the_trace(server: TaskServer, recording: Recording) -> None:
    """The creating request carries the context of the call's trace, where the specification has it (SEP-414)."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task = await finished(client, server)
    (request,) = server.requests.of("tools/call")
    sent = request.params["_meta"]["traceparent"]
    assert sent.split("-")[1] == (task.trace_context or "").split("-")[1]
