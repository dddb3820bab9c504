"""Keeps pushes for tasks that are not known yet. A server may push, and even ask, before it answers the creating call.

What is kept is bounded in number and size. A large push, for example one with a result, is not kept; this module only
remembers that it came, so that the task is polled as soon as it is known.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio

from mcptasks._core.events import Seen
from mcptasks._core.json import weight
from mcptasks._engine.watching.watch import Polling

_PUSHES = 256
"""For how many unknown tasks a push is kept. With more, the oldest push is dropped. A client seldom has so many
creating calls under way."""
_CHARACTERS = 16_384
"""Size in characters of JSON above which a push is not kept. A status without a result has a few hundred."""
_LONGEST_ID = 1024
"""Most characters of an id. A push for an unknown task with a longer id is ignored, so that ids cannot fill the
memory."""


ANNOUNCED = 16
"""How many announced questions are kept for one task (see `Polling.announced`). With more, the oldest is dropped."""


def announce(polling: Polling, event: Seen) -> None:
    """Keep the question that a push for a known task announces, if it announces one."""
    question = announced(event)
    if question is not None and question not in polling.announced:
        polling.announced = (*polling.announced, question)[-ANNOUNCED:]


def announced(event: Seen) -> str | None:
    """Return the question that a push announces; None if it announces none. fastmcp 3 pushes an `input_required` status
    with the question as its message, right before it sends the question itself."""
    asks = event.origin == "pushed" and event.status.status == "input_required"
    return event.status.status_message if asks else None


class Early:
    """Keeps the latest push for each unknown task, the questions that its pushes announced, and an event for those who
    wait for a task to become known."""

    def __init__(self) -> None:
        self._arrival: anyio.Event | None = None
        self._pushes: OrderedDict[str, Seen | None] = OrderedDict()
        self._questions: dict[str, tuple[str, ...]] = {}

    def add(self, push: Seen) -> None:
        """Keep a push, and drop the oldest if there are too many."""
        task_id = push.status.task_id
        if len(task_id) > _LONGEST_ID:
            return
        small = weight(push.status.raw, _CHARACTERS) <= _CHARACTERS
        self._pushes[task_id] = push if small else None
        self._pushes.move_to_end(task_id)
        question = announced(push)
        if small and question is not None and len(question) <= _CHARACTERS // ANNOUNCED:
            self._questions[task_id] = (*self._questions.get(task_id, ()), question)[-ANNOUNCED:]
        if len(self._pushes) > _PUSHES:
            forgotten, _ = self._pushes.popitem(last=False)
            self._questions.pop(forgotten, None)

    def questions(self, task_id: str) -> tuple[str, ...]:
        """Return the questions that pushes for a task announced, and forget them."""
        return self._questions.pop(task_id, ())

    def take(self, task_id: str) -> tuple[Seen | None, bool]:
        """Note that a task becomes known. Return the latest push for the task, if it was kept, and whether any push
        came."""
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None
        found = task_id in self._pushes
        return self._pushes.pop(task_id, None), found

    def clear(self) -> None:
        """Forget all pushes."""
        self._pushes.clear()
        self._questions.clear()

    async def arrival(self) -> None:
        """Wait until the next task becomes known."""
        self._arrival = self._arrival or anyio.Event()
        await self._arrival.wait()
