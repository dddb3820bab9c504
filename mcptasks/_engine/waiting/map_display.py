"""Shows live how far an iteration over the results of many calls is: in a terminal, a pipe or a notebook."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TextIO

import anyio
from attrs import define, evolve, field

from mcptasks import _eventloop
from mcptasks._core import html
from mcptasks._core.progress_lines import Item, Tally, summary, tallies
from mcptasks._engine.notebook.stop_button import in_kernel
from mcptasks._engine.notebook.table import PAUSE, Bundle, Handle, publish_here, update
from mcptasks._engine.waiting.live_display import is_answered, on_screen, row_of
from mcptasks._engine.waiting.mapping_work import Work
from mcptasks._engine.waiting.waiter import Waiter

_LOOKED_AT = 500
"""How many calls under way are read for one drawing; the rest is ignored, since there may be any number."""
_ROWS = 20
"""How many calls under way have a line in a notebook."""


@define(eq=False)
class MapDisplay:
    """The display of the calls of one tool. It refers to the work and not to the iterator, so that a dropped iterator
    can be collected."""

    _name: str
    _work: Work
    _total: int | None
    """How many calls there will be; None if the input has no length."""
    _began: float = field(factory=time.monotonic, init=False)
    _ended: timedelta | None = field(default=None, init=False)
    """How long all calls took; None while some are under way."""

    def begin(self, file: TextIO) -> None:
        """Show the work from now on until it ends: in the present cell of a notebook, or else in a file."""
        if in_kernel():
            self.show_in_cell()
        else:
            self._work.callbacks.spawn(lambda: self._on_screen(file))

    def show_in_cell(self) -> None:
        """Show the work in the present cell of a notebook, and keep that up to date until it ends."""
        handle = publish_here(self._bundle(), updatable=not self._work.released)
        if handle is not None:
            _eventloop.start(lambda: self._follow(handle), "mcptasks display")

    async def _on_screen(self, file: TextIO) -> None:
        async with on_screen(self.items, lambda: any(map(is_answered, self._waiters())), file):
            await self._work.ended.wait()

    async def _follow(self, handle: Handle) -> None:
        while not self._work.released and not self._work.callbacks.closed:
            with anyio.move_on_after(PAUSE):
                await self._work.ended.wait()
            update(handle, self._bundle())

    def items(self) -> list[Item]:
        """The work as one line."""
        work = self._work
        rows = [row_of(waiter) for waiter in self._waiters()]
        under_way = tallies(rows)[0] if rows else Tally(name=self._name, total=0)
        over = work.taken - work.in_flight
        total = work.taken if work.released else self._total
        done = over + (under_way.fraction or 0.0) * (under_way.total or 0)
        return [
            evolve(
                under_way,
                name=self._name,
                total=total,
                over=over,
                failed=work.failed,
                fraction=min(done / total, 1.0) if total else None,
                elapsed=self._elapsed(),
                expected=None,
            )
        ]

    def _elapsed(self) -> timedelta:
        now = timedelta(seconds=time.monotonic() - self._began)
        if self._work.released:
            self._ended = self._ended or now
        return self._ended or now

    def _bundle(self) -> Bundle:
        items = self.items()
        tasks: list[Any] = [waiter.handle for waiter in islice(self._waiters(), _ROWS)]
        page = html.work_html(items, tasks, None if self._work.released else datetime.now(UTC))
        return {"text/plain": summary(items), "text/html": page}

    def _waiters(self) -> Iterator[Waiter]:
        """The waiters of some of the calls that are under way."""
        return islice((member.waiter for member in self._work.by_member), _LOOKED_AT)
