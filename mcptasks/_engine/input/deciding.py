"""Asks the store before a handler is called and before an answer is sent.

A question is recorded before a handler is called. An answer is decided, which means recorded as the answer to this
question, before it is sent. If a question is answered twice, by handlers or people, the answer that was decided first
is sent. A client that has lost the task's lease to another client sends nothing.

A client without a store asks and sends at once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import anyio
import mcp_types as types

from mcptasks._core.exceptions import StoreError, TaskFailedError, TaskStateError
from mcptasks._core.input_state import InputAnswered
from mcptasks._core.safe_text import line, short
from mcptasks._engine.input.held_questions import HeldQuestions
from mcptasks._engine.input.sent_answers import AnswerUpdates
from mcptasks._engine.recording.journal import Decision
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

T = TypeVar("T")

_AGAIN_SECONDS = 1.0
"""Seconds between two attempts to write a question or an answer to a store that is away. Nothing is asked or sent
meanwhile."""


class Deciding:
    """Records one client's questions and answers, then sends the answers.

    Args:
        monitor: Has the tasks.
        held: Has the questions that came as requests (2025-11-25).
        updates: Sends answers to questions in statuses (2026-07-28).
        asks_in_statuses: Whether the present connection's server asks in statuses (2026-07-28).
    """

    def __init__(
        self, monitor: Monitor, held: HeldQuestions, updates: AnswerUpdates, asks_in_statuses: Callable[[], bool]
    ) -> None:
        self._monitor = monitor
        self._held = held
        self._updates = updates
        self._asks_in_statuses = asks_in_statuses
        self._given: WeakKeyDictionary[Watch, dict[str, float | None]] = WeakKeyDictionary()
        """For each task, the keys of answers that went out as responses, with the time of the latest status before.
        They are not acknowledged yet."""

    async def asked(self, watch: Watch, key: str, request: Mapping[str, Any]) -> Decision | None:
        """Record a question that is about to be asked; see `Record.asked` for the value.

        Raises:
            StoreError: The store cannot be written.
        """
        return await watch.record.asked(key, request, lasting=not self._held.has(key))

    async def asked_in_time(self, watch: Watch, key: str, request: Mapping[str, Any]) -> Decision | None:
        """Record a question for a handler, as soon as the store can be written. The handler is called after that."""
        return await _patiently(lambda: self.asked(watch, key, request), watch)

    def answered(self, watch: Watch, key: str) -> None:
        """Note that the server has the answer from another client. It may still list the question for a while."""
        self._monitor.feed(watch, InputAnswered(key))

    async def send(self, watch: Watch, key: str, answer: Mapping[str, Any]) -> bool:
        """Decide the answer to a question, and send the server the answer that was decided first.

        Returns:
            Whether this client may answer. If not, nothing was sent, and the answer is dropped.

        Raises:
            StoreError: The store cannot be written. Nothing was sent.
            TaskStateError: The server withdrew the question.
            TaskFailedError: The server refuses the answer.
            TaskNotFoundError: The server does not know the task.
            TaskError: See `Connection.read`.
        """
        decision = await watch.record.decide(key, answer)
        if not decision.held:
            return False
        if decision.answer is None:
            self.answered(watch, key)
            return True
        await self._held.asked_again(key)
        if not watch.record.holds:
            return False
        await self._give(watch, key, dict(decision.answer))
        return True

    async def send_in_time(self, watch: Watch, key: str, answer: Mapping[str, Any]) -> bool:
        """Decide and send a handler's answer, as soon as the store can be written."""
        return await _patiently(lambda: self.send(watch, key, answer), watch)

    def refuse(self, watch: Watch, key: str, error: types.ErrorData) -> bool:
        """Answer a question with an error. Return False if the protocol has no such answer (2026-07-28)."""
        if not self._held.has(key):
            return False
        if watch.record.holds and self._held.settle(key, error):
            self._gave(watch, key)
        return True

    def looked(self, watch: Watch) -> None:
        """Take in that a task was polled, or has changed. Legacy servers do not acknowledge answers: an answer counts
        as acknowledged when a later status shows that the task no longer waits."""
        given = self._given.get(watch)
        if given is None or watch.state.waits:
            return
        for key in [key for key, before in given.items() if before != watch.polling.looked]:
            del given[key]
            watch.record.acknowledged(key)
        if not given:
            del self._given[watch]

    async def _give(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        if self._held.settle(key, answer):
            self._gave(watch, key)
        elif self._asks_in_statuses():
            try:
                await self._updates.send(watch, key, answer)
            except TaskFailedError:
                watch.record.answer_refused(key)
                raise
            self._monitor.feed(watch, InputAnswered(key))
            watch.record.acknowledged(key)
        else:
            watch.record.acknowledged(key)
            raise TaskStateError(f"the server withdrew the question {short(key, 80)}")

    def _gave(self, watch: Watch, key: str) -> None:
        self._given.setdefault(watch, {})[key] = watch.polling.looked


async def _patiently(step: Callable[[], Awaitable[T]], watch: Watch) -> T:
    """Repeat a step until the store can be written, and return its value."""
    told = False
    while True:
        try:
            return await step()
        except StoreError as exc:
            if not told:
                logger.warning("task %s has to wait for the store: %s", short(watch.task_id), line(exc.message))
            told = True
            await anyio.sleep(_AGAIN_SECONDS)
