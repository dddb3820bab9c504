"""Creating calls that go on without their callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from mcptasks import TaskConnectionError, TaskFailedError
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.creating_calls import Created
from mcptasks._engine.exchanges import exchange
from tests.helpers.backends import ASYNCIO

pytestmark = pytest.mark.anyio

ANSWER = Created(None, {"content": []}, None)


class Call:
    """A call that is answered when the test says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.answered, self.over = anyio.Event(), anyio.Event(), anyio.Event()
        self.orphans = list[Created | None]()
        self._error = error

    async def make(self) -> Created:
        """Make the call."""
        self.begun.set()
        try:
            await self.answered.wait()
            if self._error is not None:
                raise self._error
            return ANSWER
        finally:
            self.over.set()


@asynccontextmanager
async def client() -> AsyncGenerator[Callbacks]:
    """What runs the calls of a client, for the time of the block."""
    async with anyio.create_task_group() as group:
        yield Callbacks(group)
        group.cancel_scope.cancel()


async def test_the_caller_gets_the_answer() -> None:
    """Who waits gets what the call came to, and nobody else does."""
    call = Call()
    call.answered.set()
    async with client() as callbacks:
        assert await exchange(callbacks, call.make, call.orphans.append) is ANSWER
    assert call.orphans == []


async def test_the_caller_gets_the_error() -> None:
    """Who waits gets the very error of the call."""
    error = TaskFailedError("not today")
    call = Call(error)
    call.answered.set()
    async with client() as callbacks:
        with pytest.raises(TaskFailedError) as caught:
            await exchange(callbacks, call.make, call.orphans.append)
    assert caught.value is error


async def test_a_call_goes_on_without_its_caller() -> None:
    """A caller that is cancelled is gone at once; what the call comes to is taken in for it, once."""
    call = Call()
    async with client() as callbacks:
        async with anyio.create_task_group() as callers:
            callers.start_soon(exchange, callbacks, call.make, call.orphans.append)
            await call.begun.wait()
            callers.cancel_scope.cancel()
        assert call.orphans == []
        assert not call.over.is_set()
        call.answered.set()
        await call.over.wait()
        await anyio.wait_all_tasks_blocked()
        assert call.orphans == [ANSWER]


@pytest.mark.parametrize("anyio_backend", [pytest.param(ASYNCIO, id="asyncio")])
async def test_an_answer_at_the_moment_of_the_cancellation() -> None:
    """An answer that has come when asyncio cancels the caller, which has not seen it, is taken in for it."""
    call = Call()
    async with client() as callbacks:
        caller = asyncio.create_task(exchange(callbacks, call.make, call.orphans.append))
        await call.begun.wait()
        call.answered.set()
        await call.over.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert call.orphans == [ANSWER]


async def test_an_error_that_nobody_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    """A call that fails after its caller has gone troubles nobody; the log has the error."""
    call = Call(TaskFailedError("not today"))
    caplog.set_level("DEBUG", "mcptasks")
    async with client() as callbacks:
        async with anyio.create_task_group() as callers:
            callers.start_soon(exchange, callbacks, call.make, call.orphans.append)
            await call.begun.wait()
            callers.cancel_scope.cancel()
        call.answered.set()
        await anyio.wait_all_tasks_blocked()
    assert call.orphans == []
    assert "not today" in caplog.text


async def test_the_end_of_the_client() -> None:
    """Who waits for a call when its client ends is told so; a client that has ended makes no call."""
    call = Call()
    errors = list[str]()

    async def caller(callbacks: Callbacks) -> None:
        with pytest.raises(TaskConnectionError) as caught:
            await exchange(callbacks, call.make, call.orphans.append)
        errors.append(str(caught.value))

    async with anyio.create_task_group() as callers:
        async with client() as callbacks:
            callers.start_soon(caller, callbacks)
            await call.begun.wait()
        assert call.over.is_set()
        callbacks.close()
        await caller(callbacks)
    assert sorted(errors) == [
        "the client is closed",
        "the client was closed before the server answered; the call may have been carried out",
    ]


async def test_a_call_without_its_caller_may_have_little_time() -> None:
    """With a grace the call goes on without its caller for that long, and is cancelled then; nothing comes of it."""
    call = Call()
    async with client() as callbacks:
        async with anyio.create_task_group() as callers:
            callers.start_soon(exchange, callbacks, call.make, call.orphans.append, 0.05)
            await call.begun.wait()
            callers.cancel_scope.cancel()
        await call.over.wait()
        await anyio.wait_all_tasks_blocked()
    assert call.orphans == []


async def test_an_answer_within_the_grace() -> None:
    """An answer that comes within the grace is taken in."""
    call = Call()
    async with client() as callbacks:
        async with anyio.create_task_group() as callers:
            callers.start_soon(exchange, callbacks, call.make, call.orphans.append, 60)
            await call.begun.wait()
            callers.cancel_scope.cancel()
        call.answered.set()
        await call.over.wait()
        await anyio.wait_all_tasks_blocked()
    assert call.orphans == [ANSWER]
