"""The one retry rule: what follows from the failures of one request, by table and for any course of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.faults import PATIENCE, Fault, broken, judge, no_connection, nonsense, of_status
from mcptasks._core.retries import SESSIONS, Attempts, GiveUp, Retry, RetryPolicy, retry_delay

GONE = no_connection("refused")
BROKE = broken("reset")
ODD = nonsense("not JSON")
SESSION = of_status(404, "HTTP 404", in_session=True)
SESSION_SAID = of_status(404, "HTTP 404", in_session=True, code=-32001)
BUSY = of_status(503, "HTTP 503", in_session=False, wait=7.0)
REFUSED = of_status(403, "HTTP 403", in_session=False)
MISSING = of_status(404, "HTTP 404", in_session=False)
UNKNOWN = judge(-32602, "no such task", None)

READ = RetryPolicy(patience=60.0, sessions=SESSIONS)
SINGLE = evolve(READ, attempts=1)
ONCE = RetryPolicy(patience=60.0, once=True, overruns=True)

FINAL = GiveUp()
AGAIN = Retry(delay=0.1)
EXHAUSTED = GiveUp(exhausted=True)


def course(policy: RetryPolicy, *faults: Fault, step: float = 0.0, silent: bool = False) -> list[Any]:
    """What follows from each of these faults; attempts end at once, and pauses take as long as they are to."""
    attempts, now, steps = Attempts(policy).begin(0.0), 0.0, list[Any]()
    for fault in faults:
        now += step
        attempts, following = attempts.begin(now).after(fault, now=now, spread=1.0, silent=silent)
        steps.append(following)
        now += following.delay
    return steps


@pytest.mark.parametrize(
    ("policy", "fault", "expected"),
    [
        (READ, GONE, AGAIN),
        (READ, BROKE, AGAIN),
        (READ, ODD, AGAIN),
        (READ, MISSING, AGAIN),
        (READ, SESSION, AGAIN),
        (READ, BUSY, Retry(delay=7.0, asked_pause=7.0)),
        (READ, REFUSED, FINAL),
        (READ, UNKNOWN, FINAL),
        (SINGLE, GONE, FINAL),
        (SINGLE, BUSY, FINAL),
        (ONCE, GONE, AGAIN),
        (ONCE, SESSION_SAID, AGAIN),
        (ONCE, SESSION, FINAL),
        (ONCE, evolve(SESSION_SAID, sent=True), FINAL),
        (ONCE, BROKE, FINAL),
        (ONCE, BUSY, FINAL),
        (ONCE, ODD, FINAL),
        (ONCE, REFUSED, FINAL),
        (ONCE, evolve(MISSING, sent=False), FINAL),
        (RetryPolicy(patience=0.0), GONE, EXHAUSTED),
        (evolve(ONCE, patience=0.0), GONE, EXHAUSTED),
        (RetryPolicy(patience=5.0), BUSY, GiveUp(delay=5.0, asked_pause=7.0, exhausted=True)),
        (RetryPolicy(patience=5.0, overruns=True), BUSY, Retry(delay=7.0, asked_pause=7.0)),
    ],
)
def test_first_failure(policy: RetryPolicy, fault: Fault, expected: Retry | GiveUp) -> None:
    """Each kind of fault has one consequence for a read, a single attempt, and what must not arrive twice."""
    assert course(policy, fault) == [expected]


def test_nonsense_is_believed() -> None:
    """An answer that makes no sense is final when it comes for the third time, whatever came between."""
    steps = course(READ, ODD, GONE, ODD, GONE, ODD)
    assert [type(step) for step in steps] == [Retry, Retry, Retry, Retry, GiveUp]
    assert not steps[-1].exhausted


def test_sessions_are_bounded() -> None:
    """A read begins so many new sessions at most: the next failure in the last one is final, whatever it is."""
    steps = course(READ, *[SESSION] * (SESSIONS + 1), GONE)
    assert [step.session_over for step in steps] == [False, *[True] * SESSIONS, False]
    assert [type(step) for step in steps] == [*[Retry] * (SESSIONS + 1), GiveUp]
    assert all(isinstance(step, Retry) for step in course(evolve(READ, sessions=math.inf), *[SESSION] * 12))


def test_a_session_that_is_over_when_patience_ends() -> None:
    """A session that has shown to be over is told so also where there is no time for another attempt."""
    first, second = course(RetryPolicy(patience=0.25), SESSION, SESSION)
    assert first == AGAIN
    assert second.delay == pytest.approx(0.15)
    assert evolve(second, delay=0.0) == GiveUp(session_over=True, exhausted=True)


def test_attempts_are_bounded() -> None:
    """The last attempt that a policy allows is the last one."""
    assert [type(step) for step in course(RetryPolicy(attempts=3), GONE, GONE, GONE)] == [Retry, Retry, GiveUp]


def test_patience_counts_from_the_first_attempt() -> None:
    """The time before the first attempt does not count, that between attempts does."""
    attempts = Attempts(RetryPolicy(patience=10.0)).begin(1000.0).begin(1005.0)
    _, step = attempts.after(GONE, now=1009.9375, spread=1.0)
    assert step == GiveUp(delay=0.0625, exhausted=True)


def test_silence_is_no_outage() -> None:
    """A server that takes requests and stays silent can be reached, so the patience begins anew."""
    assert all(isinstance(step, Retry) for step in course(READ, *[GONE] * 20, step=59.0, silent=True))
    assert isinstance(course(READ, GONE, GONE, step=59.0)[-1], GiveUp)


@pytest.mark.parametrize(
    ("policy", "until", "expected"),
    [
        (READ, 99.0, None),
        (READ, 100.0, None),
        (READ, 107.0, Retry(delay=7.0)),
        (READ, 160.0, GiveUp(delay=60.0, exhausted=True)),
        (READ, math.inf, GiveUp(delay=60.0, exhausted=True)),
        (SINGLE, 107.0, None),
        (evolve(READ, attempts=2), 107.0, Retry(delay=7.0)),
        (ONCE, 107.0, Retry(delay=7.0)),
        (ONCE, 160.0, GiveUp(delay=60.0, exhausted=True)),
        (RetryPolicy(), 1000.0, Retry(delay=900.0)),
    ],
)
def test_pause(policy: RetryPolicy, until: float, expected: Retry | GiveUp | None) -> None:
    """While the server wants every request to wait, reads and calls wait, but no longer than their patience lasts."""
    assert Attempts(policy).begin(100.0).pause(until, 100.0) == expected


faults = st.sampled_from([GONE, BROKE, ODD, SESSION, SESSION_SAID, BUSY, REFUSED, MISSING, UNKNOWN])
policies = st.builds(
    RetryPolicy,
    patience=st.floats(0, 300) | st.just(math.inf),
    attempts=st.integers(1, 10) | st.just(math.inf),
    sessions=st.integers(0, 3) | st.just(math.inf),
    once=st.booleans(),
    overruns=st.booleans(),
)


@given(policies, st.lists(st.tuples(faults, st.floats(0, 30), st.floats(0, 1)), max_size=40))
def test_any_course(policy: RetryPolicy, failures: list[tuple[Fault, float, float]]) -> None:
    """Whatever fails when: no attempt begins after the patience (without `overruns`), none is repeated that may have
    arrived and must not twice, and no limit is passed. Every delay is finite, and none is negative."""
    now = 0.0
    attempts = Attempts(policy).begin(now)
    sessions = doubted = 0
    for count, (fault, took, spread) in enumerate(failures, 1):
        now += took
        attempts, step = attempts.begin(now).after(fault, now=now, spread=spread)
        assert attempts.failures == count
        doubted += fault.patient
        assert 0 <= step.delay <= 120
        if isinstance(step, GiveUp):
            if step.exhausted:
                assert now + step.delay >= policy.patience - 1e-6
            return
        now += step.delay
        sessions += step.session_over
        assert count < policy.attempts
        assert doubted < PATIENCE
        assert fault.action != "raise"
        assert sessions <= policy.sessions + 1
        assert not (policy.once and fault.sent)
        assert now <= policy.patience or policy.overruns
        assert step.delay >= retry_delay(count, retry_after=None, spread=0.0)


@given(policies.filter(lambda policy: policy.patience < math.inf), st.lists(faults, min_size=400, max_size=400))
def test_it_ends(policy: RetryPolicy, failures: list[Fault]) -> None:
    """A request whose attempts all fail at once is given up in the end, at the latest soon after its patience."""
    steps = course(policy, *failures)
    first = next(index for index, step in enumerate(steps) if isinstance(step, GiveUp))
    assert sum(step.delay for step in steps[:first]) <= policy.patience + 120


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(1, 0.05, 0.1), (2, 0.1, 0.2), (3, 0.2, 0.4), (6, 1.6, 3.2), (7, 2.5, 5.0), (20, 2.5, 5.0), (10**9, 2.5, 5.0)],
)
def test_retry_delay(failures: int, least: float, most: float) -> None:
    """Attempts back off to five seconds; the random part is up to half of the delay."""
    assert retry_delay(failures, retry_after=None, spread=0.0) == pytest.approx(least)
    assert retry_delay(failures, retry_after=None, spread=1.0) == pytest.approx(most)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(0.0, 0.1), (-3.0, 0.1), (math.nan, 0.1), (math.inf, 0.1), (0.05, 0.1), (3.0, 3.0), (120.0, 120.0), (1e9, 120.0)],
)
def test_retry_after(retry_after: float, expected: float) -> None:
    """The server's own wish counts where it is longer, up to two minutes; nonsense does not."""
    assert retry_delay(1, retry_after=retry_after, spread=1.0) == pytest.approx(expected)


@given(st.integers(1, 10**6), st.none() | st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1))
def test_retry_delay_is_bounded(failures: int, retry_after: float | None, spread: float) -> None:
    """However many attempts failed and whatever the server asks, a delay is between 0.05 s and two minutes."""
    assert 0.05 <= retry_delay(failures, retry_after=retry_after, spread=spread) <= 120.0
