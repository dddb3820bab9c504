"""Streams of pushes on 2026-07-28 connections: which tasks they cover, opened, merged and opened again.

Source: ext-tasks, "Task Status Notifications"; specification 2026-07-28, basic/patterns/subscriptions. A stream is
acknowledged with the ids that the server agreed to; only those count as covered, and are looked at once after that.
One stream is opened at a time, so that an acknowledgement can only be for that one.

A few streams serve any number of tasks: where there are enough of them, a new one takes over the ids of the smallest,
and of any that is at most twice as large as what was gathered by then; one that is half full is left alone. So an id
moves some ten times at the most, and what each task costs does not grow with their number.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio
import mcp
from anyio.abc import TaskGroup
from attrs import define, field
from pydantic import ValidationError

from mcptasks._async.connection import Connection, Link
from mcptasks._async.monitor import Monitor
from mcptasks._async.requests import RAW
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskError
from mcptasks._faults import PATIENCE, broke_off
from mcptasks._json import as_list
from mcptasks._schedule import retry_delay
from mcptasks._wire import modern

_GATHER_SECONDS = 0.03
_ACKNOWLEDGE_SECONDS = 10.0
"""How long a server may take to acknowledge a stream."""
_OVERLAP_SECONDS = 0.5
"""How long streams go on after the one that replaces them was acknowledged: what was sent on them before that may still
be on its way, on another TCP connection."""
_LASTING_SECONDS = 5.0
"""A stream that lasted this long is opened again without a long pause."""
_LINGER_SECONDS = 5.0
"""A stream stays this long for tasks that nobody is interested in: readers come back."""
_MAX_STREAMS = 4
"""Besides those that are half full."""
_MAX_IDS = 2000
"""Ids of one stream: some 80 KB, below what common web servers take for a body."""
_MUCH_LARGER = 2
"""A stream that is more than so many times as large as what was gathered stays: to move its ids would cost too much for
so few. Where this is 1, the smallest grows one by one for long before the next one joins it."""
_REOPENINGS = 6
"""How many times in a row a stream may end unacknowledged before a connection on which none ever was is polled only."""


@define(eq=False)
class _Stream:
    ids: frozenset[str]
    live: int
    """How many of these somebody is interested in."""
    acknowledged: set[str] = field(factory=set[str])
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    settled: anyio.Event = field(factory=anyio.Event)
    opened: float = field(factory=anyio.current_time)
    idle_since: float = math.inf
    silent: bool = False
    """It was given up because no acknowledgement came."""
    outgoing: bool = False
    """Another stream has taken its place."""


class PushStreams:
    """Keeps the tasks that anyone is interested in subscribed. `run` owns the streams."""

    def __init__(self, connection: Connection, monitor: Callable[[], Monitor]) -> None:
        self._connection = connection
        self._monitor = monitor
        self._wanted: dict[str, Watch] = {}
        self._new: dict[str, None] = {}
        """The wanted ids that no stream names, in the order in which they came."""
        self._named: dict[str, list[_Stream]] = {}
        """The streams that name an id."""
        self._streams: list[_Stream] = []
        self._opening: _Stream | None = None
        self._refused = False
        self._declined: set[str] = set()
        self._agreed = False
        self._empty = 0
        self._failures = 0
        self._wake = anyio.Event()

    @property
    def refused(self) -> bool:
        """Whether this connection's server does not push, as far as it showed."""
        return self._refused or (self._empty > 0 and not self._agreed)

    @property
    def works(self) -> bool:
        """Whether any task is covered at present."""
        return any(stream.acknowledged for stream in self._streams)

    def well(self, *, crowded: bool) -> bool:
        """Whether a new task can be expected to be covered soon; in a crowd, also where streams are being merged."""
        return self.works and (not self._failures or self._lasting) and (crowded or not self._swapping)

    @property
    def _lasting(self) -> bool:
        """Whether there is a stream that did not end soon, whatever became of others."""
        until = anyio.current_time() - _LASTING_SECONDS
        return any(stream.acknowledged and stream.opened <= until for stream in self._streams)

    @property
    def _swapping(self) -> bool:
        return any(stream.outgoing for stream in self._streams)

    def interest(self, watch: Watch, interested: bool) -> None:
        """Somebody began or ceased to be interested in a task."""
        task_id = watch.task_id
        if interested == (task_id in self._wanted):
            return
        for stream in self._named.get(task_id, ()):
            stream.live += 1 if interested else -1
            if stream.live == 0:
                stream.idle_since = anyio.current_time()
                self._wake.set()
        if interested:
            self._wanted[task_id] = watch
            self._missing(task_id)
        else:
            del self._wanted[task_id]
            self._new.pop(task_id, None)
            self._declined.discard(task_id)

    def linked(self, link: Link) -> None:
        """A connection was made."""
        self._refused = link.era != "2026-07-28"
        self._declined.clear()
        self._agreed, self._empty = False, 0
        self._failures = 0
        for stream in self._streams:
            stream.scope.cancel()
        for task_id in self._wanted:
            self._missing(task_id)
        self._wake.set()

    def acknowledged(self, filters: Mapping[str, Any] | None) -> None:
        """The server says which ids it will push for."""
        stream, self._opening = self._opening, None
        if stream is None:
            return
        offered = as_list((filters or {}).get("taskIds"))
        agreed = {item for item in offered or () if isinstance(item, str)} & stream.ids
        # What another stream carried until now has missed nothing.
        fresh = [task_id for task_id in agreed if not self._covered(task_id)]
        stream.acknowledged = agreed
        stream.settled.set()
        self._declined |= (stream.ids - agreed) & self._wanted.keys()
        if agreed:
            self._agreed = True
            self._monitor().push_works(self._watches(fresh))
        else:
            # It will not push for any of these, which it may not know. If that goes on it pushes for none.
            self._empty += 1
            self._refused = offered is None or (not self._agreed and self._empty >= PATIENCE)
            stream.scope.cancel()
        self._wake.set()

    def _missing(self, task_id: str) -> None:
        """Have a task covered by a new stream, if none names it and the server did not decline it."""
        if task_id not in self._named and task_id not in self._declined:
            self._new[task_id] = None
            self._wake.set()

    def _covered(self, task_id: str) -> bool:
        return any(task_id in stream.acknowledged for stream in self._named.get(task_id, ()))

    def _watches(self, ids: Iterable[str]) -> list[Watch]:
        return [self._wanted[task_id] for task_id in ids if task_id in self._wanted]

    async def run(self) -> None:
        """Open and close streams as interest comes and goes, until cancelled."""
        async with anyio.create_task_group() as tg:
            while True:
                with anyio.CancelScope(deadline=self._close_idle()):
                    await self._wake.wait()
                    # New ids share a stream.
                    await anyio.sleep(_GATHER_SECONDS)
                self._wake = anyio.Event()
                if self._new and self._opening is None and not self._swapping and not self._refused:
                    self._open(tg)

    def _close_idle(self) -> float:
        """Close streams that nobody has been interested in for a while; when to see to it again."""
        now = anyio.current_time()
        again = math.inf
        for stream in self._streams:
            if stream.live:
                continue
            if now >= stream.idle_since + _LINGER_SECONDS:
                stream.scope.cancel()
            else:
                again = min(again, stream.idle_since + _LINGER_SECONDS)
        return again

    def _open(self, tg: TaskGroup) -> None:
        new = list(self._new)[:_MAX_IDS]
        replaced = self._to_replace(len(new))
        ids = frozenset(new).union(*((old.ids & self._wanted.keys()) - self._declined for old in replaced))
        stream = _Stream(ids, live=len(ids))
        for task_id in ids:
            self._new.pop(task_id, None)
            self._named.setdefault(task_id, []).append(stream)
        self._streams.append(stream)
        self._opening = stream
        tg.start_soon(self._keep, stream, replaced)

    def _to_replace(self, size: int) -> list[_Stream]:
        """The streams that a new one with so many ids takes over; they end when it is acknowledged."""
        open_ones = sorted(self._streams, key=lambda stream: stream.live)
        roomy = [stream for stream in open_ones if stream.live <= min(_MAX_IDS // 2, _MAX_IDS - size)]
        replaced: list[_Stream] = []
        if len(roomy) < _MAX_STREAMS:
            return replaced
        for stream in roomy:
            if (replaced and stream.live > _MUCH_LARGER * size) or stream.live + size > _MAX_IDS:
                break
            replaced.append(stream)
            size += stream.live
        return replaced

    async def _keep(self, stream: _Stream, replaced: list[_Stream]) -> None:
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._settle, stream, replaced)
            try:
                with stream.scope:
                    await self._listen(stream)
            finally:
                self._ended(stream)
        if stream.live and not self._refused and (stream.silent or not stream.scope.cancel_called):
            # It was lost: polling covers until it is opened again.
            lasted = stream.acknowledged and anyio.current_time() - stream.opened >= _LASTING_SECONDS
            self._failures = 0 if lasted else self._failures + 1
            if self._failures >= _REOPENINGS and not self._agreed:
                self._refused = True
                return
            await anyio.sleep(retry_delay(self._failures + 1, retry_after=None, spread=random.random()))
        for task_id in stream.ids & self._wanted.keys():
            self._missing(task_id)

    async def _settle(self, stream: _Stream, replaced: list[_Stream]) -> None:
        """Wait for the acknowledgement, then end the streams that this one replaces."""
        with anyio.move_on_after(_ACKNOWLEDGE_SECONDS):
            await stream.settled.wait()
        if stream.acknowledged:
            for old in replaced:
                old.outgoing = True
            await anyio.sleep(_OVERLAP_SECONDS if replaced else 0)
            for old in replaced:
                # Where the new one is gone already, they stay.
                old.outgoing = stream in self._streams
                if old.outgoing:
                    old.scope.cancel()
            self._wake.set()
        elif not stream.settled.is_set():
            stream.silent = True
            stream.scope.cancel()

    async def _listen(self, stream: _Stream) -> None:
        """Returns when the stream ends, for whatever reason."""
        try:
            link = await self._connection.link()
            if link.era != "2026-07-28":
                self._refused = True
                return
            await link.session.send_request(modern.listen_request(sorted(stream.ids)), RAW)
        except mcp.MCPError as exc:
            if not stream.acknowledged and not broke_off(exc.code, exc.message, exc.data):
                self._refused = True
        except (ValidationError, RuntimeError, TaskError):
            return

    def _ended(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        for task_id in stream.ids:
            others = self._named[task_id]
            others.remove(stream)
            if not others:
                del self._named[task_id]
        stream.settled.set()
        if self._opening is stream:
            self._opening = None
        self._wake.set()
        lost = [task_id for task_id in stream.acknowledged if not self._covered(task_id)]
        self._monitor().push_lost(self._watches(lost))
