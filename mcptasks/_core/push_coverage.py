"""Decides which subscription ("stream") covers which tasks (2026-07-28): ids and times in; streams to open or end out.

Source: ext-tasks, "Task Status Notifications"; specification 2026-07-28, basic/patterns/subscriptions. The server
acknowledges a stream with the ids that it agrees to; only these tasks count as covered. One stream is opened at a time,
since an acknowledgement does not say which stream it belongs to.

A few streams serve any number of tasks. If there are `_MAX_STREAMS` already, a new stream takes over the ids of the
smallest stream, and then of each next larger stream that has at most twice as many ids as were gathered so far. A
stream that is half full is left alone. So an id moves about ten times at most, and the cost for each task does not grow
with the number of tasks.

`_engine/watching/push_streams.py` sends the requests and keeps the time. All times are seconds by one clock. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import define, field

from mcptasks._core.faults import PATIENCE
from mcptasks._core.retries import retry_delay

_LASTING_SECONDS = 5.0
"""Seconds that a stream must last to count as a success; the pause before it is opened again is then short. If streams
end sooner, the pauses grow."""
_LINGER_SECONDS = 5.0
"""Seconds that a stream stays open after the last watcher has left: programs often come back to a task soon."""
_MAX_STREAMS = 4
"""How many streams less than half full there may be; a new stream then takes over smaller ones. Each stream holds a
connection to the server."""
_MAX_IDS = 2000
"""How many ids one stream may name; further tasks get another stream. 2,000 ids take some 80 KB, less than the body
that common web servers accept."""
_MUCH_LARGER = 2
"""The next stream is taken over only if it has at most this many times as many ids as were gathered so far: moving many
ids costs too much for a few new ones. With 1, the smallest stream would grow by single ids for long."""
_REOPENINGS = 6
"""How many streams in a row may be lost within `_LASTING_SECONDS` on a connection where the server has never agreed to
push; then the client only polls there. With the growing pauses, that takes some seconds."""


@define(eq=False)
class Stream:
    """One subscription. Only `PushCoverage` changes it."""

    ids: frozenset[str]
    """The ids of the tasks that the subscription names."""
    live: int
    """How many of these tasks have a watcher."""
    opened: float
    """When the stream was opened."""
    replaces: tuple[Stream, ...] = ()
    """The streams to end after this stream is acknowledged."""
    acknowledged: frozenset[str] = frozenset()
    """The ids of the tasks that the server agreed to push for."""
    answered: bool = False
    """Whether the server has acknowledged the stream, even if for no task at all."""
    unheard: bool = False
    """Whether the acknowledgement goes elsewhere, so that pushes alone show which tasks are covered."""
    idle_since: float = math.inf
    """When the last watcher left."""
    outgoing: bool = False
    """Whether another stream has replaced this one, and both carry pushes for a moment."""
    dropped: bool = False
    """Whether this client ends the stream. A stream that ends without this mark was lost."""


@define(eq=False)
class Acknowledged:
    """The consequences of an acknowledgement."""

    stream: Stream
    fresh: list[str]
    """The ids of watched tasks that no stream covered before, so that pushes may have been missed."""
    end: bool
    """Whether to end the stream, since it covers no task."""


@define(eq=False)
class PushCoverage:
    """The streams of one client, and the tasks that they cover."""

    max_ids: int = _MAX_IDS
    """How many ids one stream may name."""
    _wanted: set[str] = field(factory=set[str], init=False)
    _new: dict[str, None] = field(factory=dict[str, None], init=False)
    """The ids of watched tasks that no stream names, in the order in which they came."""
    _named: dict[str, list[Stream]] = field(factory=dict[str, list[Stream]], init=False)
    """The streams that name an id."""
    _streams: dict[Stream, None] = field(factory=dict[Stream, None], init=False)
    _opening: Stream | None = field(default=None, init=False)
    """The stream that waits for its acknowledgement."""
    _declined: set[str] = field(factory=set[str], init=False)
    """The ids of watched tasks for which the server declined to push."""
    _refused: bool = field(default=False, init=False)
    _agreed: bool = field(default=False, init=False)
    """Whether the server has agreed to push for any task on this connection."""
    _empty: int = field(default=0, init=False)
    """How many streams the server has acknowledged without a task on this connection."""
    _failures: int = field(default=0, init=False)
    """How many streams in a row were lost soon."""

    # --- the present state -----------------------------------------------------------------------------------------

    @property
    def known(self) -> bool | None:
        """Whether the server pushes on this connection; None until it has agreed or refused."""
        refused = self._refused or (self._empty > 0 and not self._agreed)
        return False if refused else True if self._agreed else None

    def well(self, now: float, *, crowded: bool) -> bool:
        """Whether a new task will probably be covered soon. No task will while a stream replaces others, except with
        `crowded`."""
        covering = [stream for stream in self._streams if stream.acknowledged]
        lasting = any(stream.opened <= now - _LASTING_SECONDS for stream in covering)
        return bool(covering) and (not self._failures or lasting) and (crowded or not self._swapping)

    @property
    def _swapping(self) -> bool:
        return any(stream.outgoing for stream in self._streams)

    def covers(self, task_id: str) -> bool:
        """Whether pushes for a task arrive."""
        return any(task_id in stream.acknowledged for stream in self._named.get(task_id, ()))

    # --- what happens ---------------------------------------------------------------------------------------------

    def interest(self, task_id: str, interested: bool, now: float) -> bool:
        """Note that a task got its first watcher or lost its last; returns whether to call `to_end` and `to_open`."""
        if interested == (task_id in self._wanted):
            return False
        news = False
        for stream in self._named.get(task_id, ()):
            stream.live += 1 if interested else -1
            if stream.live == 0:
                stream.idle_since, news = now, True
        if interested:
            self._wanted.add(task_id)
            return self._gather([task_id]) or news
        self._wanted.discard(task_id)
        self._new.pop(task_id, None)
        self._declined.discard(task_id)
        return news

    def linked(self, *, pushes: bool) -> list[Stream]:
        """Note that a new connection was made; returns the streams of the old connection, which must end.

        Args:
            pushes: Whether the new connection's protocol has subscriptions.
        """
        self._refused = not pushes
        self._declined.clear()
        self._agreed, self._empty, self._failures = False, 0, 0
        for stream in self._streams:
            stream.dropped = True
        self._gather(self._wanted)
        return list(self._streams)

    def refuse(self) -> None:
        """Note that the server does not push on this connection."""
        self._refused = True

    def acknowledge(self, offered: Iterable[object] | None) -> Acknowledged | None:
        """Take a server's acknowledgement in; None if no stream waits for one.

        Args:
            offered: The ids in the acknowledgement, unchecked; None if it has no list.
        """
        stream, self._opening = self._opening, None
        if stream is None:
            return None
        agreed = frozenset(item for item in offered or () if isinstance(item, str)) & stream.ids
        fresh = [task_id for task_id in agreed & self._wanted if not self.covers(task_id)]
        stream.acknowledged, stream.answered = agreed, True
        self._declined |= (stream.ids - agreed) & self._wanted
        if agreed:
            self._agreed = True
            for old in stream.replaces:
                old.outgoing = True
        else:
            # The server may not know these tasks. If it declines several streams in a row, it does not push at all.
            self._empty += 1
            self._refused = offered is None or (not self._agreed and self._empty >= PATIENCE)
            stream.dropped = True
        return Acknowledged(stream, fresh, end=not agreed)

    def unheard(self, stream: Stream) -> None:
        """Note that a stream is about to be opened whose acknowledgement goes elsewhere."""
        self._opening = None
        stream.answered = stream.unheard = True
        for old in stream.replaces:
            old.outgoing = True

    def pushed(self, task_id: object) -> None:
        """Note that a push has come. The push counts as the acknowledgement for its task if the real one goes
        elsewhere."""
        if not isinstance(task_id, str):
            return
        for stream in self._named.get(task_id, ()):
            if stream.unheard and not stream.dropped:
                stream.acknowledged |= {task_id}
                self._agreed = True

    def unanswered(self, stream: Stream) -> bool:
        """Whether a stream has no acknowledgement although the time for it has passed. If so, it must end, and counts
        as lost."""
        return stream in self._streams and not stream.answered

    def taken_over(self, stream: Stream) -> list[Stream]:
        """The streams to end, some time after `stream` has replaced them; none if `stream` has ended meanwhile."""
        replaced, stream.replaces = [old for old in stream.replaces if old in self._streams], ()
        stays = stream in self._streams
        for old in replaced:
            old.outgoing = stays
            old.dropped = old.dropped or stays
        return replaced if stays else []

    def ended(self, stream: Stream) -> list[str]:
        """Note that a stream has ended; returns the ids of watched tasks that are no longer covered."""
        del self._streams[stream]
        for task_id in stream.ids:
            others = self._named[task_id]
            others.remove(stream)
            if not others:
                del self._named[task_id]
        if self._opening is stream:
            self._opening = None
        return [task_id for task_id in stream.acknowledged & self._wanted if not self.covers(task_id)]

    def reopening(self, stream: Stream, now: float, spread: float) -> float | None:
        """Seconds to wait before `gather` is called for a stream that has ended; None for never.

        Args:
            stream: The stream.
            now: The time.
            spread: A random number from 0 to 1.
        """
        if stream.dropped or not stream.live or self._refused:
            return 0.0
        # The stream was lost. Polls cover its tasks until they have a stream again.
        lasted = (stream.acknowledged or stream.unheard) and now - stream.opened >= _LASTING_SECONDS
        self._failures = 0 if lasted else self._failures + 1
        if self._failures >= _REOPENINGS and not self._agreed:
            self._refused = True
            return None
        return retry_delay(self._failures + 1, retry_after=None, spread=spread)

    def gather(self, stream: Stream) -> bool:
        """Note that the tasks of a stream that has ended need another stream; returns whether to call `to_open`."""
        return self._gather(stream.ids & self._wanted)

    def _gather(self, ids: Iterable[str]) -> bool:
        """Add tasks to the next stream, unless a stream names them already or the server declined them."""
        new = [each for each in ids if each not in self._named and each not in self._declined]
        self._new.update(dict.fromkeys(new))
        return bool(new)

    # --- what to do -----------------------------------------------------------------------------------------------

    def to_end(self, now: float) -> tuple[list[Stream], float]:
        """The streams to end, whose tasks have had no watcher for a while; and when to call again."""
        idle = {stream: stream.idle_since + _LINGER_SECONDS for stream in self._streams if not stream.live}
        for stream, end in idle.items():
            stream.dropped = stream.dropped or end <= now
        over = [stream for stream, end in idle.items() if end <= now]
        return over, min((end for end in idle.values() if end > now), default=math.inf)

    def to_open(self, now: float) -> Stream | None:
        """The stream to open now; None if there is none, or another is being opened."""
        if not self._new or self._opening is not None or self._swapping or self._refused:
            return None
        new = list(self._new)[: self.max_ids]
        replaced = to_replace(self._streams, len(new), self.max_ids)
        ids = frozenset(new).union(*((old.ids & self._wanted) - self._declined for old in replaced))
        stream = Stream(ids, live=len(ids), opened=now, replaces=tuple(replaced))
        for task_id in ids:
            self._new.pop(task_id, None)
            self._named.setdefault(task_id, []).append(stream)
        self._streams[stream] = None
        self._opening = stream
        return stream


def to_replace(streams: Iterable[Stream], size: int, max_ids: int = _MAX_IDS) -> list[Stream]:
    """The streams that a new stream with `size` ids takes over, so that it names at most `max_ids`."""
    open_ones = sorted(streams, key=lambda stream: stream.live)
    roomy = [stream for stream in open_ones if stream.live <= min(max_ids // 2, max_ids - size)]
    replaced: list[Stream] = []
    if len(roomy) < _MAX_STREAMS:
        return replaced
    for stream in roomy:
        if (replaced and stream.live > _MUCH_LARGER * size) or stream.live + size > max_ids:
            break
        replaced.append(stream)
        size += stream.live
    return replaced
