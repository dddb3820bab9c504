"""Faults below the protocol, over HTTP: reads are asked again, creating calls are sent once, nothing hangs.

Faults are subtests: they meet one server, and where they can one client, that has been through those before.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from mcptasks import Task, TaskConnectionError, TaskError, ToolResult
from mcptasks.testing import (
    Disconnect,
    Fault,
    HttpBody,
    HttpStatus,
    NoHttpAnswer,
    TaskServer,
    Truncate,
)
from tests.helpers.pairs import pairwise
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    begin,
    call_tool,
    connected,
    http,
    make_server,
)
from tests.helpers.worlds import ASYNC, World, both_worlds

# What a fault means is decided from the HTTP answer alone; what follows, by the method and the era. The event loop and
# the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

FAULTS: dict[str, Fault] = {
    "503": HttpStatus(503),
    "502": HttpStatus(502, body="<html>Bad Gateway</html>"),
    "429": HttpStatus(429, retry_after="0"),
    "404": HttpStatus(404),
    "reset": Disconnect(reset=True),
    "closed": Disconnect(reset=False),
    "truncated": Truncate(),
    "bad-json": HttpBody(),
    "html": HttpBody("<html>maintenance</html>", "text/html"),
    "empty": HttpBody("", "application/json"),
    "another-id": HttpBody('{"jsonrpc": "2.0", "id": "not-yours", "result": {}}'),
    "bad-event": HttpBody("event: message\ndata: {broken\n\n", "text/event-stream"),
    "silence": NoHttpAnswer(),
}
UNANSWERED = ("another-id", "silence")
"""What a client can only tell by waiting."""
PATIENT: dict[str, Any] = {"limit": 2 * LIMIT, "wait_for_server": LIMIT}
"""Options of a client whose limit for a request is short: a busy machine may take longer to open a connection, which
is tried again then."""
ONE_OF_EACH_KIND = ("503", "reset", "bad-json", "silence")
"""What the blocking world is tried with: how each fault is met is the async client's doing."""
READS: list[tuple[Era, str]] = [("modern", "tasks/get"), ("legacy", "tasks/get"), ("legacy", "tasks/result")]
BEFORE_CALLS: list[tuple[Era, str]] = [
    ("modern", "server/discover"),
    ("legacy", "server/discover"),
    ("legacy", "initialize"),
    ("legacy", "tools/list"),
]


@pytest.fixture
def faults(world: World) -> dict[str, Fault]:
    """The faults to try."""
    return FAULTS if world is ASYNC else {name: FAULTS[name] for name in ONE_OF_EACH_KIND}


@pytest.mark.parametrize(("era", "method"), READS)
async def test_one_fault_on_a_read(era: Era, method: str, faults: dict[str, Fault], subtests: pytest.Subtests) -> None:
    """One fault on a read is survived by the wait that met it, and the client goes on."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        # A creating call is not repeated, however long it takes on a busy machine; reads are, and soon.
        async with (
            connected(url, limit=2 * LIMIT) as patient,
            connected(url, timeout=2.0, reconnect_timeout=30.0, **PATIENT) as client,
        ):
            for name, fault in faults.items():
                with subtests.test(name):
                    begun, steered = await begin(patient, server)
                    task = client.resume(begun.reference)
                    rule = server.faults.add(method, fault)
                    steered.complete(name)
                    assert (await task.result()).data == name
                    assert rule.fired == 1
            begun, steered = await begin(patient, server)
            steered.complete("too")
            assert (await client.resume(begun.reference).result()).data == "too"
    assert server.requests.count("tools/call") == len(faults) + 1


async def test_a_fault_for_ever(era: Era, faults: dict[str, Fault], subtests: pytest.Subtests) -> None:
    """A read that fails for ever ends in time in an error that names the task; afterwards all works again."""
    server = make_server(era, **POLLED)
    tasks: dict[str, Task[ToolResult]] = {}
    errors: dict[str, TaskError] = {}

    async def wait(name: str) -> None:
        with anyio.fail_after(LIMIT):
            try:
                await tasks[name].result()
            except TaskError as error:
                errors[name] = error

    with http(server) as url:
        async with AsyncExitStack() as clients:
            patient = await clients.enter_async_context(connected(url, limit=2 * LIMIT))
            # A client for each fault, since some faults end the connection; all at once, to wait once.
            for name, fault in faults.items():
                client = await clients.enter_async_context(
                    connected(url, timeout=3.0, reconnect_timeout=3.0, **PATIENT)
                )
                begun, steered = await begin(patient, server)
                tasks[name] = client.resume(begun.reference)
                server.faults.add("tasks/get", fault, times=None, task_id=steered.task_id)
                steered.complete(name)
            async with anyio.create_task_group() as waiters:
                for name in faults:
                    waiters.start_soon(wait, name)
            looks = [request.params["taskId"] for request in server.requests.of("tasks/get")]
            server.faults.clear()
            for name, task in tasks.items():
                with subtests.test(name):
                    assert errors[name].reference == task.reference
                    assert 0 < looks.count(task.task_id) < 25
                    assert (await task.result()).data == name


@pytest.mark.parametrize("after", [False, True], ids=["not-run", "answer-lost"])
async def test_a_creating_call_is_sent_once(
    era: Era, after: bool, faults: dict[str, Fault], subtests: pytest.Subtests
) -> None:
    """A creating call that fails is an error of ours, and is not repeated; the client goes on."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, limit=2 * LIMIT) as client:
            await client.list_tools()
            for name, fault in faults.items():
                with subtests.test(name):
                    sent, made = len(_calls(server)), len(server.tasks)
                    rule = server.faults.add("tools/call", fault, after=after)
                    with pytest.raises(TaskError):
                        await client.call_tool("work", task=True, timeout=3.0 if name in UNANSWERED else LIMIT)
                    await server.faults.wait_fired(rule)
                    assert rule.fired == 1
                    assert len(_calls(server)) == sent + 1
                    assert len(server.tasks) == made + (after or name == "truncated")
                    assert (await call_tool(client, "work", task=True)).task_id in server.tasks


def _calls(server: TaskServer) -> set[tuple[str | None, Any]]:
    """The calls that arrived; what a fault has go through in part is in the log twice."""
    return {(asked.headers.get("mcp-session-id"), asked.request_id) for asked in server.requests.of("tools/call")}


async def test_retry_after_is_obeyed(era: Era) -> None:
    """Where the server asks to wait a second, the client does."""
    server = make_server(era, **POLLED)
    waited: list[float] = []

    async def look(task: Task[ToolResult]) -> None:
        begun = anyio.current_time()
        assert (await task.status()).status == "working"
        waited.append(anyio.current_time() - begun)

    with http(server) as url:
        async with connected(url) as client, anyio.create_task_group() as looks:
            for status in (429, 503):
                task, steered = await begin(client, server)
                server.faults.add("tasks/get", HttpStatus(status, retry_after="1"), task_id=steered.task_id)
                looks.start_soon(look, task)
    assert len(waited) == 2
    assert min(waited) >= 1


@pytest.mark.parametrize("fault", ["reset", "503", "silence", "bad-json"])
async def test_twenty_tasks_survive(era: Era, fault: str) -> None:
    """A fault on one request of twenty tasks that are waited for costs none of them its result."""
    server = make_server(era, poll_interval_ms=200)
    with http(server) as url:
        # A creating call is not repeated, however long it takes on a busy machine; reads are, and soon.
        async with (
            connected(url, limit=2 * LIMIT) as patient,
            connected(url, timeout=3.0, reconnect_timeout=30.0, **PATIENT) as client,
        ):
            begun = [await begin(patient, server, arguments={"n": n}) for n in range(20)]

            async def expect(task: Task[ToolResult], n: int) -> None:
                assert (await task.result()).data == {"n": n}

            async with anyio.create_task_group() as waiters:
                for n, (task, _) in enumerate(begun):
                    waiters.start_soon(expect, client.resume(task.reference), n)
                await server.requests.wait_for("tasks/get", 5)
                server.faults.add("tasks/get", FAULTS[fault])
                for n, (_, steered) in enumerate(begun):
                    steered.complete({"n": n})
    assert server.requests.count("tools/call") == 20


@pytest.mark.parametrize(("era", "method"), BEFORE_CALLS)
async def test_the_handshake_and_the_tool_list(
    era: Era, method: str, faults: dict[str, Fault], subtests: pytest.Subtests
) -> None:
    """A fault before the first call is got over, or an error of ours that names the server; the call is sent once."""
    server = make_server(era)
    with http(server) as url:
        for name, fault in faults.items():
            with subtests.test(name):
                calls = server.requests.count("tools/call")
                rule = server.faults.add(method, fault)
                # Where the connection hangs the limit for it is all that ends it; a tool list is asked for again, after
                # half of that time.
                patience = 4.0 if name in UNANSWERED else 10.0
                answer: Any = None
                try:
                    async with connected(url, reconnect_timeout=patience) as client:
                        answer = await client.call_tool("work", task=True)
                        assert not answer.returned_immediately
                        steered: Any = await server.next_task()
                        steered.complete(name)
                        assert (await answer.result()).data == name
                except TaskConnectionError as error:
                    assert "127.0.0.1" in str(error)  # noqa: PT017 - success is right too
                    assert method != "tools/list"
                assert rule.fired == 1
                assert server.requests.count("tools/call") == calls + (0 if answer is None else 1)


HTML = HttpBody("<html>maintenance</html>", "text/html")


@pytest.mark.parametrize(("era", "method"), READS)
async def test_a_page_of_html_is_no_answer(era: Era, method: str) -> None:
    """A gateway's page in place of the answer to a read is survived, like any other garbled answer."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            rule = server.faults.add(method, HTML)
            steered.complete("done")
            assert (await task.result()).data == "done"
            assert rule.fired == 1
