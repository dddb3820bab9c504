"""The requests about tasks that are under way: how many, in which order, and who has to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import anyio
import pytest
from anyio.abc import TaskGroup

from mcptasks._async.asking import Asking
from mcptasks._async.limits import Budget
from mcptasks._async.watch import Watch
from tests.core.worlds import TestT

AT_ONCE, AT_MOST, SOON = 32, 128, 1.0


def virtual() -> Callable[[TestT], TestT]:
    """Run the test on trio with a clock that jumps whenever nothing else happens."""
    import trio.testing

    clock = trio.testing.MockClock(autojump_threshold=0)
    params = [pytest.param(("trio", {"clock": clock}), id="virtual")]
    return lambda test: pytest.mark.anyio(pytest.mark.parametrize("anyio_backend", params)(test))


class Server:
    """Answers when it is told to; notes what it was asked.

    It stands for the task group, too: trio runs tasks that begin together in any order, so what counts is the order
    in which they begin.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.budgets: list[Budget] = []
        self._answers: dict[str, anyio.Event] = {}
        self._group: TaskGroup | None = None

    async def begin(self, asking: Asking, group: TaskGroup) -> None:
        """Begin what can begin, and let it."""
        self._group = group
        asking.start(cast("TaskGroup", self))
        await anyio.wait_all_tasks_blocked()

    def start_soon(self, run: Any, watch: Watch, budget: Budget, fetch: bool, place: object) -> None:
        """Take note, and do it."""
        assert self._group is not None
        self.asked.append(_name(watch, fetch))
        self.budgets.append(budget)
        self._group.start_soon(run, watch, budget, fetch, place)

    async def ask(self, watch: Watch, _budget: Budget, fetch: bool) -> None:
        """One request."""
        name = _name(watch, fetch)
        await self._answers.setdefault(name, anyio.Event()).wait()
        self.answered.append(name)

    def answer(self, *names: str) -> None:
        """Answer these, or all that were asked."""
        for name in names or self.asked:
            self._answers.setdefault(name, anyio.Event()).set()


def _name(watch: Watch, fetch: bool) -> str:
    return f"{'result' if fetch else 'look'} {watch.task_id}"


def watch(name: object, deadline: float | None = None) -> Watch:
    """A task."""
    found = Watch(str(name), 0.0)
    if deadline is not None:
        found.deadlines = (deadline,)
    return found


def look_at(asking: Asking, count: int, begin: int = 0) -> list[str]:
    """Queue so many looks; what they will be noted as."""
    for number in range(begin, begin + count):
        asking.add(watch(number), fetch=False)
    return [f"look {number}" for number in range(begin, begin + count)]


@pytest.mark.anyio
async def test_results_come_before_looks_each_in_order() -> None:
    """What is over is fetched before what may be over is looked at, and each kind in the order of asking."""
    server = Server()
    asking = Asking(server.ask, None)
    for number in range(3):
        asking.add(watch(number), fetch=False)
        asking.add(watch(number), fetch=True)
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        assert server.asked == ["result 0", "result 1", "result 2", "look 0", "look 1", "look 2"]
        server.answer()
    assert not asking.waiting


@pytest.mark.anyio
async def test_so_many_at_once() -> None:
    """No more than 32 requests are under way while they are answered soon; the next ones begin as places become free,
    and a result that comes late is the first of them."""
    server = Server()
    asking = Asking(server.ask, None)
    expected = look_at(asking, 100)
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        assert server.asked == expected[:AT_ONCE]
        asking.add(watch("late"), fetch=True)
        server.answer("look 7", "look 9")
        await anyio.wait_all_tasks_blocked()
        await server.begin(asking, group)
        assert server.asked == [*expected[:AT_ONCE], "result late", expected[AT_ONCE]]
        while asking.waiting:
            server.answer()
            await anyio.wait_all_tasks_blocked()
            await server.begin(asking, group)
        server.answer()
    assert sorted(server.answered) == sorted([*expected, "result late"])
    assert server.asked == [*expected[:AT_ONCE], "result late", *expected[AT_ONCE:]]


@virtual()
async def test_who_is_not_answered_soon_gives_its_place_away() -> None:
    """After a second without an answer a request gives its place to the next one, and is answered all the same; there
    are never more than 128."""
    server = Server()
    asking = Asking(server.ask, None)
    expected = look_at(asking, 200)
    async with anyio.create_task_group() as group:
        begin = anyio.current_time()
        await server.begin(asking, group)
        for number in range(1, 4):
            assert asking.until == pytest.approx(begin + number * SOON)
            await anyio.sleep_until(asking.until)
            await server.begin(asking, group)
            assert server.asked == expected[: (number + 1) * AT_ONCE]
        # All places of the second kind are taken, so that nothing is to be done until an answer comes.
        assert len(server.asked) == AT_MOST
        assert asking.until == float("inf")
        await anyio.sleep(10)
        await server.begin(asking, group)
        assert len(server.asked) == AT_MOST
        server.answer(*expected[:3])
        await anyio.wait_all_tasks_blocked()
        await server.begin(asking, group)
        assert server.asked == expected[: AT_MOST + 3]
        while asking.waiting:
            server.answer()
            await anyio.wait_all_tasks_blocked()
            await server.begin(asking, group)
        server.answer()
    assert sorted(server.answered) == sorted(expected)


@virtual()
async def test_nothing_is_due_while_nothing_waits() -> None:
    """A request alone has no place to give away, and nothing wakes for it."""
    server = Server()
    asking = Asking(server.ask, None)
    assert asking.until == float("inf")
    look_at(asking, AT_ONCE)
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        assert asking.until == float("inf")
        look_at(asking, 1, AT_ONCE)
        assert asking.until == pytest.approx(anyio.current_time() + SOON)
        server.answer()
        await anyio.wait_all_tasks_blocked()
        await server.begin(asking, group)
        server.answer()


@pytest.mark.anyio
async def test_clearing_leaves_what_is_under_way() -> None:
    """After an outage nothing is asked that was not begun; whom it was about is told, and later ones are asked."""
    server = Server()
    asking = Asking(server.ask, None)
    expected = look_at(asking, 40)
    result = watch("result")
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        asking.add(result, fetch=True)
        cleared = asking.clear()
        assert result in cleared
        assert {each.task_id for each in cleared} == {*map(str, range(AT_ONCE, 40)), "result"}
        assert not asking.waiting
        assert asking.clear() == set()
        server.answer()
        await anyio.wait_all_tasks_blocked()
        look_at(asking, 1, 99)
        await server.begin(asking, group)
        server.answer()
    assert sorted(server.answered) == sorted([*expected[:AT_ONCE], "look 99"])


@pytest.mark.anyio
async def test_requests_that_are_cancelled_free_their_places() -> None:
    """When the client is left, what was under way ends, and takes no place any more; what waited was never sent."""
    server = Server()
    asking = Asking(server.ask, None)
    look_at(asking, 40)
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        group.cancel_scope.cancel()
    assert (asking._places, asking._active) == ({}, 0)
    assert len(server.asked) == AT_ONCE
    async with anyio.create_task_group() as group:
        await server.begin(asking, group)
        assert len(server.asked) == 40
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_the_nearest_deadline_counts() -> None:
    """A request begins with the client's limit and the nearest deadline of those who wait for its task then."""
    server = Server()
    asking = Asking(server.ask, 7.0)
    patient, hurried = watch("patient"), watch("hurried", 90.0)
    hurried.deadlines = (60.0,)
    async with anyio.create_task_group() as group:
        asking.add(patient, fetch=False)
        asking.add(hurried, fetch=False)
        await server.begin(asking, group)
        assert [budget.deadline for budget in server.budgets] == [None, 60.0]
        assert [budget.wire_timeout for budget in server.budgets] == [7.0, 7.0]
        assert hurried.budget is server.budgets[1]
        server.answer()
