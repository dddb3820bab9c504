"""Group commit, on a virtual clock where time matters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcptasks._core.exceptions import StoreError
from mcptasks._store.upkeep import EraKnown, Retire
from mcptasks._store.writer import LAZY_SECONDS, Writer
from mcptasks._store.writes import Write
from tests.helpers.stores import NOW
from tests.helpers.virtual_time import on_frozen_clocks, run_virtually

each_loop = pytest.mark.parametrize("loop", ["asyncio", "trio"])


class Database:
    """Takes batches, slowly if it is told to."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[list[str]] = []
        self.error: BaseException | None = None

    async def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Take a batch; the answer to each write is its name."""
        await anyio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        names = [each.owner if isinstance(each, Retire) else "lazy" for each in writes]
        self.batches.append(names)
        return names


def write(name: str) -> Write[Any]:
    """A write that waits."""
    return Retire(owner=name)


LAZY = EraKnown(endpoint="e", era="2026-07-28", at=NOW)


@each_loop
def test_writes_of_many_callers_are_one_batch(loop: str) -> None:
    """What queues up while a batch is carried out is the next batch; each caller gets the answer to its own write."""

    async def main() -> None:
        database = Database(1.0)
        writer, answers = Writer(database.apply), dict[str, Any]()

        async def caller(name: str) -> None:
            answers[name] = await writer.commit(write(name))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            tasks.start_soon(caller, "first")
            await anyio.sleep(0.5)
            for number in range(1200):
                tasks.start_soon(caller, f"n{number}")
            await anyio.sleep(10)
            writer.stop()
        assert [len(batch) for batch in database.batches] == [1, 500, 500, 200]
        # Trio starts tasks in any order.
        assert {name for batch in database.batches for name in batch} == answers.keys()
        assert answers == {name: name for name in ("first", *(f"n{number}" for number in range(1200)))}

    run_virtually(loop, main)


@each_loop
def test_lazy_writes_wait_for_company(loop: str) -> None:
    """A lazy write is carried out before a durable one that comes after it, or by itself after half a second."""

    async def main() -> None:
        database = Database()
        writer = Writer(database.apply)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            await anyio.sleep(1)
            writer.later(LAZY)
            await anyio.sleep(LAZY_SECONDS - 0.1)
            assert database.batches == []
            await writer.commit(write("a"))
            assert database.batches == [["lazy", "a"]]
            writer.later(LAZY)
            await anyio.sleep(LAZY_SECONDS + 0.1)
            assert database.batches[1:] == [["lazy"]]
            writer.stop()

    run_virtually(loop, main)


@pytest.mark.anyio
@on_frozen_clocks
async def test_a_write_waits_for_company() -> None:
    """While other calls are under way, a write waits a moment for theirs, longer for more of them and at most 10 ms.
    The write of a lone call is carried out at once, and so is a transaction that is full."""
    database = Database()
    writer = Writer(database.apply)

    async def waited(calls: int, names: Sequence[str]) -> float:
        """Seconds until the writes are durable, of which the second and further ones come within a millisecond."""
        begun = anyio.current_time()
        with ExitStack() as stack:
            for _ in range(calls):
                stack.enter_context(writer.company)
            async with anyio.create_task_group() as callers:
                callers.start_soon(writer.commit, write(names[0]))
                await anyio.sleep(0.001)
                for name in names[1:]:
                    callers.start_soon(writer.commit, write(name))
        return anyio.current_time() - begun

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        for calls in (0, 1):
            assert await waited(calls, "ab") == pytest.approx(0.001)
        assert database.batches == [["a"], ["b"]] * 2
        assert await waited(11, "cd") == pytest.approx(0.003)
        assert await waited(1000, "ef") == pytest.approx(0.01)
        assert database.batches[4:] == [["c", "d"], ["e", "f"]]
        assert await waited(1000, ["g"] * 500) == pytest.approx(0.001)
        assert len(database.batches[-1]) == 500
        writer.stop()


@pytest.mark.anyio
@on_frozen_clocks
async def test_a_stream_of_writes_shares_a_transaction() -> None:
    """While writes keep coming and many calls are under way, the transaction waits for further ones, up to 50 ms. Once
    few come, it is carried out."""
    database = Database()
    writer, waits = Writer(database.apply), list[float]()

    async def commit(name: str) -> None:
        begun = anyio.current_time()
        await writer.commit(write(name))
        waits.append(anyio.current_time() - begun)

    async def stream(milliseconds: int) -> None:
        async with anyio.create_task_group() as callers:
            for number in range(milliseconds):
                callers.start_soon(commit, f"{number}")
                await anyio.sleep(0.001)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        with ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(writer.company)
            await stream(200)
            assert len(database.batches) <= 5
            assert max(waits) == pytest.approx(0.05, abs=0.0015)
            waits.clear()
            await anyio.sleep(1)
            await stream(25)
            assert max(waits) < 0.05
            waits.clear()
            await anyio.sleep(1)
            async with anyio.create_task_group() as callers:
                for number in range(20):
                    callers.start_soon(commit, f"{number}")
            assert max(waits) == pytest.approx(0.01)
        writer.stop()


@pytest.mark.anyio
@on_frozen_clocks
async def test_ends_of_tasks_come_as_a_stream() -> None:
    """No call is under way when tasks end. Their ends share transactions once several came together; the end of a lone
    task waits for nobody."""
    database = Database(0.005)
    writer = Writer(database.apply)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        begun = anyio.current_time()
        await writer.soon(write("lone")).wait()
        assert anyio.current_time() - begun == pytest.approx(0.005)
        for number in range(200):
            writer.soon(write(f"{number}"))
            await anyio.sleep(0.001)
        await writer.soon(write("last")).wait()
        assert len(database.batches) <= 15
        await anyio.sleep(1)
        begun = anyio.current_time()
        await writer.soon(write("lone")).wait()
        assert anyio.current_time() - begun == pytest.approx(0.005)
        writer.stop()


@each_loop
def test_a_caller_that_is_cancelled_in_the_queue(loop: str) -> None:
    """Its write is left out; those of others are carried out. What has begun is finished."""

    async def main() -> None:
        database = Database(1.0)
        writer = Writer(database.apply)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            with anyio.move_on_after(0.5):
                await writer.commit(write("begun"))
            with anyio.move_on_after(0.2):
                await writer.commit(write("queued"))
            assert await writer.commit(write("other")) == "other"
            writer.stop()
        assert database.batches == [["begun"], ["other"]]

    run_virtually(loop, main)


@each_loop
@pytest.mark.parametrize("how", ["stopped", "cancelled"])
def test_what_is_queued_at_the_end_is_written(loop: str, how: str) -> None:
    """Neither closing the client nor cancelling its scope loses a write; afterwards nothing can be written."""

    async def main() -> None:
        database = Database(1.0)
        writer = Writer(database.apply)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            await anyio.lowlevel.checkpoint()
            for _ in range(3):
                writer.later(LAZY)
            if how == "stopped":
                writer.stop()
            else:
                tasks.cancel_scope.cancel()
        assert database.batches == [["lazy"] * 3]
        writer.later(LAZY)
        with pytest.raises(StoreError, match="the client is closed"):
            await writer.commit(write("late"))
        assert len(database.batches) == 1

    run_virtually(loop, main)


@each_loop
def test_a_store_that_is_away(loop: str) -> None:
    """Every caller of a batch gets an error of its own, and the next batch is tried again."""

    async def main() -> None:
        database = Database(1.0)
        database.error = StoreError("away", unknown=True)
        writer, errors = Writer(database.apply), list[StoreError]()

        async def caller(name: str) -> None:
            try:
                await writer.commit(write(name))
            except StoreError as exc:
                errors.append(exc)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            for name in ("a", "b"):
                tasks.start_soon(caller, name)
            await anyio.sleep(5)
            assert [(str(each), each.unknown) for each in errors] == [("away", True)] * 2
            assert len({id(each) for each in errors}) == 2
            database.error = None
            assert await writer.commit(write("c")) == "c"
            writer.stop()

    run_virtually(loop, main)


@each_loop
def test_a_fault_of_the_program(loop: str) -> None:
    """An error that is none of the store's ends the writer; whoever waits is told, and nobody waits for ever."""

    async def main() -> None:
        database = Database(1.0)
        database.error = ZeroDivisionError()
        writer = Writer(database.apply)

        async def caller() -> None:
            with pytest.raises(StoreError, match="ZeroDivisionError"):
                await writer.commit(write("a"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller)
            tasks.start_soon(caller)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(ZeroDivisionError):
                await writer.run()

    run_virtually(loop, main)
