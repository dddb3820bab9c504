"""What is learned of how long tools take: steady ones are found soon, others no later than without it, in few bytes."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mcptasks import PollingPolicy, TaskStatus
from mcptasks._placing import Places
from mcptasks._runtimes import RunTimes
from tests.unit.simulating import COMPLETED, TOOL, Simulation

USUAL = PollingPolicy(first=0.2, growth=1.5, jitter=0, learn=False)
CREATED = datetime(2026, 7, 28, 12, 0, 0, 250_000, tzinfo=UTC)


def ended(seconds: float, *, created: datetime | None = CREATED) -> TaskStatus:
    """The end of a task that took so long by the server's clock."""
    over = None if created is None else created + timedelta(seconds=seconds)
    return TaskStatus(task_id="a", status="completed", created_at=created, last_updated_at=over)


def looks_after(status: TaskStatus, low: float, high: float) -> tuple[float, ...]:
    """Where looks are placed after one run that was seen like that."""
    times = RunTimes()
    times.add(TOOL, status, low=low, high=high)
    found = times.places(TOOL, interval=5.0, soonest=0.2, growth=1.5)
    assert found is not None
    return tuple(round(look, 3) for look in found.looks)


# --- the server's own times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [7.8, 9.0, 12.2])
def test_server_times_are_taken(seconds: float) -> None:
    """Where the server's times lie within what was seen, one run tells how long the tool takes, to the point."""
    found = looks_after(ended(seconds), 7.77, 12.27)
    assert found[-1] == pytest.approx(seconds * 1.01 + 0.03, abs=0.001)
    assert len(found) <= 3


WHOLE = CREATED.replace(microsecond=0)
BRACKETED = (5.02, 10.02, 15.02)
"""What follows where nothing is known but the looks: over between 7.77 and 12.27."""


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(ended(12.27), id="of the query"),
        pytest.param(ended(12.26), id="of the query, with a clock that lags"),
        pytest.param(ended(13.0), id="behind the look"),
        pytest.param(ended(7.7), id="before it was seen to run"),
        pytest.param(ended(0.0), id="never updated"),
        pytest.param(ended(-5.0), id="backwards"),
        pytest.param(ended(9.0, created=WHOLE), id="whole seconds"),
        pytest.param(ended(9.0, created=None), id="none"),
        pytest.param(COMPLETED, id="neither"),
    ],
)
def test_server_times_are_not_taken(status: TaskStatus) -> None:
    """Where the server's times are those of the query, whole seconds or nonsense, what was seen counts alone."""
    assert looks_after(status, 7.77, 12.27) == BRACKETED


# --- steady tools -------------------------------------------------------------------------------------------------


@given(st.floats(0.3, 25.0))
@example(0.3)
@example(5.0)
@example(20.4)
@example(25.0)
def test_a_steady_tool_is_found(length: float) -> None:
    """A tool that always takes as long is found within 0.35 s or 3 % after five runs, with at most five looks for the
    first fifteen seconds; after many runs with fewer than one for every interval."""
    client = Simulation()
    client.runs([length] * 5)
    found = client.run(length)
    assert found.late <= max(0.35, 0.03 * found.looks[-1])
    assert len(found.looks) <= max(5, 3 + length / 5)
    client.runs([length] * 10)
    found = client.run(length)
    assert found.late <= max(0.35, 0.03 * found.looks[-1])
    assert len(found.looks) <= 3 + math.ceil(length / 10)


@given(st.floats(0.3, 25.0))
def test_a_steady_tool_costs_no_more(length: float) -> None:
    """On the way there, too, no run costs more looks than it would if nothing were learned."""
    for learned, usual in zip(Simulation().runs([length] * 8), Simulation(USUAL).runs([length] * 8), strict=True):
        assert len(learned.looks) <= len(usual.looks) + 1


@pytest.mark.parametrize("length", [1.0, 6.0, 11.0, 18.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_nearly_steady_tool(length: float, seed: int) -> None:
    """A tool whose runs differ by a percent is found within 0.35 s by the median of many runs, for fewer looks."""
    chance = random.Random(seed)
    lengths = [length * chance.uniform(0.995, 1.005) for _ in range(60)]
    learned, usual = Simulation().runs(lengths)[5:], Simulation(USUAL).runs(lengths)[5:]
    assert statistics.median(run.late for run in learned) <= 0.35
    assert statistics.mean(len(run.looks) for run in learned) < statistics.mean(len(run.looks) for run in usual)


# --- others -------------------------------------------------------------------------------------------------------

TOOLS: dict[str, Callable[[random.Random], float]] = {
    "anything": lambda chance: chance.uniform(0.3, 30),
    "anything quick": lambda chance: chance.uniform(0.05, 2),
    "mostly short": lambda chance: chance.expovariate(1 / 8) + 0.1,
    "two kinds": lambda chance: chance.choice([2, 14]) * chance.uniform(0.95, 1.05),
    "three kinds": lambda chance: chance.choice([0.5, 6.0, 21.0]),
    "a long tail": lambda chance: chance.lognormvariate(1.5, 1),
    "a quick long tail": lambda chance: chance.lognormvariate(-0.5, 0.7),
    "round a mean": lambda chance: max(0.1, chance.gauss(9, 3)),
    "now and then slow": lambda chance: 40.0 if chance.random() < 0.1 else 6.0,
    "quick, now and then not": lambda chance: 3.0 if chance.random() < 0.1 else 0.5,
}


@pytest.mark.parametrize("tool", TOOLS)
def test_erratic_tools_are_found_no_later(tool: str) -> None:
    """Where runs differ, they are found on average no more than a tenth later than if nothing were learned, for no more
    looks."""
    late: dict[bool, list[float]] = {True: [], False: []}
    looks: dict[bool, int] = {True: 0, False: 0}
    for seed in range(4):
        chance = random.Random(seed)
        lengths = [TOOLS[tool](chance) for _ in range(200)]
        for learn in (True, False):
            for run in Simulation(PollingPolicy(first=0.2, growth=1.5, jitter=0, learn=learn)).runs(lengths):
                late[learn].append(run.late)
                looks[learn] += len(run.looks)
    assert statistics.mean(late[True]) <= 1.1 * statistics.mean(late[False])
    assert looks[True] <= looks[False]


def test_an_erratic_tool_has_the_usual_rhythm_again() -> None:
    """A tool whose runs turned out to differ again and again is looked at as if nothing were known of it."""
    chance = random.Random(1)
    lengths = [chance.uniform(0.3, 30) for _ in range(300)]
    pairs = zip(Simulation().runs(lengths)[20:], Simulation(USUAL).runs(lengths)[20:], strict=True)
    assert statistics.mean(learned.looks == usual.looks for learned, usual in pairs) >= 0.95


def test_an_erratic_tool_that_becomes_steady() -> None:
    """When its runs have been alike for long, a tool that was erratic is believed to be steady."""
    chance = random.Random(1)
    client = Simulation()
    client.runs(chance.uniform(0.3, 30) for _ in range(100))
    client.runs([11.0] * 520)
    found = client.run(11.0)
    assert found.late <= 0.35
    assert len(found.looks) <= 5


@given(st.floats(1.0, 60.0), st.floats(0.3, 25.0))
@example(20.0, 8.0)
@example(25.1, 15.3)
@example(15.2, 5.2)
def test_a_wrong_belief_is_no_worse_than_none(cold: float, length: float) -> None:
    """Whatever the first run lets a client believe, in the end it is late by less than an interval."""
    assume(length < cold)
    client = Simulation()
    client.runs([cold, *[length] * 20])
    assert client.run(length).late <= 5


@pytest.mark.parametrize("cold", [20.0, 60.0, 200.0, 500.0])
@pytest.mark.parametrize("length", [0.4, 1.0, 3.0, 8.0, 20.0])
def test_a_cold_start_does_no_lasting_harm(cold: float, length: float) -> None:
    """A first run that took much longer than those after it is forgotten after a dozen of them."""
    client = Simulation()
    client.run(cold)
    client.runs([length] * 12)
    found = client.run(length)
    assert found.late <= max(0.35, 0.03 * found.looks[-1])
    assert len(found.looks) <= 5


@pytest.mark.parametrize("length", [1.0, 4.0, 9.0])
def test_a_single_slow_run_in_between(length: float) -> None:
    """One run that was much longer than the others makes few of the next ones later than they would be if nothing were
    learned, and is forgotten after eight."""
    usual = Simulation(USUAL).run(length)
    client = Simulation()
    client.runs([length] * 8)
    client.run(30.0)
    found = client.runs([length] * 9)
    assert statistics.median(run.late for run in found) <= max(0.35, usual.late)
    assert found[0].late <= 0.35
    assert found[-1].late <= 0.35


# --- what is kept -------------------------------------------------------------------------------------------------


def test_runs_are_counted() -> None:
    """Each run of a tool is counted, those of others are not, nor a resource of the same name."""
    times = RunTimes()
    assert [times.add(TOOL, COMPLETED, low=1, high=2) for _ in range(20)] == list(range(1, 21))
    assert times.add(("tool", "another"), COMPLETED, low=1, high=2) == 1
    assert times.add(("resource", "work"), COMPLETED, low=1, high=2) == 1


def test_runs_that_are_kept() -> None:
    """Of each tool the latest eight runs are kept, oldest first; of a tool that never ran none."""
    times = RunTimes()
    for number in range(20):
        times.add(TOOL, COMPLETED, low=number, high=number + 1)
    assert times.runs(TOOL) == tuple(range(13, 21))
    assert times.runs(("tool", "another")) == ()
    assert times.places(("tool", "another"), interval=5, soonest=0.2, growth=1.5) is None


def test_tools_that_are_kept() -> None:
    """Of one server the 256 tools that ended latest are kept, whatever number of them there is."""
    times = RunTimes()
    for number in range(300):
        times.add(("tool", f"tool {number}"), COMPLETED, low=1, high=2)
        times.add(TOOL, COMPLETED, low=1, high=2)
    assert len(times._tools) == 256
    assert len(times.runs(TOOL)) == 8
    assert times.runs(("tool", "tool 44")) == ()
    assert times.runs(("tool", "tool 45")) == (2,)


def test_places_that_are_kept() -> None:
    """What follows from the runs is worked out once; a server whose interval changes all the time fills no memory."""
    times = RunTimes()
    times.add(TOOL, COMPLETED, low=7.77, high=12.27)

    def at(interval: float) -> Places | None:
        return times.places(TOOL, interval=interval, soonest=0.2, growth=1.5)

    assert at(5.0) is at(5.0)
    before = at(5.0)
    for number in range(1000):
        at(1 + number / 1000)
    assert len(times._tools[TOOL].found) <= 8
    assert at(5.0) == before
    times.add(TOOL, COMPLETED, low=10.02, high=12.27)
    assert at(5.0) != before
