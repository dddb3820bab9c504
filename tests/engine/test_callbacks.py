"""Programs' callbacks: in order, one at a time, none delayed by another, and their errors in the log."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcptasks import TaskStatus
from mcptasks._engine.callbacks import Callbacks

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling() -> AsyncGenerator[Callbacks]:
    """Callbacks that may run while the block does, and end with it; nothing here takes long."""
    with anyio.fail_after(25):
        async with anyio.create_task_group() as tg:
            yield Callbacks(tg)
            tg.cancel_scope.cancel()


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of this package. What an earlier test has left may be collected, and log, at any time."""
    return [record for record in caplog.records if record.name == "mcptasks"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_order(kind: str) -> None:
    """Calls are made in the order they were asked for, with their arguments, and never two at once."""
    got: list[int] = []
    running = 0

    async def slow(number: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        got.append(number)
        running -= 1

    async with calling() as callbacks:
        queue = callbacks.queue(got.append if kind == "sync" else slow, "x")
        for number in range(10):
            queue.call(number)
            if number % 4 == 0:
                await anyio.lowlevel.checkpoint()
        await callbacks.idle()
    assert got == list(range(10))


async def test_a_slow_one_delays_nobody() -> None:
    """While one callback waits others are called, and so are those asked for later."""
    got: list[str] = []
    gate, second = anyio.Event(), anyio.Event()

    async def slow(word: str) -> None:
        await gate.wait()
        got.append(word)

    def quick(word: str) -> None:
        got.append(word)
        if word == "quick 2":
            second.set()

    async with calling() as callbacks:
        blocked, free = callbacks.queue(slow, "slow"), callbacks.queue(quick, "quick")
        blocked.call("slow 1")
        free.call("quick 1")
        blocked.call("slow 2")
        free.call("quick 2")
        await second.wait()
        assert got == ["quick 1", "quick 2"]
        gate.set()
        await callbacks.idle()
    assert got == ["quick 1", "quick 2", "slow 1", "slow 2"]


async def test_calling_does_not_call() -> None:
    """Asking for a call returns at once; nothing of the program runs within it."""
    got: list[int] = []
    async with calling() as callbacks:
        callbacks.queue(got.append, "x").call(1)
        assert got == []
        await callbacks.idle()
        assert got == [1]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_errors_are_logged(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a callback raises is logged with its name and traceback; the next call is made all the same."""
    got: list[int] = []

    def sync(number: int) -> None:
        if number % 2:
            raise ZeroDivisionError(number)
        got.append(number)

    async def later(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        sync(number)

    async with calling() as callbacks:
        queue = callbacks.queue(sync if kind == "sync" else later, "status callback of task 't-1'")
        for number in range(4):
            queue.call(number)
        await callbacks.idle()
    assert got == [0, 2]
    said = ours(caplog)
    assert [(record.levelno, record.getMessage()) for record in said] == [
        (logging.ERROR, "status callback of task 't-1' raised")
    ] * 2
    assert all(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in said)


async def test_groups_of_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An exception group out of a callback is one of its errors too."""

    async def grouped() -> None:
        async with anyio.create_task_group():
            raise ValueError("inside")

    async with calling() as callbacks:
        callbacks.queue(grouped, "x").call()
        await callbacks.idle()
    assert [record.getMessage() for record in ours(caplog)] == ["x raised"]


async def test_calls_from_within_a_callback() -> None:
    """A callback may ask for more calls, of itself too; those come after it has returned."""
    got: list[str] = []

    async with calling() as callbacks:

        async def more(depth: int) -> None:
            got.append(f"begin {depth}")
            if depth:
                queue.call(depth - 1)
            await anyio.lowlevel.checkpoint()
            got.append(f"end {depth}")

        queue = callbacks.queue(more, "x")
        queue.call(2)
        await callbacks.idle()
    assert got == ["begin 2", "end 2", "begin 1", "end 1", "begin 0", "end 0"]


async def test_clear() -> None:
    """What was not begun can be taken back; the queue goes on to be usable."""
    got: list[int] = []
    async with calling() as callbacks:
        queue = callbacks.queue(got.append, "x")
        queue.call(1)
        queue.clear()
        await callbacks.idle()
        queue.call(2)
        await callbacks.idle()
    assert got == [2]


async def test_clear_from_within() -> None:
    """A callback that removes itself is not called again."""
    got: list[int] = []
    async with calling() as callbacks:

        def once(number: int) -> None:
            got.append(number)
            queue.clear()

        queue = callbacks.queue(once, "x")
        for number in range(3):
            queue.call(number)
        await callbacks.idle()
    assert got == [0]


@pytest.mark.parametrize("answer", [7, "text", [], object()])
async def test_odd_answers(answer: Any) -> None:
    """What a sync callback returns is passed over unless it can be awaited."""
    async with calling() as callbacks:
        callbacks.queue(lambda: answer, "x").call()
        await callbacks.idle()


async def test_anything_awaitable() -> None:
    """A callable that returns something to await is an async callback, whatever it is made of."""
    got: list[int] = []

    async def add(one: int, other: int) -> None:
        got.append(one + other)

    class Method:
        async def __call__(self, number: int) -> None:
            got.append(number)

    async with calling() as callbacks:
        callbacks.queue(partial(add, 1), "partial").call(2)
        callbacks.queue(lambda: add(5, 5), "lambda").call()
        callbacks.queue(Method(), "object").call(7)
        await callbacks.idle()
    assert sorted(got) == [3, 7, 10]


async def test_idle() -> None:
    """With nothing to do there is nothing to wait for; later work is waited for anew."""
    got: list[int] = []
    async with calling() as callbacks:
        await callbacks.idle()
        for number in range(3):
            callbacks.queue(got.append, "x").call(number)
            await callbacks.idle()
            assert got[-1] == number


async def test_nothing_is_called_after_the_end() -> None:
    """Once closed, callbacks are not called any more, and asking does no harm."""
    got: list[int] = []
    async with calling() as callbacks:
        queue = callbacks.queue(got.append, "x")
        callbacks.close()
        queue.call(1)
        await callbacks.idle()
        await anyio.lowlevel.checkpoint()
    assert got == []


async def test_nothing_is_kept_after_the_end() -> None:
    """What a callback was to be called with after the end is let go of, not kept for a call that never comes."""

    class News:
        pass

    async with calling() as callbacks:
        queue = callbacks.queue(print, "x")
        callbacks.close()
        for _ in range(3):
            news = News()
            known = weakref.ref(news)
            queue.call(news)
            del news
            gc.collect()
            assert known() is None


async def test_only_the_call_that_was_begun_ends() -> None:
    """Closing takes nothing away from the call that is being made, whose end is waited for; those behind it, asked for
    before or after, are not made."""
    got: list[str] = []
    begun, gate = anyio.Event(), anyio.Event()

    async def slow(word: str) -> None:
        begun.set()
        await gate.wait()
        got.append(word)

    async with calling() as callbacks:
        queue = callbacks.queue(slow, "x")
        queue.call("begun")
        await begun.wait()
        queue.call("before")
        callbacks.close()
        queue.call("after")
        gate.set()
        await callbacks.idle()
        queue.call("late")
        await callbacks.idle()
    assert got == ["begun"]


async def test_what_waits_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Of very many calls that wait for a slow callback a thousand are made: the oldest and the latest, in order, none
    twice; the log says once that some are left out."""
    got, gate = list[int](), anyio.Event()

    async def slow(number: int) -> None:
        await gate.wait()
        got.append(number)

    async with calling() as callbacks:
        queue = callbacks.queue(slow, "the slow one")
        with caplog.at_level(logging.WARNING, "mcptasks"):
            for number in range(50_000):
                queue.call(number)
                if number == 0:
                    await anyio.wait_all_tasks_blocked()
        gate.set()
        await callbacks.idle()
    assert got == sorted(set(got))
    assert got[:500] == list(range(500))
    assert got[-400:] == list(range(49_600, 50_000))
    assert len(got) == 1001
    assert caplog.text.count("the slow one is too slow") == 1


async def test_large_things_that_wait_are_bounded() -> None:
    """Large statuses that wait for a slow callback take some 16 MB at most, and the latest is told."""
    got, gate = list[str](), anyio.Event()

    async def slow(status: TaskStatus) -> None:
        await gate.wait()
        got.append(status.task_id)

    async with calling() as callbacks:
        queue = callbacks.queue(slow, "x")
        for number in range(300):
            words = f"{number}" * 300_000
            raw = {"statusMessage": words}
            queue.call(TaskStatus(task_id=f"{number}", status="working", status_message=words, raw=raw))
            if number == 0:
                await anyio.wait_all_tasks_blocked()
        gate.set()
        await callbacks.idle()
    assert got[0] == "0"
    assert got[-1] == "299"
    assert len(got) < 40
