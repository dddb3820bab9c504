"""What is learned of how long tools take: steady ones are found soon, others no later than without it, in few bytes."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcptasks import PollingPolicy, TaskStatus
from mcptasks._core.polling import history, lengths
from mcptasks._core.polling.call_key import CallKey, call_key
from mcptasks._core.polling.rhythm import Rhythm
from mcptasks._core.polling.run_times import RunTimes
from tests.helpers.simulating import COMPLETED, KEY, TOOL, Simulation

USUAL = PollingPolicy(first=0.2, growth=1.5, jitter=0, learn=False)
CREATED = datetime(2026, 7, 28, 12, 0, 0, 250_000, tzinfo=UTC)


def ended(seconds: float, *, created: datetime | None = CREATED) -> TaskStatus:
    """The end of a task that took so long by the server's clock."""
    over = None if created is None else created + timedelta(seconds=seconds)
    return TaskStatus(task_id="a", status="completed", created_at=created, last_updated_at=over)


def last_after(status: TaskStatus, low: float, high: float) -> float:
    """The upper end of what is believed after one run that was seen like that."""
    times = RunTimes()
    times.add(KEY, status, low=low, high=high)
    (ended,) = times._tools[TOOL].runs
    run = ended.run
    assert run.low <= run.high
    return run.high if run.low == run.high else -run.high


# --- what is expected ---------------------------------------------------------------------------------------------


def left(times: RunTimes, age: float, key: CallKey = KEY) -> tuple[float, float] | None:
    """Seconds that a run of this age may still take, at the least and at the most."""
    found = times.expectation(key, age=age)
    return None if found is None else (found.soonest.total_seconds(), found.latest.total_seconds())


def test_expected_of_a_steady_tool() -> None:
    """A run is expected to take as long as those before it, and what is left shrinks as it goes on."""
    times = RunTimes()
    add(times, KEY, 12.0, count=6)
    for age in (0.0, 3.0, 11.9):
        assert left(times, age) == pytest.approx((12.0 - age, 12.0 - age), abs=0.1)
    assert left(times, 14.0) is None


def test_expected_of_two_lengths() -> None:
    """A run may take the shorter or the longer time; once it is older than the shorter one, the longer one is left."""
    times = RunTimes()
    for _ in range(6):
        add(times, KEY, 3.0)
        add(times, KEY, 9.0)
    assert left(times, 0.0) == pytest.approx((3.0, 9.0), abs=1)
    assert left(times, 5.0) == pytest.approx((4.0, 4.0), abs=1)


def test_what_is_expected_is_worked_out_once_for_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A display may ask for each of many tasks again and again: the distribution is made anew only after a further run.
    It is the same for all arguments of which no run is known."""
    times, made = RunTimes(), 0
    add(times, KEY, 12.0, count=6)
    original = lengths.distribution

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return original(*args, **options)

    monkeypatch.setattr(history, "distribution", counted)
    for number in range(100):
        assert left(times, 3.0, call_key(TOOL, {"number": number})) is not None
        assert left(times, 3.0) == pytest.approx((9.0, 9.0), abs=0.1)
    assert made == 2
    add(times, KEY, 20.0)
    made = 0
    assert left(times, 13.0) == pytest.approx((7.0, 7.0), abs=1)
    assert made == 1


def test_expected_of_the_same_arguments() -> None:
    """Runs with the same arguments tell more of the next one than others."""
    times, long = RunTimes(), call_key(TOOL, {"which": "long"})
    add(times, KEY, 2.0, count=6)
    add(times, long, 60.0, count=6)
    for key, length in ((KEY, 2.0), (long, 60.0)):
        found = left(times, 0.0, key)
        assert found is not None
        assert found[0] == pytest.approx(length, rel=0.3)


@pytest.mark.parametrize(("count", "age"), [(0, 0.0), (1, 0.0), (2, 30.0)])
def test_nothing_is_expected(count: int, age: float) -> None:
    """Nothing is expected of a tool that ran less than twice, nor of a run that is longer than those before it."""
    times = RunTimes()
    add(times, KEY, 5.0, count=count)
    assert left(times, age) is None


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40), st.lists(st.floats(0, 1e7), min_size=2, max_size=5))
def test_what_is_left_never_grows(lengths: list[float], ages: list[float]) -> None:
    """Whatever the runs before, what is left is not negative, and the most that is left never grows with the age."""
    times = RunTimes()
    for length in lengths:
        add(times, KEY, length)
    before = math.inf
    for age in sorted(ages):
        found = left(times, age)
        latest = -1.0 if found is None else found[1]
        assert found is None or 0 <= found[0] <= found[1]
        assert latest <= before
        before = latest


# --- the server's own times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [7.8, 9.0, 12.2])
def test_server_times_are_taken(seconds: float) -> None:
    """Where the server's times lie within what was seen, one run tells how long the tool takes, to the point."""
    assert last_after(ended(seconds), 7.77, 12.27) == pytest.approx(seconds)


WHOLE = CREATED.replace(microsecond=0)


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
    assert last_after(status, 7.77, 12.27) == -12.27


# --- steady tools -------------------------------------------------------------------------------------------------


@given(st.floats(0.3, 25.0))
@example(0.3)
@example(5.0)
@example(20.4)
@example(25.0)
def test_a_steady_tool_is_found(length: float) -> None:
    """A tool that always takes as long is found within 0.35 s or 3 % after six runs, with few polls."""
    client = Simulation()
    client.runs([length] * 6)
    late = sorted(run.late for run in client.runs([length] * 5))
    assert late[2] <= max(0.35, 0.03 * length)
    client.runs([length] * 10)
    found = client.runs([length] * 5)
    assert statistics.median(run.late for run in found) <= max(0.35, 0.03 * length)
    assert all(len(run.looks) <= 6 + math.ceil(length / 10) for run in found)


@given(st.floats(0.3, 25.0))
def test_a_steady_tool_costs_no_more(length: float) -> None:
    """On the way there, too, no run costs more polls than it would if nothing were learned."""
    for learned, usual in zip(Simulation().runs([length] * 8), Simulation(USUAL).runs([length] * 8), strict=True):
        assert len(learned.looks) <= len(usual.looks) + 1


@pytest.mark.parametrize("length", [1.0, 6.0, 11.0, 18.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_nearly_steady_tool(length: float, seed: int) -> None:
    """A tool whose runs differ by a percent is found within 0.35 s by the median of many runs, for fewer polls."""
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
def test_erratic_tools_are_found_sooner(tool: str) -> None:
    """Where runs differ, they are found on average no later than if nothing were learned, for no more polls. Quick ones
    may be a little later: early polls come as close after each other as any polls may, and there are fewer now."""
    late: dict[bool, list[float]] = {True: [], False: []}
    looks: dict[bool, int] = {True: 0, False: 0}
    for seed in range(2):
        chance = random.Random(seed)
        lengths = [TOOLS[tool](chance) for _ in range(120)]
        for learn in (True, False):
            for run in Simulation(PollingPolicy(first=0.2, growth=1.5, jitter=0, learn=learn)).runs(lengths):
                late[learn].append(run.late)
                looks[learn] += len(run.looks)
    allowed = 1.4 if "quick" in tool else 1.0
    assert statistics.mean(late[True]) <= allowed * statistics.mean(late[False])
    assert looks[True] <= looks[False]


@pytest.mark.parametrize("cold", [20.0, 60.0, 200.0, 500.0])
@pytest.mark.parametrize("length", [0.4, 1.0, 3.0, 8.0, 20.0])
def test_a_cold_start_does_no_lasting_harm(cold: float, length: float) -> None:
    """A first run that took much longer than those after it makes none of the later ones late after a dozen of them."""
    client = Simulation()
    client.run(cold)
    client.runs([length] * 12)
    late = [run.late for run in client.runs([length] * 7)]
    assert statistics.median(late) <= max(0.35, 0.03 * length)


@pytest.mark.parametrize("length", [1.0, 4.0, 9.0])
def test_a_single_slow_run_in_between(length: float) -> None:
    """One run that was much longer than the others makes the next ones no later."""
    client = Simulation()
    client.runs([length] * 12)
    client.run(30.0)
    assert statistics.median(run.late for run in client.runs([length] * 9)) <= 0.35


@pytest.mark.parametrize(("before", "after"), [(10.0, 1.0), (4.0, 8.0), (6.0, 3.0), (20.0, 12.0), (0.5, 9.0)])
@pytest.mark.parametrize("count", [4, 12, 60])
def test_a_change_is_followed(before: float, after: float, count: int) -> None:
    """After three runs of another length than the many before, such runs are found in time."""
    client = Simulation()
    client.runs([before] * count)
    client.runs([after] * 3)
    late = [run.late for run in client.runs([after] * 8)]
    assert statistics.median(late) <= max(0.35, 0.03 * after)
    assert max(late) <= 1.01


# --- arguments ----------------------------------------------------------------------------------------------------


def add(times: RunTimes, key: CallKey, length: float, count: int = 1) -> None:
    """Runs that took so long, by polls close by."""
    for _ in range(count):
        times.add(key, COMPLETED, low=length - 0.05, high=length)


RHYTHM = Rhythm(interval=5.0, soonest=0.2)


def looks(times: RunTimes, key: CallKey) -> tuple[float, ...]:
    """Where polls come."""
    found = times.places(key, RHYTHM)
    assert found is not None
    return found.looks


def hits(times: RunTimes, key: CallKey, length: float) -> bool:
    """Whether a run of that length is found at once."""
    return any(length <= look <= length + 0.1 for look in looks(times, key))


def test_the_same_arguments_count_more() -> None:
    """A call is polled by what is known of its arguments; one with others by what is known of the tool."""
    times = RunTimes()
    long, short, other = (call_key(TOOL, {"which": which}) for which in ("long", "short", "other"))
    for _ in range(5):
        add(times, long, 12.0)
        add(times, short, 2.0)
    assert hits(times, long, 12.0)
    assert hits(times, short, 2.0)
    assert hits(times, other, 2.0)
    assert hits(times, other, 12.0)
    # A tool never seen, and arguments never seen of a tool that was seen, are two things.
    assert times.places(call_key(("tool", "another"), {"which": "long"}), RHYTHM) is None


def test_arguments_of_a_like_size() -> None:
    """Arguments never seen count on runs whose arguments were about as large, more than on others."""
    times = RunTimes()
    for number in range(6):
        add(times, call_key(TOOL, {"text": "x" * (1000 + number)}), 12.0)
        add(times, call_key(TOOL, {"text": "x" * number}), 2.0)
    large, small = call_key(TOOL, {"text": "y" * 1010}), call_key(TOOL, {"text": "y" * 3})
    assert large.size != small.size
    assert hits(times, large, 12.0)
    assert hits(times, small, 2.0)
    assert sum(look < 10 for look in looks(times, large)) <= sum(look < 10 for look in looks(times, small)) + 4


def test_keys() -> None:
    """The order of arguments does not matter, their values do; the hash is short and says nothing in clear."""
    one, same = call_key(TOOL, {"a": 1, "b": "secret"}), call_key(TOOL, {"b": "secret", "a": 1})
    assert one == same != call_key(TOOL, {"a": 2, "b": "secret"})
    assert call_key(TOOL, None) == call_key(TOOL, {})
    assert len(one.arguments) == 16
    assert "secret" not in repr(one)


# --- what is kept -------------------------------------------------------------------------------------------------


def test_runs_are_counted() -> None:
    """Each run of a tool is counted, those of others are not, nor a resource of the same name."""
    times = RunTimes()
    assert [times.add(KEY, COMPLETED, low=1, high=2) for _ in range(20)] == list(range(1, 21))
    assert times.add(call_key(("tool", "another"), None), COMPLETED, low=1, high=2) == 1
    assert times.add(call_key(("resource", "work"), None), COMPLETED, low=1, high=2) == 1


def test_nothing_is_known_at_first() -> None:
    """Nothing is known before the first run, nor after a scout that has only begun."""
    times = RunTimes()
    assert times.empty
    times.begin(KEY)
    assert times.empty
    add(times, KEY, 7.0)
    assert not times.empty


def test_steadiness_belongs_to_the_arguments() -> None:
    """Runs that are exactly as long as earlier runs of their arguments make these arguments steadier, and no others."""
    times = RunTimes()
    steady, other = (call_key(TOOL, {"which": which}) for which in ("steady", "other"))
    for length in (3.0, 5.0, 7.3, 7.3, 7.3, 7.3):
        add(times, steady, length)
        times.places(steady, RHYTHM)
        add(times, other, length)
    history = times._tools[TOOL]
    assert history.alike[steady.arguments].steadiness > 0
    assert history.alike[other.arguments].steadiness == 0
    assert history.steadiness == 0


def test_runs_that_are_kept() -> None:
    """Of each tool the latest sixteen runs are kept, oldest first; of a tool that never ran none."""
    times = RunTimes()
    for number in range(40):
        times.add(KEY, COMPLETED, low=number, high=number + 1)
    assert times.runs(TOOL) == tuple(range(25, 41))
    assert times.runs(("tool", "another")) == ()
    assert times.places(call_key(("tool", "another"), None), RHYTHM) is None


def test_tools_and_arguments_that_are_kept() -> None:
    """Of one server the 256 tools that ended latest are kept, and of each the 32 arguments that did, and 64 plans."""
    times = RunTimes()
    for number in range(300):
        times.add(call_key(("tool", f"tool {number}"), None), COMPLETED, low=1, high=2)
        key = call_key(TOOL, {"number": number})
        times.add(key, COMPLETED, low=1, high=2)
        times.places(key, RHYTHM)
        times.places(KEY, Rhythm(interval=1 + number / 300, soonest=0.2))
    assert len(times._tools) == 256
    history = times._tools[TOOL]
    assert (len(history.runs), len(history.alike)) == (16, 32)
    assert len(history.plans) <= 64
    assert times.runs(("tool", "tool 44")) == ()
    assert times.runs(("tool", "tool 45")) == (2,)
    kept = {id(ended.run) for each in times._tools.values() for ended in each.runs}
    kept |= {id(run) for each in times._tools.values() for alike in each.alike.values() for run in alike.runs}
    assert len(kept) <= 256 + 16 + 32 * 16


def test_plans_are_kept() -> None:
    """What follows from the runs is worked out once, and again when there is another run."""
    times = RunTimes()
    add(times, KEY, 7.0, 3)
    before = times.places(KEY, RHYTHM)
    assert times.places(KEY, RHYTHM) is before
    add(times, KEY, 9.0)
    assert times.places(KEY, RHYTHM) != before


def test_many_at_once() -> None:
    """Of many tasks at once few are polled where that tells most, and a plan may be some runs behind."""
    times = RunTimes()
    times.add(KEY, COMPLETED, low=4.0, high=7.0)
    found = [times.places(KEY, RHYTHM, watched=80) for _ in range(22)]
    assert sum(each != found[0] for each in found) == 2
    before = times.places(KEY, RHYTHM, watched=80)
    times.add(KEY, COMPLETED, low=4.0, high=7.0)
    assert times.places(KEY, RHYTHM, watched=80) is before
    assert times.places(KEY, RHYTHM, watched=1) is not before


CROWD = Rhythm(interval=5.0, soonest=0.2, early=False)


def test_scouts_tell_better() -> None:
    """What one of a crowd could tell is not remembered where scouts tell it; without scouts it is."""
    times = RunTimes()
    assert times.add(KEY, COMPLETED, low=0.0, high=8.0, polls=1, rhythm=CROWD) == 1
    assert times.add(KEY, COMPLETED, low=6.9, high=7.0, polls=9, rhythm=RHYTHM) == 2
    assert times.add(KEY, COMPLETED, low=0.0, high=8.0, polls=1, rhythm=CROWD) == 0
    assert times.runs(TOOL) == (8.0, 7.0)


def test_without_scouts_a_crowd_is_heard_again() -> None:
    """After a scout, the next 2,999 runs of a crowd are not remembered; the one after them is."""
    times = RunTimes()
    assert times.add(KEY, COMPLETED, low=6.9, high=7.0, polls=9, rhythm=RHYTHM) == 1
    seen = [times.add(KEY, COMPLETED, low=0.0, high=8.0, polls=1, rhythm=CROWD) for _ in range(3000)]
    assert seen == [0] * 2999 + [2]


def test_a_crowd_waits_for_the_long_runs() -> None:
    """Short runs end first: a crowd is polled by what scouts tell when most that had begun by then have ended."""
    times = RunTimes()
    for _ in range(10):
        times.begin(KEY)
    found: list[bool] = []
    for _ in range(9):
        times.add(KEY, COMPLETED, low=6.9, high=7.0, polls=1, rhythm=RHYTHM)
        found.append(times.places(KEY, CROWD, watched=200) is not None)
    assert found == [False] * 7 + [True] * 2


def test_a_crowd_pays_back() -> None:
    """Once more polls were made than the interval allows, a crowd is polled less often until that is made up for."""
    times = RunTimes()
    for length in [3.0, 9.0] * 8:
        polls = round(RHYTHM.worth(length, length))
        times.add(KEY, COMPLETED, low=length - 0.05, high=length, polls=polls, rhythm=RHYTHM)
    spent = times.places(KEY, CROWD, watched=200)
    times.add(KEY, COMPLETED, low=3.0, high=9.0, polls=9, rhythm=CROWD)
    saving = times.places(KEY, CROWD, watched=200)
    assert spent is not None
    assert saving is not None
    assert len(saving.looks) < len(spent.looks)
    for _ in range(20):
        times.add(KEY, COMPLETED, low=3.0, high=9.0, polls=1, rhythm=CROWD)
    assert times.places(KEY, CROWD, watched=200) is spent


# --- a server that lies about time --------------------------------------------------------------------------------

ages = st.one_of(st.floats(0, 40 * 86400.0), st.sampled_from([0.0, 1e-12, 0.05, 7.3, 86400.0, 1e12]))


@given(st.lists(st.tuples(ages, ages, st.none() | st.floats(-1e6, 1e6)), min_size=1, max_size=40), st.floats(0.1, 60))
@example(runs=[(0.0, 0.0, None)] * 7 + [(0.0, 1.0, None)] * 2 + [(0.0, 5e-324, None)], interval=1.0)
def test_hostile_lengths(runs: list[tuple[float, float, float | None]], interval: float) -> None:
    """Whatever a server says, runs of no time or of days, a client neither spins nor sleeps: its polls keep their
    distance and their budget, and no more than three intervals pass without one."""
    times = RunTimes()
    rhythm = Rhythm(interval, min(0.2, interval))
    for one, other, said in runs:
        status = COMPLETED if said is None else ended(said)
        times.add(KEY, status, low=min(one, other), high=max(one, other), polls=5, rhythm=rhythm)
        found, age = times.places(KEY, rhythm), 0.0
        for polls in range(20):
            due = None if found is None else found.after(age, polls)
            due = age + rhythm.usual(age) if due is None else due
            assert math.isfinite(due)
            assert age < due <= age + 3 * interval + 1e-5
            assert not polls or due - age >= min(rhythm.gap(age), rhythm.usual(age)) - 1e-5
            age = due
