"""Waits for one task's outcome or state while the monitor watches the task, and reads the outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol, TypeVar
from weakref import ref

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks._core import safe_text
from mcptasks._core.carried import common
from mcptasks._core.content import asked
from mcptasks._core.events import Broken, Finished
from mcptasks._core.exceptions import TaskError, TaskInputRequiredError, TaskStateError, TaskTimeoutError
from mcptasks._core.lateness import late, said, unanswered
from mcptasks._core.models import TERMINAL, Status, TaskReference, TaskStatus
from mcptasks._core.outcome import Decoding, decode
from mcptasks._core.trace import Waiting
from mcptasks._engine.connection.errors import again, copy_error
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.core import TaskCore
from mcptasks._engine.input.answering import Answering, claimable, unanswerable
from mcptasks._engine.watching.taking import find_place
from mcptasks._engine.watching.telling import missing_task
from mcptasks._engine.watching.watch import Watch

_FoundT = TypeVar("_FoundT")

ONE_LOOK = 10.0
"""Seconds for the single poll of a wait with `timeout=0`, including the fetch of a result. Usual servers answer far
sooner."""


class MakesHandles(Protocol):
    """Makes the handles that programs get; see `Handles`."""

    def make(self, waiter: Waiter, /) -> Any:
        """Return a new handle."""
        ...

    def of(self, watch: Watch) -> Any:
        """Return the handle on a watched task."""
        ...


@define(eq=False)
class Waiter:
    """Waits for one task, and reads its outcome once for all callers. A program's handle is a thin view of a waiter,
    made when the program first gets it."""

    core: TaskCore = field(repr=False)
    handles: MakesHandles = field(repr=False)
    watch: Watch
    reference: TaskReference
    decoding: Decoding = field(repr=False)
    """How to read the outcome."""
    returned_immediately: bool = False
    """Whether the server has no task, since it returned the result at once."""
    immediate_response: str | None = field(default=None, repr=False)
    """The server's suggestion for what a model may say meanwhile."""
    owned: bool = field(default=False, init=False, repr=False)
    """Whether the task is cancelled if the wait fails. For the words of errors."""
    _handle: ref[Any] | None = field(default=None, init=False, repr=False)
    _value: Any = field(default=None, init=False, repr=False)
    _verdict: tuple[BaseException, TaskStatus | None] | None = field(default=None, init=False, repr=False)

    @property
    def handle(self) -> Any:
        """The program's handle; the same object for as long as the program keeps it. For the event loop's thread."""
        handle = None if self._handle is None else self._handle()
        if handle is None:
            handle = self.handles.make(self)
            self._handle = ref(handle)
        return handle

    # --- for its end ----------------------------------------------------------------------------------------------

    async def result(self, limit: float | None) -> Any:
        """Wait for the finished value. Every call returns the same object. See `Task.result` for the errors.

        Args:
            limit: Seconds to wait, including the handlers' time; None for no limit, 0 to poll once.
        """
        if self._value is None:
            self.recall()
            deadline, failures = deadline_of(limit), self.watch.input.failures
            # Without this, a program that calls in a loop would starve other tasks.
            await anyio.lowlevel.checkpoint()
            await find_place(self.watch, self.core.connection.trace)
            with _traced(self, "result"):
                await self.outcome(failures, deadline, once=limit == 0)
                with anyio.CancelScope(deadline=deadline_of(ONE_LOOK) if limit == 0 else deadline):
                    value = await self._decoded()
                    if self._value is None:  # Another caller may have been faster. All get the same object.
                        self._value = value
        if self._value is None:
            raise self.timed_out()
        return self._value

    def outcome(self, failures: int, deadline: float, *, once: bool = False) -> Coroutine[Any, Any, object]:
        """Wait for the outcome, and have handlers answer questions until then. The caller must await the returned
        coroutine at once, since the interest in the task begins here. This is not a coroutine function, to save the
        memory of one more coroutine for each waiter.

        Args:
            failures: The watch's count of handlers' failures when the wait began.
            deadline: When the wait ends, by the event loop's clock.
            once: Poll once instead of waiting.
        """
        watch = self.watch
        if once or watch.outcome is not None:
            return self.until(lambda: self.news(failures) or None, deadline, wanted=True, once=once)
        self.core.monitor.want(watch)
        # One interest for the whole wait. If it ended for a moment, the stream on which the server asks would end, too.
        self.core.monitor.enter(watch, deadline)
        return self._watched(self._answered(failures), deadline)

    async def _answered(self, failures: int) -> None:
        """Wait for the outcome. Keep this small: it takes memory for as long as the task runs."""
        troubles = self.watch.polling.troubles
        while not (found := self.news(failures)):
            self.complain(troubles)
            if found is None:
                await self.watch.change()
            else:
                await self.answer()
                troubles = self.watch.polling.troubles

    def news(self, failures: int) -> bool | None:
        """Return the news for someone who waits for the outcome: True if it is known, False if there are questions to
        `answer`, None if there is no news.

        Args:
            failures: The watch's count of handlers' failures when the wait began.

        Raises:
            TaskInputRequiredError: No handler can answer.
            BaseException: Whatever a handler has raised since then, for any waiter.
        """
        watch, questions = self.watch, self.core.questions
        if watch.outcome is not None:
            return True
        if (failure := watch.input.failure_since(failures)) is not None:
            raise failure
        if claimable(questions, watch):
            return False
        if unanswerable(questions, watch):
            raise self._unanswered()
        return None

    def complain(self, troubles: int) -> None:
        """Raise the latest error of polling, if there was one since the wait began.

        Args:
            troubles: The watch's count of such errors at that time.
        """
        if (trouble := self.watch.polling.trouble_since(troubles)) is not None:
            raise copy_error(trouble, self.reference) from trouble.__cause__

    async def answer(self) -> None:
        """Have handlers answer the open questions; raises what `Answering.run` does."""
        try:
            await Answering(self.core.questions, self.watch, self._context).run()
        except TaskError as exc:
            exc.reference = exc.reference or self.reference
            raise

    def _context(self, key: str, meta: Mapping[str, Any]) -> Any:
        """Make the `InputContext` for a handler."""
        questions = self.core.questions
        watches = questions.candidates(key)
        candidates = tuple(map(self.handles.of, watches))
        task = None if candidates else self.handle
        given = common([watch.carried for watch in watches or (self.watch,)]).context
        return questions.answerer.context(task=task, key=key, candidates=candidates, meta=meta, context=given)

    async def _decoded(self) -> Any:
        await self.watch.record.settled()
        how, outcome, reference = self.decoding, self.watch.outcome, self.reference
        assert outcome is not None
        if isinstance(outcome, Broken):
            raise again(outcome.error, reference)
        tool = reference.name if reference.kind == "tool" else None
        if isinstance(outcome, Finished) and not how.wrapped and tool is not None:
            how = await self.core.with_wrapping(how, tool, outcome.result)
        return decode(outcome, how, reference)

    def remember(self, error: BaseException) -> None:
        """Keep an error that a group met, to raise it at the next `result`. It is kept without its traceback: the
        frames would keep the group alive, on Python 3.13 even the iterator."""
        self._verdict = error.with_traceback(None), self.watch.status

    def recall(self) -> None:
        """Raise the kept error, once, unless something was learned of the task since."""
        verdict, self._verdict = self._verdict, None
        if verdict is not None and verdict[1] is self.watch.status and self.watch.outcome is None:
            raise verdict[0]

    def _unanswered(self) -> TaskInputRequiredError:
        requests = dict(self.watch.state.open)
        keys = named(requests) or "the server does not say what for"
        words = unanswered(keys, asked(requests), self.watch.status, owned=self.owned)
        if any(self.core.questions.candidates(key) for key in requests):
            words += "; the server does not say which of its tasks asks"
        return TaskInputRequiredError(words, input_requests=requests, reference=self.reference)

    # --- for anything else ----------------------------------------------------------------------------------------

    def state(self, wanted: Collection[Status] | None, limit: float | None) -> Coroutine[Any, Any, TaskStatus]:
        """Wait until the task is over, or has reached a state; see `Task.wait`.

        Args:
            wanted: The states, any of which ends the wait; None for any terminal state.
            limit: Seconds to wait; None for no limit, 0 to poll once.
        """

        def reached() -> TaskStatus | None:
            status = self.watch.status
            if status is not None and limit != 0 and not says_what(self.watch, status):
                return None
            if status is None or status.status not in (wanted or TERMINAL):
                if status is None or not status.is_terminal:
                    return None
                words = " or ".join(sorted(wanted or ()))
                raise TaskStateError(
                    f"the task is {status.status}{said(status)}; it can no longer become {words}",
                    reference=self.reference,
                )
            return status

        return _waited(self, self.until(reached, deadline_of(limit), once=limit == 0))

    async def until(
        self, check: Callable[[], _FoundT | None], deadline: float, *, wanted: bool = False, once: bool = False
    ) -> _FoundT:
        """Wait until `check` returns something, while the monitor watches the task."""
        found = check() if not once or self.watch.done else None
        if wanted and found is None:
            self.core.monitor.want(self.watch)
        if found is None and once:
            await self._look_once()
            found = check()
            if found is None and wanted and self.watch.state.terminal:
                # The task is over. Only its result is still to be fetched.
                deadline = deadline_of(ONE_LOOK)
            elif found is None:
                raise self.timed_out()
        if found is not None:
            return found
        self.core.monitor.enter(self.watch, deadline)
        return await self._watched(self._found(check, self.watch.polling.troubles), deadline)

    async def _watched(self, wait: Coroutine[Any, Any, _FoundT], deadline: float) -> _FoundT:
        """Wait until the deadline, then end the interest in the task, which the caller has begun."""
        try:
            if deadline == math.inf:  # Most waits have none; a scope takes memory as long as the task runs.
                return await wait
            with anyio.CancelScope(deadline=deadline):
                return await wait
            raise self.timed_out()
        except BaseException as exc:
            if not isinstance(exc, Exception):
                exc.__traceback__ = None  # The traceback of a Ctrl-C then shows the program's lines, and fewer of ours.
            raise
        finally:
            self.core.monitor.leave(self.watch, deadline)

    async def _found(self, check: Callable[[], _FoundT | None], troubles: int) -> _FoundT:
        """Wait until `check` returns something, or polling meets an error."""
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
                raise missing_task(self.watch, exc, self.reference) from exc.__cause__

    def timed_out(self) -> TaskTimeoutError:
        """Return the error for a deadline that has passed."""
        cut = self.cut_off()
        looked = self.watch.polling.looked
        silence = None if looked is None else anyio.current_time() - looked
        words = late(self.watch.status, None if cut is None else cut.message, silence, owned=self.owned)
        error = TaskTimeoutError(words, reference=self.reference)
        error.__cause__ = None if cut is None else cut.__cause__
        return error

    def cut_off(self) -> TaskError | None:
        """Return the error for a server that cannot be reached at the moment; None if it may be reachable."""
        return None if self.watch.outcome is not None else self.core.connection.cut_off(self.watch.polling.looked)


def _traced(waiter: Waiter, what: Literal["result", "wait"]) -> AbstractContextManager[object]:
    """Return the block that traces a wait; a block that does nothing if there is nothing to wait for."""
    known = waiter.watch.outcome is not None if what == "result" else waiter.watch.done
    if known or waiter.returned_immediately:
        return nullcontext()
    return waiter.core.connection.trace.around(Waiting(waiter.watch.trace, what))


async def _waited(waiter: Waiter, wait: Coroutine[Any, Any, TaskStatus]) -> TaskStatus:
    await find_place(waiter.watch, waiter.core.connection.trace)
    with _traced(waiter, "wait"):
        return await wait


def says_what(watch: Watch, status: TaskStatus) -> bool:
    """Whether a status may be returned: the task does not wait for input, or its questions are known, or the server
    will never send them."""
    return status.status != "input_required" or bool(status.input_requests) or watch.input.silent


def deadline_of(limit: float | None) -> float:
    """Return when a time limit that begins at this moment ends, by the event loop's clock; infinite without a limit."""
    return math.inf if limit is None else anyio.current_time() + limit


def named(requests: Iterable[str]) -> str:
    """Return the keys of questions for a message. They are the server's text, so they are shown as literals, and only
    the first few."""
    return safe_text.several(sorted(requests))
