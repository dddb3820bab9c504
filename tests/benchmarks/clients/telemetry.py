"""Figure 10: what spans and metrics cost a client: the same tasks with `telemetry=False` and with the default, in turn.

The server is in this process, and its share is in both times. The spans that the MCP SDK makes of its own are the same
for both clients as long as somebody records them.

Parameters: `batch`, how many tasks at once; `rounds`; `backend`; `sdk`: "none", or "memory" for an OpenTelemetry SDK
whose spans and metrics stay in memory. Results: the processor times of the batches.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import anyio
import opentelemetry.metrics
import opentelemetry.trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mcptasks import Client
from tests.benchmarks.clients import measuring
from tests.benchmarks.servers.scriptable_server import make_server

UNCOUNTED = 3


async def work(client: Client, batch: int) -> None:
    """Tasks that are over at once, each of which takes a call, one poll and little else."""

    async def one() -> None:
        await (await client.call_tool("work", {"seconds": 0.0}, task=True)).result()

    async with anyio.create_task_group() as group:
        for _ in range(batch):
            group.start_soon(one)


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
    server, batch = make_server(), params["batch"]
    times: dict[str, list[float]] = {"off": [], "on": []}
    async with server.running(), Client(server, telemetry=False) as off, Client(server) as on:
        clients = {"off": off, "on": on}
        for number in range(params["rounds"] + UNCOUNTED):
            for name, client in clients.items() if number % 2 else reversed(clients.items()):
                server.requests.clear()
                if exporter is not None:
                    exporter.clear()
                gc.collect()
                begun = time.process_time()
                await work(client, batch)
                if number >= UNCOUNTED:
                    times[name].append((time.process_time() - begun) / batch)
    return times


if __name__ == "__main__":
    measuring.main(run)
