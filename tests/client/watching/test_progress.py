"""How far a task is: as a value, by callbacks, and with the statuses; in storms, before the creation, after the end."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from mcptasks import Expectation, Task, TaskConnectionError, TaskProgress, TaskStatus, ToolResult
from mcptasks._core.progress import MOST
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from mcptasks.testing._bell import Bell
from tests.helpers.support import (
    Signal,
    begin,
    connected,
    legacy_only,
    settle,
    virtual_clock,
)
from tests.helpers.tampering import Wire
from tests.helpers.worlds import async_only, both_worlds

pytestmark = pytest.mark.anyio
ODD: list[Any] = [4, -1, float("nan"), float("inf"), "6", True, None, [], {}, 10**400]
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Told:
    """A progress callback that keeps what it gets, in whichever thread."""

    def __init__(self) -> None:
        self.all: list[TaskProgress] = []
        self._bell = Bell()

    def __call__(self, progress: TaskProgress) -> None:
        """Keep it."""
        self.all.append(progress)
        self._bell.ring()

    @property
    def numbers(self) -> list[float | None]:
        """The progress of each."""
        return [each.progress for each in self.all]

    async def until(self, progress: float | None = None, message: str | None = None) -> TaskProgress:
        """Wait for this one."""

        def found() -> TaskProgress | None:
            return next((each for each in self.all if (each.progress, each.message) == (progress, message)), None)

        return await self._bell.until(found)


def report(wire: Wire, progress: Any, total: Any = None, token: Any = "mcptasks-1") -> None:
    """Have a progress notification come in."""
    params = {"progressToken": token, "progress": progress, **({} if total is None else {"total": total})}
    message = JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params=params)
    wire.inject(SessionMessage(message))


async def known(task: Task[ToolResult], progress: float) -> TaskProgress:
    """The task's progress when it has come so far."""
    while (found := task.progress) is None or found.progress != progress:
        await settle()
    return found


# --- the value --------------------------------------------------------------------------------------------------------


@both_worlds
@legacy_only
async def test_reports_are_known(server: TaskServer) -> None:
    """On 2025-11-25 a handle knows the latest report, though nobody asked for reports with the call."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        before = task.progress
        assert before is None
        work.progress(1, 4, "a quarter")
        found = await known(task, 1)
        assert (found.total, found.message, found.fraction) == (4, "a quarter", 0.25)
        work.progress(2)
        assert await known(task, 2) == TaskProgress(progress=2, at=(await known(task, 2)).at)
        work.complete("done")
        assert (await task).data == "done"
        assert task.progress is not None
        assert task.progress.progress == 2


@both_worlds
async def test_the_status_message_is_what_a_server_says(server: TaskServer) -> None:
    """On either protocol a status message is known as a progress without numbers."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        work.set_working("half way")
        await task.status()
        assert task.progress is not None
        assert (task.progress.progress, task.progress.message, task.progress.fraction) == (None, "half way", None)


@both_worlds
@legacy_only
async def test_another_client_is_told_nothing(server: TaskServer) -> None:
    """Reports go to the connection that created the task: a handle that was resumed elsewhere knows the status message
    only; one that was resumed by the same client knows all."""
    async with connected(server) as client, connected(server) as other:
        task, work = await begin(client, server)
        work.progress(1, 4)
        await known(task, 1)
        assert client.resume(task.reference).progress == task.progress
        resumed = other.resume(task.reference)
        work.set_working("words")
        await resumed.status()
        assert resumed.progress is not None
        assert (resumed.progress.progress, resumed.progress.message) == (None, "words")


@both_worlds
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_calls_in_the_background(mode: str) -> None:
    """A call of which no task can come has its progress in its handle, on either protocol."""
    half, end = Signal(), Signal()
    server = MCPServer("plain")

    @server.tool()
    async def work(context: Context[Any, Any]) -> str:
        await context.report_progress(1, 2, "half")
        half.set()
        await end.wait()
        return "done"

    del work
    async with connected(server, mode=mode) as client:
        task = await client.call_tool("work", task=True)
        await half.wait()
        assert (await known(task, 1)).message == "half"
        end.set()
        assert (await task).text == "done"


@async_only("one event loop")
@legacy_only
async def test_before_the_creating_answer(server: TaskServer) -> None:
    """Reports that overtake the creating answer are not lost."""
    wire = Wire(server)
    answer: list[Any] = []

    def alter(item: Any) -> list[Any]:
        result = getattr(item.message, "result", None)
        if isinstance(result, dict) and "task" in result and not answer:
            answer.append(item)
            report(wire, 3, 10)
            return []
        return [item]

    wire.alter = alter
    async with connected(wire) as client, anyio.create_task_group() as group:
        made: list[Task[ToolResult]] = []

        async def call() -> None:
            made.append(await client.call_tool("work", task=True))

        group.start_soon(call)
        while not answer:
            await settle()
        await settle()
        wire.inject(*answer)
        while not made:
            await settle()
        assert made[0].progress is not None
        assert made[0].progress.fraction == 0.3
        (await server.next_task()).complete()
        await made[0]


@async_only("one event loop")
@legacy_only
async def test_nonsense_is_survived(server: TaskServer) -> None:
    """Reports that go back, are no numbers, or come for a token that nobody has, change nothing."""
    wire = Wire(server)
    async with connected(wire) as client:
        task, work = await begin(client, server)
        report(wire, 5, 4)
        found = await known(task, 5)
        assert (found.total, found.fraction) == (4, 1.0)
        for odd in ODD:
            report(wire, odd, 10)
        for token in ("mcptasks-2", 1, None, True, "x" * 10_000):
            report(wire, 9, token=token)
        report(wire, 6, -1)
        assert (await known(task, 6)).total is None
        assert task.progress is not None
        work.complete()
        await task
        report(wire, 7)
        for _ in range(20):
            await settle()
        assert task.progress.progress == 6


# --- callbacks --------------------------------------------------------------------------------------------------------


@both_worlds
@legacy_only
async def test_callbacks_are_told(server: TaskServer) -> None:
    """A callback gets each progress of a short sequence and each new status message, and nothing after the end."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        told = Told()
        task.on_progress(told)
        for n in (1, 2, 3):
            work.progress(n, 3, f"step {n}")
            await told.until(n, f"step {n}")
        work.set_working("cleaning up")
        await task.status()
        work.complete("done")
        assert (await task).data == "done"
        work.progress(4, 3)
        await settle()
        assert told.numbers == [1, 2, 3]


@both_worlds
async def test_callbacks_are_told_of_messages(server: TaskServer) -> None:
    """On either protocol a callback is told of status messages while nobody awaits anything."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        told = Told()
        task.on_progress(told)
        work.set_working("one")
        await told.until(message="one")
        work.set_working("two")
        await told.until(message="two")
        work.complete()
        await task
        assert [each.message for each in told.all] == ["one", "two"]


@both_worlds
@legacy_only
async def test_removed_callbacks(server: TaskServer) -> None:
    """A callback that was removed is told no more; others are, and may be removed twice."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        one, two = Told(), Told()
        remove, _ = task.on_progress(one), task.on_progress(two)
        work.progress(1)
        await one.until(1)
        await two.until(1)
        remove()
        remove()
        work.progress(2)
        await two.until(2)
        await settle()
        assert one.numbers == [1]
        work.complete()
        await task


@both_worlds
async def test_callbacks_that_cannot_be(server: TaskServer) -> None:
    """What cannot be called is refused; a task that is over tells nothing; a closed client says that it is closed."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        wrong: Any = 42
        with pytest.raises(TypeError, match="callable"):
            task.on_progress(wrong)
        other, _ = await begin(client, server)
        work.complete()
        await task
        told = Told()
        task.on_progress(told)()
        await settle()
        assert told.all == []
    with pytest.raises(TaskConnectionError):
        other.on_progress(told)


@virtual_clock()
@legacy_only
async def test_a_storm_reaches_callbacks_ten_times_a_second(server: TaskServer) -> None:
    """Of 10,000 reports a second a callback and a handler get at most ten a second, in order, and the last one."""
    wire = Wire(server)
    times: list[float] = []
    handled: list[float] = []
    called: list[float] = []

    async def told(progress: TaskProgress) -> None:
        assert progress.progress is not None
        times.append(anyio.current_time())
        handled.append(progress.progress)

    def handle(progress: float, total: float | None, message: str | None) -> None:
        called.append(progress)

    async with connected(wire, limit=60) as client:
        task, work = await begin(client, server, progress_handler=handle)
        task.on_progress(told)
        for tenth in range(20):
            for n in range(1000):
                report(wire, tenth * 1000 + n, 20_000)
            await known(task, tenth * 1000 + 999)
            await anyio.sleep(0.1)
        work.complete()
        await task
        await settle()
    assert handled == sorted(handled)
    assert handled[-1] == called[-1] == 19_999
    assert 15 <= len(handled) <= 31
    assert all(later >= earlier + 1 - 1e-6 for earlier, later in zip(times, times[MOST:-1], strict=False))


# --- with the statuses ------------------------------------------------------------------------------------------------


@both_worlds
@legacy_only
async def test_updates_with_progress(server: TaskServer) -> None:
    """`updates(progress=True)` yields on either kind of change, with both; without it statuses have no progress."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        updates = task.updates(progress=True)
        first = await anext(updates)
        assert (first.status, first.progress) == ("working", None)
        work.progress(1, 2)
        second = await anext(updates)
        assert second.progress is not None
        assert (second.status, second.progress.fraction) == ("working", 0.5)
        work.set_working("words")
        third = await anext(updates)
        assert third.progress is not None
        assert (third.status_message, third.progress.progress, third.progress.message) == ("words", 1, "words")
        work.complete()
        last = await anext(updates)
        assert last.is_terminal
        assert last.progress is not None
        with pytest.raises(StopAsyncIteration):
            await anext(updates)
        assert [status.progress async for status in task.updates()] == [None]


@both_worlds
async def test_updates_with_progress_on_either_protocol(server: TaskServer) -> None:
    """Where there are no reports the iteration is that of `updates()`, with the messages as progress."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        found: list[TaskStatus] = []
        updates = task.updates(progress=True)
        found.append(await anext(updates))
        work.set_working("half")
        found.append(await anext(updates))
        work.complete()
        found += [status async for status in updates]
        assert [status.status for status in found] == ["working", "working", "completed"]
        assert [None if each.progress is None else each.progress.message for each in found[:2]] == [None, "half"]


@virtual_clock()
@legacy_only
async def test_a_fast_reader_in_a_storm(server: TaskServer) -> None:
    """A reader of `updates(progress=True)` gets at most ten a second, and the end at once."""
    wire = Wire(server)
    async with connected(wire, limit=60) as client:
        task, work = await begin(client, server)
        times, ended = list[float](), list[float]()

        async def read() -> None:
            times.extend([anyio.current_time() async for _ in task.updates(progress=True)])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            for n in range(2000):
                report(wire, n)
                await anyio.sleep(0.001)
            work.complete()
            await task
            ended = [anyio.current_time()]
        assert 15 <= len(times) <= 32
        assert times[-1:] == pytest.approx(ended, abs=0.001)


def test_statuses_pickle_with_their_progress() -> None:
    """A status with progress survives pickling, and one that an earlier version pickled has none."""
    status = TaskStatus(task_id="a", status="working", progress=TaskProgress(progress=1, at=NOON))
    assert pickle.loads(pickle.dumps(status)) == status
    state = status.__getstate__()
    del state["progress"]
    early = TaskStatus.__new__(TaskStatus)
    early.__setstate__(state)
    assert early == TaskStatus(task_id="a", status="working")


# --- what is expected -------------------------------------------------------------------------------------------------


@both_worlds
async def test_expected_from_earlier_runs(server: TaskServer) -> None:
    """After two runs of a tool the next one is expected to take as long, and the time that is left shrinks."""
    server.add_tool("steady", [Complete("done", after=0.2)])
    begun = anyio.current_time()
    async with connected(server) as client:
        first = await client.call_tool("steady", task=True)
        assert first.expected is None
        await first
        await (await client.call_tool("steady", task=True))
        longest = anyio.current_time() - begun
        server.add_tool("steady", [Complete("done", after=3600)])
        task = await client.call_tool("steady", task=True)
        while (found := task.expected) is None:
            # The machine stood still for longer than the runs took.
            await task.cancel()
            task = await client.call_tool("steady", task=True)
        assert 0 < found.latest.total_seconds() <= longest
        assert found.soonest <= found.latest
        left: list[Expectation | None] = [found]
        while (later := left[-1]) is not None:
            assert later.latest <= found.latest
            await anyio.sleep(0.02)
            left.append(task.expected)
        await task.cancel()
        assert task.expected is None


@both_worlds
async def test_nothing_expected_of_a_question(server: TaskServer) -> None:
    """Nothing is expected of a task that has asked something, nor of one that another client created."""
    server.add_tool("asks", [NeedInput({"k": elicit("sure?")}), Complete("done")])
    server.add_tool("quick", [Complete("done", after=0.01)])
    async with connected(server) as client, connected(server) as other:
        for _ in range(2):
            await (await client.call_tool("quick", task=True))
        asking = await client.call_tool("asks", task=True)
        await asking.wait(state="input_required")
        assert asking.expected is None
        server.add_tool("quick", [Complete("done", after=5)])
        task = await client.call_tool("quick", task=True)
        assert other.resume(task.reference).expected is None
