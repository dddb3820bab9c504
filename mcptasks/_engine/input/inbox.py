"""Where the server's questions come in, and answers go out.

2026-07-28: a task's status lists its questions, and answers go out by `tasks/update` (`sent_answers.py`). 2025-11-25: a
question is a request of the server. `locating.py` finds the task that asks, if that can be told, and
`held_questions.py` holds the request until somebody answers. A question of a plain call goes to the program's handler
at once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import mcp_types as types
from anyio.abc import TaskGroup
from mcp.client import ClientRequestContext
from pydantic import BaseModel, TypeAdapter

from mcptasks._core.carried import Carried, common
from mcptasks._core.events import Trouble
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.input_state import AT_ONCE, InputReleased, InputReserved
from mcptasks._core.trace import CallingBack, Trace
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.input import handlers
from mcptasks._engine.input.answers import ELICITATION, ROOTS, SAMPLING, Answerer, RefusalError
from mcptasks._engine.input.deciding import Deciding
from mcptasks._engine.input.held_questions import HeldQuestions
from mcptasks._engine.input.locating import Locator
from mcptasks._engine.input.sent_answers import AnswerUpdates
from mcptasks._engine.input.task_input import drop_draft, drop_drafts, keep_draft
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

_UNDER_WAY = 64
"""How many requests of the server may be under way at once for each call and unfinished task of the client, and in all
if there are none. A further request is answered with an error, so that the server cannot fill the memory."""

_NAMES = {ELICITATION: "elicitation handler", SAMPLING: "sampling handler", ROOTS: "roots function"}
_RESULTS: Mapping[str, TypeAdapter[Any]] = {
    ELICITATION: TypeAdapter(types.ElicitResult),
    SAMPLING: TypeAdapter(types.CreateMessageResult | types.CreateMessageResultWithTools),
    ROOTS: TypeAdapter(types.ListRootsResult),
}


class Questions:
    """Takes in the questions of one client's tasks and calls.

    Args:
        answerer: The program's handlers.
        requests: Sends answers.
        monitor: Has the tasks.
        link: Returns the present or latest connection; None before the first.
        group: The task group in which handlers run.
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
        self._requests, self._monitor = requests, monitor
        self._link = link
        self._under_way = 0
        """How many requests of the server are not answered yet."""
        self._crowded = False  # whether the latest request was refused
        self.trace: Trace = requests.trace
        """Gets the moments of `_core/trace.py`."""
        self._locator = Locator(requests, monitor, group)
        self._held = HeldQuestions(monitor)
        self._updates = AnswerUpdates(requests, monitor, group)
        self.deciding = Deciding(monitor, self._held, self._updates, self._asks_in_statuses)

    # --- questions in ---------------------------------------------------------------------------------------------

    def callbacks(self, *, all_kinds: bool) -> dict[str, Any]:
        """Return the callbacks for the SDK's client.

        Args:
            all_kinds: Whether to include kinds of questions without a handler. Some servers ask although the client
                declares no handler. A task's question then stays open, and the program can answer it by hand.
        """

        async def elicit(context: ClientRequestContext, params: types.ElicitRequestParams) -> Any:
            return await self._admitted(ELICITATION, self._asked, context, params)

        async def sample(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> Any:
            return await self._admitted(SAMPLING, self._asked, context, params)

        async def list_roots(context: ClientRequestContext) -> Any:
            meta = dict(context.meta or {})
            self._answer_with(context, self._locator.asking())
            return await self._admitted(ROOTS, self._plainly, {"method": ROOTS}, self.answerer.context(meta=meta))

        found = {"elicitation_callback": (ELICITATION, elicit), "sampling_callback": (SAMPLING, sample)}
        callbacks: dict[str, Any] = {
            name: callback for name, (kind, callback) in found.items() if all_kinds or self.answerer.declares(kind)
        }
        if self.answerer.handles(ROOTS):
            callbacks["list_roots_callback"] = list_roots
        return callbacks

    async def _admitted(self, method: str, serve: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Serve a request of the server, or refuse it if too many are under way."""
        if self._under_way >= self._most():
            if not self._crowded:
                logger.warning("%d questions are under way; more are answered with an error", self._under_way)
            self._crowded = True
            return types.ErrorData(code=types.INTERNAL_ERROR, message="too many questions are under way")
        self._crowded = False
        self._under_way += 1
        try:
            with self.trace.around(CallingBack()):
                return await serve(method, *arguments)
        finally:
            self._under_way -= 1

    def _most(self) -> int:
        link = self._link()
        if self._under_way < _UNDER_WAY or link is None:
            return _UNDER_WAY
        most = _UNDER_WAY * max(self._locator.calls(link) + len(self._monitor.live()), 1)
        # The SDK asks all questions of one round of a call at once. The server sent them in answer to the program's
        # call, so they need no tighter limit.
        return most if link.dialect.asks_by_requests else max(most, AT_ONCE)

    async def _asked(self, method: str, context: ClientRequestContext, params: BaseModel) -> Any:
        meta: dict[str, Any] = dict(context.meta or {})
        request: dict[str, Any] = {
            "method": method,
            "params": params.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        link = self._link()
        if link is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message=f"{method}: nothing was called yet")
        if not link.dialect.asks_by_requests:
            # A call in several rounds, which the SDK drives. The SDK passes the question's key as the request id.
            given, key = self._locator.asking().context, str(context.request_id)
            return await self._plainly(method, request, self.answerer.context(key=key, meta=meta, context=given))
        watches = await self._locator.locate(meta, request["params"].get("message"), link)
        if watches is None:
            return types.ErrorData(code=types.INVALID_PARAMS, message="no such task is under way here")
        carried = common([watch.carried for watch in watches]) if watches else self._locator.asking()
        self._answer_with(context, carried)
        if not watches:
            return await self._plainly(method, request, self.answerer.context(meta=meta, context=carried.context))
        if any(watch.state.questions.full for watch in watches):
            words = f"{method}: the task asks without end, or too much at once"
            for watch in watches:
                self._monitor.feed(watch, Trouble(TaskProtocolError(f"{words}; the task stays at the server")))
            return types.ErrorData(code=types.INTERNAL_ERROR, message=words)
        answer = await self._held.hold(watches, request, link)
        if answer is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message="the task is over")
        if isinstance(answer, types.ErrorData):
            return answer
        return _RESULTS[method].validate_python(answer, by_name=False)

    def _answer_with(self, context: ClientRequestContext, carried: Carried) -> None:
        """Send the answer to a request of the server with the headers of the call that it belongs to."""
        link = self._link()
        if link is not None and link.interceptor is not None:
            link.interceptor.answer_with(context.request_id, carried.headers)

    def looked(self, watch: Watch) -> None:
        """Take in that a task was polled, or has changed. Close the questions that are over, and send lost answers
        again."""
        if watch.state.terminal:
            drop_drafts(watch)
        self._updates.looked(watch)
        self._held.polled(watch)
        self.deciding.looked(watch)

    def call(self, carried: Carried, *, creates: bool) -> AbstractContextManager[None]:
        """A block in which a call is under way, with or without a task. Either kind may ask."""
        return self._locator.call(carried, creates=creates)

    async def _plainly(self, method: str, request: Any, context: Any) -> Any:
        """Have a handler answer a question of a plain call. If the handler raises, the server gets an error. Otherwise,
        on 2026-07-28, the SDK would raise that exception out of the program's call, in an exception group."""
        name = _NAMES[method]
        if not self.answerer.handles(method):
            why = "answered by hand, for tasks only" if self.answerer.by_hand(method) else "not supported"
            return types.ErrorData(code=types.INVALID_REQUEST, message=f"{method} is {why}")
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
        """Return the tasks of which one has asked a question, if we cannot tell which; otherwise nothing."""
        return self._held.candidates(key)

    def reserve(self, watch: Watch, key: str) -> None:
        """Reserve a question, so that no second handler is called for it."""
        for each in self._held.concerned(watch, key):
            self._monitor.feed(each, InputReserved(key))

    def release(self, watch: Watch, key: str) -> None:
        """End the reservation. Without an answer the question is open again."""
        for each in self._held.concerned(watch, key):
            self._monitor.feed(each, InputReleased(key))

    def keep(self, watch: Watch, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer until the server has accepted it."""
        for each in self._held.concerned(watch, key):
            keep_draft(each, key, answer)

    def drop(self, watch: Watch, key: str) -> None:
        """Drop a kept answer."""
        for each in self._held.concerned(watch, key):
            drop_draft(each, key)

    def _asks_in_statuses(self) -> bool:
        link = self._link()
        return link is not None and not link.dialect.asks_by_requests
