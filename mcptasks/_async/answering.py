"""What somebody who waits for a task's result does about its questions: has handlers answer, and sends the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from mcptasks._async.answers import meta_of
from mcptasks._async.errors import copy_error
from mcptasks._async.handlers import InputContext
from mcptasks._async.questions import Questions
from mcptasks._async.watch import Watch
from mcptasks._async.work import Work
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
    """What one waiter does about the open questions, until there is nothing left that could be done."""

    questions: Questions
    watch: Watch
    context: MakeContext
    _works: list[Work] = field(factory=list[Work], init=False)
    """The handlers that this waiter has set to work."""
    _sending: set[str] = field(factory=set[str], init=False)
    """The questions whose answers are under way to the server."""

    async def run(self) -> None:
        """Have the open questions answered.

        Raises:
            TaskError: The answer could not be sent, or the server refuses it.
            BaseException: Whatever a handler raises. The others are stopped; all that is not answered stays open.
        """
        watch = self.watch
        troubles, failures = watch.troubles, watch.failures
        try:
            async with anyio.create_task_group() as group:
                # What another waiter's handler failed at is not for this one to ask again.
                while watch.failures == failures and watch.troubles == troubles:
                    self._begin(group)
                    if not self._sending & watch.state.open.keys():
                        if unanswerable(self.questions, watch):
                            # Somebody has to be told of that now, and nobody is to be asked again for the rest.
                            for work in self._works:
                                work.detach()
                            break
                        if not self._works:
                            break
                    await watch.change()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                for work in self._works:
                    await work.leave()
        if watch.failures > failures and watch.failure is not None:
            raise watch.failure
        if watch.trouble is not None and watch.troubles > troubles:
            raise copy_error(watch.trouble, watch.reference) from watch.trouble.__cause__

    def _begin(self, group: TaskGroup) -> None:
        self._works = [work for work in self._works if work.wanted]
        room = _AT_ONCE - len(self._works) - len(self._sending)
        for key, request in islice(claimable(self.questions, self.watch).items(), room):
            if key in self.watch.drafts:
                self.questions.reserve(self.watch, key)
                self._sending.add(key)
                group.start_soon(self._send, key)
            else:
                work = Work(self.questions, self.watch, key, request, self.context(key, meta_of(request)))
                work.start()
                self._works.append(work)

    async def _send(self, key: str) -> None:
        watch = self.watch
        try:
            # Where this cannot be sent the answer is kept, so that nobody is asked again.
            await self.questions.send(watch, key, watch.drafts[key])
            self.questions.drop(watch, key)
        except Exception as exc:  # noqa: BLE001 - `run` raises it
            if isinstance(exc, TaskFailedError):
                self.questions.drop(watch, key)
            if key in watch.state.open:
                watch.failed(exc)
        finally:
            self._sending.discard(key)
            self.questions.release(watch, key)
        watch.wake()
