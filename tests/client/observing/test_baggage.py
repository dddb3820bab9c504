"""What else travels with a trace: the program's baggage, which OpenTelemetry sends along with each request."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from opentelemetry import baggage, context

from mcptasks.testing import TaskServer
from tests.helpers.support import POLLED, Era, begin, connected, make_server
from tests.helpers.tracing import Recording
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


@contextmanager
def user(name: str) -> Generator[None]:
    """The program works for somebody."""
    token = context.attach(baggage.set_baggage("user", name))
    try:
        yield
    finally:
        context.detach(token)


def sent(server: TaskServer, method: str) -> set[Any]:
    """The baggage of all such requests."""
    metas: list[dict[str, Any]] = [request.params.get("_meta") or {} for request in server.requests.of(method)]
    return {meta.get("baggage") for meta in metas}


@pytest.mark.parametrize("polls", [False, True])
async def test_baggage_goes_with_the_call_alone(era: Era, recording: Recording, polls: bool) -> None:
    """A call takes along the baggage of its moment. Requests that the client sends of its own accord take along none:
    neither that of the part of the program that has opened the client, nor that of those who wait."""
    server = make_server(era, **POLLED)
    with user("opener"):
        async with connected(server, telemetry=recording.telemetry(polls=polls)) as client:
            with user("ada"):
                task, steered = await begin(client, server)
            async with anyio.create_task_group() as group:
                with user("waiter"):
                    group.start_soon(task.result)
                await server.requests.wait_for("tasks/get", 3)
                steered.complete()
    assert sent(server, "tools/call") == {"user=ada"}
    assert sent(server, "tasks/get") == {None}
