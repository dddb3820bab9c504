"""Faults of the protocol: each changes the answer that it is meant for, and no other."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks.testing import (
    Delay,
    Disconnect,
    Drop,
    Fault,
    ForgetTask,
    Garbage,
    HttpStatus,
    Restart,
    RpcError,
    TaskServer,
)
from tests.testing.wire import Era, connected, refused

ERAS: list[Era] = ["modern", "legacy"]
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


@pytest.fixture
def server() -> TaskServer:
    """A server with a tool that waits to be steered."""
    server = TaskServer()
    server.add_tool("work")
    return server


async def test_errors_for_some_requests(server: TaskServer, era: Era) -> None:
    """A fault meets the given number of requests of its method, after those it skips, and then no more."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        rule = server.faults.add("tasks/get", RpcError(-32099, "no", {"x": 1}), skip=1, times=2)
        assert server.faults.pending == [rule]
        await client.get(task_id)
        for _ in range(2):
            error = (await refused(client.get(task_id))).error
            assert (error.code, error.message, error.data) == (-32099, "no", {"x": 1})
        await client.get(task_id)
        assert (rule.fired, rule.spent, server.faults.pending) == (2, True, [])


async def test_rules_for_one_task_and_for_ever(server: TaskServer, era: Era) -> None:
    """A rule can concern one task, and every request until the rules are cleared."""
    async with connected(server, era) as client:
        ill, well = [(await client.start("work"))["taskId"] for _ in range(2)]
        server.faults.add("tasks/get", RpcError(), times=None, task_id=ill)
        for _ in range(3):
            await refused(client.get(ill))
            await client.get(well)
        assert server.faults.pending == []
        server.faults.clear()
        await client.get(ill)


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        (Garbage(change={"taskId": "another"}), "taskId", "another"),
        (Garbage(drop=("status",)), "status", None),
        (Garbage(change={"status": "thinking"}), "status", "thinking"),
        (Garbage(change={"status": [1]}), "status", [1]),
        (Garbage(replace={"weather": "fine"}), "weather", "fine"),
        (Garbage(replace={}), "taskId", None),
    ],
)
async def test_garbage(server: TaskServer, era: Era, fault: Garbage, field: str, value: Any) -> None:
    """Fields of an answer are left out or changed, or all of it is replaced; in creating answers too."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        server.faults.add("tasks/get", fault)
        assert (await client.get(task_id)).get(field) == value
        if fault.replace is None:
            server.faults.add("tools/call", fault)
            assert (await client.start("work")).get(field) == value


async def test_delay_and_order(server: TaskServer, era: Era) -> None:
    """The faults of one rule are carried out in order."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        server.faults.add("tasks/get", Delay(0.02), RpcError(-32001, "late"))
        begin = anyio.current_time()
        assert (await refused(client.get(task_id))).error.code == -32001
        assert anyio.current_time() - begin >= 0.019
        server.faults.add("tasks/get", Delay(0))
        assert (await client.get(task_id))["status"] == "working"


async def test_drop(server: TaskServer, era: Era) -> None:
    """A dropped request is never answered, while others are."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        rule = server.faults.add("tasks/get", Drop())
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, task_id)
            await server.faults.wait_fired(rule)
            assert (await client.get(task_id))["status"] == "working"
            group.cancel_scope.cancel()


async def test_forget_during_a_request(server: TaskServer, era: Era) -> None:
    """The task can be forgotten just as it is asked for."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        server.faults.add("tasks/get", ForgetTask())
        assert (await refused(client.get(task_id))).error.code == -32602


async def test_answers_lost_after_the_work(server: TaskServer, era: Era) -> None:
    """With `after`, the request is carried out and only its answer is lost."""
    async with connected(server, era) as client:
        server.faults.add("tools/call", RpcError(), after=True)
        await refused(client.start("work"))
        assert len(server.tasks) == 1
        server.faults.add("tools/call", RpcError())
        await refused(client.start("work"))
        assert len(server.tasks) == 1


async def test_restart_during_a_request(server: TaskServer, era: Era) -> None:
    """A restart takes the connection with it."""
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        server.faults.add("tasks/get", Restart(keep_tasks=True))
        assert (await refused(client.get(task_id))).error.code == -32000
    async with connected(server, era) as client:
        assert (await client.get(task_id))["status"] == "working"


async def test_http_faults_wait_for_http(server: TaskServer, era: Era) -> None:
    """A fault of HTTP meets nobody in process, and says so; it cannot be mixed with faults of the protocol."""
    async with connected(server, era) as client:
        rule = server.faults.add("*", HttpStatus(503))
        await client.start("work")
        assert server.faults.pending == [rule]
        mixtures: list[tuple[Fault, ...]] = [(HttpStatus(503), RpcError()), (Garbage(), Disconnect()), ()]
        for wrong in mixtures:
            with pytest.raises(ValueError, match="fault"):
                server.faults.add("tasks/get", *wrong)
