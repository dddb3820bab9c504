"""Keeps one link to a target: makes the link, watches it, and makes a new one when it is lost and somebody needs it.

The SDK's client is entered and left in the task that calls `run`. Whatever breaks it is caught there, and does not
cancel the program's own tasks.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import mcp

from mcptasks._core.causes import harmless
from mcptasks._core.exceptions import TaskError
from mcptasks._core.faults import no_connection
from mcptasks._core.retries import Attempts, GiveUp, RetryPolicy
from mcptasks._core.trace import NO_TRACE, Requesting, Trace
from mcptasks._core.tracebacks import root_cause
from mcptasks._engine.connection.errors import copy_error, outage, tried_so_often, unreachable
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.opening import NoAnswerError, Opening, is_absent
from mcptasks._engine.connection.reach import Reach
from mcptasks._transport.http.transport import HttpTransport
from mcptasks._transport.intercept import Declare, Interceptor, TaskHost
from mcptasks._transport.intercepted import InterceptedTransport
from mcptasks._transport.lent import LentClient
from mcptasks._transport.targets import Target
from mcptasks._wire.dialect import dialect_of
from mcptasks._wire.versions import Terms, agreed

logger = logging.getLogger("mcptasks")

MakeClient = Callable[[Any, Terms], mcp.Client]
"""Makes an SDK client from a transport (or a server object) and the terms of the negotiation."""

Notify = Callable[[str, Mapping[str, Any]], None]


class Supervisor:
    """Owns the link of one client. `run` makes and holds the link; other parts ask for it with `link` and give it up
    with `broke`.

    Args:
        target: How to connect.
        make_client: Makes the SDK's client.
        opening: How long connecting may take.
        mode: How to negotiate the protocol.
        believed: Terms that an earlier client found, to be tried first; None for none. If they fail, `mode` is used.
        notify: Told of task notifications.
        patience: Seconds for which we try to make a lost link again. After that, those who wait for a link get an
            error.
        on_link: Told of each link that is made.
        on_lost: Told of each link that has ended, if the client goes on.
        declare: What the client says that it can do.
        host: Makes the part that runs tasks for the server, one for each session.
        trace: Gets the moments of the requests that make connections.
    """

    def __init__(
        self,
        target: Target,
        make_client: MakeClient,
        opening: Opening,
        *,
        mode: Terms,
        believed: Terms | None,
        notify: Notify,
        patience: float,
        on_link: Callable[[Link], None],
        on_lost: Callable[[], None],
        declare: Declare | None,
        host: Callable[[], TaskHost | None] | None,
        trace: Trace = NO_TRACE,
    ) -> None:
        self._trace = trace
        self.target = target
        self._make_client = make_client
        self._opening = opening
        self._terms = believed or mode
        self._instead = None if believed is None else mode
        """The terms to use if the believed ones fail; None if the terms in use are the program's own."""
        self._notify = notify
        self._patience = patience
        self._on_link = on_link
        self._on_lost = on_lost
        self._declare = declare
        self._host = host
        self.current: Link | None = None
        """The present link; None while there is none."""
        self.latest: Link | None = None
        """The present link, or the last one if there is none now; None before the first."""
        self.closed: TaskError | None = None
        """The error for everyone who needs a link after the client was closed; None while the client is open."""
        self._numbers = 0
        self._demand = anyio.Event()
        self._settled = anyio.Event()
        self._failure: BaseException | None = None
        self._tried = ""
        self.reach = Reach()
        """Whether the server can be reached at the moment."""

    # --- for those who need a link --------------------------------------------------------------------------------

    async def link(self) -> Link:
        """Return the present link, or a new one if it was lost.

        Raises:
            TaskConnectionError: The client is closed, or its patience is used up (`is_outage`).
        """
        while self.current is None:
            if self.closed is not None:
                raise copy_error(self.closed, None)
            settled, self._failure = self._settled, None
            self._demand.set()
            await settled.wait()
            if self.current is None and self._failure is not None:
                raise outage(unreachable(self.target.endpoint, self._failure, tried=self._tried), True)
        return self.current

    def broke(self, link: Link) -> None:
        """Give a link up. The next request gets a new link."""
        if self.current is link:
            self.current = None
        link.broken.set()

    def refused(self, link: Link) -> None:
        """Count a 404 in a session, of any call over the link. The first may come from a proxy, the second means that
        the session is over."""
        link.refusals += 1
        if link.refusals > 1:
            self.broke(link)

    def close(self, reason: TaskError) -> None:
        """End `run`, and raise `reason` in everyone who waits for a link, now or later."""
        self.closed = reason
        self._demand.set()
        self._settled.set()
        if self.current is not None:
            self.broke(self.current)

    # --- for the one who runs it ----------------------------------------------------------------------------------

    async def run(self, connected: Callable[[], None]) -> None:
        """Make the first link, and a new one whenever the link is lost and somebody needs it, until `close`.

        Args:
            connected: Called once the first link is made.

        Raises:
            TaskConnectionError: The first link could not be made.
            TaskProtocolError: The server's first answer is invalid.
        """
        self._opening.begin()
        while (failure := await self._first(connected)) is not None:
            if self._instead is not None and not is_absent(failure):
                # The server has changed since the earlier client, so negotiate anew.
                self._terms, self._instead = self._instead, None
                continue
            target = await self._opening.again(self.target, failure)
            if target is None:
                failure, words = self._opening.told(failure)
                raise unreachable(self.target.endpoint, failure, tried=words) from harmless(failure)
            self.target = target
        while self.closed is None:
            await self._demand.wait()
            with self._trace.around(Requesting()):
                await self._reopen()

    async def _first(self, connected: Callable[[], None]) -> BaseException | None:
        """Make the first link and hold it until it is lost. Return the failure if it could not be made."""
        try:
            # A connection serves the whole client, so its span belongs to the trace of the code that opens the client,
            # or to none.
            with self._trace.around(Requesting(by_program=True)):
                await self._hold(connected)
        except Exception as exc:
            logger.debug("no connection to %s", self.target.endpoint, exc_info=harmless(exc))
            return None if self._numbers else root_cause(exc)
        return None

    async def _reopen(self) -> None:
        attempts = Attempts(
            RetryPolicy(patience=self._patience, attempts=math.inf if self.target.reusable else 1, overruns=True)
        ).begin(anyio.current_time())
        while self.closed is None:
            before, begun = self._numbers, anyio.current_time()
            try:
                await self._hold(lambda: None)
            except Exception as exc:  # noqa: BLE001 - whatever ends a connection is told to those who wait for one
                self._failure = root_cause(exc)
                self.reach.failed(begun, self._failure)
            if self._numbers > before:
                return
            fault = no_connection("no connection was made")
            attempts, step = attempts.after(fault, now=anyio.current_time(), spread=random.random())
            if isinstance(step, GiveUp):
                self._tried = (
                    tried_so_often(attempts.failures, "reconnect_timeout", self._patience) if step.exhausted else ""
                )
                self._demand = anyio.Event()
                self._settle()
                return
            await anyio.sleep(step.delay)

    def _settle(self) -> None:
        self._settled.set()
        self._settled = anyio.Event()

    async def _hold(self, connected: Callable[[], None]) -> None:
        """Connect, and hold the link until it is lost."""
        broken = anyio.Event()
        source = self._opening.connect(self.target)
        http = source if isinstance(source, HttpTransport) else None
        interceptor: Interceptor | None = None
        if isinstance(source, LentClient):
            source.session.ended = partial(self._ended, broken)
        elif not self.target.bare:
            # A hosted task belongs to the session in which it was created.
            host = None if self._host is None else self._host()
            give_up = None if http is None else http.give_up
            ended = partial(self._ended, broken)
            interceptor = Interceptor(self._notify, ended, self._declare, host, give_up, self._terms.offered)
            interceptor.ending = partial(ended, soon=True)
            source = InterceptedTransport(source, interceptor)
        seconds, limit = self._opening.limit()
        try:
            with anyio.move_on_after(seconds) as connecting:
                async with self._make_client(source, self._terms) as client:
                    await self._opening.greet(client)
                    connecting.deadline = math.inf
                    link = self._publish(client, interceptor, http, broken)
                    connected()
                    try:
                        await broken.wait()
                    finally:
                        self.broke(link)
                    if self.closed is None:
                        self._on_lost()
        except Exception as exc:
            if http is not None and http.failure is not None:
                raise http.failure from exc  # The SDK's own error says only that the transport has ended.
            raise
        if connecting.cancelled_caught:
            raise NoAnswerError(f"no answer within {limit}")

    def _publish(
        self, client: mcp.Client, interceptor: Interceptor | None, http: HttpTransport | None, broken: anyio.Event
    ) -> Link:
        version = client.protocol_version
        self._terms = agreed(version, client.session.discover_result)
        self._numbers += 1
        self._opening.over()
        if http is not None:
            http.ready = True
        link = Link(client, client.session, dialect_of(version), http, interceptor, self._numbers, broken)
        link.negotiated = self._instead is None
        self.current = self.latest = link
        self._failure, self._demand = None, anyio.Event()
        self.reach.answered(anyio.current_time())
        if self.closed is not None:
            self.broke(link)
            self._demand.set()
        self._on_link(link)
        self._settle()
        return link

    def _ended(self, broken: anyio.Event, *, soon: bool = False) -> None:
        if self.current is not None and self.current.broken is broken:
            self.current = None
        if not soon:
            broken.set()
