"""Figure 10: what spans and metrics cost a client: the same tasks with `telemetry=False` and with the default, in turn.

The server is in this process, and its share is in all times. With an OpenTelemetry SDK there is a third side: a program
that makes the same spans and measurements by hand, with `telemetry=False`. Less than that is not possible. The MCP SDK
makes spans of its own for all sides: four for each task with `telemetry=False`, where polls are recorded too, otherwise
two.

Parameters: `batch`, how many tasks at once; `rounds`; `backend`; `sdk`: "none", or "memory" for an OpenTelemetry SDK
whose spans and metrics stay in memory. Results: the processor times of the batches, for each side.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import opentelemetry.context
import opentelemetry.metrics
import opentelemetry.trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, set_span_in_context

from mcptasks import Client
from mcptasks.testing import TaskServer
from tests.benchmarks.clients import measuring
from tests.benchmarks.servers.scriptable_server import make_server

UNCOUNTED = 3
SPANS = 5
"""Recorded spans for each task: three of the client's, two of the MCP SDK's."""

Work = Callable[[Client], Coroutine[Any, Any, None]]


async def one(client: Client) -> None:
    """A task that is over at once, which takes a call, one poll and little else."""
    await (await client.call_tool("work", {"seconds": 0.0}, task=True)).result()


class ByHand:
    """Makes the spans and measurements of `one` with the OpenTelemetry API."""

    def __init__(self) -> None:
        meter = opentelemetry.metrics.get_meter("by hand")
        self.tracer = opentelemetry.trace.get_tracer("by hand")
        self.operation = meter.create_histogram("operation", "s")
        self.duration = meter.create_histogram("duration", "s")
        self.active = meter.create_up_down_counter("active")
        self.looks = meter.create_counter("looks")
        tool = {"gen_ai.tool.name": "work"}
        self.of_call = {**tool, "mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool", "v": "2026"}
        self.of_wait = {**tool, "id": "1"}
        numbers = {"polls": 1, "pushes": 0, "rounds": 0, "input_wait": 0.0}
        self.of_task: dict[str, Any] = {**tool, "id": "1", "status": "completed", **numbers}
        self.of_look = {**tool, "kind": "poll", "outcome": "answered"}
        self.of_end = {**tool, "outcome": "succeeded"}

    async def one(self, client: Client) -> None:
        """A task."""
        start = self.tracer.start_as_current_span
        begun, begun_at = time.perf_counter(), time.time_ns()
        with start("tools/call work", kind=SpanKind.CLIENT, attributes=self.of_call) as call:
            task = await client.call_tool("work", {"seconds": 0.0}, task=True)
        self.operation.record(time.perf_counter() - begun, self.of_call)
        self.active.add(1)
        below = set_span_in_context(call)
        with start("task.result work", context=below, attributes=self.of_wait):
            await task.result()
        self.looks.add(1, self.of_look)
        self.active.add(-1)
        self.duration.record(time.perf_counter() - begun, self.of_end)
        self.tracer.start_span("task work", below, attributes=self.of_task, start_time=begun_at).end()


async def work(client: Client, batch: int, each: Work = one) -> None:
    """Tasks at once."""
    async with anyio.create_task_group() as group:
        for _ in range(batch):
            group.start_soon(each, client)


@contextmanager
def unsampled() -> Generator[None]:
    """A client that is opened in the block polls without recorded spans."""
    token = opentelemetry.context.attach(set_span_in_context(NonRecordingSpan(SpanContext(1, 1, is_remote=False))))
    try:
        yield
    finally:
        opentelemetry.context.detach(token)


def record() -> InMemorySpanExporter:
    """Configure an OpenTelemetry SDK for this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    opentelemetry.trace.set_tracer_provider(provider)
    opentelemetry.metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
    return exporter


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    exporter = record() if params["sdk"] == "memory" else None
    server = make_server()
    async with server.running(), Client(server, telemetry=False) as off, Client(server) as on:
        sides: dict[str, tuple[Client, Work]] = {"off": (off, one), "on": (on, one)}
        if exporter is None:
            return await measured(server, sides, params, None)
        with unsampled():
            bare = await Client(server, telemetry=False).open()
        try:
            return await measured(server, {**sides, "by hand": (bare, ByHand().one)}, params, exporter)
        finally:
            await bare.close()


async def measured(
    server: TaskServer,
    sides: dict[str, tuple[Client, Work]],
    params: dict[str, Any],
    exporter: InMemorySpanExporter | None,
) -> dict[str, list[float]]:
    """The processor times of the batches, for each side."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(params["rounds"] + UNCOUNTED):
        for name, (client, each) in sides.items() if number % 2 else reversed(sides.items()):
            server.requests.clear()
            if exporter is not None:
                exporter.clear()
            gc.collect()
            begun = time.process_time()
            await work(client, params["batch"], each)
            taken = time.process_time() - begun
            if number < UNCOUNTED:
                continue
            times[name].append(taken / params["batch"])
            # The streams of "off" are recorded too, and may end in another side's time.
            spans = 0 if exporter is None else sum("work" in span.name for span in exporter.get_finished_spans())
            if spans and name != "off" and spans != SPANS * params["batch"]:
                raise RuntimeError(f"{spans} spans of {name}")
    return times


if __name__ == "__main__":
    measuring.main(run)
