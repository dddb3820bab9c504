"""The book of one task's input requests: which were ever asked, which are being sent, which are listed again.

The open input requests are in the task's state. The task's lock guards this book too.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from mcptasks.testing._script import ABSENT, JSON
from mcptasks.testing._state import TaskState


class Questions:
    """A task's memory of its input requests, besides those that are open."""

    def __init__(self, asked: Mapping[str, JSON]) -> None:
        self._asked = set(asked)
        self._claimed: dict[str, JSON] = {}
        self._shown_again: dict[str, tuple[JSON, int]] = {}

    def ask(self, requests: Mapping[str, JSON], still_open: Mapping[str, JSON], *, reuse: bool) -> dict[str, JSON]:
        """The requests that are open from now on.

        Args:
            requests: The requests to ask.
            still_open: The requests that are open until now.
            reuse: Whether a key may be used for a second request.

        Raises:
            ValueError: A key was used before.
        """
        asked = dict(requests) if reuse else self._unused(requests, still_open)
        self._asked.update(asked)
        return asked

    def _unused(self, requests: Mapping[str, JSON], still_open: Mapping[str, JSON]) -> dict[str, JSON]:
        # A request that is open already, under the same key, just stays open.
        kept = {key: still_open[key] for key in requests if key in still_open and still_open[key] == requests[key]}
        reused = sorted(self._asked.intersection(requests) - kept.keys())
        if reused:
            raise ValueError(
                f"keys of input requests must be unique in a task; used before: {reused}; reuse=True allows that"
            )
        return {**requests, **kept}

    def claim(self, open_requests: Mapping[str, JSON]) -> dict[str, JSON]:
        """Claim the open requests that nobody sends yet, and return them."""
        # By identity, since an equal request under a reused key is a new request.
        mine = {key: each for key, each in open_requests.items() if self._claimed.get(key, ABSENT) is not each}
        self._claimed.update(mine)
        return mine

    def release(self, key: str, request: JSON) -> None:
        """Give back a claimed request."""
        if self._claimed.get(key) is request:
            del self._claimed[key]

    def show_again(self, answered: Mapping[str, JSON], looks: int) -> None:
        """List answered requests as open in the next answers to `tasks/get`, as many as `looks` says."""
        if looks:
            self._shown_again.update({key: (request, looks) for key, request in answered.items()})

    def shown(self, state: TaskState) -> TaskState:
        """The state that `tasks/get` shows; counts the poll."""
        again = self._shown_again
        if not again:
            return state
        self._shown_again = {key: (request, left - 1) for key, (request, left) in again.items() if left > 1}
        open_requests = {**{key: request for key, (request, _) in again.items()}, **state.input_requests}
        return evolve(state, status="input_required", input_requests=open_requests)
