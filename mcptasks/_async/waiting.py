"""Waiting for something to come true of one task, while the monitor watches it."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks import _plain
from mcptasks._async.answering import Answering, MakeContext, claimable, unanswerable
from mcptasks._async.core import Core
from mcptasks._async.errors import copy_error, missing
from mcptasks._async.limits import Budget
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskError, TaskInputRequiredError, TaskTimeoutError
from mcptasks._models import TaskReference, TaskStatus

_FoundT = TypeVar("_FoundT")

ONE_LOOK = 10.0
"""How many seconds a single look may take."""

_SAID = 200
"""How much of a status message goes into another message."""


@define(eq=False)
class Waiter:
    """Waits for one handle's task."""

    core: Core
    watch: Watch
    reference: TaskReference
    context: MakeContext
    """Makes what input handlers are told."""
    _verdict: tuple[BaseException, TaskStatus | None] | None = field(default=None, init=False)

    async def outcome(self, deadline: float, *, once: bool) -> None:
        """Wait for the outcome; have the handlers answer what comes up until then."""
        watch = self.watch
        failures = watch.failures
        # A program that calls again and again lets the others have their turn.
        await anyio.lowlevel.checkpoint()

        if once or watch.outcome is not None:
            await self.until(lambda: self.news(failures) or None, deadline, wanted=True, once=once)
            return
        self.core.monitor.want(watch)
        # One interest for the whole: where it ends for a moment, so does the stream that the answers are wanted on.
        self.core.monitor.enter(watch, deadline)
        await self._watched(self._answered(failures), deadline)

    async def _answered(self, failures: int) -> None:
        """Wait for the outcome. What it holds and awaits takes memory for as long as the task does."""
        troubles = self.watch.troubles
        while not (found := self.news(failures)):
            if found is None:
                self.complain(troubles)
                await self.watch.change()
            else:
                await self.answer()
                troubles = self.watch.troubles

    def news(self, failures: int) -> bool | None:
        """What there is for one who waits for the outcome: True where it is known, False where there are questions to
        `answer`, None where there is nothing.

        Args:
            failures: The watch's count of handlers' failures when the wait began.

        Raises:
            TaskInputRequiredError: No handler can answer.
            BaseException: What a handler raised since then, for whomever it worked.
        """
        watch, questions = self.watch, self.core.questions
        if watch.outcome is not None:
            return True
        if watch.failure is not None and watch.failures > failures:
            raise watch.failure
        if claimable(questions, watch):
            return False
        if unanswerable(questions, watch):
            raise self._unanswered()
        return None

    def complain(self, troubles: int) -> None:
        """Raise the monitor's trouble, if there was any since the wait began.

        Args:
            troubles: The watch's count of troubles then.
        """
        if self.watch.troubles > troubles:
            assert self.watch.trouble is not None
            raise copy_error(self.watch.trouble, self.reference) from self.watch.trouble.__cause__

    async def answer(self) -> None:
        """Have the handlers answer what they can; raises what `Answering.run` does."""
        try:
            await Answering(self.core.questions, self.watch, self.context).run()
        except TaskError as exc:
            exc.reference = exc.reference or self.reference
            raise

    def remember(self, error: BaseException) -> None:
        """Keep an error that a group met, for the next who asks this handle for the result."""
        self._verdict = error, self.watch.status

    def recall(self) -> None:
        """Raise that error, once, unless something was learned of the task since."""
        verdict, self._verdict = self._verdict, None
        if verdict is not None and verdict[1] is self.watch.status and self.watch.outcome is None:
            raise verdict[0]

    def _unanswered(self) -> TaskInputRequiredError:
        requests = dict(self.watch.state.open)
        asked = named(requests) or "the server does not say what for"
        more = said(self.watch.status) if self.watch.status is not None else ""
        words = f"the task waits for input ({asked}){more}, and this client has no handler for it; use answer()"
        if any(self.core.questions.candidates(key) for key in requests):
            words += "; the server does not say which of its tasks asks"
        return TaskInputRequiredError(words, input_requests=requests, reference=self.reference)

    async def until(
        self, check: Callable[[], _FoundT | None], deadline: float, *, wanted: bool = False, once: bool = False
    ) -> _FoundT:
        """Wait until `check` finds something, while the monitor watches the task."""
        found = check() if not once or self.watch.done else None
        if wanted and found is None:
            self.core.monitor.want(self.watch)
        if found is None and once:
            await self._look_once()
            found = check()
            if found is None and wanted and self.watch.state.terminal:
                # The task is over; what is left of the look is to fetch its result.
                deadline = deadline_of(ONE_LOOK)
            elif found is None:
                raise self.timed_out()
        if found is not None:
            return found
        self.core.monitor.enter(self.watch, deadline)
        return await self._watched(self._found(check, self.watch.troubles), deadline)

    async def _watched(self, wait: Coroutine[Any, Any, _FoundT], deadline: float) -> _FoundT:
        """Wait until the deadline, then end the interest in the task, which was begun before."""
        try:
            if deadline == math.inf:  # Most have none, and a scope takes memory for as long as the task does.
                return await wait
            with anyio.CancelScope(deadline=deadline):
                return await wait
            raise self.timed_out()
        finally:
            self.core.monitor.leave(self.watch, deadline)

    async def _found(self, check: Callable[[], _FoundT | None], troubles: int) -> _FoundT:
        """Wait until `check` finds something, or there is trouble."""
        while True:
            found = check()
            if found is not None:
                return found
            self.complain(troubles)
            await self.watch.change()

    async def _look_once(self) -> None:
        budget = Budget(self.core.connection.wire_timeout, single=True)
        with anyio.move_on_after(ONE_LOOK):
            try:
                seen = await self.core.requests.status(self.watch.task_id, budget, ahead=True)
                self.core.monitor.feed(self.watch, seen)
            except TaskError as exc:
                raise missing(exc, self.reference) from exc.__cause__

    def timed_out(self) -> TaskTimeoutError:
        """The error for a deadline that passed."""
        status = self.watch.status
        words = f"{status.status}{said(status)}" if status is not None else "not known yet"
        return TaskTimeoutError(f"the task is still {words}; the work goes on", reference=self.reference)


def says_what(watch: Watch, status: TaskStatus) -> bool:
    """Whether it is known what a task waits for, if it waits for input at all, or never will be."""
    return status.status != "input_required" or bool(status.input_requests) or watch.silent


def deadline_of(limit: float | None) -> float:
    """A duration's end, by the event loop's clock."""
    return math.inf if limit is None else anyio.current_time() + limit


def said(status: TaskStatus) -> str:
    """The status message, for other messages: a server's words, so shown as a literal, and not too long."""
    return f" ({_plain.short(status.status_message, _SAID)})" if status.status_message else ""


def named(requests: Iterable[str]) -> str:
    """The keys of questions, for messages: a server's words, so shown as literals, and not too many."""
    return f"{', '.join(map(repr, islice(sorted(requests), 20))):.200}"
