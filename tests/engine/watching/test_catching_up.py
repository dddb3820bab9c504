"""Looks for what pushes may not have told: who is next, and when, by the clock of a test."""

from __future__ import annotations

import gc
import math
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from mcptasks import TaskStatus
from mcptasks._core.models import Status
from mcptasks._core.state import TaskState
from mcptasks._engine.watching.catching_up import Missed
from mcptasks._engine.watching.watch import Watch
from tests.helpers.virtual_time import virtual

AT_ONCE, A_SECOND, MORE = 32, 16, 8
MADE = datetime(2026, 11, 26, tzinfo=UTC)


def doubted(missed: Missed, count: int) -> list[Watch]:
    """So many tasks that are ten seconds old, whose pushes are doubted now."""
    watches = [Watch(str(number), anyio.current_time() - 10.0) for number in range(count)]
    for watch in watches:
        watch.polling.again = True
        missed.add(watch)
    return watches


def due(missed: Missed, *, but: frozenset[str] = frozenset()) -> list[int]:
    """The numbers of those that are to be looked at now, which is done."""
    found = list(missed.due(anyio.current_time(), lambda watch: watch.task_id not in but))
    for watch in found:
        watch.polling.again = False
    return [int(watch.task_id) for watch in found]


def over(watch: Watch, ran: float | None, status: Status = "completed") -> None:
    """A look has shown this; the server says how long the task ran."""
    updated = None if ran is None else MADE + timedelta(seconds=ran)
    seen = TaskStatus(task_id=watch.task_id, status=status, created_at=MADE, last_updated_at=updated)
    watch.state = TaskState(status=seen)


@virtual()
async def test_in_order() -> None:
    """Some at once, then as many as the pace allows, the one that waits longest first; it says when there is one."""
    missed = Missed()
    watches = doubted(missed, 100)
    assert due(missed) == list(range(AT_ONCE))
    assert missed.until(anyio.current_time()) == pytest.approx(anyio.current_time() + 1 / A_SECOND)
    assert due(missed) == []
    await anyio.sleep(1.001)
    assert due(missed) == list(range(AT_ONCE, AT_ONCE + A_SECOND))
    await anyio.sleep(60)
    assert due(missed) == list(range(AT_ONCE + A_SECOND, AT_ONCE + A_SECOND + AT_ONCE))
    await anyio.sleep(60)
    assert due(missed)[-1] == len(watches) - 1
    assert missed.until(anyio.current_time()) == math.inf


@virtual()
async def test_what_is_not_wanted_costs_nothing() -> None:
    """Those that were pushed, that nobody wants, or that are gone are passed over."""
    missed = Missed()
    watches = doubted(missed, 200)
    for watch in watches[:50]:
        watch.polling.again = False
    del watches[50:80]
    gc.collect()
    assert due(missed, but=frozenset(map(str, range(80, 100)))) == list(range(100, 100 + AT_ONCE))


@virtual()
async def test_what_is_found_brings_more() -> None:
    """Each look that finds a task which ended before its pushes were doubted lets some more be made; what that lets be
    made is forgotten when nobody waits."""
    missed = Missed()
    watches = doubted(missed, 100)
    due(missed)
    over(watches[0], 9.0)
    missed.looked(watches[0])
    assert len(due(missed)) == MORE
    for watch in watches[:10]:
        over(watch, 10.1)
        missed.looked(watch)
    assert due(missed)[-1] == 99
    more = doubted(missed, 100)
    assert due(missed) == []
    assert more


@virtual()
@pytest.mark.parametrize(("ran", "status"), [(10.5, "completed"), (None, "completed"), (1.0, "working")])
async def test_what_shows_nothing(ran: float | None, status: Status) -> None:
    """A task that ended after that, or when the server does not say, or that goes on, brings no more."""
    missed = Missed()
    watches = doubted(missed, 100)
    due(missed)
    over(watches[0], ran, status)
    missed.looked(watches[0])
    assert due(missed) == []
