"""A client and its tasks on another event loop, in another process, or in a phase of their life in which they cannot be
used: an error at once that says what to do, and no wait without an end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any

import anyio
import anyio.from_thread
import pytest
from anyio.from_thread import BlockingPortal

import mcptasks
from mcptasks import Client, Task, TaskConnectionError, TaskError, TaskStateError
from mcptasks.testing import TaskServer
from tests.helpers.support import LIMIT, QUICK, Era, begin, make_server

Use = Callable[[Client, Task[Any]], Any]
"""Something that a program does with a client or a task; what it returns may be awaitable."""


def ignore(_: object) -> None:
    """A callback."""


CLIENT: dict[str, Use] = {
    "call_tool": lambda client, _: client.call_tool("work"),
    "call_tool as a task": lambda client, _: client.call_tool("work", task=True),
    "read_resource": lambda client, _: client.read_resource("demo://x"),
    "get_prompt": lambda client, _: client.get_prompt("x"),
    "map": lambda client, _: anext(client.map("work", [{}])),
    "list_tools": lambda client, _: client.list_tools(),
    "list_resources": lambda client, _: client.list_resources(),
    "list_resource_templates": lambda client, _: client.list_resource_templates(),
    "list_prompts": lambda client, _: client.list_prompts(),
    "list_tasks": lambda client, _: client.list_tasks(),
    "task": lambda client, _: client.task("x"),
    "resume": lambda client, task: client.resume(task.reference),
}
"""What is asked of a client."""

TASK: dict[str, Use] = {
    "result": lambda _, task: task.result(),
    "result with a timeout": lambda _, task: task.result(timeout=60),
    "one look": lambda _, task: task.result(timeout=0),
    "await": lambda _, task: task,
    "status": lambda _, task: task.status(),
    "wait": lambda _, task: task.wait(),
    "wait for a state": lambda _, task: task.wait(state="working", timeout=0),
    "updates": lambda _, task: second_of(task),
    "on_status_change": lambda _, task: task.on_status_change(ignore),
    "cancel": lambda _, task: task.cancel(),
    "answer": lambda _, task: task.answer("q", 1),
    "gather": lambda _, task: mcptasks.gather(task),
    "as_completed": lambda _, task: first_completed(task),
}
"""What is asked of a task that is not over."""

LIFE: dict[str, Use] = {
    "close": lambda client, _: client.close(),
    "async with": lambda client, _: client.__aenter__(),
    "its end": lambda client, _: client.__aexit__(None, None, None),
    "open": lambda client, _: client.open(),
}
"""What begins and ends a client's life."""


async def second_of(task: Task[Any]) -> None:
    """Read until something would have to come."""
    updates = task.updates()
    await anext(updates)
    await anext(updates)


async def first_completed(task: Task[Any]) -> None:
    """Wait in a group, and for the result."""
    async for done in mcptasks.as_completed([task]):
        await done.result()


async def refused(use: Use, client: Client, task: Task[Any]) -> TaskError:
    """The error that a use ends with, in no time."""

    async def used() -> None:
        answer = use(client, task)
        if hasattr(answer, "__await__"):
            await answer

    with anyio.fail_after(LIMIT), pytest.raises(TaskError) as caught:
        await used()
    return caught.value


class Elsewhere:
    """An event loop in a thread of its own, with an open client and a task in there."""

    def __init__(self, portal: BlockingPortal, era: Era) -> None:
        server = make_server(era)
        self.portal = portal

        async def opened() -> tuple[Client, Task[Any]]:
            client = await Client(server, polling=QUICK).open()
            return client, (await begin(client, server))[0]

        self.client, self.task = portal.call(opened)


@contextmanager
def elsewhere(backend: str, era: Era = "modern") -> Generator[Elsewhere]:
    """An event loop that runs while the block does."""
    with anyio.from_thread.start_blocking_portal(backend=backend) as portal:
        yield Elsewhere(portal, era)


HOMES = pytest.mark.parametrize("home", ["asyncio", "trio"])
"""The backend of the client's own event loop."""
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
"""That of the one which it is used on."""
WAYS = {"asyncio": "run_coroutine_threadsafe", "trio": "from_thread"}


@HOMES
@BACKENDS
def test_on_another_event_loop(home: str, backend: str, era: Era) -> None:
    """Whatever is asked of a client, or of a task, on another event loop than its own is a `TaskStateError` that says
    where it belongs and how to get there. The client does not mind. What is known can be read anywhere."""

    async def use_all() -> None:
        for name, use in (CLIENT | TASK | LIFE).items():
            if name == "open":  # It is open.
                continue
            error = await refused(use, place.client, place.task)
            assert type(error) is TaskStateError, name
            for words in (f"the {home} event loop of thread", "this is thread 'MainThread'", WAYS[home]):
                assert words in str(error), name
            assert error.reference == (place.task.reference if name in TASK else None), name
        assert place.client.task_support.era == place.client.protocol_version
        assert place.task.last_status is not None

    with elsewhere(home, era) as place:
        anyio.run(use_all, backend=backend)
        assert place.portal.call(place.client.list_tools)
        place.portal.call(place.client.close)
        anyio.run(place.client.close, backend=backend)


@HOMES
@BACKENDS
def test_leaving_a_block_on_another_event_loop(home: str, backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """`async with task` that is left by an error there lets the error go on; that nothing was cancelled is logged."""

    async def leave() -> None:
        with anyio.fail_after(LIMIT):
            async with place.task:
                raise ZeroDivisionError("the program's own")

    with elsewhere(home) as place:
        with pytest.raises(ZeroDivisionError):
            anyio.run(leave, backend=backend)
        place.portal.call(place.client.close)
    assert "could not ask to cancel" in caplog.text


@HOMES
@BACKENDS
def test_groups_on_another_event_loop(home: str, backend: str) -> None:
    """`mcptasks.wait` ends at once too: nothing more can be learned of the task here, and its `result()` says so."""

    async def wait() -> None:
        with anyio.fail_after(LIMIT):
            done, pending = await mcptasks.wait([place.task])
            assert (len(done), len(pending)) == (1, 0)
            with pytest.raises(TaskStateError, match="belongs to"):
                await place.task.result()

    with elsewhere(home) as place:
        anyio.run(wait, backend=backend)
        place.portal.call(place.client.close)


@HOMES
@BACKENDS
def test_what_is_finished_is_read_anywhere(home: str, backend: str, server: TaskServer) -> None:
    """A result that was fetched is no longer bound to an event loop."""

    async def finished() -> Task[Any]:
        async with Client(server, polling=QUICK) as client:
            task, steered = await begin(client, server)
            steered.complete("done")
            await task.result()
            return task

    async def read() -> None:
        assert (await task.result()).data == "done"
        assert (await mcptasks.gather(task))[0].data == "done"

    task = anyio.run(finished, backend=home)
    anyio.run(read, backend=backend)


@HOMES
@BACKENDS
def test_after_the_end_of_its_event_loop(home: str, backend: str) -> None:
    """The same for a client whose event loop has ended without closing it; it cannot be closed any more, and need not
    be."""

    async def use_all() -> None:
        for name, use in (CLIENT | TASK).items():
            error = await refused(use, place.client, place.task)
            assert type(error) is TaskStateError, name
            assert "event loop" in str(error), name
            assert "has ended" in str(error), name
            assert error.reference == (place.task.reference if name in TASK else None), name
        await place.client.close()

    with elsewhere(home) as place:
        pass
    anyio.run(use_all, backend=backend)


def test_in_one_thread() -> None:
    """The same where one event loop follows the other in one thread, and the first one ended nothing."""
    server = make_server("modern")

    async def opened() -> tuple[Client, Task[Any]]:
        client = await Client(server, polling=QUICK).open()
        return client, (await begin(client, server))[0]

    async def use_all() -> None:
        for name, use in (CLIENT | TASK).items():
            error = await refused(use, client, task)
            assert type(error) is TaskStateError, name
            assert "here is another one" in str(error), name

    with closing(asyncio.new_event_loop()) as first:
        client, task = first.run_until_complete(opened())
        anyio.run(use_all)
        first.run_until_complete(client.close())


# --- phases -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("name", CLIENT)
async def test_before_it_is_open(server: TaskServer, name: str) -> None:
    """A client that is not open says how to open it."""
    async with Client(server) as other:
        task, _ = await begin(other, server)
        error = await refused(CLIENT[name], Client(server), task)
    assert type(error) is TaskConnectionError
    assert "enter it first, or call its open()" in str(error)


@pytest.mark.anyio
async def test_after_its_end(server: TaskServer) -> None:
    """A client that is closed says so, and so do its tasks that are not over; they name the task."""
    with anyio.fail_after(LIMIT):
        async with Client(server, polling=QUICK) as client:
            task, _ = await begin(client, server)
        for name, use in (CLIENT | TASK).items():
            error = await refused(use, client, task)
            assert type(error) is TaskConnectionError, name
            assert "closed" in str(error), name
            if name in TASK:
                assert error.reference == task.reference, name
        for name in ("open", "async with"):
            error = await refused(LIFE[name], client, task)
            assert type(error) is TaskStateError
            assert "make a new one" in str(error)
        await client.close()


@pytest.mark.anyio
@pytest.mark.parametrize("first", ["open", "async with"])
@pytest.mark.parametrize("second", ["open", "async with"])
async def test_opened_twice_at_once(server: TaskServer, first: str, second: str) -> None:
    """Of two tasks that open a client at the same moment one does, and the other is told."""
    client = Client(server)
    errors = list[TaskError]()

    async def open_it(how: str) -> None:
        try:
            await LIFE[how](client, None)  # type: ignore[arg-type]
        except TaskError as exc:
            errors.append(exc)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(open_it, first)
            group.start_soon(open_it, second)
        assert await client.list_tools()
        await client.__aexit__(None, None, None)
    assert len(errors) == 1
    assert isinstance(errors[0], TaskStateError | TaskConnectionError)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@BACKENDS
def test_in_a_fork(backend: str) -> None:
    """The child of a fork is told that the client is its parent's, whatever it asks, on an event loop of its own."""

    async def use_all() -> str:
        for name, use in (CLIENT | TASK | LIFE).items():
            if name == "open":
                continue
            error = await refused(use, place.client, place.task)
            if type(error) is not TaskConnectionError or "open a new Client in this process" not in str(error):
                return f"{name}: {error!r}"
        return "refused"

    with elsewhere("asyncio") as place:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                words = anyio.run(use_all, backend=backend)
            except BaseException as exc:
                words = repr(exc)
            os.write(writing, words.encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == "refused"
        os.waitpid(child, 0)
        place.portal.call(place.client.close)
