"""One client's connection: made, watched, and made again when it is lost.

The SDK's client lives in a task of its own, entered and left there, so that nothing that kills it reaches the
program. A lost connection is made again when somebody needs it. Reads go through `read`, which tries again after
transient faults; everything else is sent once.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

import anyio
import mcp
from anyio.abc import TaskStatus as Startable
from attrs import define, field
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcptasks._async.errors import describe
from mcptasks._async.limits import Budget, WireLimit
from mcptasks._async.turns import SOON, SOON_HERE, Turns
from mcptasks._exceptions import (
    TaskConnectionError,
    TaskError,
    TaskProtocolError,
    TaskTimeoutError,
)
from mcptasks._faults import PATIENCE, Fault, broke_off, judge
from mcptasks._models import Era
from mcptasks._outcome import first_problem
from mcptasks._schedule import retry_delay
from mcptasks._transport.http import Guard
from mcptasks._transport.intercept import Declare, InterceptedTransport, Interceptor, TaskHost
from mcptasks._transport.targets import Target

logger = logging.getLogger("mcptasks")

T = TypeVar("T")

_OUTAGE = "_outage"

CLOSE_SECONDS = 5.0
"""The longest that leaving a client may take."""

MakeClient = Callable[[Any, str, Any], mcp.Client]
"""Makes an SDK client from a transport (or server object), a mode and an earlier discovery."""

Notify = Callable[[str, Mapping[str, Any]], None]


@define(eq=False)
class Link:
    """One connection that was made."""

    client: mcp.Client
    """The SDK's client, entered."""
    session: mcp.ClientSession
    """Its session, which answers properly also after its end."""
    era: Era
    guard: Guard
    interceptor: Interceptor | None
    """None where the SDK runs a server object without streams."""
    number: int
    """Counts the connections of one client."""
    broken: anyio.Event
    """Set when the link is lost or given up."""
    refusals: int = field(default=0, init=False)
    """How many creating calls were answered as if the session were over."""


def is_outage(exc: BaseException) -> bool:
    """Whether the client's patience with the server is used up, which concerns every task alike."""
    return _OUTAGE in exc.__dict__


class Connection:
    """Keeps one link to a target. `run` is its supervisor and owns all that happens here."""

    def __init__(
        self,
        target: Target,
        make_client: MakeClient,
        *,
        mode: str,
        notify: Notify,
        wire_timeout: float | None,
        patience: float | None,
        on_link: Callable[[Link], None],
        declare: Declare | None = None,
        host: Callable[[], TaskHost] | None = None,
    ) -> None:
        self.target = target
        self.wire_timeout = wire_timeout
        self.limit = WireLimit(wire_timeout)
        self._turns = Turns(SOON if target.lasting else SOON_HERE)
        self._make_client = make_client
        self._mode = mode
        self._prior: Any = None
        self._notify = notify
        self._patience = math.inf if patience is None else patience
        self._on_link = on_link
        self._declare = declare
        self._host = host
        self._link: Link | None = None
        self._latest: Link | None = None
        self._numbers = 0
        self._demand = anyio.Event()
        self._settled = anyio.Event()
        self._failure: BaseException | None = None
        self._paused_until = -math.inf
        self._closed = False

    # --- for those who send ---------------------------------------------------------------------------------------

    @property
    def latest(self) -> Link | None:
        """The link there is or was last, if there was any."""
        return self._latest

    @property
    def current(self) -> Link | None:
        """The link there is, if any."""
        return self._link

    async def link(self) -> Link:
        """The present link; made again if it was lost.

        Raises:
            TaskConnectionError: The client is closed, or its patience is used up (`is_outage`).
        """
        while self._link is None:
            if self._closed:
                raise TaskConnectionError("the client is closed; open a new one and resume the task by its reference")
            settled, self._failure = self._settled, None
            self._demand.set()
            await settled.wait()
            if self._link is None and self._failure is not None:
                raise self._unreachable(self._failure)
        return self._link

    def broke(self, link: Link) -> None:
        """Give a link up: the next one who needs it gets a new one."""
        if self._link is link:
            self._link = None
        link.broken.set()

    async def _ready(self, *, ahead: bool = False) -> tuple[Link, object]:
        """The present link, and a turn to send something over it; raises what `link` does."""
        while True:
            await self.link()
            turn = await self._turns.take(ahead=ahead)
            if self._link is not None:
                return self._link, turn
            # Who waits for a link has no turn: they would all leave at once.
            self._turns.over(turn)

    async def read(
        self,
        send: Callable[[Link], Awaitable[T]],
        budget: Budget | None = None,
        *,
        about_task: bool = True,
        ahead: bool = False,
    ) -> T:
        """Send a read until it is answered.

        Args:
            send: Sends the request over a link; may run several times.
            budget: The limits of one attempt.
            about_task: Whether "invalid params" means that the server does not know a task.
            ahead: Whether its turn comes before that of others.

        Raises:
            TaskConnectionError: The client's patience is used up (`is_outage`), the client is closed, or the server
                keeps answering with an error of its own.
            TaskProtocolError: The answer is nonsense, also when asked again.
            TaskNotFoundError: The server does not know the task.
            TaskFailedError: An error of the server, where it is not about a task.
        """
        budget = budget or Budget(self.wire_timeout)
        failures = nonsense = 0
        end: float | None = None
        while True:
            link, turn = await self._ready(ahead=ahead)
            now = anyio.current_time()
            end = now + self._patience if end is None else end  # The time in the line is not the server's.
            pause = self._paused_until - now
            if pause > 0 and not budget.single:
                # The server's wish concerns every read alike.
                self._turns.over(turn)
                await anyio.sleep(max(min(pause, end - now), 0))
                if anyio.current_time() >= end:
                    raise self._unreachable(TimeoutError("the server asks clients to wait"))
                continue
            cause: Exception = TimeoutError("the server does not answer")
            try:
                with budget.attempt(end):
                    return await send(link)
            except (mcp.MCPError, ValidationError, TaskProtocolError) as exc:
                cause = exc
            except RuntimeError as exc:
                cause = _from_sdk(exc, link)
            finally:
                self._turns.over(turn)
            fault = _explain(cause)
            failures += 1
            nonsense += fault.patient
            if fault.action == "raise" or nonsense >= PATIENCE or budget.single:
                raise describe(fault, cause, about_task=about_task) from cause
            if fault.action == "reopen" and failures > 1:
                self.broke(link)
            delay = retry_delay(failures, retry_after=fault.retry_after, spread=random.random())
            if fault.retry_after is not None:
                self._paused_until = max(self._paused_until, anyio.current_time() + delay)
            await anyio.sleep(max(min(delay, end - anyio.current_time()), 0))
            if anyio.current_time() >= end:
                raise self._unreachable(cause) from cause

    async def once(self, send: Callable[[Link], Awaitable[T]]) -> T:
        """Send something that must not reach the server twice.

        Raises:
            TaskConnectionError: The connection broke; the message says whether the request may have arrived.
            TaskTimeoutError: No answer within the client's timeout for a request.
            TaskProtocolError: The answer is nonsense.
            mcp.MCPError: The server's own error.
        """
        failures = 0
        started: float | None = None
        while True:
            link, turn = await self._ready()
            started = anyio.current_time() if started is None else started
            scope, handled = self.limit.begin(), self.limit.handled
            try:
                with scope:
                    return await send(link)
                words = f"no answer within {self.wire_timeout} s; the request may have reached the server"
                raise TaskTimeoutError(f"{self.target.endpoint}: {words}")
            except ValidationError as exc:
                raise TaskProtocolError(f"the server's answer makes no sense: {first_problem(exc)}") from exc
            except RuntimeError as exc:
                # Without streams the SDK holds results against output schemas; else it may be a handler's own error.
                own = isinstance(exc, mcp.InputRequiredRoundsExceededError)
                if own or link.broken.is_set() or link.interceptor is None:
                    raise _from_sdk(exc, link) from exc
                raise
            except mcp.MCPError as exc:
                fault = judge(exc.code, exc.message, exc.data)
                if not broke_off(exc.code, exc.message, exc.data):
                    raise
                impatient = anyio.current_time() - started >= self._patience
                if fault.action == "reopen":
                    # A 404 in a session: once it may be a proxy's, twice the session is over.
                    link.refusals += 1
                    if link.refusals > 1:
                        self.broke(link)
                # Of a call in several rounds the first has reached the server before anybody is asked.
                sent = fault.sent or self.limit.handled > handled
                if impatient or sent:
                    what = "may or may not have reached" if sent else "did not reach"
                    raise TaskConnectionError(
                        f"{self.target.endpoint}: {fault.reason}; the request {what} the server"
                    ) from exc
            finally:
                self.limit.end(scope)
                self._turns.over(turn)
            failures += 1
            await anyio.sleep(retry_delay(failures, retry_after=None, spread=random.random()))

    # --- the supervisor -------------------------------------------------------------------------------------------

    async def run(self, *, task_status: Startable[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Make the first link, then a new one whenever one is lost and wanted, until `close`.

        Raises:
            TaskConnectionError: The first link could not be made.
        """
        try:
            await self._hold(task_status.started)
        except Exception as exc:
            if self._numbers == 0:
                raise self._unreachable(root_cause(exc), outage=False) from exc
            logger.debug("lost the connection to %s", self.target.endpoint, exc_info=True)
        while not self._closed:
            await self._demand.wait()
            await self._reopen()

    def close(self) -> None:
        """End the supervisor and everyone who waits for a link."""
        self._closed = True
        self._demand.set()
        self._settled.set()
        if self._link is not None:
            self.broke(self._link)

    async def _reopen(self) -> None:
        failures = 0
        started = anyio.current_time()
        while not self._closed:
            before = self._numbers
            try:
                await self._hold(None)
            except Exception as exc:  # noqa: BLE001 - whatever ends a connection is told to those who wait for one
                self._failure = root_cause(exc)
            if self._numbers > before:
                return
            failures += 1
            spent = anyio.current_time() - started
            if not self.target.reusable or spent >= self._patience:
                self._demand = anyio.Event()
                self._settle()
                return
            await anyio.sleep(retry_delay(failures, retry_after=None, spread=random.random()))

    def _settle(self) -> None:
        self._settled.set()
        self._settled = anyio.Event()

    async def _hold(self, connected: Callable[[], None] | None) -> None:
        """Connect and stay until the link is lost."""
        guard, broken = Guard(), anyio.Event()
        source = self.target.connect(guard)
        interceptor: Interceptor | None = None
        if not self.target.bare:
            # Tasks that are hosted belong to the session in which they were created.
            host = None if self._host is None else self._host()
            give_up = guard.exchanges.give_up
            interceptor = Interceptor(self._notify, lambda: self._ended(broken), self._declare, host, give_up)
            source = InterceptedTransport(source, interceptor)
        client = self._make_client(source, self._mode, self._prior)
        with anyio.move_on_after(self._patience) as connecting:
            async with client:
                connecting.deadline = math.inf
                guard.ready = True
                link = self._publish(client, interceptor, guard, broken)
                if connected is not None:
                    connected()
                try:
                    await broken.wait()
                finally:
                    self.broke(link)
        if connecting.cancelled_caught:
            raise TaskConnectionError("the server accepts the connection but does not answer")

    def _publish(self, client: mcp.Client, interceptor: Interceptor | None, guard: Guard, broken: anyio.Event) -> Link:
        version = client.protocol_version
        modern = version in MODERN_PROTOCOL_VERSIONS
        # From now on the era is known: another probe could only be misled by an outage.
        self._mode = version if modern else "legacy"
        self._prior = client.session.discover_result
        self._numbers += 1
        era: Era = "2026-07-28" if modern else "2025-11-25"
        link = Link(client, client.session, era, guard, interceptor, self._numbers, broken)
        self._link = self._latest = link
        self._failure, self._demand = None, anyio.Event()
        if self._closed:
            self.broke(link)
            self._demand.set()
        self._on_link(link)
        self._settle()
        return link

    def _ended(self, broken: anyio.Event) -> None:
        if self._link is not None and self._link.broken is broken:
            self._link = None
        broken.set()

    def _unreachable(self, cause: BaseException, *, outage: bool = True) -> TaskConnectionError:
        words = str(getattr(cause, "message", None) or cause) or type(cause).__name__
        if isinstance(cause, ValidationError):
            words = f"the server's answer makes no sense: {first_problem(cause)}"
        error = TaskConnectionError(f"cannot reach {self.target.endpoint}: {words}")
        if outage:
            error.__dict__[_OUTAGE] = True
        return error


def root_cause(exc: BaseException) -> BaseException:
    """The first real error in nested exception groups."""
    while isinstance(exc, BaseExceptionGroup):
        exc = cast("BaseExceptionGroup[BaseException]", exc).exceptions[0]
    return exc


def _from_sdk(exc: RuntimeError, link: Link) -> TaskError:
    """The SDK raises `RuntimeError` on a client that was left, and for results against the tool's output schema."""
    return TaskConnectionError("Connection closed") if link.broken.is_set() else TaskProtocolError(str(exc))


def _explain(exc: Exception) -> Fault:
    if isinstance(exc, mcp.MCPError):
        return judge(exc.code, exc.message, exc.data)
    if isinstance(exc, TimeoutError | TaskConnectionError):
        return Fault(action="retry", meaning="connection", reason=str(exc))
    words = first_problem(exc) if isinstance(exc, ValidationError) else str(exc)
    return Fault(action="retry", meaning="protocol", patient=True, reason=words)
