"""Sends one client's requests over its link. `supervisor.py` makes the link again when it is lost.

Reads go through `read`, which tries again after transient faults. Everything else goes through `once`, which sends
nothing to the server twice. `_core/retries.py` decides whether to try again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import mcp
from attrs import evolve
from pydantic import ValidationError

from mcptasks._core.causes import harmless
from mcptasks._core.exceptions import TaskConnectionError, TaskError, TaskProtocolError, TaskTimeoutError
from mcptasks._core.faults import Fault, broke_off, judge
from mcptasks._core.problems import first_problem
from mcptasks._core.retries import SESSIONS, Attempts, GiveUp, RetryPolicy, retry_delay
from mcptasks._core.safe_text import line
from mcptasks._core.trace import NO_TRACE, Trace
from mcptasks._engine.connection.errors import (
    SAID,
    describe,
    explain,
    from_sdk,
    outage,
    tried_so_often,
    unreachable,
    unsent,
)
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.opening import Opening
from mcptasks._engine.connection.supervisor import MakeClient, Notify, Supervisor
from mcptasks._engine.connection.time_limits import Budget, WireLimit
from mcptasks._engine.connection.turns import SOON, SOON_HERE, Turn, Turns
from mcptasks._engine.home import Home
from mcptasks._transport.intercept import Declare, TaskHost
from mcptasks._transport.targets import Target
from mcptasks._wire.versions import Terms

T = TypeVar("T")

CLOSE_SECONDS = 5.0
"""Seconds that each step of a client's end may take: its callbacks, its background calls, its connection. A step that
is not over by then is cut off, so that a program can end although a server or a callback hangs."""


class Connection:
    """Sends one client's requests: in turn, within the time limits, and again after a fault if that does no harm."""

    def __init__(
        self,
        target: Target,
        make_client: MakeClient,
        *,
        mode: Terms,
        believed: Terms | None = None,
        notify: Notify,
        wire_timeout: float | None,
        patience: float | None,
        wait: float | None = None,
        on_link: Callable[[Link], None],
        on_lost: Callable[[], None],
        declare: Declare | None = None,
        host: Callable[[], TaskHost | None] | None = None,
        home: Home | None = None,
        trace: Trace = NO_TRACE,
    ) -> None:
        self.trace = trace
        """Gets the moments of `_core/trace.py` from this part and from all parts that have the connection."""
        self.wire_timeout, self.limit = wire_timeout, WireLimit(wire_timeout)
        self.turns = Turns(SOON if target.lasting else SOON_HERE)
        """The line in which every request waits. `turns.run` must run for as long as `run`."""
        self._patience = math.inf if patience is None else patience
        self._supervisor = Supervisor(
            target,
            make_client,
            Opening(wire_timeout, self._patience, wait),
            mode=mode,
            believed=believed,
            notify=notify,
            patience=self._patience,
            on_link=on_link,
            on_lost=on_lost,
            declare=declare,
            host=host,
            trace=trace,
        )
        self._home = home or Home()
        self._paused_until = -math.inf
        """The time until which no request is sent, because the server asked for a pause (`Retry-After`)."""
        self._reach = self._supervisor.reach

    # --- the link -------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The server's name, for messages."""
        return self._supervisor.target.endpoint

    @property
    def latest(self) -> Link | None:
        """The present link, or the last one if there is none now; None before the first."""
        return self._supervisor.latest

    @property
    def current(self) -> Link | None:
        """The present link; None while there is none."""
        return self._supervisor.current

    async def link(self) -> Link:
        """Return the present link, or a new one if it was lost. Raises what `Supervisor.link` does."""
        return await self._supervisor.link()

    async def run(self, connected: Callable[[], None]) -> None:
        """Make links until `close`; see `Supervisor.run`."""
        await self._supervisor.run(connected)

    def close(self, reason: TaskError) -> None:
        """End the supervisor, and raise `reason` in everyone who waits for a link, now or later."""
        self._supervisor.close(reason)

    # --- what is sent ---------------------------------------------------------------------------------------------

    async def _ready(self, turn: Turn | None = None, *, ahead: bool = False) -> tuple[Link, Turn]:
        """Return the present link, and a turn to send something over it. Raises what `link` does, and `TaskStateError`
        on an event loop that is not the client's.

        Args:
            turn: A turn that has already come; None to wait for a new one.
            ahead: Whether a new turn comes before those of usual requests.
        """
        if self._supervisor.closed is None:
            self._home.check()
        while True:
            if turn is None:
                await self.link()
                turn = await self.turns.take(ahead=ahead)
            if self.current is not None:
                return self.current, turn
            # Give the turn back before waiting for a link. Otherwise every turn would be held until there is one.
            self.turns.over(turn)
            turn = None

    async def read(
        self,
        send: Callable[[Link], Awaitable[T]],
        budget: Budget | None = None,
        *,
        about_task: bool = True,
        ahead: bool = False,
        turn: Turn | None = None,
    ) -> T:
        """Send a read, again and again, until the server answers.

        Args:
            send: Sends the request over a link; may run several times.
            budget: The limits of one attempt.
            about_task: Whether the read is about one task, so that "invalid params" means that the server does not know
                it.
            ahead: Whether the read's turns come before those of usual requests.
            turn: The turn of the first attempt, if it has already come. The turn is given back when that attempt ends.

        Raises:
            TaskConnectionError: The client's patience is used up (`is_outage`), the client is closed, or the server
                keeps answering with an error of its own.
            TaskProtocolError: The answer is invalid, also after the read was repeated.
            TaskNotFoundError: The server does not know the task.
            TaskFailedError: The server answered with an error, and the read is not about one task.
        """
        budget = budget or Budget(self.wire_timeout)
        budget.patience = self._patience
        begun = anyio.current_time()
        attempts = Attempts(
            RetryPolicy(patience=self._patience, attempts=1 if budget.single else math.inf, sessions=SESSIONS)
        )
        while True:
            link, taken, attempts = await self._allowed(attempts, turn, ahead=ahead)
            turn = None
            cause: Exception = TimeoutError("the server does not answer")
            try:
                with budget.attempt():
                    return await self._answered(send(link))
            except (mcp.MCPError, ValidationError, TaskProtocolError) as exc:
                cause = exc
            except RuntimeError as exc:
                cause = from_sdk(exc, ended=link.broken.is_set())
            finally:
                self.turns.over(taken)
            fault, now = self._noted(cause, budget.asked), anyio.current_time()
            silent = isinstance(cause, TimeoutError)
            attempts, step = attempts.after(fault, now=now, spread=random.random(), silent=silent)
            if isinstance(step, GiveUp) and not step.exhausted:
                raise _told(fault, cause, self.endpoint, about_task=about_task) from harmless(cause)
            if step.session_over:
                self._supervisor.broke(link)
            if silent and budget.silent():
                raise outage(unreachable(self.endpoint, cause), budget.wanted and self._reach.heard < begun)
            self._paused_until = max(self._paused_until, now + step.asked_pause)
            await anyio.sleep(step.delay)
            if isinstance(step, GiveUp):
                raise _given_up(attempts, cause, self.endpoint, about_task=about_task) from harmless(cause)

    async def _answered(self, sending: Awaitable[T]) -> T:
        """Wait for an answer, and note that the server can be reached."""
        answer = await sending
        self._reach.answered(anyio.current_time())
        return answer

    def _noted(self, cause: Exception, asked: float | None) -> Fault:
        """Return what a failed attempt means. A fault of the connection is kept for the errors of waiters whose
        deadline passes."""
        fault = explain(cause)
        self.turns.noted(fault)
        if fault.meaning == "connection" and asked is not None:
            self._reach.failed(asked, cause)
        return fault

    async def _allowed(
        self, attempts: Attempts, turn: Turn | None = None, *, ahead: bool = False
    ) -> tuple[Link, Turn, Attempts]:
        """Wait until the server wants requests again. Return the link, a turn, and the attempts with the next one
        begun; see `_ready` for the rest."""
        while True:
            link, taken = await self._ready(turn, ahead=ahead)
            turn, now = None, anyio.current_time()
            attempts = attempts.begin(now)
            pause = attempts.pause(self._paused_until, now)
            if pause is None:
                return link, taken, attempts
            self.turns.over(taken)
            await anyio.sleep(pause.delay)
            if isinstance(pause, GiveUp):
                raise _too_long(self.endpoint)

    async def once(self, send: Callable[[Link], Awaitable[T]]) -> T:
        """Send a request that must not reach the server twice.

        Raises:
            TaskConnectionError: The connection broke. The message and `is_unsent` say whether the request may have
                arrived.
            TaskTimeoutError: No answer within the client's timeout for a request.
            TaskProtocolError: The answer is invalid.
            mcp.MCPError: The server's own error.
        """
        attempts = Attempts(RetryPolicy(patience=self._patience, once=True, overruns=True))
        while True:
            link, turn, attempts = await self._allowed(attempts)
            scope, handled = self.limit.begin(), self.limit.handled
            try:
                with scope:
                    return await self._answered(send(link))
                words = f"no answer within {self.wire_timeout} s; the request may have reached the server"
                raise TaskTimeoutError(f"{self.endpoint}: {words}")
            except ValidationError as exc:
                raise TaskProtocolError(f"the server's answer makes no sense: {first_problem(exc)}") from harmless(exc)
            except RuntimeError as exc:
                # Without our streams, the SDK checks results against output schemas. Otherwise a handler of the program
                # may have raised this.
                own = isinstance(exc, mcp.InputRequiredRoundsExceededError)
                if own or link.broken.is_set() or link.interceptor is None:
                    raise from_sdk(exc, ended=link.broken.is_set()) from harmless(exc)
                raise
            except mcp.MCPError as exc:
                fault = judge(exc.code, exc.message, exc.data)
                self.turns.noted(fault)
                self._paused_until = max(self._paused_until, anyio.current_time() + _asked_pause(fault))
                if not broke_off(exc.code, exc.message, exc.data):
                    raise
                if fault.meaning == "protocol":
                    raise TaskProtocolError(f"{fault.reason}; the call may have been carried out") from harmless(exc)
                if fault.action == "reopen":
                    self._supervisor.refused(link)
                # If a handler was asked during this call, an earlier round of the call has reached the server.
                fault = evolve(fault, sent=fault.sent or self.limit.handled > handled, retry_after=None)
                attempts, step = attempts.after(fault, now=anyio.current_time(), spread=random.random())
                if isinstance(step, GiveUp):
                    raise _failed(fault, attempts, step, self.endpoint) from harmless(exc)
            finally:
                self.limit.end(scope)
                self.turns.over(turn)
            await anyio.sleep(step.delay)

    def cut_off(self, seen: float | None) -> TaskError | None:
        """Return the error for a server that cannot be reached at the moment, with its cause; None if it may be
        reachable.

        Args:
            seen: When the task in question was last heard of, by the event loop's clock; None for never.
        """
        failing = self._reach.failing(seen)
        if failing is None:
            return None
        error = unreachable(self.endpoint, failing.cause, reached=isinstance(failing.cause, TimeoutError))
        error.__cause__ = harmless(failing.cause)
        return error


def _told(fault: Fault, cause: Exception, endpoint: str, *, about_task: bool) -> TaskError:
    """Return the error for a fault after which the read is not repeated."""
    if fault.meaning == "connection":
        return unreachable(endpoint, cause, reached=fault.status is not None)
    return describe(fault, cause, about_task=about_task)


def _given_up(attempts: Attempts, cause: Exception, endpoint: str, *, about_task: bool) -> TaskError:
    """Return the error for a read that was repeated until `reconnect_timeout` had passed."""
    words = tried_so_often(attempts.failures, "reconnect_timeout", attempts.policy.patience)
    return outage(unreachable(endpoint, cause, tried=words + ("; the task may be well" if about_task else "")), True)


def _too_long(endpoint: str) -> TaskError:
    """Return the error for a request that was not sent, since the server asks for a pause beyond the patience."""
    words = "the server asks clients to wait too long, so that the request was not sent"
    return unsent(outage(TaskConnectionError(f"{endpoint}: {words}"), True), certainly=True)


def _asked_pause(fault: Fault) -> float:
    """Return for how many seconds the server asks every request of this client to wait (RFC 9110, section 10.2.3)."""
    return 0.0 if fault.retry_after is None else retry_delay(1, retry_after=fault.retry_after, spread=0.0)


def _failed(fault: Fault, attempts: Attempts, step: GiveUp, endpoint: str) -> TaskError:
    """Return the error for a request that must not reach the server twice, and is not sent again."""
    reason = line(fault.reason, SAID)
    if step.exhausted:
        reason += tried_so_often(attempts.failures, "reconnect_timeout", attempts.policy.patience)
    return unsent(TaskConnectionError(f"{endpoint}: {reason}; {fault.whereabouts}"), not fault.sent)
