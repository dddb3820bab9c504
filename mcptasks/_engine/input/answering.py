"""Has a task's open questions answered for one waiter: starts handlers, and sends their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from mcptasks._core.exceptions import TaskFailedError
from mcptasks._engine.connection.errors import copy_error
from mcptasks._engine.input.answers import meta_of
from mcptasks._engine.input.handler_run import Work
from mcptasks._engine.input.inbox import Questions
from mcptasks._engine.input.task_input import fail
from mcptasks._engine.watching.watch import Watch

_AT_ONCE = 32
"""How many handlers one waiter has at work at once. Further questions wait until one has ended, so that a server which
asks a lot does not start a handler for each question."""

MakeContext = Callable[[str, Mapping[str, Any]], Any]
"""Makes the `InputContext` for a handler, from a question's key and `_meta`."""


def claimable(questions: Questions, watch: Watch) -> dict[str, Any]:
    """Return the open questions that nobody is answering and that a handler here can answer. Empty if another client
    holds the task's lease."""
    if not watch.record.holds:
        return {}
    reserved, held = watch.state.questions.reserved, watch.state.questions.held
    return {
        key: request
        for key, request in watch.state.open.items()
        if key not in reserved and (key in held or looked_at(watch)) and questions.answerer.fits(request)
    }


def looked_at(watch: Watch) -> bool:
    """Whether the server itself has sent a status of the task. A question that only the store knows may have been
    answered meanwhile."""
    return watch.polling.looked is not None


def unanswerable(questions: Questions, watch: Watch) -> bool:
    """Whether the task waits for something that no handler of this client can answer, while this client holds the
    task's lease."""
    if not watch.record.holds or (watch.state.open and not looked_at(watch)):
        return False
    status = watch.status
    if status is not None and status.status == "input_required" and not status.input_requests:
        return watch.input.silent and questions.answerer.empty
    return not all(map(questions.answerer.fits, watch.state.open.values()))


@define(eq=False)
class Answering:
    """Has open questions answered for one waiter, until nothing is left that a handler could do."""

    questions: Questions
    watch: Watch
    context: MakeContext
    _works: list[Work] = field(factory=list[Work], init=False)
    """The handlers that this waiter has started."""
    _sending: set[str] = field(factory=set[str], init=False)
    """The keys of questions whose answers are on their way to the server."""

    async def run(self) -> None:
        """Have the open questions answered.

        Raises:
            TaskError: An answer could not be sent, or the server refuses it.
            BaseException: Whatever a handler raises. The other handlers are stopped, and unanswered questions stay
                open.
        """
        watch = self.watch
        troubles, failures = watch.polling.troubles, watch.input.failures
        try:
            async with anyio.create_task_group() as group:
                # End at any failure, also of another waiter's handler: a person who failed to answer is not asked
                # again.
                while watch.input.failures == failures and watch.polling.troubles == troubles:
                    self._begin(group)
                    if not self._sending & watch.state.open.keys():
                        if unanswerable(self.questions, watch):
                            # The program must learn this now. The handlers go on, so that nobody is asked again later.
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
        if (failure := watch.input.failure_since(failures)) is not None:
            raise failure
        if (trouble := watch.polling.trouble_since(troubles)) is not None:
            raise copy_error(trouble, watch.reference) from trouble.__cause__

    def _begin(self, group: TaskGroup) -> None:
        self._works = [work for work in self._works if work.wanted]
        room = _AT_ONCE - len(self._works) - len(self._sending)
        for key, request in islice(claimable(self.questions, self.watch).items(), room):
            if key in self.watch.input.drafts:
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
            # If sending fails, the draft stays, so that nobody is asked again.
            await self.questions.deciding.send_in_time(watch, key, watch.input.drafts[key])
            self.questions.drop(watch, key)
        except Exception as exc:  # noqa: BLE001 - `run` raises it
            if isinstance(exc, TaskFailedError):
                self.questions.drop(watch, key)
            if key in watch.state.open:
                fail(watch, exc)
        finally:
            self._sending.discard(key)
            self.questions.release(watch, key)
        watch.wake()
