"""Opens and ends the push streams (subscriptions) of 2026-07-28 connections, as `_core/push_coverage.py` decides.

Source: ext-tasks, "Task Status Notifications"; specification 2026-07-28, basic/patterns/subscriptions. This module
sends the requests, keeps the time, and tells the monitor which tasks are covered.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import anyio
import mcp
from attrs import define, field
from pydantic import ValidationError

from mcptasks._core.exceptions import TaskError
from mcptasks._core.faults import broke_off
from mcptasks._core.json import as_list
from mcptasks._core.push_coverage import PushCoverage, Stream
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.link import Link
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch
from mcptasks._transport.sdk_client import RAW

_GATHER_SECONDS = 0.03
"""Seconds that a new stream waits for further ids, so that tasks created together share a stream. 30 ms hardly delay a
push."""
_ACKNOWLEDGE_SECONDS = 10.0
"""Seconds that a server may take to acknowledge a stream. After that we end the stream, and it counts as lost; polls go
on meanwhile."""
_OVERLAP_SECONDS = 0.5
"""Seconds that replaced streams go on after the new stream was acknowledged. A push that was sent on an old stream may
still be on its way, on another TCP connection."""


@define(eq=False)
class _Running:
    """The request behind a stream."""

    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    settled: anyio.Event = field(factory=anyio.Event)
    """Set when the stream was acknowledged, or has ended."""


class PushStreams:
    """Keeps subscriptions for all tasks that somebody is interested in. `run` owns the streams."""

    def __init__(self, connection: Connection, monitor: Monitor) -> None:
        self._connection = connection
        self._monitor = monitor
        self._coverage = PushCoverage()
        self._wanted: dict[str, Watch] = {}
        self._running: dict[Stream, _Running] = {}
        self._wake = anyio.Event()

    @property
    def known(self) -> bool | None:
        """Whether this connection's server pushes; None until it has acknowledged or refused a subscription."""
        return self._coverage.known

    def well(self, *, crowded: bool) -> bool:
        """Whether a new task will probably be covered soon. If many tasks are watched (`crowded`), also while streams
        are being merged."""
        return self._coverage.well(anyio.current_time(), crowded=crowded)

    def interest(self, watch: Watch, interested: bool) -> None:
        """Note that somebody is interested in a task, or nobody any more."""
        if interested:
            self._wanted.setdefault(watch.task_id, watch)
        else:
            self._wanted.pop(watch.task_id, None)
        if self._coverage.interest(watch.task_id, interested, anyio.current_time()):
            self._wake.set()

    def linked(self, link: Link) -> None:
        """Note a new connection."""
        self._end(self._coverage.linked(pushes=link.dialect.subscribes))
        self._wake.set()

    def acknowledged(self, filters: Mapping[str, Any] | None) -> None:
        """Take in an acknowledgement, which names the tasks that the server will push for."""
        found = self._coverage.acknowledge(as_list((filters or {}).get("taskIds")))
        if found is None:
            return
        self._running[found.stream].settled.set()
        if found.end:
            self._end([found.stream])
        else:
            self._monitor.push_works(self._watches(found.fresh))
        self._wake.set()

    def notified(self, _method: str, params: Mapping[str, Any]) -> None:
        """Take in a notification about a task; see `PushCoverage.pushed`."""
        self._coverage.pushed(params.get("taskId"))

    async def run(self) -> None:
        """Open and end streams as interest comes and goes, until cancelled."""
        async with anyio.create_task_group() as tg:
            while True:
                idle, again = self._coverage.to_end(anyio.current_time())
                self._end(idle)
                with anyio.CancelScope(deadline=again):
                    await self._wake.wait()
                    # Wait a moment, so that ids that come together share a stream.
                    await anyio.sleep(_GATHER_SECONDS)
                self._wake = anyio.Event()
                stream = self._coverage.to_open(anyio.current_time())
                if stream is not None:
                    self._running[stream] = _Running()
                    tg.start_soon(self._keep, stream)

    async def _keep(self, stream: Stream) -> None:
        running = self._running[stream]
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._settle, stream, running)
            try:
                with running.scope:
                    await self._listen(stream)
            finally:
                del self._running[stream]
                running.settled.set()
                self._wake.set()
                self._monitor.push_lost(self._watches(self._coverage.ended(stream)))
        delay = self._coverage.reopening(stream, anyio.current_time(), random.random())
        if delay is not None:
            if delay:
                await anyio.sleep(delay)
            if self._coverage.gather(stream):
                self._wake.set()

    async def _settle(self, stream: Stream, running: _Running) -> None:
        """Wait for the acknowledgement, then end the streams that this one replaces."""
        with anyio.move_on_after(_ACKNOWLEDGE_SECONDS):
            await running.settled.wait()
        if stream.acknowledged or stream.unheard:
            await anyio.sleep(_OVERLAP_SECONDS if stream.replaces else 0)
            self._end(self._coverage.taken_over(stream))
            self._wake.set()
        elif self._coverage.unanswered(stream):
            running.scope.cancel()

    async def _listen(self, stream: Stream) -> None:
        """Open a stream, and return when it has ended, for whatever reason."""
        try:
            link = await self._connection.link()
            if not link.dialect.subscribes:
                self._coverage.refuse()
                return
            if link.lent:
                self._coverage.unheard(stream)
                self._running[stream].settled.set()
            with self._connection.trace.around(Requesting()):
                await link.session.send_request(link.dialect.listen(sorted(stream.ids)), RAW)
        except mcp.MCPError as exc:
            if not stream.acknowledged and not broke_off(exc.code, exc.message, exc.data):
                self._coverage.refuse()
        except (ValidationError, RuntimeError, TaskError):
            return

    def _end(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            self._running[stream].scope.cancel()

    def _watches(self, ids: Iterable[str]) -> list[Watch]:
        return [self._wanted[task_id] for task_id in ids if task_id in self._wanted]
