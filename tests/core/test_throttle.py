"""How a client slows down for a server that gets too many requests, and recovers: exact rates, and a whole crowd."""

from __future__ import annotations

import heapq
import math
import statistics

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.retries import retry_delay
from mcptasks._core.throttle import Throttle


def test_nothing_is_held_up_at_first() -> None:
    """Before the first refusal, any number of requests may be sent at once."""
    throttle = Throttle()
    assert [throttle.take(5.0) for _ in range(1000)] == [0.0] * 1000
    assert throttle.rate(5.0) == math.inf


def test_a_refusal_halves_the_rate() -> None:
    """After a refusal the client sends half as fast as in the second before; later refusals of the same second change
    nothing."""
    throttle = Throttle()
    for number in range(200):
        throttle.take(number / 100)
    for _ in range(10):
        throttle.refused(2.0)
    assert throttle.rate(2.0) == pytest.approx(50)
    assert throttle.take(2.0) == pytest.approx(0.02)
    assert throttle.take(2.03) == 0.0
    throttle.refused(2.9)
    assert throttle.rate(2.9) == pytest.approx(50)


def test_the_rate_recovers() -> None:
    """The rate of before is reached again in six seconds, and a minute later nothing is held up."""
    throttle = Throttle()
    for number in range(100):
        throttle.take(number / 100)
    throttle.refused(1.0)
    assert throttle.rate(2.0) == pytest.approx(50)
    assert throttle.rate(7.0) >= 100
    assert throttle.rate(60.0) == math.inf


def test_the_lowest_rate() -> None:
    """However often a server refuses, a request is sent every two seconds."""
    throttle = Throttle()
    for number in range(100):
        throttle.refused(2.0 * number)
    assert throttle.rate(198.0) == pytest.approx(0.5)
    assert throttle.take(198.0) == pytest.approx(2.0)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=60))
def test_whatever_is_refused(steps: list[tuple[float, bool]]) -> None:
    """Whatever is sent and refused, no request waits for more than two seconds once its turn has come."""
    throttle, now = Throttle(), 0.0
    for pause, refused in steps:
        now += pause
        if refused:
            throttle.refused(now)
        assert 0 <= throttle.take(now) <= 2 + 1e-6


# --- a crowd ------------------------------------------------------------------------------------------------------


@define
class Crowd:
    """Tasks that are polled at an interval, in one line, at a server that answers so many requests a second; it refuses
    the others, with `Retry-After` or without."""

    tasks: int
    interval: float
    limit: float
    retry_after: float | None = None
    lifted: float = math.inf
    """When the server begins to answer all requests."""
    throttle: Throttle = field(factory=Throttle)
    answered: list[tuple[float, int]] = field(factory=list[tuple[float, int]])
    refused: list[float] = field(factory=list[float])

    def run(self, until: float) -> None:
        """Poll in virtual time."""
        plan = [(self.interval * number / self.tasks, number) for number in range(self.tasks)]
        heapq.heapify(plan)
        failures, tokens, before, free = dict[int, int](), self.limit, 0.0, 0.0
        while plan and plan[0][0] < until:
            due, task = heapq.heappop(plan)
            # The line: a request begins when it is due and those before it have begun.
            now = max(due, free)
            free = now = now + self.throttle.take(now)
            if now > due:
                self.throttle.take(now)
            tokens, before = min(tokens + (now - before) * self.limit, self.limit), now
            if tokens >= 1 or now >= self.lifted:
                tokens -= 1
                failures.pop(task, None)
                self.answered.append((now, task))
                heapq.heappush(plan, (now + self.interval, task))
                continue
            self.refused.append(now)
            self.throttle.refused(now)
            failures[task] = failures.get(task, 0) + 1
            pause = retry_delay(failures[task], retry_after=self.retry_after, spread=0.5)
            if self.retry_after is not None:
                free = now + pause
            heapq.heappush(plan, (now + pause, task))

    def rate(self, since: float, until: float) -> float:
        """Answered requests a second."""
        return sum(since <= at < until for at, _ in self.answered) / (until - since)


@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_crowd_slows_down(retry_after: float | None) -> None:
    """Ten thousand tasks at an interval of 5 s ask for 2,000 requests a second. A server that answers 500 is used to
    half at least, refuses less than a tenth, and every task has its share."""
    crowd = Crowd(10_000, 5.0, 500.0, retry_after)
    crowd.run(120.0)
    assert 250 <= crowd.rate(30, 120) <= 510
    assert sum(at >= 30 for at in crowd.refused) <= 0.1 * crowd.rate(30, 120) * 90
    counts = dict.fromkeys(range(10_000), 0)
    for _, task in crowd.answered:
        counts[task] += 1
    assert min(counts.values()) >= 0.5 * statistics.median(counts.values())


def test_a_crowd_recovers() -> None:
    """Half a minute after the server has caught up, it gets as many requests as the tasks' interval asks for."""
    crowd = Crowd(10_000, 5.0, 500.0, lifted=60.0)
    crowd.run(120.0)
    assert crowd.rate(50, 60) <= 550  # A second's worth may have been saved up.
    assert crowd.rate(90, 120) >= 0.95 * 2000
    assert not any(at > 60 for at in crowd.refused)
