"""Where servers' questions come in and answers go out.

2026-07-28: questions stand in a task's status, and answers go out by `tasks/update`. 2025-11-25: questions are requests
of the server's own; here they are given to the task that they belong to, as far as that can be told, and held until
somebody answers. What belongs to no task is answered at once by the program's handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from attrs import define, field
from mcp.client import ClientRequestContext
from pydantic import BaseModel, TypeAdapter

from mcptasks._async import handlers
from mcptasks._async.answer_updates import AnswerUpdates
from mcptasks._async.answers import ELICITATION, ROOTS, SAMPLING, Answerer, RefusalError
from mcptasks._async.connection import Link
from mcptasks._async.handlers import InputContext
from mcptasks._async.monitor import Monitor
from mcptasks._async.requests import Requests
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskConnectionError, TaskError, TaskStateError
from mcptasks._input import InputAnswered, InputAsked, InputReleased, InputReserved, InputWithdrawn
from mcptasks._json import as_object
from mcptasks._wire.hosted import RELATED_TASK_KEY

logger = logging.getLogger("mcptasks")

RELATED_TASK_KEYS = (RELATED_TASK_KEY, "modelcontextprotocol.io/related-task")
"""How `_meta` names a request's task (2025-11-25 tasks, "Associating Related Messages"), and how fastmcp 2.14 does."""

_ARRIVAL_SECONDS = 5.0
"""How long a question waits for the creating answer of the task that it names."""

_FAREWELL_SECONDS = 1.0
"""How soon a connection ends after its server took a question back because of that."""

_AGAIN_SECONDS = 30.0
"""How long an answer waits for a server that is to ask again after the connection was lost."""

_LOOKS = 16
"""At most so many tasks are looked at to find the one that asks."""

_NAMES = {ELICITATION: "elicitation handler", SAMPLING: "sampling handler", ROOTS: "roots function"}
_RESULTS: Mapping[str, TypeAdapter[Any]] = {
    ELICITATION: TypeAdapter(types.ElicitResult),
    SAMPLING: TypeAdapter(types.CreateMessageResult | types.CreateMessageResultWithTools),
    ROOTS: TypeAdapter(types.ListRootsResult),
}


@define(eq=False)
class _Held:
    """A question that the server asked by a request of its own, and that is not answered yet."""

    watches: Sequence[Watch]
    """The tasks that may have asked it."""
    content: Mapping[str, Any] = field(repr=False)
    """What it asks, without `_meta`."""
    settled: anyio.Event = field(factory=anyio.Event)
    """Set when it is answered; of one whose connection was lost, when it is asked again or is over."""
    answer: dict[str, Any] | types.ErrorData | None = field(default=None, repr=False)


class Questions:
    """The questions of one client's tasks and calls.

    Args:
        answerer: The program's handlers.
        requests: Sends answers.
        monitor: Has the tasks.
        link: The present connection, or the latest one; None before the first.
        group: What handlers are at work in.
    """

    def __init__(
        self,
        answerer: Answerer,
        requests: Requests,
        monitor: Monitor,
        link: Callable[[], Link | None],
        group: TaskGroup,
    ) -> None:
        self.answerer = answerer
        self.group = group
        self._calls = 0
        """How many plain calls are under way, which may ask by themselves."""
        self._creating = 0
        """How many calls are under way that make tasks; a task may ask before the answer that tells of it."""
        self._created = anyio.Event()
        self._requests = requests
        self._monitor = monitor
        self._link = link
        self._updates = AnswerUpdates(requests, monitor, group)
        self._held: dict[str, _Held] = {}
        self._lost: dict[str, _Held] = {}
        """Those whose connection was lost. The server asks again on the next one (it has the task wait for input), and
        whoever is answering meanwhile is not asked again."""
        self._numbers = 0

    # --- questions in ---------------------------------------------------------------------------------------------

    def callbacks(self, *, all_kinds: bool) -> dict[str, Any]:
        """The SDK client's callbacks.

        Args:
            all_kinds: Also those that the program has no handler for. Some servers ask though nobody said that there
                is one, and a task's question stays open for whoever answers by hand.
        """

        async def elicit(context: ClientRequestContext, params: types.ElicitRequestParams) -> Any:
            return await self._asked(ELICITATION, context, params)

        async def sample(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> Any:
            return await self._asked(SAMPLING, context, params)

        async def list_roots(context: ClientRequestContext) -> Any:
            return await self._plainly(ROOTS, {"method": ROOTS}, InputContext(meta=dict(context.meta or {})))

        found = {"elicitation_callback": (ELICITATION, elicit), "sampling_callback": (SAMPLING, sample)}
        callbacks: dict[str, Any] = {
            name: callback for name, (kind, callback) in found.items() if all_kinds or self.answerer.handles(kind)
        }
        if self.answerer.handles(ROOTS):
            callbacks["list_roots_callback"] = list_roots
        return callbacks

    async def _asked(self, method: str, context: ClientRequestContext, params: BaseModel) -> Any:
        meta: dict[str, Any] = dict(context.meta or {})
        request: dict[str, Any] = {
            "method": method,
            "params": params.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        link = self._link()
        if link is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message=f"{method}: nothing was called yet")
        if link.era == "2026-07-28":
            # A call in several rounds, which the SDK drives: the question's key stands in place of a request's id.
            return await self._plainly(method, request, InputContext(key=str(context.request_id), meta=meta))
        watches = await self._route(meta, request["params"].get("message"), link)
        if watches is None:
            return types.ErrorData(code=types.INVALID_PARAMS, message="no such task is under way here")
        if not watches:
            return await self._plainly(method, request, InputContext(meta=meta))
        held = _Held(watches, {name: value for name, value in request["params"].items() if name != "_meta"})
        key = self._hold(held, request)
        try:
            await _settled_or_over(held)
        finally:
            del self._held[key]
            if held.answer is None and not _over(held.watches):
                lost = self._lost[key] = _Held(watches, held.content)
                # A server that goes takes its questions back first.
                with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                    await link.broken.wait()
                if not link.broken.is_set() and self._lost.get(key) is lost:
                    self._drop(key)
        if held.answer is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message="the task is over")
        if isinstance(held.answer, types.ErrorData):
            return held.answer
        return _RESULTS[method].validate_python(held.answer, by_name=False)

    def _hold(self, held: _Held, request: Any) -> str:
        """Take a question in; its key. One that was asked on a lost connection already keeps its key."""
        for key, lost in self._lost.items():
            if lost.content == held.content and set(lost.watches) & set(held.watches):
                del self._lost[key]
                self._held[key] = held
                lost.settled.set()
                return key
        self._numbers += 1
        key = f"request-{self._numbers}"
        self._held[key] = held
        for watch in held.watches:
            self._monitor.feed(watch, InputAsked(key, request))
        return key

    def _drop(self, key: str) -> None:
        lost = self._lost.pop(key)
        for watch in lost.watches:
            watch.drafts.pop(key, None)
            self._monitor.feed(watch, InputWithdrawn(key))
        lost.settled.set()

    def looked(self, watch: Watch) -> None:
        """A task was looked at: if it waits for input no more, what it asked on a lost connection is over."""
        if watch.state.terminal:
            watch.drafts.clear()
        self._updates.looked(watch)
        if not self._lost or watch.state.waits:
            return
        for key, lost in list(self._lost.items()):
            if watch in lost.watches and key in self._lost:
                self._drop(key)

    async def _route(self, meta: Mapping[str, Any], message: object, link: Link) -> list[Watch] | None:
        """The task that asks, or those of which one does; none where a plain call asks. None for a named task that is
        over, or that nobody here has a handle on: no call of the program's is to answer in its place."""
        for name in RELATED_TASK_KEYS:
            related = as_object(meta.get(name))
            task_id = None if related is None else related.get("taskId")
            if isinstance(task_id, str):
                watch = await self._monitor.expected(task_id, _ARRIVAL_SECONDS)
                return None if watch is None or watch.state.terminal else [watch]
        with anyio.move_on_after(_ARRIVAL_SECONDS):
            while self._creating:
                await self._created.wait()
        live = self._monitor.live()
        # fastmcp 3 pushes the question as the status message right before it asks; looked at, the task is "working".
        told = [watch for watch in live if message in watch.announced]
        if len(told) == 1:
            told[0].announced = tuple(other for other in told[0].announced if other != message)
        if told:
            return told
        await self._look_at([watch for watch in live if not watch.state.waits][-_LOOKS:])
        waiting = [watch for watch in live if watch.state.waits]
        told = [
            watch for watch in waiting if watch.state.word is not None and watch.state.word.status_message == message
        ]
        if len(told) == 1 and message is not None:
            return told
        # One whose question is here already has no need of this one to explain why it waits.
        unsaid = [watch for watch in waiting if not watch.state.questions.held and not watch.silent]
        # The program's own requests through `client.mcp` only the interceptor sees.
        if unsaid or self._calls or (link.interceptor is not None and link.interceptor.calls):
            return unsaid
        return [watch for watch in live if not watch.state.terminal]

    async def _look_at(self, watches: Sequence[Watch]) -> None:
        with anyio.move_on_after(_ARRIVAL_SECONDS):
            async with anyio.create_task_group() as group:
                for watch in watches:
                    group.start_soon(self.look, watch)

    @contextmanager
    def call(self, *, creates: bool) -> Generator[None]:
        """A call is under way, plain or one that makes a task."""
        self._calls += not creates
        self._creating += creates
        try:
            yield
        finally:
            self._calls -= not creates
            self._creating -= creates
            if creates:
                self._created.set()
                self._created = anyio.Event()

    async def look(self, watch: Watch) -> None:
        """Take in how a task stands, if that can be learned."""
        try:
            self._monitor.feed(watch, await self._requests.status(watch.task_id, ahead=True))
        except TaskError as exc:
            logger.debug("could not look whether task %r asks: %s", watch.task_id, exc)

    async def _plainly(self, method: str, request: Any, context: InputContext[Any]) -> Any:
        """Have a handler answer what a plain call asks. What it raises is told to the server as an error: on 2026-07-28
        the SDK would let it out of the program's own call, in an exception group; on 2025-11-25 it would not."""
        name = _NAMES[method]
        if not self.answerer.handles(method):
            return types.ErrorData(code=types.INVALID_REQUEST, message=f"{method} is not supported")
        try:
            with self._requests.unhurried():
                answer = await self.answerer.answer(request, context)
        except RefusalError as exc:
            return exc.error
        except handlers.passing():
            raise
        except BaseException as exc:
            logger.exception("the %s failed", name)
            return types.ErrorData(
                code=types.INTERNAL_ERROR, message=f"the client's {name} failed: {type(exc).__name__}"
            )
        return _RESULTS[method].validate_python(answer, by_name=False)

    # --- answers out ----------------------------------------------------------------------------------------------

    def candidates(self, key: str) -> Sequence[Watch]:
        """The tasks of which one asks, where it cannot be told which."""
        held = self._held.get(key) or self._lost.get(key)
        return held.watches if held is not None and len(held.watches) > 1 else ()

    def reserve(self, watch: Watch, key: str) -> None:
        """Set about answering a question."""
        for each in self._concerned(watch, key):
            self._monitor.feed(each, InputReserved(key))

    def release(self, watch: Watch, key: str) -> None:
        """Leave it unanswered."""
        for each in self._concerned(watch, key):
            self._monitor.feed(each, InputReleased(key))

    def keep(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer until the server has accepted it."""
        for each in self._concerned(watch, key):
            each.drafts[key] = answer

    def drop(self, watch: Watch, key: str) -> None:
        """An answer that was kept is of no use any more."""
        for each in self._concerned(watch, key):
            each.drafts.pop(key, None)

    async def send(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        """Give the server the answer.

        Raises:
            TaskStateError: The server took the question back.
            TaskFailedError: The server refuses the answer.
            TaskNotFoundError: The server does not know the task.
            TaskError: See `Connection.read`.
        """
        with anyio.move_on_after(_AGAIN_SECONDS):
            while key in self._lost:
                await self._lost[key].settled.wait()
        if key in self._lost:
            raise TaskConnectionError("the connection was lost, and the server has not asked again for the answer")
        if key in self._held:
            self._settle(key, answer)
        elif self._is_modern():
            await self._updates.send(watch, key, answer)
            self._monitor.feed(watch, InputAnswered(key))
        else:
            raise TaskStateError(f"the server took the question {key!r} back")

    def refuse(self, key: str, error: types.ErrorData) -> bool:
        """Answer a question with an error, where the protocol has that (2025-11-25); whether it has."""
        if key in self._held:
            self._settle(key, error)
            return True
        return False

    def _is_modern(self) -> bool:
        link = self._link()
        return link is not None and link.era == "2026-07-28"

    def _settle(self, key: str, answer: dict[str, Any] | types.ErrorData) -> None:
        held = self._held[key]
        held.answer = answer
        held.settled.set()
        for watch in held.watches:
            watch.drafts.pop(key, None)
            self._monitor.feed(watch, InputAnswered(key))

    def _concerned(self, watch: Watch, key: str) -> Sequence[Watch]:
        held = self._held.get(key) or self._lost.get(key)
        return (watch,) if held is None else held.watches


def _over(watches: Sequence[Watch]) -> bool:
    return all(watch.state.terminal for watch in watches)


async def _settled_or_over(held: _Held) -> None:
    """Wait until a question is answered, or nobody can answer it: all the tasks that may have asked it are over."""
    async with anyio.create_task_group() as group:

        async def over() -> None:
            for watch in held.watches:
                while not watch.state.terminal:
                    await watch.change()
            group.cancel_scope.cancel()

        group.start_soon(over)
        await held.settled.wait()
        group.cancel_scope.cancel()
