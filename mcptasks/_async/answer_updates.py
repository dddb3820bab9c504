"""Answers by `tasks/update` (2026-07-28), and what becomes of them.

An acknowledgement is eventually consistent (ext-tasks, "Task Update Acknowledgement"): for a while the server may go on
showing a question that it has the answer to. One that it shows for long has got lost, and is sent again, which it
ignores if it has it after all. One that was gone and is back for long is another question under a used key.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from mcptasks._async.monitor import Monitor
from mcptasks._async.requests import Requests
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskError, TaskProtocolError
from mcptasks._state import Trouble

logger = logging.getLogger("mcptasks")

_LOOKS = 10
_SECONDS = 30.0
"""A question that is shown after its answer was accepted is no slip any more after more looks, and more time, than
this. Both, for looks may be far apart, or very close."""


@define(eq=False)
class _Sent:
    """An answer that is on its way, or that the server has accepted."""

    answer: dict[str, Any] | None = field(default=None, repr=False)
    """None before it is accepted, and once the server has shown that it has it."""
    since: float = 0.0
    """When it was accepted, or what followed from its being shown again was done."""
    looks: int = 0
    """How many looks had shown the question by then."""


class AnswerUpdates:
    """The answers of one client.

    Args:
        requests: Sends them.
        monitor: Has the tasks.
        group: What is sent again is sent in.
    """

    def __init__(self, requests: Requests, monitor: Monitor, group: TaskGroup) -> None:
        self._requests = requests
        self._monitor = monitor
        self._group = group
        self._sent: WeakKeyDictionary[Watch, dict[str, _Sent]] = WeakKeyDictionary()

    async def send(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        """Give the server an answer.

        Raises:
            TaskFailedError: The server refuses it.
            TaskNotFoundError: The server does not know the task.
            TaskError: See `Connection.read`.
        """
        all_sent = self._sent.setdefault(watch, {})
        was_sent = key in all_sent
        sent = all_sent.setdefault(key, _Sent())
        refused = await self._requests.answer(watch.task_id, {key: answer})
        if refused is not None:
            # Servers use the same words for a task that they do not know; whether that is it shows in the status.
            seen = await self._requests.status(watch.task_id, ahead=True)
            self._monitor.feed(watch, seen)
            if key in seen.status.input_requests or not (was_sent or refused.repeated):
                raise refused.error
            # It is asked no more, since an earlier attempt has arrived whose acknowledgement was lost.
        sent.answer, sent.since = answer, anyio.current_time()

    def looked(self, watch: Watch) -> None:
        """A task was looked at: send again what got lost, and complain of a question that is back."""
        if watch.state.terminal:
            self._sent.pop(watch, None)
        questions = watch.state.questions
        for key, sent in self._sent.get(watch, {}).items():
            if key in questions.gone:
                sent.answer = None
            looks, now = questions.again.get(key, 0), anyio.current_time()
            if looks < sent.looks:
                sent.looks = 0
            if looks - sent.looks > _LOOKS and now - sent.since > _SECONDS:
                sent.since, sent.looks = now, looks
                if sent.answer is None:
                    words = f"the server asks again, under the key {key!r:.80}, what it had taken the answer to"
                    self._monitor.feed(watch, Trouble(TaskProtocolError(words)))
                else:
                    logger.warning("task %r still asks %.80r; its answer is sent again", watch.task_id, key)
                    self._group.start_soon(self._send_again, watch, key, sent.answer)

    async def _send_again(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        try:
            refused = await self._requests.answer(watch.task_id, {key: answer})
        except TaskError as exc:
            logger.debug("could not send an answer of task %r again: %s", watch.task_id, exc)
        else:
            if refused is not None:
                logger.warning("%s", refused.error)
