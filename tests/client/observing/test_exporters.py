"""A program's OpenTelemetry in every state: not configured, configured late, broken, slow, sampling; nothing of it
reaches the program's waits, and nothing of the program's data reaches it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import opentelemetry.trace
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from mcptasks import Client, ToolError
from mcptasks.testing import ServerTask, TaskServer, elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.support import LIMIT, POLLED, Era, begin, connected, make_server, settle
from tests.helpers.tracing import Recording, context_of
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

SECRET = "sentinel-5f0c"
AWAITED = ("tools/call work", ["MCP send tools/call work", "task work", "task.result work"])


async def awaited(client: Client, server: TaskServer, **options: Any) -> ServerTask:
    """A task that somebody waits for while it ends."""
    task, steered = await begin(client, server, **options)
    async with anyio.create_task_group() as group:
        group.start_soon(task.result)
        await settle()
        steered.complete("done")
    assert (await task).data == "done"
    return steered


# --- broken and slow ----------------------------------------------------------------------------------------------


class Broken(SpanProcessor):
    """Raises whenever it is told of something."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Raise if the span is one of ours; the SDK's spans are not this package's to guard."""
        self._raise(span)

    def on_end(self, span: ReadableSpan) -> None:
        """The same."""
        self._raise(span)

    def _raise(self, span: ReadableSpan) -> None:
        if span.instrumentation_scope is not None and span.instrumentation_scope.name == "mcptasks":
            raise RuntimeError("the program's own mistake")


class Blocking(SpanExporter):
    """Takes spans, and does not return before it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait, in the thread of the batch processor."""
        self.released.wait(2 * LIMIT)
        return SpanExportResult.SUCCESS


class BrokenSampler(Sampler):
    """Raises for our spans."""

    def should_sample(self, *arguments: Any, **options: Any) -> Any:
        """Raise."""
        raise RuntimeError("the program's own mistake")

    def get_description(self) -> str:
        """Its name."""
        return "broken"


async def test_a_processor_that_raises(
    server: TaskServer, recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    """What a processor raises is logged once, and no wait notices."""
    recording.provider.add_span_processor(Broken())
    with caplog.at_level(logging.WARNING, "mcptasks"):
        async with connected(server, telemetry=recording.telemetry()) as client:
            for _ in range(3):
                await awaited(client, server)
    told = [record.getMessage() for record in caplog.records if "OpenTelemetry raised" in record.getMessage()]
    assert told == ["OpenTelemetry raised RuntimeError; some spans or metrics are missing"]


async def test_a_sampler_that_raises(server: TaskServer) -> None:
    """The same for a sampler."""
    recording = Recording(BrokenSampler())
    async with connected(server, telemetry=recording.telemetry()) as client:
        await awaited(client, server)
    assert not recording.spans


async def test_an_exporter_that_blocks(server: TaskServer, recording: Recording) -> None:
    """An exporter behind a batch processor may take as long as it likes."""
    blocking = Blocking()
    batches: Any = BatchSpanProcessor(blocking, max_export_batch_size=1, max_queue_size=8)
    recording.provider.add_span_processor(batches)
    try:
        async with connected(server, telemetry=recording.telemetry()) as client:
            for _ in range(5):
                await awaited(client, server)
    finally:
        blocking.released.set()
        batches.shutdown()


async def test_a_provider_that_was_shut_down(server: TaskServer, recording: Recording) -> None:
    """A provider that the program has shut down before the task ends costs the spans, and nothing else."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        recording.provider.shutdown()
        recording.meters.shutdown()
        steered.complete("done")
        assert (await task).data == "done"


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "trees"),
    [
        (ALWAYS_OFF, []),
        (ParentBased(ALWAYS_OFF), []),
        (TraceIdRatioBased(0.0), []),
        (ParentBased(ALWAYS_ON), [AWAITED]),
        (ParentBased(TraceIdRatioBased(1.0)), [AWAITED]),
    ],
    ids=lambda value: value.get_description() if isinstance(value, Sampler) else "",
)
async def test_samplers(era: Era, monkeypatch: pytest.MonkeyPatch, sampler: Sampler, trees: list[Any]) -> None:
    """A task's trace is recorded as a whole, or not at all."""
    recording = Recording(sampler)
    recording.record_sdk(monkeypatch)
    server = make_server(era, **POLLED)
    async with connected(server, telemetry=recording.telemetry()) as client:
        await awaited(client, server)
    assert recording.trees == trees


async def test_a_sampler_that_heeds_no_parent(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that records whatever comes records the polls too, in the task's trace."""
    recording = Recording(ALWAYS_ON)
    recording.record_sdk(monkeypatch)
    server = make_server(era, **POLLED)
    async with connected(server, telemetry=recording.telemetry()) as client:
        await awaited(client, server)
    (trace_id,) = {context_of(span).trace_id for span in recording.spans if span.name.endswith("work")}
    polls = [span for span in recording.spans if span.name == "MCP send tasks/get"]
    assert polls
    assert {context_of(span).trace_id for span in polls} == {trace_id}


# --- an SDK that comes late, or never -----------------------------------------------------------------------------


async def test_without_an_sdk(server: TaskServer) -> None:
    """Without an SDK nothing is traced, and the server gets no trace context."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        await task.status()
        steered.complete()
        await task
        assert task.trace_context is None
    assert not any("traceparent" in request.params.get("_meta", {}) for request in server.requests)


async def test_an_sdk_that_comes_late(
    server: TaskServer, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that was opened before the program configures an SDK is traced from then on; the polls of a task from
    before are no traces."""
    async with connected(server) as client:
        early, steered = await begin(client, server)
        monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER", recording.provider)
        recording.exporter.clear()
        await awaited(client, server)
        async with anyio.create_task_group() as group:
            group.start_soon(early.result)
            await settle()
            steered.complete()
    assert recording.trees == [("task.result work", ["task work"]), AWAITED]


# --- a real exporter ----------------------------------------------------------------------------------------------


@contextmanager
def collector() -> Generator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A receiver of OTLP over HTTP in this process: its URL, and what it has received."""
    received: list[ExportTraceServiceRequest] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{web.server_address[1]}/v1/traces", received
        finally:
            web.shutdown()
            thread.join()


@pytest.mark.slow
async def test_a_collector(server: TaskServer, recording: Recording) -> None:
    """What a collector receives by OTLP is one trace with the spans, links and attributes of the task."""
    with collector() as (url, received):
        exporter = OTLPSpanExporter(endpoint=url, timeout=LIMIT)
        recording.provider.add_span_processor(batches := BatchSpanProcessor(exporter))
        async with connected(server, telemetry=recording.telemetry()) as client:
            steered = await awaited(client, server)
        await anyio.to_thread.run_sync(batches.force_flush)
        await anyio.to_thread.run_sync(batches.shutdown)
    spans = [
        span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        if scope.scope.name == "mcptasks"
        for span in scope.spans
    ]
    assert sorted(span.name for span in spans) == ["task work", "task.result work", "tools/call work"]
    assert len({span.trace_id for span in spans}) == 1
    (whole,) = [span for span in spans if span.name == "task work"]
    told = {attribute.key: attribute.value for attribute in whole.attributes}
    assert told["mcptasks.task.id"].string_value == steered.task_id
    assert whole.start_time_unix_nano <= whole.end_time_unix_nano


# --- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_no_secrets(era: Era, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    """Arguments, results, errors, questions, answers, messages and labels are in no span, metric or task log."""
    server = make_server(era, input_mode="push-related")
    oracle = Oracle(**{f"Who? {SECRET}": {"value": SECRET}})
    with caplog.at_level(logging.INFO, "mcptasks.task"):
        async with connected(server, telemetry=recording.telemetry(), elicitation_handler=oracle) as client:
            secrets: dict[str, Any] = {"arguments": {"token": SECRET}, "label": SECRET, "meta": {"x": SECRET}}
            task, steered = await begin(client, server, **secrets)
            steered.set_working(SECRET)
            await task.status()
            steered.need_input({"who": elicit(f"Who? {SECRET}")})
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                await answered(steered)
                steered.complete(SECRET)
            failing, steered = await begin(client, server, **secrets)
            steered.fail(SECRET)
            with pytest.raises(ToolError):
                await failing
            stats = client.stats()
    ours = [span for span in recording.spans if (span.instrumentation_scope or span).name == "mcptasks"]
    assert {span.name for span in ours} >= {"task work", "elicitation work"}
    assert SECRET not in "".join(span.to_json() for span in ours)
    assert SECRET not in str(recording.numbers)
    assert SECRET not in repr(stats)
    records = [record for record in caplog.records if record.name == "mcptasks.task"]
    assert records
    assert SECRET not in "".join(f"{record.getMessage()} {record.__dict__}" for record in records)


async def test_what_raises_is_no_secret(server: TaskServer, recording: Recording) -> None:
    """A span of an error has its kind, not its words."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)

        async def fail() -> None:
            with pytest.raises(Exception, match=SECRET):
                await task

        # A wait for an end that is known already has no span.
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await settle()
            steered.fail(SECRET, code=-32000)
    ours = [span for span in recording.spans if not span.name.startswith("MCP")]
    assert len(ours) == 3
    assert SECRET not in "".join(span.to_json() for span in ours)
