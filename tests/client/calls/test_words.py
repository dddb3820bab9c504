"""What errors say: one line, no values, the right class, and nothing that contradicts itself."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import mcptasks
from mcptasks import (
    TaskConnectionError,
    TaskError,
    TaskExpiredError,
    TaskInputRequiredError,
    TaskNotFoundError,
    TaskProtocolError,
    TaskReference,
    TaskTimeoutError,
)
from mcptasks.testing import Drop, Garbage, HttpBody, RpcError, TaskServer
from tests.helpers import worlds
from tests.helpers.support import (
    POLLED,
    Era,
    begin,
    connected,
    http,
    legacy_only,
    make_server,
    virtual_clock,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

SECRET = "S3CRET"


@pytest.mark.parametrize("code", [-32602, -32000, -32001, -32002])
@pytest.mark.parametrize("words", ["Task not found", "unknown task", "No such task"])
async def test_an_unknown_task_by_any_code(server: TaskServer, code: int, words: str) -> None:
    """Whatever code a server has for a task that it does not know, it is that error, at once (frontmcp#353)."""
    server.faults.add("tasks/get", RpcError(code, words), times=None)
    async with connected(server) as client:
        with pytest.raises(TaskNotFoundError) as caught:
            await client.task("nobody's").status()
    assert str(caught.value) == words


async def test_an_expired_task_by_a_general_code(server: TaskServer) -> None:
    """A server that says so has forgotten the task after its time to live."""
    server.faults.add("tasks/get", RpcError(-32000, "Task expired"), times=None)
    async with connected(server) as client:
        with pytest.raises(TaskExpiredError):
            await client.task("old").status()


@virtual_clock()
@pytest.mark.parametrize("code", [-32000, -32001])
async def test_a_server_that_was_reached(server: TaskServer, code: int) -> None:
    """An error of the server's own is not an outage of the connection: the words say that it answered."""
    server.faults.add("tasks/get", RpcError(code, "The database is locked"), times=None)
    async with connected(server, limit=600, reconnect_timeout=20.0) as client:
        task, _ = await begin(client, server)
        with pytest.raises(TaskConnectionError) as caught:
            await task.status()
        _, words, tried, well = str(caught.value).replace(": the", "; the").split("; ")
        assert (words, well) == ("the server answered with an error: The database is locked", "the task may be well")
        assert tried.startswith("it was tried ")
        assert tried.endswith(" times, until reconnect_timeout=20 had passed")
        with pytest.raises(TaskConnectionError, match=r"^in-process:.*: the server answered with an error: The data"):
            await task.result(timeout=0)
    assert "cannot reach" not in str(caught.value)


@virtual_clock()
async def test_an_outage_is_called_one(server: TaskServer) -> None:
    """A connection that ends again and again is one that cannot be reached."""
    async with connected(server, limit=600, reconnect_timeout=20.0) as client:
        server.faults.add("tasks/get", RpcError(-32000, "Connection closed"), times=None)
        with pytest.raises(TaskConnectionError, match=r"^cannot reach in-process:"):
            await client.task("t").status()


@virtual_clock()
async def test_a_timeout_when_the_task_is_over() -> None:
    """The error for a deadline does not say that work goes on which is over."""
    server = make_server("legacy", **POLLED)
    async with connected(server, limit=600, reconnect_timeout=100.0) as client:
        task, steered = await begin(client, server)
        with pytest.raises(TaskTimeoutError, match=r"^the task is still working; the work goes on$"):
            await task.result(timeout=1)
        steered.complete(1)
        server.faults.add("tasks/result", Drop(), times=None)
        with pytest.raises(TaskTimeoutError) as caught:
            await task.result(timeout=5)
        late = "the task is completed, but its result has not come yet"
        assert str(caught.value).startswith(f"{late}: in-process:")
        assert str(caught.value).endswith(": the server does not answer; ask for it again")
        with pytest.raises(
            TaskTimeoutError, match=r"^1 of 1 tasks have no result yet; in-process:.* does not answer\ntask "
        ):
            async for _ in worlds.present.as_completed([task], timeout=5):
                pass


@virtual_clock()
async def test_nothing_known_yet(server: TaskServer) -> None:
    """The error for a deadline says so where the server has not said anything of the task."""
    server.faults.add("tasks/get", Drop(), times=None)
    async with connected(server, limit=600) as client:
        with pytest.raises(TaskTimeoutError, match=r"^the server has not said yet how the task stands; "):
            await client.task("t").result(timeout=1)


BODIES = [
    '{"id":$ID,"result":{"content":[{"type":"text","text":"S3CRET"}]}}',
    '{"jsonrpc":"1.0","id":$ID,"result":{"S3CRET":1}}',
    '{"jsonrpc":"2.0","id":$ID,"result":"S3CRET"}',
    '{"jsonrpc":"2.0","id":$ID,"error":{"code":"S3CRET","message":["S3CRET"]}}',
    '["S3CRET"]',
    '"S3CRET"',
    "S3CRET",
]


@pytest.mark.parametrize("body", BODIES)
async def test_words_of_garbage(server: TaskServer, body: str) -> None:
    """An answer that is no JSON-RPC message is a `TaskProtocolError` of one line, without the answer's values, that
    says that the call may have been carried out."""
    server.add_tool("quick", result=1)
    with http(server) as url:
        async with connected(url) as client:
            server.faults.add("tools/call", HttpBody(body), times=None)
            with pytest.raises(TaskProtocolError) as caught:
                await client.call_tool("quick")
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    assert str(caught.value).endswith("; the call may have been carried out")


@virtual_clock()
@pytest.mark.parametrize("field", ["capabilities", "serverInfo", "supportedVersions", "protocolVersion"])
async def test_a_handshake_of_nonsense(server: TaskServer, field: str) -> None:
    """A server whose first answer makes no sense was reached: the error does not say that it was not."""
    for method in ("initialize", "server/discover"):
        server.faults.add(method, Garbage(change={field: [SECRET]}), times=None)
    try:
        async with connected(server, limit=600, reconnect_timeout=30.0) as client:
            assert client.protocol_version
    except TaskError as error:
        words = str(error)
        assert SECRET not in words
        assert "cannot reach" not in words
        assert len(words.splitlines()) == 1


@legacy_only
async def test_pages_without_end(server: TaskServer) -> None:
    """A cursor that comes again is an error that does not show it."""
    server.faults.add("tools/list", Garbage(change={"nextCursor": SECRET}), times=None)
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError, match="the pages never end") as caught:
            await client.list_tools()
    assert SECRET not in str(caught.value)


async def test_a_server_without_tasks(server: TaskServer) -> None:
    """Whatever is asked about an id at a server without tasks, the task is not found, and the words say why."""
    server.faults.add("tasks/get", RpcError(-32601, "Method not found"), times=None)
    server.faults.add("tasks/cancel", RpcError(-32601, "Method not found"), times=None)
    async with connected(server) as client:
        task = client.task("anything")
        asks: list[Callable[[], Any]] = [task.status, task.result, lambda: task.result(timeout=0), task.cancel]
        for ask in asks:
            with pytest.raises(TaskNotFoundError, match=r"^the server has no tasks: it answers .*Method not found"):
                await ask()


async def test_a_server_without_tasks_of_its_own_kind(era: Era) -> None:
    """A real server without tasks is told apart, and so is an id of a call that had no task."""
    server = make_server(era, tasks=False)
    server.add_tool("work", result="ready")
    async with connected(server) as client:
        with pytest.raises(TaskNotFoundError, match="no tasks"):
            await client.task("anything").result()
        task = await client.call_tool("work", task=True)
        assert task.returned_immediately
        with pytest.raises(TaskNotFoundError, match="the id is of a call without a task at the server"):
            await client.task(task.task_id).result()


async def test_a_server_that_cannot_cancel(server: TaskServer) -> None:
    """A server with tasks that does not know `tasks/cancel` is not said to have no tasks."""
    server.faults.add("tasks/cancel", RpcError(-32601, "Method not found"), times=None)
    async with connected(server) as client:
        task, _ = await begin(client, server)
        with pytest.raises(TaskProtocolError, match="Method not found"):
            await task.cancel()


async def test_a_task_of_another_server(server: TaskServer) -> None:
    """The error names both servers, once, and has the reference; so does a second error of the same task."""
    async with connected(server) as client:
        task = client.resume(TaskReference(task_id="t1", kind="tool", endpoint="https://other.example/mcp"))
        for ask in (task.status, task.result):
            with pytest.raises(TaskNotFoundError) as caught:
                await ask()
            reason = "; the task is of https://other.example/mcp, and this client is connected to in-process:"
            assert str(caught.value).count(reason) == 1
            assert caught.value.reference == task.reference
            assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


@virtual_clock()
async def test_a_deadline_while_the_server_is_away(server: TaskServer) -> None:
    """A deadline that passes while the server cannot be reached does not say that the work goes on: it says for how
    long there was no word, why, and how the task stood. One look names the server as well. As soon as there is word of
    the task again, the error is the usual one."""
    async with connected(server, limit=600, reconnect_timeout=100.0) as client:
        task, _ = await begin(client, server, label="nightly")
        server.faults.add("tasks/get", RpcError(-32000, "Connection closed"), times=None)
        gone = r"cannot reach in-process:.*: Connection closed"
        with pytest.raises(TaskTimeoutError, match=rf"^no word of the task for [3-6].* s: {gone}; it was working when"):
            await task.result(timeout=3)
        with pytest.raises(TaskTimeoutError, match=r"^no word of the task for ") as late:
            await task.wait(timeout=3)
        assert late.value.__cause__ is not None
        with pytest.raises(TaskTimeoutError, match=rf"^1 of 1 tasks have no result yet; {gone}\ntask ") as caught:
            await worlds.present.gather(task, timeout=3)
        assert caught.value.__notes__ == [f"task '{task.task_id}', label 'nightly', tool 'work'"]
        with pytest.raises(TaskTimeoutError, match=rf"^1 of 1 tasks have no result yet; {gone}\ntask "):
            await anext(worlds.present.as_completed([task], timeout=3))
        with pytest.raises(TaskConnectionError, match=rf"^{gone}$"):
            await task.result(timeout=0)
        server.faults.clear()
        await task.status()
        with pytest.raises(TaskTimeoutError, match=r"^the task is still working; the work goes on$"):
            await task.result(timeout=3)


async def test_which_task_an_error_is_about(server: TaskServer) -> None:
    """An error out of a group has one note that names the task by id, label and tool; its message is the same as that
    of the task alone."""
    async with connected(server) as client:
        task, steered = await begin(client, server, label="nightly")
        steered.fail("the disk is full")
        with pytest.raises(TaskError) as alone:
            await task.result()
        note = f"task '{task.task_id}', label 'nightly', tool 'work'"
        for _ in range(2):
            with pytest.raises(TaskError) as caught:
                await worlds.present.gather(task)
            assert caught.value.__notes__ == [note]
            assert str(caught.value) == str(alone.value)
        (error,) = await worlds.present.gather(task, return_exceptions=True)
        assert error.__notes__ == [note]
        async for each in worlds.present.as_completed([task]):
            with pytest.raises(TaskError) as found:
                await each.result()
            assert str(found.value) == str(alone.value)


async def test_what_a_task_asks(server: TaskServer) -> None:
    """The error for a task that asks, where nobody is there to answer, has the text of the question in it."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        form: dict[str, Any] = {"message": "Really do delete?", "requestedSchema": {"type": "object", "properties": {}}}
        steered.need_input({"sure": {"method": "elicitation/create", "params": form}})
        with pytest.raises(TaskInputRequiredError, match=r"^the task waits for .* \('Really do delete\?'\), and this"):
            await task.result()


@virtual_clock()
async def test_only_public_errors(server: TaskServer) -> None:
    """When the client's patience is used up, what the program gets is an error that it can import."""
    async with connected(server, limit=600, polling=None, reconnect_timeout=30.0) as client:
        server.faults.add("tools/list", RpcError(-32001, "Request timed out"), times=None)
        with pytest.raises(TaskError) as caught:
            await client.list_tools()
        assert type(caught.value).__name__ in mcptasks.__all__
