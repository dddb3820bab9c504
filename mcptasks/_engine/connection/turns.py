"""The line in which every request of one client waits for its turn: at most 32 requests are under way at once.

The reasons for a line: the SDK sends messages one after the other, so a subscription would wait behind a thousand
calls; and over HTTP each request under way takes a connection. In this line a request costs little.

Calls wait in coroutines of their own (`take`). Polls and fetches of results are jobs (`queue`): a job is a function
that begins the request, so ten thousand polls in line are ten thousand entries, not ten thousand tasks of the event
loop. Decisions about a task (a cancellation, an answer) and the fetches of results go ahead of calls and polls, and
have a few turns of their own. Within a rank, first come is first served. After the server has answered HTTP 429, the
turns of calls and polls come no faster than `_core/throttle.py` allows.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from operator import attrgetter

import anyio
from attrs import define, field

from mcptasks._core.faults import TOO_MANY, Fault
from mcptasks._core.throttle import Throttle

_AT_ONCE = 32
"""How many requests hold a turn at once. The next request begins when a turn is given back, or is older than
`Turns.soon`. With a thousand at once, a subscription was seen to go out two seconds late (docs/speed.md)."""
_RESERVE = 4
"""How many more turns there are for requests that go ahead, so that they need not wait for calls to which the server
does not respond. A program's decision is often two requests, one after the other."""
_JOBS = 128
"""How many jobs are under way at once, with or without a turn. At the limit, further jobs wait until one is over. Calls
may pass them, since a server that answers no polls may still answer calls."""
SOON, SOON_HERE = 0.3, 0.15
"""Values in seconds for `Turns.soon`: over a network, and without one. Most servers answer sooner, so a request that
takes longer is probably waiting for work."""


@define(eq=False)
class Turn:
    """One request's place in the line, and later its permission to be under way."""

    number: int
    """The turns of a client are numbered in the order in which they were asked for."""
    job: bool
    ahead: bool
    _begin: Callable[[Turn], None] | None
    line: OrderedDict[Turn, None] | None
    """The line in which the request waits; None once it has begun or was given up."""
    begun: bool = field(default=False, init=False)
    """Whether the turn has come."""

    def when_come(self, begin: Callable[[Turn], None]) -> None:
        """Set the function to call when the turn comes."""
        self._begin = begin

    def come(self) -> None:
        """Note that the turn has come, and begin the request."""
        self.line, self.begun = None, True
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin(self)


@define
class _Rank:
    """The waiting requests of one rank, in the order in which they came."""

    calls: OrderedDict[Turn, None] = field(factory=OrderedDict[Turn, None])
    jobs: OrderedDict[Turn, None] = field(factory=OrderedDict[Turn, None])

    def first(self, *, jobs: bool) -> Turn | None:
        """Return the turn of the request that came first; None if none waits.

        Args:
            jobs: Whether jobs count.
        """
        heads = [next(iter(line)) for line in (self.calls, self.jobs if jobs else None) if line]
        return min(heads, key=attrgetter("number"), default=None)


@define(eq=False)
class Turns:
    """Lets requests begin in turn. `run` must be running: it hands on the turns of slow requests, and the turns that
    the throttle holds up."""

    soon: float
    """Seconds after which a request loses its turn to the next one. It stays under way: the server is probably working
    on it."""
    _ahead: _Rank = field(factory=_Rank, init=False)
    _usual: _Rank = field(factory=_Rank, init=False)
    _taken: dict[Turn, float] = field(factory=dict[Turn, float], init=False)
    """The turns that count towards the limit, and when each was taken, oldest first."""
    _jobs: int = field(default=0, init=False)
    """How many jobs are under way."""
    _numbers: count[int] = field(factory=count, init=False)
    _crowded: anyio.Event = field(factory=anyio.Event, init=False)
    """Wakes `run` early, if a turn may be handed on before `_asleep_until`."""
    _asleep_until: float = field(default=math.inf, init=False)
    """When `run` wakes next."""
    _throttle: Throttle = field(factory=Throttle, init=False)
    _held_until: float = field(default=math.inf, init=False)
    """When the throttle lets the next request begin; infinite if the throttle holds nothing up."""

    async def take(self, *, ahead: bool = False) -> Turn:
        """Wait for a turn. The caller must give the turn back with `over`."""
        turn = self._join(None, ahead=ahead)
        if turn.begun:
            return turn
        come = anyio.Event()
        turn.when_come(lambda _turn: come.set())
        try:
            await come.wait()
        except BaseException:
            self.over(turn)
            raise
        return turn

    def queue(self, begin: Callable[[Turn], None], *, ahead: bool = False) -> Turn:
        """Queue a job. It begins when its turn comes, possibly before this method returns.

        Args:
            begin: Begins the job. It gets the turn, and must give it back with `end`.
            ahead: Whether the job's turn comes before those of usual requests.
        """
        return self._join(begin, ahead=ahead)

    def over(self, turn: Turn) -> None:
        """Give a turn back, or leave the line. A second call for the same turn does nothing."""
        if turn.line is not None:
            del turn.line[turn]
            turn.line = None
        elif self._taken.pop(turn, None) is not None:
            self._serve()

    def end(self, turn: Turn) -> None:
        """End a job that had begun. Between two attempts a job has no turn, and still counts as under way."""
        self._jobs -= 1
        self._taken.pop(turn, None)
        self._serve()

    def noted(self, fault: Fault) -> None:
        """Note a failed request. After HTTP 429 without Retry-After, the next requests come more slowly. `Connection`
        keeps to a Retry-After."""
        if fault.status == TOO_MANY and fault.retry_after is None:
            self._throttle.refused(anyio.current_time())

    async def run(self) -> None:
        """Hand on the turns of slow requests, and those that the throttle holds up, until cancelled."""
        while True:
            self._crowded = anyio.Event()
            self._held_until = math.inf
            self._serve()
            self._asleep_until = min(self._given_away(), self._held_until)
            with anyio.CancelScope(deadline=self._asleep_until):
                await self._crowded.wait()

    def _join(self, begin: Callable[[Turn], None] | None, *, ahead: bool) -> Turn:
        rank = self._ahead if ahead else self._usual
        line = rank.calls if begin is None else rank.jobs
        turn = Turn(next(self._numbers), begin is not None, ahead, begin, line)
        line[turn] = None
        self._serve()
        return turn

    def _serve(self) -> None:
        """Begin every request that may begin now."""
        while (turn := self._first()) is not None:
            now = anyio.current_time()
            full = self._full(_AT_ONCE + _RESERVE if turn.ahead else _AT_ONCE)
            wait = 0.0 if full or turn.ahead else self._throttle.take(now)
            if wait:
                self._held_until = now + wait
            if full or wait:
                if self._asleep_until > min(self._given_away(), self._held_until):
                    self._crowded.set()
                return
            assert turn.line is not None
            del turn.line[turn]
            self._taken[turn] = now
            self._jobs += turn.job
            turn.come()

    def _first(self) -> Turn | None:
        jobs = self._jobs < _JOBS
        return self._ahead.first(jobs=jobs) or self._usual.first(jobs=jobs)

    def _full(self, most: int) -> bool:
        if len(self._taken) < most:
            return False
        now = anyio.current_time()
        while self._taken and next(iter(self._taken.values())) + self.soon <= now:
            del self._taken[next(iter(self._taken))]
        return len(self._taken) >= most

    def _given_away(self) -> float:
        """Return when the oldest request under way loses its turn; infinite if no request waits for a turn."""
        if len(self._taken) < _AT_ONCE or self._first() is None:
            return math.inf
        return next(iter(self._taken.values())) + self.soon
