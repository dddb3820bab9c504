"""Sends answers by `tasks/update` (2026-07-28). If they got lost, the client that holds the task sends them again.

An acknowledgement is eventually consistent (ext-tasks, "Task Update Acknowledgement"): the server may list a question
for a while after it has accepted the answer. If the question stays listed for long, we take the answer for lost and
send it again; a server that has the answer ignores that. If a question disappears and is then listed again for long,
the server has used a key twice, which is an error.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from mcptasks._core.events import Trouble
from mcptasks._core.exceptions import TaskError, TaskProtocolError
from mcptasks._core.safe_text import line, short
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

_LOOKS = 10
_SECONDS = 30.0
"""How many polls, and how many seconds, a question may stay listed after its answer was accepted. Beyond both limits we
act on it. There are two limits because polls may be far apart, or very close."""


@define(eq=False)
class _Sent:
    """An answer that is on its way, or that the server has accepted."""

    answer: dict[str, Any] | None = field(default=None, repr=False)
    """The accepted answer. None before that, and again once a poll no longer lists the question."""
    since: float = 0.0
    """When the answer was accepted, or when we last acted on the question, by the event loop's clock."""
    looks: int = 0
    """How many polls had listed the question by then."""


class AnswerUpdates:
    """Sends the answers of one client.

    Args:
        requests: Sends `tasks/update`.
        monitor: Has the tasks.
        group: The task group in which answers are sent again.
    """

    def __init__(self, requests: Requests, monitor: Monitor, group: TaskGroup) -> None:
        self._requests = requests
        self._monitor = monitor
        self._group = group
        self._sent: WeakKeyDictionary[Watch, dict[str, _Sent]] = WeakKeyDictionary()

    async def send(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        """Send an answer.

        Raises:
            TaskFailedError: The server refuses the answer.
            TaskNotFoundError: The server does not know the task.
            TaskError: See `Connection.read`.
        """
        all_sent = self._sent.setdefault(watch, {})
        was_sent = key in all_sent
        sent = all_sent.setdefault(key, _Sent())
        # The wait for the task may have a span, to which the answer belongs then; that of a display has none.
        with self._requests.trace.around(Requesting(watch.trace, by_program=True)):
            refused = await self._requests.answer(watch.task_id, {key: answer})
            if refused is not None:
                # Servers give the same error for an unknown task. A poll shows whether the task is known.
                seen = await self._requests.status(watch.task_id, ahead=True)
                self._monitor.feed(watch, seen)
                if key in seen.status.input_requests or not (was_sent or refused.repeated):
                    raise refused.error
                # The question is closed: an earlier attempt arrived, and its acknowledgement was lost.
        sent.answer, sent.since = answer, anyio.current_time()

    def looked(self, watch: Watch) -> None:
        """Take in that a task was polled. Send lost answers again if this client still holds the task, and report a key
        that was used twice."""
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
                    words = f"the server asks again, under the key {short(key, 80)}, what it had taken the answer to"
                    self._monitor.feed(watch, Trouble(TaskProtocolError(words)))
                elif watch.record.holds:
                    names = short(watch.task_id), short(key, 80)
                    logger.warning("task %s still asks %s; its answer is sent again", *names)
                    self._group.start_soon(self._send_again, watch, key, sent.answer)

    async def _send_again(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        try:
            with self._requests.trace.around(Requesting(watch.trace)):
                refused = await self._requests.answer(watch.task_id, {key: answer})
        except TaskError as exc:
            logger.debug("could not send an answer of task %s again: %s", short(watch.task_id), line(exc.message))
        else:
            if refused is not None:
                logger.warning("%s", line(refused.error.message))
