"""Handlers at work on the questions of tasks.

Each is at work in a task of the client's own, not of whoever waits for the answer. An async handler ends with the wait.
A plain function cannot be stopped: its question stays reserved until it returns, so that nobody is asked twice, and its
answer is kept as a draft, which the next one who waits sends.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks._async.answers import RefusalError
from mcptasks._async.handlers import Grip, InputContext
from mcptasks._async.questions import Questions
from mcptasks._async.watch import Watch

logger = logging.getLogger("mcptasks")


@define(eq=False)
class Work:
    """One handler at work on one question. What it comes to is left with the watch: a draft, or a failure."""

    questions: Questions
    watch: Watch
    key: str
    _request: Any = field(repr=False)
    _context: InputContext[Any]
    _grip: Grip = field(factory=Grip, init=False)
    _ended: anyio.Event = field(factory=anyio.Event, init=False)

    def start(self) -> None:
        """Reserve the question and set about it."""
        self.questions.reserve(self.watch, self.key)
        self.questions.group.start_soon(self._run)

    @property
    def wanted(self) -> bool:
        """Whether it is worth waiting for."""
        return not (self._ended.is_set() or self._grip.left)

    def detach(self) -> None:
        """Let it go on for whoever waits next."""
        self._grip.detach()

    async def leave(self) -> None:
        """Nobody waits for it here any more: stop it, and wait until it has ended, where it can be stopped."""
        grip = self._grip
        if not grip.detached:
            grip.leave()
            if not grip.held:
                await self._ended.wait()

    async def _run(self) -> None:
        try:
            with self._grip.scope:
                # Whoever began it may have gone by now, and the question too: then nobody is asked.
                await anyio.lowlevel.checkpoint_if_cancelled()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._leave_when_over)
                    if self.key in self.watch.state.open:
                        await self._answer()
                    group.cancel_scope.cancel()
            # Not where the client ends, and with it all that is known of the question.
            self.questions.release(self.watch, self.key)
        finally:
            self._ended.set()
        self.watch.wake()

    async def _leave_when_over(self) -> None:
        """Stop the handler when its question was answered elsewhere or taken back, or the task is over."""
        while self.key in self.watch.state.open:
            await self.watch.change()
        self._grip.leave()
        self.watch.wake()

    async def _answer(self) -> None:
        try:
            answer = await self._answered()
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the task raises it
            self._fail(exc)
        else:
            if answer is not None and self.key in self.watch.state.open:
                self.questions.keep(self.watch, self.key, answer)

    async def _answered(self) -> dict[str, Any] | None:
        """The answer, or None where the question was answered with an error."""
        try:
            return await self.questions.answerer.answer(self._request, self._context, self._grip)
        except RefusalError as exc:
            if self.questions.refuse(self.key, exc.error):
                return None
            words = f"a handler answers with an ErrorData ({exc}), which a task's question cannot be answered"
            raise TypeError(f"{words} with; decline it, or raise an exception to leave it open") from None

    def _fail(self, exc: BaseException) -> None:
        if self.key not in self.watch.state.open:
            return
        self.watch.failed(exc)
        if self._grip.left or self._grip.detached:
            logger.warning("a handler failed at a question that nobody waited for any more", exc_info=exc)
