"""The requests about watched tasks: in which order, within which limits, and what an outage makes of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import anyio
import pytest

from mcptasks._core.events import Event, Fetched, Finished, Seen, Trouble
from mcptasks._core.exceptions import TaskConnectionError, TaskNotFoundError
from mcptasks._core.faults import PATIENCE
from mcptasks._core.models import TaskStatus
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.state import TaskState
from mcptasks._core.trace import NO_TRACE
from mcptasks._engine.connection.errors import outage
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.connection.turns import Turn, Turns
from mcptasks._engine.watching.known import Known
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.polls import Polls
from mcptasks._engine.watching.schedule import Schedule
from mcptasks._engine.watching.watch import Watch
from tests.helpers.virtual_time import virtual

pytestmark = pytest.mark.anyio

AT_ONCE = 32
KEPT = 3600.0
"""No turn is given away, however slow the machine."""


class Server:
    """Stands for the requests: notes what is asked, and answers when it is told to."""

    trace = NO_TRACE

    def __init__(self, turns: Turns, wire_timeout: float | None) -> None:
        self.wire_timeout = wire_timeout
        self.asked: list[str] = []
        self.budgets: dict[str, Budget] = {}
        self.fails = False
        self.unknown = frozenset[str]()
        """The tasks that the server does not know."""
        self._turns = turns
        self._answers: dict[str, anyio.Event] = {}

    async def status(self, task_id: str, budget: Budget, *, turn: Turn | None) -> Seen:
        """A poll."""
        await self._answered(f"poll {task_id}", budget, turn)
        return Seen(TaskStatus(task_id=task_id, status="working", poll_interval=timedelta(hours=1)), "polled")

    async def outcome(self, task_id: str, _status: str, budget: Budget, *, turn: Turn | None) -> Fetched:
        """A fetch of a result."""
        await self._answered(f"result {task_id}", budget, turn)
        return Fetched(Finished({"content": []}))

    async def _answered(self, name: str, budget: Budget, turn: Turn | None) -> None:
        self.asked.append(name)
        self.budgets[name] = budget
        try:
            await self._answers.setdefault(name, anyio.Event()).wait()
        finally:
            if turn is not None:
                self._turns.over(turn)
        if name in self.unknown:
            raise TaskNotFoundError("unknown task")
        if self.fails:
            raise outage(TaskConnectionError("gone"), True)

    async def answer(self, *names: str) -> None:
        """Answer these."""
        for name in names:
            self._answers.setdefault(name, anyio.Event()).set()
        await anyio.wait_all_tasks_blocked()


class Client:
    """The parts of a client that poll."""

    def __init__(self, group: Any, wire_timeout: float | None = None) -> None:
        self.fed: list[tuple[str, Event]] = []
        turns, policy, self._known = Turns(KEPT), PollingPolicy(), Known()
        self.server = Server(turns, wire_timeout)
        learning = Learning(None, policy)
        schedule = Schedule(policy, learning)
        requests = cast("Any", self.server)
        self.polls = Polls(requests, turns, group, schedule, learning, self._known, self._feed, policy)
        self._kept: list[Watch] = []

    def _feed(self, watch: Watch, event: Event, *, asked: float | None = None) -> None:
        del asked
        self.fed.append((watch.task_id, event))

    def watch(self, name: object, *, over: bool = False, deadline: float | None = None) -> Watch:
        """A task that somebody waits for."""
        status = TaskStatus(task_id=str(name), status="completed" if over else "working")
        found = Watch(str(name), 0.0, state=TaskState(status=status))
        found.polling.enter(KEPT if deadline is None else deadline)
        self._known.add(found)
        self._kept.append(found)
        return found

    def poll(self, *names: object) -> list[str]:
        """Queue polls; what the server notes of them."""
        for name in names:
            self.polls.add(self.watch(name), fetch=False)
        return [f"poll {name}" for name in names]


async def test_results_come_before_polls() -> None:
    """What is over is fetched though as many polls wait as may be under way."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        expected = client.poll(*range(AT_ONCE + 2))
        for name in ("a", "b"):
            client.polls.add(client.watch(name, over=True), fetch=True)
        await anyio.wait_all_tasks_blocked()
        assert sorted(client.server.asked) == sorted([*expected[:AT_ONCE], "result a", "result b"])
        await client.server.answer("result a", "result b", "poll 0", "poll 1")
        assert sorted(client.server.asked[AT_ONCE + 2 :]) == sorted(expected[AT_ONCE:])
        group.cancel_scope.cancel()


async def test_an_outage_is_told_to_all() -> None:
    """Who waits in line when an outage is found is told of it, and not asked; later polls are made."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        client.poll(*range(AT_ONCE + 5))
        await anyio.wait_all_tasks_blocked()
        client.server.fails = True
        await client.server.answer("poll 3")
        told = {name for name, event in client.fed if isinstance(event, Trouble)}
        # The turn of the request that failed had gone to the next one before.
        assert told == {"3", *map(str, range(AT_ONCE + 1, AT_ONCE + 5))}
        assert client.server.asked[AT_ONCE:] == [f"poll {AT_ONCE}"]
        client.server.fails = False
        client.poll("later")
        await client.server.answer("poll 4")
        assert client.server.asked[AT_ONCE + 1 :] == ["poll later"]
        group.cancel_scope.cancel()


async def test_the_nearest_deadline_counts() -> None:
    """A request begins with the client's limit and the nearest deadline of those who wait for its task then."""
    async with anyio.create_task_group() as group:
        client = Client(group, wire_timeout=7.0)
        hurried = client.watch("hurried", deadline=90.0)
        hurried.polling.enter(60.0)
        client.polls.add(client.watch("patient", deadline=KEPT), fetch=False)
        client.polls.add(hurried, fetch=False)
        await anyio.wait_all_tasks_blocked()
        budgets = client.server.budgets
        assert (budgets["poll hurried"].deadline, budgets["poll patient"].deadline) == (60.0, KEPT)
        assert {budget.wire_timeout for budget in budgets.values()} == {7.0}
        group.cancel_scope.cancel()


async def test_what_nobody_wants_is_not_asked() -> None:
    """A poll whose last waiter has gone before its turn came is not sent, and its turn goes to the next."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        client.poll(*range(AT_ONCE))
        left = client.watch("left")
        client.polls.add(left, fetch=False)
        client.poll("next")
        await anyio.wait_all_tasks_blocked()
        left.polling.leave(KEPT)
        await client.server.answer("poll 0")
        assert client.server.asked[AT_ONCE:] == ["poll next"]
        assert not left.polling.busy
        group.cancel_scope.cancel()


async def test_a_poll_answers_earlier_hints() -> None:
    """A poll that begins after a hint answers the hint, so no further poll follows at once."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        hinted = client.watch("hinted")
        hinted.polling.again = True
        client.polls.add(hinted, fetch=False)
        await anyio.wait_all_tasks_blocked()
        assert not hinted.polling.again
        group.cancel_scope.cancel()


async def test_who_listens_hears_of_a_failed_poll() -> None:
    """If a poll has failed and will be sent again, listeners are told the task of the poll."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        failed = list[str]()
        client.polls.on_failed.append(lambda watch: failed.append(watch.task_id))
        client.poll("a", "b")
        await anyio.wait_all_tasks_blocked()
        told = client.server.budgets["poll b"].on_failed
        assert told is not None
        told()
        assert failed == ["b"]
        group.cancel_scope.cancel()


@virtual()
async def test_an_unknown_task_is_asked_for_again() -> None:
    """A task that the server never named is gone at the first denial. A task that the server knew before is asked for
    again, and is gone after the last denial for which the client has patience. Nobody polls a task that is gone."""
    async with anyio.create_task_group() as group:
        client = Client(group)
        client.server.unknown = frozenset({"poll known", "poll new"})
        known = client.watch("known")
        new = client.watch("new")
        new.state = TaskState()
        for watch in (known, new):
            client.polls.add(watch, fetch=False)
        await client.server.answer("poll known", "poll new")
        await anyio.sleep(60.0)
        assert sorted(client.server.asked) == ["poll known"] * PATIENCE + ["poll new"]
        assert (known.polling.gone, new.polling.gone) == (True, True)
        assert [name for name, event in client.fed if isinstance(event, Trouble)] == ["new", "known"]
        group.cancel_scope.cancel()
