"""Keeps the server's reports of one call's progress, and tells the readers at most ten times a second.

A feed exists before its task, since reports may come before the creating answer. The call owns it first, and then the
watch.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
from attrs import define, field

from mcptasks._core.progress import MOST, TaskProgress, merged, next_call
from mcptasks._engine.callbacks import Callbacks

Reader = Callable[[], None]


@define(eq=False)
class ProgressFeed:
    """The progress of one call. For the event loop's thread."""

    _callbacks: Callbacks = field(repr=False)
    """The client's callbacks, which run the pauses between two calls of the readers."""
    latest: TaskProgress | None = field(default=None, init=False)
    """The latest report; None before the first."""
    moved: float = field(default=-math.inf, init=False)
    """When the latest report came, by the event loop's clock; minus infinity before the first."""
    on_end: Callable[[], None] | None = field(default=None, init=False, repr=False)
    """Called once when the call is over, to drop the progress token."""
    _readers: tuple[Reader, ...] = field(default=(), init=False, repr=False)
    _news: bool = field(default=False, init=False, repr=False)
    """Whether there is a report that the readers have not seen."""
    _times: deque[float] | None = field(default=None, init=False, repr=False)
    """When the readers were told. None until the first time, to save memory: each task has a feed, and most have no
    readers."""
    _pausing: bool = field(default=False, init=False, repr=False)
    _over: bool = field(default=False, init=False, repr=False)

    def report(self, progress: object, total: object, message: object) -> None:
        """Take in a report as the server sent it. Ignored after the end of the call."""
        if self._over:
            return
        news = merged(self.latest, progress, total, message, datetime.now(UTC))
        if news is not None:
            self.latest, self.moved = news, anyio.current_time()
            self.changed()

    def changed(self) -> None:
        """Tell the readers that there is news: at once, or as soon as they may be told again."""
        if self._over or not self._readers:
            return
        self._news = True
        if self._pausing:
            return
        if next_call(self._times or ()) <= anyio.current_time():
            self._tell()
        else:
            self._pausing = self._callbacks.spawn(self._pause)

    def end(self) -> None:
        """Note the end of the call: tell the readers the last news, then drop them."""
        self._over = True
        self._tell()
        self._readers = ()
        if self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end()

    def add(self, reader: Reader) -> None:
        """Call a function at each news from now on, until the call is over."""
        if not self._over:
            self._readers = (*self._readers, reader)

    def remove(self, reader: Reader) -> None:
        """Stop calling a function."""
        self._readers = tuple(each for each in self._readers if each is not reader)

    def _tell(self) -> None:
        if not self._news:
            return
        self._news = False
        if self._times is None:
            self._times = deque(maxlen=MOST)
        self._times.append(anyio.current_time())
        for reader in self._readers:
            reader()

    async def _pause(self) -> None:
        """Wait until the readers may be told again, and tell them."""
        try:
            assert self._times is not None
            await anyio.sleep_until(next_call(self._times))
        finally:
            self._pausing = False
        self._tell()
