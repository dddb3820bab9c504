"""The small events of `mcptasks._eventloop`: they do what those of anyio do."""

from __future__ import annotations

import anyio
import pytest

from mcptasks import _eventloop
from tests.helpers.support import settle

pytestmark = pytest.mark.anyio


async def test_all_waiters_are_woken() -> None:
    """Everybody who waits is woken, and whoever waits later does not wait."""
    event, woken = _eventloop.event(), list[int]()

    async def wait(number: int) -> None:
        await event.wait()
        woken.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(wait, number)
        await settle()
        assert woken == []
        event.set()
        event.set()
    await wait(3)
    assert sorted(woken) == [0, 1, 2, 3]


async def test_a_cancelled_waiter() -> None:
    """Cancelling one waiter neither wakes nor cancels another, and a cancelled waiter may go just as it is woken."""
    event, woken = _eventloop.event(), list[str]()

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await event.wait()
            woken.append(name)

    first, second, third = anyio.CancelScope(), anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as group:
        for name, scope in (("first", first), ("second", second), ("third", third)):
            group.start_soon(wait, name, scope)
        await settle()
        first.cancel()
        await settle()
        third.cancel()
        event.set()
    assert "first" not in woken
    assert "second" in woken


async def test_waiting_for_a_set_event_gives_way() -> None:
    """A program that waits for a set event in a loop lets others run, and can be cancelled."""
    event = _eventloop.event()
    event.set()
    with anyio.move_on_after(0) as scope:
        while True:
            await event.wait()
    assert scope.cancelled_caught
