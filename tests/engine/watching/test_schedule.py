"""When the next poll of a task is planned: exact times, by a clock that stands still."""

from __future__ import annotations

import math

import anyio
import pytest

from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.state import TaskState
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.schedule import Schedule
from mcptasks._engine.watching.watch import Watch
from tests.helpers.virtual_time import virtual

POLICY = PollingPolicy(early=False, learn=False, jitter=0, default_interval=20.0)
HINTED = PollingPolicy(early=True, learn=False, jitter=0, default_interval=20.0)


def made(
    policy: PollingPolicy = POLICY, *, age: float = 30.0, deadlines: tuple[float, ...] = ()
) -> tuple[Schedule, Watch]:
    """A schedule, and a task that was polled just now, for waiters who give up after so many seconds from now."""
    now = anyio.current_time()
    watch = Watch("a", now - age, state=TaskState())
    watch.polling.looked = now
    watch.polling.enter()
    for deadline in deadlines:
        watch.polling.enter(now + deadline)
    return Schedule(policy, Learning(None, policy)), watch


def planned(schedule: Schedule) -> float:
    """In how many seconds the next poll is planned."""
    return schedule._plan.until - anyio.current_time()


@virtual()
async def test_the_next_poll_comes_after_the_interval() -> None:
    """The next poll comes an interval after the latest one."""
    schedule, watch = made()
    schedule.put_next(watch)
    assert planned(schedule) == pytest.approx(20.0)
    assert list(schedule.due()) == []


@virtual()
async def test_a_poll_comes_before_the_nearest_deadline() -> None:
    """If the nearest deadline comes before the next poll, the task is polled shortly before that deadline. A deadline
    that has passed, or one after the next poll, changes nothing."""
    schedule, watch = made(HINTED, age=900.0, deadlines=(12.0, 15.0, 500.0))
    schedule.put_next(watch)
    assert planned(schedule) == pytest.approx(11.0)
    schedule, watch = made(HINTED, age=900.0, deadlines=(-1.0, 500.0))
    schedule.put_next(watch)
    assert planned(schedule) == pytest.approx(20.0)


@virtual()
async def test_a_doubted_task_is_polled_within_the_interval() -> None:
    """A task whose pushes may have been missed is planned for the end of the interval, and is polled at once if few
    such tasks wait. A second doubt changes nothing."""
    schedule, watch = made()
    schedule.doubt(watch)
    assert planned(schedule) == pytest.approx(20.0)
    schedule.doubt(watch)
    assert list(schedule.due()) == [watch]


@virtual()
async def test_an_earlier_poll_cuts_the_sleep_short() -> None:
    """A sleep until the next poll ends if a poll is planned for an earlier time. A poll for a later time, or for a task
    that nobody wants, does not end the sleep."""
    (schedule, watch), (_, later), (_, unwanted) = made(), made(), made()
    unwanted.polling.leave()
    woken = list[float]()
    begun = anyio.current_time()

    async def sleeper() -> None:
        await schedule.sleep()
        woken.append(anyio.current_time() - begun)

    async with anyio.create_task_group() as group:
        schedule.put(watch, begun + 10.0)
        assert list(schedule.due()) == []
        group.start_soon(sleeper)
        await anyio.sleep(1.0)
        schedule.put(later, begun + 15.0)
        schedule.put(unwanted, begun + 2.0)
        await anyio.sleep(4.0)
        assert woken == []
        schedule.put(later, begun + 7.0)
        await anyio.wait_all_tasks_blocked()
    assert woken == [5.0]
    assert not unwanted.polling.entry


@virtual()
async def test_a_crowd_begins_above_a_hundred() -> None:
    """Up to a hundred watched tasks are no crowd; one more makes them one."""
    schedule, watch = made()
    asked = list[bool]()

    def expects(crowded: bool) -> bool:
        asked.append(crowded)
        return False

    schedule.expects_push = expects
    for schedule.watched in (1, 100, 101):
        schedule.put_next(watch)
    assert asked == [False, False, True]


@virtual()
async def test_nothing_is_planned() -> None:
    """Without a planned poll the sleep has no end."""
    schedule, _ = made()
    assert planned(schedule) == math.inf
