"""Turns of requests: in order, a bounded number, handed on however a request ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from anyio.abc import TaskGroup

from mcptasks._core.faults import Fault
from mcptasks._engine.connection.turns import Turn, Turns
from tests.helpers.virtual_time import virtual

AT_ONCE, RESERVE, JOBS, SOON = 32, 4, 128, 0.3

KEPT = 3600.0
"""No turn is given away, however slow the machine."""


class Line:
    """Requests that take turns; each ends when it is told to."""

    def __init__(self, soon: float) -> None:
        self.turns = Turns(soon)
        self.begun: list[int] = []
        self.scopes: dict[int, anyio.CancelScope] = {}
        self._ends: dict[int, anyio.Event] = {}
        self._count = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Turns that are given away are handed on inside the block."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.turns.run)
            yield
            group.cancel_scope.cancel()

    async def join(self, group: TaskGroup, count: int, *, ahead: bool = False) -> None:
        """So many more, one after the other."""
        for number in range(self._count, self._count + count):
            self._ends[number], self.scopes[number] = anyio.Event(), anyio.CancelScope()
            group.start_soon(self._request, number, ahead)
            await anyio.wait_all_tasks_blocked()
        self._count += count

    async def _request(self, number: int, ahead: bool) -> None:
        with self.scopes[number]:
            turn = await self.turns.take(ahead=ahead)
            try:
                self.begun.append(number)
                await self._ends[number].wait()
            finally:
                self.turns.over(turn)

    async def end(self, *numbers: int) -> None:
        """These are answered, one after the other: trio runs those that are woken together in any order."""
        for number in numbers:
            self._ends[number].set()
            await anyio.wait_all_tasks_blocked()

    async def give_up(self, *numbers: int) -> None:
        """These are cancelled."""
        for number in numbers:
            self.scopes[number].cancel()
            await anyio.wait_all_tasks_blocked()

    def assert_empty(self) -> None:
        """Nothing is left of any request."""
        assert not self.turns._taken
        assert self.turns._first() is None
        assert self.turns._jobs == 0


@pytest.mark.anyio
async def test_turns_in_order() -> None:
    """At most 32 requests are under way; the others begin in the order in which they came, as those end."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, 40)
        assert line.begun == list(range(AT_ONCE))
        await line.end(5)
        assert line.begun == list(range(AT_ONCE + 1))
        await line.end(0, 1, 2)
        assert line.begun == list(range(AT_ONCE + 4))
        await line.end(*range(40))
    assert line.begun == list(range(40))
    line.assert_empty()


@pytest.mark.anyio
async def test_nobody_overtakes() -> None:
    """Who comes when a turn has just become free begins after those who waited for it."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 2)
        line._ends[0].set()
        line._ends[1].set()
        await line.join(group, 1)
        assert sorted(line.begun) == list(range(AT_ONCE + 2))
        await line.end(*range(AT_ONCE + 3))
        assert sorted(line.begun) == list(range(AT_ONCE + 3))
    line.assert_empty()


@pytest.mark.anyio
async def test_nobody_overtakes_those_ahead() -> None:
    """Who comes when a turn has just become free begins after those ahead that waited for it."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE)
        await line.join(group, RESERVE + 1, ahead=True)
        line.turns.over(next(iter(line.turns._taken)))
        with anyio.move_on_after(0.01) as scope:
            line.turns.over(await line.turns.take())
        assert scope.cancelled_caught
        await anyio.wait_all_tasks_blocked()
        assert sorted(line.begun) == list(range(AT_ONCE + RESERVE + 1))
        await line.end(*range(AT_ONCE + RESERVE + 1))
    line.assert_empty()


@pytest.mark.anyio
async def test_ahead_of_the_others() -> None:
    """Four of those that go ahead begin though 32 requests are under way; further ones begin before all others that
    waited already, in the order in which they came."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 3)
        assert len(line.begun) == AT_ONCE
        await line.join(group, RESERVE + 3, ahead=True)
        first = AT_ONCE + 3 + RESERVE
        assert line.begun[AT_ONCE:] == [*range(AT_ONCE + 3, first)]
        await line.give_up(first + 1)
        await line.end(0)
        assert line.begun[AT_ONCE + RESERVE :] == [first]
        await line.end(1, 2)
        assert line.begun[AT_ONCE + RESERVE :] == [first, first + 2]
        await line.end(*range(AT_ONCE + 3, first))
        assert line.begun[AT_ONCE + RESERVE :] == [first, first + 2, AT_ONCE]
        await line.end(*range(first + 3))
    line.assert_empty()


@virtual()
@pytest.mark.parametrize("gives_up", [False, True])
async def test_the_first_in_line_is_overtaken(gives_up: bool) -> None:
    """Who is overtaken while it waits for a turn that is given away has the next one; also where the other one gives
    up."""
    line = Line(SOON)
    async with line.running(), anyio.create_task_group() as group:
        begin = anyio.current_time()
        await line.join(group, 1)
        await anyio.sleep(SOON / 2)
        await line.join(group, AT_ONCE)
        await line.join(group, RESERVE + 1, ahead=True)
        ahead = AT_ONCE + 1 + RESERVE
        if gives_up:
            await line.give_up(ahead)
        await anyio.sleep_until(begin + SOON + 0.01)
        assert line.begun[AT_ONCE + RESERVE :] == ([] if gives_up else [ahead])
        await anyio.sleep_until(begin + 1.5 * SOON + 0.02)
        assert sorted(line.begun[AT_ONCE + RESERVE :]) == ([AT_ONCE] if gives_up else [AT_ONCE, ahead])
        await line.end(*range(ahead + 1))
    line.assert_empty()


@virtual()
async def test_a_turn_is_given_away() -> None:
    """Requests that are not over after 0.3 s give their turns away, and their ends free none a second time."""
    line = Line(SOON)
    async with line.running(), anyio.create_task_group() as group:
        begin = anyio.current_time()
        await line.join(group, 3 * AT_ONCE)
        assert len(line.begun) == AT_ONCE
        await anyio.sleep_until(begin + SOON - 0.01)
        assert len(line.begun) == AT_ONCE
        await anyio.sleep_until(begin + SOON + 0.01)
        assert sorted(line.begun) == list(range(2 * AT_ONCE))
        # Those of the first kind have no turns any more.
        await line.end(*range(AT_ONCE))
        assert len(line.begun) == 2 * AT_ONCE
        await line.end(AT_ONCE)
        assert len(line.begun) == 2 * AT_ONCE + 1
        await anyio.sleep(2 * SOON)
        assert sorted(line.begun) == list(range(3 * AT_ONCE))
        await line.end(*range(3 * AT_ONCE))
    line.assert_empty()


@pytest.mark.anyio
@pytest.mark.parametrize("which", [AT_ONCE, AT_ONCE + 1, AT_ONCE + 3], ids=["first", "second", "last"])
async def test_who_waits_gives_up(which: int) -> None:
    """A request that is given up while it waits leaves the line; the others have their turns."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 4)
        await line.give_up(which)
        await line.end(0, 1, 2)
        left = [number for number in range(AT_ONCE, AT_ONCE + 4) if number != which]
        assert line.begun == [*range(AT_ONCE), *left]
        await line.end(*range(AT_ONCE + 4))
    line.assert_empty()


@pytest.mark.anyio
@pytest.mark.parametrize("woken_first", [True, False])
async def test_given_up_with_the_turn_in_hand(monkeypatch: pytest.MonkeyPatch, woken_first: bool) -> None:
    """A request that is given up just when it is woken for its turn, or just before, passes it on."""
    line, over = Line(KEPT), Turns.over

    def over_and_give_up(self: Turns, turn: Turn) -> None:
        if not woken_first:
            line.scopes[AT_ONCE].cancel()
        over(self, turn)
        line.scopes[AT_ONCE].cancel()

    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 2)
        with monkeypatch.context() as patch:
            patch.setattr(Turns, "over", over_and_give_up)
            await line.end(0)
        assert AT_ONCE + 1 in line.begun
        await line.end(*range(AT_ONCE + 2))
    line.assert_empty()


@pytest.mark.anyio
async def test_given_up_under_way() -> None:
    """A request that is given up while it is under way passes its turn on."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 2)
        await line.give_up(3, 4)
        assert line.begun == list(range(AT_ONCE + 2))
        await line.end(*range(AT_ONCE + 2))
    line.assert_empty()


@virtual()
async def test_the_first_in_line_gives_up_while_it_watches() -> None:
    """When the first one that waits for a turn that is given away gives up, the next one has it."""
    line = Line(SOON)
    async with line.running(), anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 2)
        await anyio.sleep(SOON / 2)
        await line.give_up(AT_ONCE)
        await anyio.sleep(SOON)
        assert line.begun == [*range(AT_ONCE), AT_ONCE + 1]
        await line.end(*range(AT_ONCE + 2))
    line.assert_empty()


@pytest.mark.anyio
async def test_a_turn_is_over_once() -> None:
    """To say twice that a request is over frees one turn."""
    line = Turns(KEPT)
    taken = [await line.take() for _ in range(AT_ONCE)]
    line.over(taken[0])
    line.over(taken[0])
    await line.take()
    async with anyio.create_task_group() as group:
        group.start_soon(line.take)
        await anyio.wait_all_tasks_blocked()
        assert len(line._taken) == AT_ONCE
        group.cancel_scope.cancel()
    assert len(line._taken) == AT_ONCE


class Jobs:
    """Jobs that take turns; notes in which order they begin."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.by_name: dict[str, Turn] = {}

    def queue(self, *names: object, ahead: bool = False) -> None:
        """Some more."""
        for name in map(str, names):
            self.by_name[name] = self.turns.queue(partial(self._begin, name), ahead=ahead)

    def _begin(self, name: str, _turn: Turn) -> None:
        self.begun.append(name)

    def end(self, *names: object) -> None:
        """These are over."""
        for name in map(str, names):
            self.turns.end(self.by_name[name])


@pytest.mark.anyio
async def test_jobs_in_order() -> None:
    """At most 32 jobs are under way, and four of those that go ahead; the others begin as those end, those ahead first,
    each kind in order."""
    jobs = Jobs(Turns(KEPT))
    jobs.queue(*range(AT_ONCE + 3))
    assert jobs.begun == [*map(str, range(AT_ONCE))]
    jobs.queue("a", "b", "c", "d", "e", ahead=True)
    assert jobs.begun[AT_ONCE:] == ["a", "b", "c", "d"]
    jobs.end(7)
    assert jobs.begun[AT_ONCE:] == ["a", "b", "c", "d", "e"]
    jobs.end("a", "b", "c", "d", "e")
    assert jobs.begun[AT_ONCE + 5 :] == ["32"]


@pytest.mark.anyio
async def test_jobs_and_calls_in_one_line() -> None:
    """Calls and jobs share the turns, and begin in the order in which they came."""
    line = Line(KEPT)
    jobs = Jobs(line.turns)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE)
        jobs.queue("first")
        await line.join(group, 1)
        jobs.queue("last")
        assert (line.begun, jobs.begun) == ([*range(AT_ONCE)], [])
        await line.end(0)
        assert (line.begun, jobs.begun) == ([*range(AT_ONCE)], ["first"])
        await line.end(1)
        assert (line.begun, jobs.begun) == ([*range(AT_ONCE + 1)], ["first"])
        await line.end(2)
        assert jobs.begun == ["first", "last"]
        jobs.end("first", "last")
        await line.end(*range(AT_ONCE + 1))
    line.assert_empty()


@virtual()
async def test_jobs_that_are_not_answered() -> None:
    """No more than 128 jobs are under way, however many of them have given their turns away; calls pass them."""
    line = Line(SOON)
    jobs = Jobs(line.turns)
    async with line.running(), anyio.create_task_group() as group:
        jobs.queue(*range(200))
        for number in range(1, JOBS // AT_ONCE):
            assert len(jobs.begun) == number * AT_ONCE
            await anyio.sleep(SOON + 0.01)
        assert len(jobs.begun) == JOBS
        await anyio.sleep(10 * SOON)
        assert len(jobs.begun) == JOBS
        await line.join(group, 1)
        assert line.begun == [0]
        jobs.end(0)
        assert len(jobs.begun) == JOBS + 1
        await line.end(0)
        for number in range(1, 200):
            jobs.end(number)
    assert jobs.begun == [*map(str, range(200))]
    line.assert_empty()


@pytest.mark.anyio
async def test_a_job_that_tries_again() -> None:
    """A job between two requests has no turn, and still counts among the jobs that are under way."""
    jobs = Jobs(Turns(KEPT))
    for name in range(JOBS):
        jobs.queue(name)
        jobs.turns.over(jobs.by_name[str(name)])
    jobs.queue("next")
    assert len(jobs.begun) == JOBS
    jobs.end(5)
    assert jobs.begun[JOBS:] == ["next"]


@pytest.mark.anyio
async def test_a_job_is_withdrawn() -> None:
    """A job that is withdrawn while it waits never begins; the next one has its turn."""
    jobs = Jobs(Turns(KEPT))
    jobs.queue(*range(AT_ONCE + 2))
    jobs.turns.over(jobs.by_name[str(AT_ONCE)])
    jobs.end(0)
    assert jobs.begun[AT_ONCE:] == [str(AT_ONCE + 1)]


@virtual()
async def test_a_server_that_gets_too_many() -> None:
    """After a 429, requests begin one after the other at half the rate of before, in their order; other failures slow
    nothing down."""
    turns, begun = Turns(SOON), list[tuple[float, int]]()

    def begin(number: int, turn: Turn) -> None:
        begun.append((anyio.current_time() - start, number))
        turns.end(turn)

    async with anyio.create_task_group() as group:
        group.start_soon(turns.run)
        start = anyio.current_time()
        for number in range(20):
            turns.queue(partial(begin, number))
        turns.noted(Fault(action="retry", meaning="connection", reason="overloaded", status=503))
        turns.queue(partial(begin, 20))
        assert begun == [(0.0, number) for number in range(21)]
        turns.noted(Fault(action="retry", meaning="connection", reason="too many", status=429))
        for number in range(21, 25):
            turns.queue(partial(begin, number))
        await anyio.sleep(1.0)
        group.cancel_scope.cancel()
    assert [number for _, number in begun[21:]] == [21, 22, 23, 24]
    assert [at for at, _ in begun[21:]] == pytest.approx([wait / 10.5 for wait in range(1, 5)], abs=0.01)
