"""Whether the server can be reached at the moment, judged by its answers and by requests without an answer."""

from __future__ import annotations

import math

from attrs import define, field, frozen


@frozen
class Failing:
    """An attempt that got no answer."""

    since: float
    """When the attempt began."""
    cause: BaseException
    """Why the attempt failed."""


@define(eq=False)
class Reach:
    """Keeps the latest answer and the latest failure of one client. All times are seconds by the event loop's clock."""

    heard: float = field(default=-math.inf, init=False)
    """When the latest answer came."""
    _latest: Failing | None = field(default=None, init=False)

    def answered(self, now: float) -> None:
        """The server has answered something."""
        self.heard = now
        self._latest = None

    def failed(self, since: float, cause: BaseException) -> None:
        """Note an attempt without an answer. It counts only if nothing was heard from the server since `since`."""
        if since > self.heard:
            self._latest = Failing(since, cause)

    def failing(self, seen: float | None) -> Failing | None:
        """Return the latest failed attempt, if nothing was heard from the server since.

        Args:
            seen: When the task in question was last heard of, also by a push; None for never.
        """
        latest = self._latest
        return latest if latest is not None and (seen is None or seen <= latest.since) else None
