"""Turns of requests: in order, a bounded number, handed on however a request ends."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import TaskGroup

from mcptasks._async.turns import Turns
from tests.unit.test_asking import virtual

AT_ONCE, SOON = 32, 0.3


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
        """These are answered."""
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
        assert not self.turns._waiting
        assert not self.turns._ahead


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
        assert line.begun == list(range(AT_ONCE + 2))
        await line.end(*range(AT_ONCE + 3))
        assert line.begun == list(range(AT_ONCE + 3))
    line.assert_empty()


@pytest.mark.anyio
async def test_nobody_overtakes_those_ahead() -> None:
    """Who comes when a turn has just become free begins after those ahead that waited for it."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE)
        await line.join(group, 1, ahead=True)
        line.turns.over(next(iter(line.turns._taken)))
        with anyio.move_on_after(0.01) as scope:
            line.turns.over(await line.turns.take())
        assert scope.cancelled_caught
        assert line.begun == list(range(AT_ONCE + 1))
        await line.end(*range(AT_ONCE + 1))
    line.assert_empty()


@pytest.mark.anyio
async def test_ahead_of_the_others() -> None:
    """Some begin before those that waited already, in the order in which they came, and no more are under way."""
    line = Line(KEPT)
    async with anyio.create_task_group() as group:
        await line.join(group, AT_ONCE + 3)
        await line.join(group, 3, ahead=True)
        assert len(line.begun) == AT_ONCE
        await line.give_up(AT_ONCE + 4)
        await line.end(0)
        assert line.begun[AT_ONCE:] == [AT_ONCE + 3]
        await line.end(1, 2)
        assert line.begun[AT_ONCE:] == [AT_ONCE + 3, AT_ONCE + 5, AT_ONCE]
        await line.end(*range(AT_ONCE + 6))
    line.assert_empty()


@virtual()
@pytest.mark.parametrize("gives_up", [False, True])
async def test_the_first_in_line_is_overtaken(gives_up: bool) -> None:
    """Who is overtaken while it watches for turns that are given away has the next one; also where the other one gives
    up."""
    line = Line(SOON)
    async with anyio.create_task_group() as group:
        begin = anyio.current_time()
        await line.join(group, 1)
        await anyio.sleep(SOON / 2)
        await line.join(group, AT_ONCE)
        await line.join(group, 1, ahead=True)
        if gives_up:
            await line.give_up(AT_ONCE + 1)
        await anyio.sleep_until(begin + SOON + 0.01)
        assert line.begun[AT_ONCE:] == [AT_ONCE if gives_up else AT_ONCE + 1]
        await anyio.sleep_until(begin + 1.5 * SOON + 0.02)
        assert sorted(line.begun[AT_ONCE:]) == ([AT_ONCE] if gives_up else [AT_ONCE, AT_ONCE + 1])
        await line.end(*range(AT_ONCE + 2))
    line.assert_empty()


@virtual()
async def test_a_turn_is_given_away() -> None:
    """Requests that are not over after 0.3 s give their turns away, and their ends free none a second time."""
    line = Line(SOON)
    async with anyio.create_task_group() as group:
        begin = anyio.current_time()
        await line.join(group, 3 * AT_ONCE)
        assert len(line.begun) == AT_ONCE
        await anyio.sleep_until(begin + SOON - 0.01)
        assert len(line.begun) == AT_ONCE
        await anyio.sleep_until(begin + SOON + 0.01)
        assert line.begun == list(range(2 * AT_ONCE))
        # Those of the first kind have no turns any more.
        await line.end(*range(AT_ONCE))
        assert len(line.begun) == 2 * AT_ONCE
        await line.end(AT_ONCE)
        assert len(line.begun) == 2 * AT_ONCE + 1
        await anyio.sleep(2 * SOON)
        assert line.begun == list(range(3 * AT_ONCE))
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

    def over_and_give_up(self: Turns, turn: object) -> None:
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
    """When the one that watches for turns that are given away gives up, the next one watches for them."""
    line = Line(SOON)
    async with anyio.create_task_group() as group:
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
    with anyio.move_on_after(0.01) as scope:
        await line.take()
    assert scope.cancelled_caught
    assert len(line._taken) == AT_ONCE
