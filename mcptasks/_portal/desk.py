"""Gives a client's input requests ("questions") to the threads that wait in its calls.

Plain input handlers run on a waiting thread, so that `input()` and a debugger work. A question that comes while no
thread waits stays open until one does. All bookkeeping happens on the event loop's thread; only the handlers run
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import anyio

from mcptasks._async.input import InputContext
from mcptasks._async.task import Task as AsyncTask
from mcptasks._core.exceptions import TaskConnectionError, TaskInputRequiredError
from mcptasks._engine.input.handlers import Grip, present_grip
from mcptasks._portal.call import Call, FutureCall, calling
from mcptasks._portal.portal import current_portal
from mcptasks._portal.tracebacks import trim

_ENDS_OF_INPUT = ((), ("EOF when reading a line",))
"""The arguments of the `EOFError` that `input()` raises, at a terminal and elsewhere."""


class _Question:
    """One call of an input handler that is to be made."""

    def __init__(self, handler: Callable[..., Any], arguments: tuple[Any, ...], caller: Call[Any] | None) -> None:
        self.handler = handler
        self.arguments = arguments
        self.caller = caller
        """The call during which the question came, if that is known."""
        self.holder: Call[Any] | None = None
        """The call whose thread has got the question; None if no thread has."""
        self.begun = False
        self.grip = present_grip.get() or Grip()
        """Tells whoever waits for the answer that the handler cannot be stopped once it has begun."""
        self.over = anyio.Event()
        self.value: Any = None
        self.error: BaseException | None = None


class Desk:
    """One client's questions, and the calls whose threads may answer them."""

    def __init__(self) -> None:
        self._waiting: dict[Call[Any], None] = {}
        self._questions: list[_Question] = []

    def enter(self, call: Call[Any]) -> None:
        """Note that a call's thread waits, and may be given questions."""
        self._waiting[call] = None
        self._assign()

    def leave(self, call: Call[Any]) -> None:
        """Note that a call's thread no longer waits. A question that it has not begun goes to another thread."""
        self._waiting.pop(call, None)
        for question in self._questions:
            if question.holder is call and not question.begun:
                question.holder = None
        self._assign()

    async def ask(self, handler: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Have a waiting thread call a handler; return the handler's value.

        Raises the handler's exception.
        """
        question = _Question(handler, arguments, calling.get())
        self._questions.append(question)
        self._assign()
        try:
            question.grip.queue()
            await question.over.wait()
        finally:
            question.grip.end()
            self._questions.remove(question)
            self._assign()
        if question.error is not None:
            raise question.error
        return question.value

    def done(self, question: _Question) -> None:
        """Note that a handler has returned or raised.

        An exception ends the call during which the question came. So other questions of that call get the same
        exception, and no person is asked in vain.
        """
        question.over.set()
        if question.error is None or question.caller is None:
            return
        for other in self._questions:
            if other.caller is question.caller and not other.begun:
                other.error = question.error
                other.over.set()

    def _assign(self) -> None:
        for question in self._questions:
            if question.holder is None and (call := self._thread_for(question)) is not None:
                question.holder = call
                call.give(_Answering(self, question, call))

    def _thread_for(self, question: _Question) -> Call[Any] | None:
        caller = question.caller
        busy = {question.holder for question in self._questions}
        # The program is most likely at its latest call. A future's call, which no thread waits for, comes last.
        free = [call for call in reversed(self._waiting) if call not in busy and not call.abandoned]
        if caller in self._waiting:
            # For a future, a thread that waits for the same task answers, if there is one.
            threads = [call for call in free if not isinstance(call, FutureCall) and call.reference == caller.reference]
            return threads[0] if isinstance(caller, FutureCall) and threads else caller
        return min(free, key=lambda call: isinstance(call, FutureCall), default=None)


class _Answering:
    """The job that calls a question's handler, for a waiting thread."""

    def __init__(self, desk: Desk, question: _Question, call: Call[Any]) -> None:
        self._desk = desk
        self._question = question
        self._call = call
        portal = current_portal()
        assert portal is not None
        self._portal = portal

    def __call__(self) -> None:
        question = self._question
        try:
            # The event loop's thread decides, so that no handler begins twice, or after its question was withdrawn.
            try:
                if not Call(self._portal, self._claim).wait():
                    return
            except TaskConnectionError:
                return  # The event loop has ended, and with it the call of this thread.
            try:
                question.value = question.handler(*question.arguments)
            except Exception as exc:
                if _needs_a_person(exc):
                    raise
                question.error = exc
            # Inside the `try`: if an interrupt comes right before this line, `_give_back` opens the question again.
            self._post(lambda: self._desk.done(question))
        except BaseException as exc:
            self._post(self._give_back)
            if not _needs_a_person(exc):
                raise
            trim(exc)
            raise self._unanswered(exc) from exc

    def _unanswered(self, exc: BaseException) -> TaskInputRequiredError:
        found = f"the handler found no standard input to ask on ({_words(exc)})"
        else_ = "give the client a handler that needs no standard input"
        context: object = self._question.arguments[0] if self._question.arguments else None
        task: AsyncTask[Any] | None = cast("Any", context).task if isinstance(context, InputContext) else None
        if task is None:
            return TaskInputRequiredError(f"the call asks for input, and {found}. Call where input() works, or {else_}")
        return TaskInputRequiredError(
            f"the task waits for input, and {found}. The question stays open: call result() again where input() works,"
            f" answer() it, or {else_}",
            input_requests=task.input_requests,
            reference=task.reference,
        )

    def _post(self, function: Callable[[], object]) -> None:
        # If the event loop has ended, the call of this thread has ended too.
        with suppress(RuntimeError):
            self._portal.post(function)

    async def _claim(self) -> bool:
        question = self._question
        if question.holder is not self._call or self._call.abandoned or question.over.is_set():
            return False
        if not question.grip.begin():
            return False
        question.begun, question.error = True, None
        return True

    def _give_back(self) -> None:
        self._call.abandoned = True
        self._question.begun = False
        self._question.grip.queue()
        self._desk.leave(self._call)


def _needs_a_person(exc: BaseException) -> bool:
    """Whether `input()` failed since nobody can type: at the end of stdin, or in a notebook's kernel without stdin."""
    if isinstance(exc, EOFError):
        # An `EOFError` from elsewhere, such as a file that a handler unpickles, has other arguments.
        return exc.args in _ENDS_OF_INPUT
    return type(exc).__name__ == "StdinNotImplementedError"


def _words(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
