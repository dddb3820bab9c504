"""Streams of pushes on 2026-07-28 connections: which tasks they cover, opened, merged and opened again.

Source: ext-tasks, "Task Status Notifications"; specification 2026-07-28, basic/patterns/subscriptions. A stream is
acknowledged with the ids that the server agreed to; only those count as covered, and are looked at once after that.
One stream is opened at a time, so that an acknowledgement can only be for that one.
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
_LASTING_SECONDS = 5.0
"""A stream that lasted this long is opened again without a long pause."""
_LINGER_SECONDS = 5.0
"""A stream stays this long for tasks that nobody is interested in: readers come back."""
_MAX_STREAMS = 4
_REOPENINGS = 6
"""How many times in a row a stream may end unacknowledged before this connection is polled only."""


@define(eq=False)
class _Stream:
    ids: frozenset[str]
    acknowledged: set[str] = field(factory=set[str])
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    settled: anyio.Event = field(factory=anyio.Event)
    idle_since: float | None = None
    silent: bool = False
    """It was given up because no acknowledgement came."""


class PushStreams:
    """Keeps the tasks that anyone is interested in subscribed. `run` owns the streams."""

    def __init__(self, connection: Connection, monitor: Callable[[], Monitor]) -> None:
        self._connection = connection
        self._monitor = monitor
        self._wanted: dict[str, Watch] = {}
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

    def interest(self, watch: Watch, interested: bool) -> None:
        """Somebody began or ceased to be interested in a task."""
        if interested:
            self._wanted[watch.task_id] = watch
            self._wake.set()
        elif self._wanted.pop(watch.task_id, None) is not None:
            self._declined.discard(watch.task_id)
            self._wake.set()

    def linked(self, link: Link) -> None:
        """A connection was made."""
        self._refused = link.era != "2026-07-28"
        self._declined.clear()
        self._agreed, self._empty = False, 0
        self._failures = 0
        for stream in self._streams:
            stream.scope.cancel()
        self._wake.set()

    def acknowledged(self, filters: Mapping[str, Any] | None) -> None:
        """The server says which ids it will push for."""
        stream, self._opening = self._opening, None
        if stream is None:
            return
        offered = as_list((filters or {}).get("taskIds"))
        stream.acknowledged = {item for item in offered or () if isinstance(item, str)} & stream.ids
        stream.settled.set()
        self._declined |= stream.ids - stream.acknowledged
        if stream.acknowledged:
            self._agreed = True
            self._monitor().push_works(self._watches(stream.acknowledged))
        else:
            # It will not push for any of these, which it may not know. If that goes on it pushes for none.
            self._empty += 1
            self._refused = offered is None or (not self._agreed and self._empty >= PATIENCE)
            stream.scope.cancel()
        self._wake.set()

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
                if not self._refused and self._opening is None:
                    self._open(tg)

    def _close_idle(self) -> float:
        """Close streams that nobody has been interested in for a while; when to see to it again."""
        now = anyio.current_time()
        again = math.inf
        for stream in self._streams:
            if stream.ids & self._wanted.keys():
                stream.idle_since = None
                continue
            stream.idle_since = now if stream.idle_since is None else stream.idle_since
            if now >= stream.idle_since + _LINGER_SECONDS:
                stream.scope.cancel()
            else:
                again = min(again, stream.idle_since + _LINGER_SECONDS)
        return again

    def _open(self, tg: TaskGroup) -> None:
        covered = set[str]().union(*(stream.ids for stream in self._streams))
        new = self._wanted.keys() - covered - self._declined
        if not new:
            return
        replaced: list[_Stream] = []
        if len(self._streams) >= _MAX_STREAMS:
            # Make before break: the old streams end when the new one is acknowledged.
            new, replaced = self._wanted.keys() - self._declined, list(self._streams)
        stream = _Stream(frozenset(new))
        self._streams.append(stream)
        self._opening = stream
        tg.start_soon(self._keep, stream, replaced)

    async def _keep(self, stream: _Stream, replaced: list[_Stream]) -> None:
        opened = anyio.current_time()
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._settle, stream, replaced)
            try:
                with stream.scope:
                    await self._listen(stream)
            finally:
                self._ended(stream)
        if self._wanted.keys() & stream.ids and not self._refused and (stream.silent or not stream.scope.cancel_called):
            # It was lost: polling covers until it is opened again.
            lasted = stream.acknowledged and anyio.current_time() - opened >= _LASTING_SECONDS
            self._failures = 0 if lasted else self._failures + 1
            if self._failures >= _REOPENINGS and not stream.acknowledged:
                self._refused = True
            else:
                await anyio.sleep(retry_delay(self._failures + 1, retry_after=None, spread=random.random()))
                self._wake.set()

    async def _settle(self, stream: _Stream, replaced: list[_Stream]) -> None:
        """Wait for the acknowledgement, then end the streams that this one replaces."""
        with anyio.move_on_after(_ACKNOWLEDGE_SECONDS):
            await stream.settled.wait()
        if stream.acknowledged:
            for old in replaced:
                old.scope.cancel()
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
        stream.settled.set()
        if self._opening is stream:
            self._opening = None
            self._wake.set()
        still = set[str]().union(*(other.acknowledged for other in self._streams))
        self._monitor().push_lost(self._watches(stream.acknowledged - still))
