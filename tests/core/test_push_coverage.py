"""Which tasks are covered by which push stream: the rules by hand, and any course of events by hypothesis."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcptasks._core.push_coverage import PushCoverage, Stream, to_replace


def covering(*ids: str, now: float = 0.0) -> PushCoverage:
    """One stream that covers these tasks."""
    coverage = PushCoverage()
    opened(coverage, *ids, now=now)
    return coverage


def opened(coverage: PushCoverage, *ids: str, agreed: tuple[str, ...] | None = None, now: float = 0.0) -> Stream:
    """One more stream, acknowledged."""
    for task_id in ids:
        assert coverage.interest(task_id, True, now)
    stream = coverage.to_open(now)
    assert stream is not None
    found = coverage.acknowledge(ids if agreed is None else agreed)
    assert found is not None
    return stream


def known(coverage: PushCoverage) -> bool | None:
    """Whether the server pushes, read anew each time."""
    return coverage.known


@pytest.mark.parametrize("count", [100, 1000, 2000, 10_000])
def test_ids_are_sent_seldom(count: int) -> None:
    """However many tasks come one after the other, each is named some ten times on average, and never in more streams
    than four and one for each thousand."""
    streams, sent = list[Stream](), 0
    for _ in range(count):
        replaced = to_replace(streams, 1)
        live = 1 + sum(stream.live for stream in replaced)
        streams = [stream for stream in streams if stream not in replaced]
        streams.append(Stream(frozenset(), live, opened=0.0))
        sent += live
        assert live <= 2000
    assert sent <= 11 * count
    assert len(streams) <= 4 + count // 1000


def test_ids_of_one_stream() -> None:
    """A request for a stream names 2,000 ids at most, which is less than what web servers take for a body."""
    coverage = PushCoverage()
    for number in range(2001):
        coverage.interest(str(number), True, 0.0)
    first = coverage.to_open(0.0)
    assert first is not None
    assert len(first.ids) == 2000
    assert coverage.to_open(0.0) is None
    coverage.acknowledge(first.ids)
    second = coverage.to_open(0.0)
    assert second is not None
    assert second.ids == {"2000"}


@pytest.mark.parametrize(
    ("offered", "pushes", "fresh", "end"),
    [
        (["a", "b"], True, {"a", "b"}, False),
        (["a", "other", 7, None, "a"], True, {"a"}, False),
        ([], False, set[str](), True),
        (["other"], False, set[str](), True),
        (None, False, set[str](), True),
    ],
)
def test_acknowledgement(offered: list[object] | None, pushes: bool, fresh: set[str], end: bool) -> None:
    """Only what was asked for and agreed to counts as covered; a stream without any such task ends."""
    coverage = PushCoverage()
    for task_id in ("a", "b"):
        coverage.interest(task_id, True, 0.0)
    stream = coverage.to_open(0.0)
    assert known(coverage) is None
    found = coverage.acknowledge(offered)
    assert found is not None
    assert (found.stream, set(found.fresh), found.end) == (stream, fresh, end)
    assert known(coverage) is pushes
    assert coverage.acknowledge(offered) is None


def test_what_is_declined_is_not_asked_for_again() -> None:
    """A task that the server left out is named by no further stream, until interest in it begins anew."""
    coverage = PushCoverage()
    stream = opened(coverage, "a", "b", agreed=("a",))
    coverage.ended(stream)
    assert coverage.gather(stream)
    again = coverage.to_open(1.0)
    assert again is not None
    assert again.ids == {"a"}
    coverage.acknowledge(["a"])
    coverage.interest("b", False, 1.0)
    assert coverage.interest("b", True, 1.0)
    asked = coverage.to_open(1.0)
    assert asked is not None
    assert asked.ids == {"b"}


def test_what_is_declined_is_not_taken_over() -> None:
    """A stream that takes over others leaves out what the server declined, and what nobody is interested in."""
    coverage = PushCoverage()
    for number in range(4):
        opened(coverage, f"a{number}", f"b{number}", f"c{number}", agreed=(f"a{number}", f"b{number}"))
        coverage.interest(f"b{number}", False, 0.0)
    coverage.interest("new", True, 1.0)
    stream = coverage.to_open(1.0)
    assert stream is not None
    assert stream.ids == {"new", *(f"a{number}" for number in range(4))}


def test_a_server_without_a_list_is_polled() -> None:
    """A server whose acknowledgement lists no tasks at all is asked once, until there is another connection."""
    coverage = covering("a")
    coverage.interest("b", True, 0.0)
    coverage.to_open(0.0)
    coverage.acknowledge(None)
    coverage.interest("c", True, 0.0)
    assert coverage.to_open(0.0) is None
    assert known(coverage) is False
    coverage.linked(pushes=True)
    assert known(coverage) is None
    assert coverage.to_open(0.0) is not None
    coverage.linked(pushes=False)
    assert known(coverage) is False


def test_a_server_that_agrees_to_nothing_is_polled() -> None:
    """After three streams without any task the server counts as one that does not push."""
    coverage = PushCoverage()
    for number in range(3):
        stream = opened(coverage, str(number), agreed=())
        coverage.ended(stream)
    coverage.interest("more", True, 0.0)
    assert coverage.to_open(0.0) is None
    coverage.linked(pushes=True)
    assert coverage.to_open(0.0) is not None


def test_a_server_that_drops_every_stream_is_polled() -> None:
    """A stream that ends unacknowledged is opened again after growing pauses, six times; then the server counts as one
    that does not push."""
    coverage, delays = PushCoverage(), list[float | None]()
    coverage.interest("a", True, 0.0)
    for _ in range(6):
        stream = coverage.to_open(0.0)
        assert stream is not None
        assert coverage.ended(stream) == []
        delays.append(coverage.reopening(stream, 0.0, 1.0))
        coverage.gather(stream)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, None]
    assert known(coverage) is False
    assert coverage.to_open(0.0) is None


def test_a_server_that_once_agreed_is_asked_again() -> None:
    """Where the server agreed to push for a task, streams are opened again however many of them end soon."""
    coverage = PushCoverage()
    opened(coverage, "a")
    coverage.interest("b", True, 0.0)
    for _ in range(10):
        stream = coverage.to_open(0.0)
        assert stream is not None
        coverage.ended(stream)
        assert coverage.reopening(stream, 0.0, 1.0)
        coverage.gather(stream)


@pytest.mark.parametrize(("lasted", "delay"), [(4.0, 0.2), (5.0, 0.1)])
def test_a_stream_that_is_lost(lasted: float, delay: float) -> None:
    """Its tasks are not covered any more, and it is opened again, the sooner if it had lasted."""
    coverage = PushCoverage()
    stream = opened(coverage, "a", "b")
    coverage.interest("b", False, 1.0)
    assert coverage.ended(stream) == ["a"]
    assert coverage.reopening(stream, lasted, 1.0) == delay
    assert coverage.to_open(lasted) is None
    assert coverage.gather(stream)
    again = coverage.to_open(lasted)
    assert again is not None
    assert again.ids == {"a"}


def test_an_acknowledgement_that_goes_elsewhere() -> None:
    """If acknowledgements cannot be heard, no stream waits for one, and a push shows that its task is covered."""
    coverage = PushCoverage()
    for task_id in ("a", "b"):
        assert coverage.interest(task_id, True, 0.0)
    stream = coverage.to_open(0.0)
    assert stream is not None
    coverage.unheard(stream)
    assert not coverage.unanswered(stream)
    assert (known(coverage), coverage.covers("a")) == (None, False)
    coverage.pushed("a")
    coverage.pushed("another")
    coverage.pushed(None)
    assert (known(coverage), coverage.covers("a"), coverage.covers("b")) == (True, True, False)
    assert coverage.interest("c", True, 1.0)
    assert coverage.to_open(1.0) is not None, "the first stream does not hold up the next one"
    assert coverage.ended(stream) == ["a"]
    assert coverage.reopening(stream, 5.0, 1.0) == 0.1


def test_unheard_streams_that_end_at_once() -> None:
    """A server that ends each such stream at once, without a push, is only polled."""
    coverage, delays = PushCoverage(), list[float | None]()
    coverage.interest("a", True, 0.0)
    for _ in range(6):
        stream = coverage.to_open(0.0)
        assert stream is not None
        coverage.unheard(stream)
        coverage.ended(stream)
        delays.append(coverage.reopening(stream, 0.0, 1.0))
        coverage.gather(stream)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, None]
    assert known(coverage) is False


def test_readers_come_back() -> None:
    """A stream stays for five seconds after the last reader left; one who returns in time keeps it."""
    coverage = covering("a")
    (stream,) = coverage.linked(pushes=True)
    stream.dropped = False
    coverage.interest("a", False, 10.0)
    assert coverage.to_end(10.0) == ([], 15.0)
    coverage.interest("a", True, 14.0)
    assert coverage.to_end(20.0) == ([], math.inf)
    coverage.interest("a", False, 20.0)
    assert coverage.to_end(25.0) == ([stream], math.inf)
    assert stream.dropped


def test_streams_end_in_turn() -> None:
    """Of several streams without readers each ends at its own time."""
    coverage = PushCoverage()
    first, second = opened(coverage, "a"), opened(coverage, "b")
    coverage.interest("a", False, 10.0)
    coverage.interest("b", False, 12.0)
    assert coverage.to_end(10.0) == ([], 15.0)
    assert coverage.to_end(15.0) == ([first], 17.0)
    assert coverage.ended(first) == []
    assert coverage.to_end(17.0) == ([second], math.inf)


def test_a_fifth_stream_takes_over() -> None:
    """Where there are four streams a new one names their tasks too. They end after it was acknowledged, and nothing was
    missed meanwhile."""
    coverage = PushCoverage()
    old = [opened(coverage, str(number)) for number in range(4)]
    coverage.interest("new", True, 1.0)
    fifth = coverage.to_open(1.0)
    assert fifth is not None
    assert fifth.ids == {"0", "1", "2", "3", "new"}
    assert coverage.well(1.0, crowded=False)
    found = coverage.acknowledge(fifth.ids)
    assert found is not None
    assert found.fresh == ["new"]
    assert not coverage.well(1.0, crowded=False)
    assert coverage.well(1.0, crowded=True)
    coverage.interest("newer", True, 1.0)
    assert coverage.to_open(1.0) is None
    assert coverage.taken_over(fifth) == old
    for stream in old:
        assert coverage.ended(stream) == []
        assert coverage.reopening(stream, 1.0, 1.0) == 0.0
    assert coverage.to_open(1.0) is not None


def test_the_one_that_takes_over_is_lost() -> None:
    """The streams that were to be replaced stay, and go on covering their tasks."""
    coverage = PushCoverage()
    for number in range(4):
        opened(coverage, str(number))
    lost = opened(coverage, "new")
    assert coverage.ended(lost) == ["new"]
    assert coverage.taken_over(lost) == []
    assert all(coverage.covers(str(number)) for number in range(4))
    assert coverage.well(10.0, crowded=False)


class Weather(RuleBasedStateMachine):
    """Tasks come and go, and streams with them; the server does what it likes."""

    IDS = st.sampled_from([f"task-{number}" for number in range(40)])

    def __init__(self) -> None:
        super().__init__()
        self.coverage = PushCoverage(max_ids=12)
        self.now = 0.0
        self.wanted: set[str] = set()
        self.told: set[str] = set()
        """The tasks that the monitor takes for covered."""
        self.running: list[Stream] = []
        self.ending: list[Stream] = []
        """Those of `running` that were told to end."""
        self.resting: list[Stream] = []
        """Streams that have ended, and whose tasks wait to be gathered."""
        self.overlapping: list[Stream] = []
        self.never = False
        """Whether the server was found not to push."""

    def teardown(self) -> None:
        """In the end, where the server pushes, one calm moment covers all that is wanted."""
        for stream in list(self.overlapping):
            self._take_over(stream)
        for stream in list(self.running):
            self._end(stream)
        assert self.coverage.linked(pushes=True) == []
        while (new := self.coverage.to_open(self.now)) is not None:
            self.coverage.acknowledge(list(new.ids))
            for old in self.coverage.taken_over(new):
                self.coverage.ended(old)
        assert all(map(self.coverage.covers, self.wanted))

    def _stop(self, streams: list[Stream]) -> None:
        assert set(streams) <= set(self.running)
        self.ending += [stream for stream in streams if stream not in self.ending]

    def _end(self, stream: Stream) -> None:
        self.running.remove(stream)
        if stream in self.ending:
            self.ending.remove(stream)
        lost = self.coverage.ended(stream)
        assert set(lost) <= self.told
        self.told -= set(lost)
        self.resting.append(stream)

    def _take_over(self, stream: Stream) -> None:
        self.overlapping.remove(stream)
        self._stop(self.coverage.taken_over(stream))

    @rule(ids=st.sets(IDS, max_size=10), interested=st.booleans())
    def interest(self, ids: set[str], interested: bool) -> None:
        """Some tasks are watched, or not any more."""
        for task_id in ids:
            self.coverage.interest(task_id, interested, self.now)
        self.wanted = self.wanted | ids if interested else self.wanted - ids
        # A task that is watched again while a stream still covers it has missed nothing.
        self.told = {each for each in self.wanted if each in self.told or (each in ids and self.coverage.covers(each))}

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def time(self, seconds: float) -> None:
        """Time passes, and idle streams end."""
        self.now += seconds
        idle, again = self.coverage.to_end(self.now)
        assert again > self.now
        self._stop(idle)
        for stream in idle:
            assert not stream.ids & self.wanted

    @rule()
    def open(self) -> None:
        """A stream is opened, if one is needed."""
        stream = self.coverage.to_open(self.now)
        if stream is not None:
            assert stream.ids <= self.wanted
            assert stream.ids
            assert 0 < len(stream.ids) <= 12
            self.running.append(stream)

    @rule(refused=st.sets(IDS, max_size=40), listed=st.booleans())
    def acknowledge(self, refused: set[str], listed: bool) -> None:
        """The server agrees to some of the tasks."""
        waiting = [stream for stream in self.running if not stream.answered]
        offered = [task_id for stream in waiting for task_id in stream.ids - refused]
        found = self.coverage.acknowledge([*offered, "stranger", 7] if listed else None)
        if found is None:
            return
        assert found.stream in self.running
        assert not set(found.fresh) & self.told
        self.told |= set(found.fresh)
        if found.end:
            self._stop([found.stream])
        else:
            self.overlapping.append(found.stream)

    @precondition(lambda self: self.overlapping)
    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        """The overlap after an acknowledgement is over."""
        self._take_over(data.draw(st.sampled_from(self.overlapping)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def silence(self, data: st.DataObject) -> None:
        """The time for an acknowledgement has passed."""
        stream = data.draw(st.sampled_from(self.running))
        if self.coverage.unanswered(stream):
            assert not stream.acknowledged
            self._stop([stream])

    @precondition(lambda self: self.running)
    @rule(data=st.data(), asked=st.booleans())
    def end(self, data: st.DataObject, asked: bool) -> None:
        """A stream ends: as it was told to, or because the server or the network ends it."""
        self._end(data.draw(st.sampled_from(self.ending if asked and self.ending else self.running)))

    @precondition(lambda self: self.resting)
    @rule(data=st.data())
    def gather(self, data: st.DataObject) -> None:
        """The pause after the end of a stream is over."""
        stream = data.draw(st.sampled_from(self.resting))
        delay = self.coverage.reopening(stream, self.now, 1.0)
        assert delay is None or 0 <= delay <= 5
        if stream not in self.overlapping:
            self.resting.remove(stream)
            if delay is not None:
                self.coverage.gather(stream)

    @rule(pushes=st.booleans())
    def link(self, pushes: bool) -> None:
        """A new connection is made, which ends all streams."""
        self._stop(self.coverage.linked(pushes=pushes))
        assert set(self.ending) == set(self.running)

    @invariant()
    def coverage_is_told(self) -> None:
        """What the monitor takes for covered is covered, and the other way round."""
        assert self.told == {task_id for task_id in self.wanted if self.coverage.covers(task_id)}

    @invariant()
    def interest_is_counted(self) -> None:
        """Each stream knows how many of its tasks are watched, and since when none is."""
        for stream in self.running:
            assert stream.live == len(stream.ids & self.wanted)
            assert stream.live or stream.idle_since <= self.now

    @invariant()
    def one_at_a_time(self) -> None:
        """At most one stream that can still be acknowledged waits for that."""
        assert sum(not stream.answered for stream in self.running) <= 1


TestWeather = Weather.TestCase
TestWeather.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
