"""Where a server's questions meet the threads that wait: plain input handlers run there, so that `input()` and a
debugger work.

A question that comes while nobody waits stays open until somebody does. All bookkeeping is done on the event loop's
thread; only a question's handler runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import anyio

from mcptasks._async.handlers import Grip, InputContext, present_grip
from mcptasks._async.task import Task as AsyncTask
from mcptasks._exceptions import TaskConnectionError, TaskInputRequiredError
from mcptasks._portal.call import Call, FutureCall, calling
from mcptasks._portal.thread import current_portal
from mcptasks._portal.tracebacks import trim

_ENDS_OF_INPUT = ((), ("EOF when reading a line",))
"""What `input()` says of the end of the file, at a terminal and elsewhere."""


class _Question:
    """One call of a handler that is to be made."""

    def __init__(self, handler: Callable[..., Any], arguments: tuple[Any, ...], caller: Call[Any] | None) -> None:
        self.handler = handler
        self.arguments = arguments
        self.caller = caller
        """The call that it came up in, where that can be told."""
        self.holder: Call[Any] | None = None
        """The call whose thread was given it."""
        self.begun = False
        self.grip = present_grip.get() or Grip()
        """Tells whoever waits for the answer that it cannot be stopped once it has begun."""
        self.over = anyio.Event()
        self.value: Any = None
        self.error: BaseException | None = None


class Desk:
    """One client's questions, and its calls whose threads may answer them."""

    def __init__(self) -> None:
        self._waiting: dict[Call[Any], None] = {}
        self._questions: list[_Question] = []

    def enter(self, call: Call[Any]) -> None:
        """A thread waits."""
        self._waiting[call] = None
        self._assign()

    def leave(self, call: Call[Any]) -> None:
        """A thread does not wait any more. What it was given and did not begin is for the next."""
        self._waiting.pop(call, None)
        for question in self._questions:
            if question.holder is call and not question.begun:
                question.holder = None
        self._assign()

    async def ask(self, handler: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Have a handler called by a thread that waits; its value."""
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
        """A handler has returned or raised. What it raised ends the call that it came up in: nobody is asked for that
        call any more, whose answer would be lost."""
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
        # The latest call is the one that the program is at; a future's comes last.
        free = [call for call in reversed(self._waiting) if call not in busy and not call.abandoned]
        if caller in self._waiting:
            # Of a future's task a thread that waits for the same task answers, if there is one.
            threads = [call for call in free if not isinstance(call, FutureCall) and call.reference == caller.reference]
            return threads[0] if isinstance(caller, FutureCall) and threads else caller
        return min(free, key=lambda call: isinstance(call, FutureCall), default=None)


class _Answering:
    """The job of a thread: to call a handler."""

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
            # The event loop's thread decides, so that no question is begun twice or after it was withdrawn.
            try:
                if not Call(self._portal, self._claim).wait():
                    return
            except TaskConnectionError:
                return  # The event loop has ended, and with it the call that this thread waits for.
            try:
                question.value = question.handler(*question.arguments)
            except Exception as exc:
                if _needs_a_person(exc):
                    raise
                question.error = exc
            # In here, since an interrupt right before it opens the question again.
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
        # Where the event loop has ended, the call that this thread waits for is over as well.
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
    """Whether `input()` found nobody: the end of the file, or a notebook's kernel without a standard input."""
    if isinstance(exc, EOFError):
        # Other ends than that of the standard input (a file that a handler unpickles) come with other words.
        return exc.args in _ENDS_OF_INPUT
    return type(exc).__name__ == "StdinNotImplementedError"


def _words(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
