"""Runs the program's handlers on the questions of tasks: one handler for each question, never two at once.

A handler runs in a task of the client, not of the waiter. When the wait ends, an async handler is cancelled. A plain
function cannot be stopped: its question stays reserved until the function returns, so that nobody is asked twice, and
its answer is kept as a draft, which the next waiter sends.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks._core.json import as_object
from mcptasks._core.trace import Handling
from mcptasks._engine.input.answers import RefusalError
from mcptasks._engine.input.handlers import Grip
from mcptasks._engine.input.inbox import Questions
from mcptasks._engine.input.task_input import fail
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")


@define(eq=False)
class Work:
    """One handler at work on one question. It leaves its outcome with the watch: a draft, or a failure."""

    questions: Questions
    watch: Watch
    key: str
    _request: Any = field(repr=False)
    _context: Any
    _grip: Grip = field(factory=Grip, init=False)
    _ended: anyio.Event = field(factory=anyio.Event, init=False)

    def start(self) -> None:
        """Reserve the question, and start the handler."""
        self.questions.reserve(self.watch, self.key)
        self.questions.group.start_soon(self._run)

    @property
    def wanted(self) -> bool:
        """Whether the waiter should go on waiting for this handler."""
        return not (self._ended.is_set() or self._grip.left)

    def detach(self) -> None:
        """Stop waiting, and let the handler go on for the next waiter."""
        self._grip.detach()

    async def leave(self) -> None:
        """Stop the handler because its waiter leaves, and wait until it has ended. A plain function at work cannot be
        stopped, and is not waited for."""
        grip = self._grip
        if not grip.detached:
            grip.leave()
            if not grip.held:
                await self._ended.wait()

    async def _run(self) -> None:
        try:
            with self._grip.scope:
                # The waiter may have left by now, and the question may be closed. Then nobody is asked.
                await anyio.lowlevel.checkpoint_if_cancelled()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._leave_when_over)
                    if self.key in self.watch.state.open:
                        await self._answer()
                    group.cancel_scope.cancel()
            # Not in a `finally`: if the client ends, all that is known of the question goes with it.
            self.questions.release(self.watch, self.key)
        finally:
            self._ended.set()
        self.watch.wake()

    async def _leave_when_over(self) -> None:
        """Stop the handler when its question was answered elsewhere or withdrawn, or when the task is over."""
        while self.key in self.watch.state.open:
            await self.watch.change()
        self._grip.leave()
        self.watch.wake()

    async def _answer(self) -> None:
        method = str((as_object(self._request) or {}).get("method"))
        try:
            decided = await self.questions.deciding.asked_in_time(self.watch, self.key, self._request)
            if decided is None:
                with self.questions.trace.around(Handling(self.watch.trace, method)):
                    answer = await self._answered()
            else:
                if decided.held and decided.answer is None:
                    self.questions.deciding.answered(self.watch, self.key)
                answer = decided.answer
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the task raises it
            self._fail(exc)
        else:
            if answer is not None and self.key in self.watch.state.open:
                self.questions.keep(self.watch, self.key, dict(answer))

    async def _answered(self) -> Mapping[str, Any] | None:
        """Return the answer; None if the question was answered with an error."""
        try:
            return await self.questions.answerer.answer(self._request, self._context, self._grip)
        except RefusalError as exc:
            if self.questions.deciding.refuse(self.watch, self.key, exc.error):
                return None
            words = f"a handler returned an ErrorData ({exc}), which is no answer to a task's question"
            raise TypeError(f"{words}; decline the question, or raise an exception to leave it open") from None

    def _fail(self, exc: BaseException) -> None:
        if self.key not in self.watch.state.open:
            return
        fail(self.watch, exc)
        if self._grip.left or self._grip.detached:
            logger.warning("a handler failed; nobody waits for its answer any more", exc_info=exc)
