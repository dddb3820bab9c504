"""The program's handlers at work on one task's questions, while somebody waits for its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import anyio
from attrs import define, field

from mcptasks._async.answers import RefusalError, meta_of
from mcptasks._async.errors import copy_error
from mcptasks._async.handlers import InputContext
from mcptasks._async.questions import Questions
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskFailedError

_AT_ONCE = 32
"""So many handlers one waiter has at work at most."""

MakeContext = Callable[[str, Mapping[str, Any]], InputContext[Any]]
"""Makes what a handler is told, from a question's key and `_meta`."""


def claimable(questions: Questions, watch: Watch) -> dict[str, Any]:
    """The open questions that nobody is answering and a handler can answer."""
    reserved = watch.state.questions.reserved
    return {
        key: request
        for key, request in watch.state.open.items()
        if key not in reserved and questions.answerer.fits(request)
    }


def unanswerable(questions: Questions, watch: Watch) -> bool:
    """Whether the task waits for something that no handler here can answer."""
    status = watch.status
    if status is not None and status.status == "input_required" and not status.input_requests:
        return watch.silent and questions.answerer.empty
    return not all(map(questions.answerer.fits, watch.state.open.values()))


@define(eq=False)
class Answering:
    """One waiter's handlers, all at once, until there is nothing left that they could answer."""

    questions: Questions
    watch: Watch
    context: MakeContext
    _scopes: dict[str, anyio.CancelScope] = field(factory=dict[str, anyio.CancelScope], init=False)
    _failure: BaseException | None = field(default=None, init=False)

    async def run(self) -> None:
        """Have the open questions answered.

        Raises:
            TaskError: The answer could not be sent, or the server refuses it.
            BaseException: Whatever a handler raises. The others are cancelled; all that is not answered stays open.
        """
        troubles, failures = self.watch.troubles, self.watch.failures
        async with anyio.create_task_group() as group:
            # What another waiter's handler failed at is not for this one to ask again.
            while self.watch.failures == failures and self.watch.troubles == troubles:
                open_now = claimable(self.questions, self.watch).items()
                for key, request in islice(open_now, _AT_ONCE - len(self._scopes)):
                    self.questions.reserve(self.watch, key)
                    self._scopes[key] = anyio.CancelScope()
                    group.start_soon(self._answer, key, request, self._scopes[key])
                for key, scope in self._scopes.items():
                    if key not in self.watch.state.open:
                        scope.cancel()  # It was answered elsewhere, taken back, or the task is over.
                if not self._scopes:
                    break
                await self.watch.change()
            group.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        if self.watch.trouble is not None and self.watch.troubles > troubles:
            raise copy_error(self.watch.trouble, self.watch.reference) from self.watch.trouble.__cause__

    async def _answer(self, key: str, request: Any, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await self._try(key, request)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as exc:  # noqa: BLE001 - `run` raises it
                if key in self.watch.state.open:
                    self._failure = exc
                    self.watch.failure, self.watch.failures = exc, self.watch.failures + 1
            finally:
                del self._scopes[key]
                self.questions.release(self.watch, key)
        self.watch.wake()

    async def _try(self, key: str, request: Any) -> None:
        drafts = self.watch.drafts
        if key not in drafts:
            try:
                drafts[key] = await self.questions.answerer.answer(request, self.context(key, meta_of(request)))
            except RefusalError as exc:
                if not self.questions.refuse(key, exc.error):
                    words = f"a handler answers with an ErrorData ({exc}), which a task's question cannot be answered"
                    raise TypeError(f"{words} with; decline it, or raise an exception to leave it open") from None
                return
        try:
            # Where this cannot be sent the answer is kept, so that nobody is asked again.
            await self.questions.send(self.watch, key, drafts[key])
        except TaskFailedError:
            del drafts[key]
            await self.questions.look(self.watch)  # It may be over, and the question with it.
            raise
        drafts.pop(key, None)
