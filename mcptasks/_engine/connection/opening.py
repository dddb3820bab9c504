"""How long connecting may take, and whether to wait for a server that is not up yet."""

from __future__ import annotations

import logging
import math
import random
from typing import Any

import anyio
import mcp
from attrs import define, evolve, field
from pydantic import ValidationError

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskConnectionError, TaskError
from mcptasks._core.faults import OUTAGES, Fault, broke_off, judge
from mcptasks._core.retries import retry_delay
from mcptasks._engine.connection.errors import tried_so_often
from mcptasks._transport.http.older import OLDER
from mcptasks._transport.http.transport import HttpTransport
from mcptasks._transport.targets import Target
from mcptasks._wire.versions import is_modern

logger = logging.getLogger("mcptasks")

_LONGEST_PAUSE = 2.0
"""Longest pause in seconds between two attempts to connect. A program that waits for a server to start learns within
this time that the server is up."""


class NoAnswerError(TaskConnectionError):
    """An attempt to connect got no answer in time."""


@define(eq=False)
class Opening:
    """The limits of one client's connections."""

    timeout: float | None
    """The client's `timeout` in seconds. It limits each request, and here the whole of one attempt to connect."""
    patience: float
    """The client's `reconnect_timeout` in seconds."""
    wait: float | None
    """The client's `wait_for_server`: seconds for which the first connection is tried again; None for one attempt."""
    _end: float = field(default=math.inf, init=False)
    """The time, by the event loop's clock, at which the first connection is given up."""
    _met: bool = field(default=False, init=False)
    """Whether a connection was ever made."""
    _failures: int = field(default=0, init=False)
    _latest: BaseException | None = field(default=None, init=False)
    """The failure of the latest attempt that was not cut short by the end of the wait."""

    def begin(self) -> None:
        """Start the clock of the first connection."""
        if self.wait is not None:
            self._end = anyio.current_time() + self.wait

    def over(self) -> None:
        """The first connection is made."""
        self._end, self._latest, self._met = math.inf, None, True

    def connect(self, target: Target) -> Any:
        """Return a fresh transport, or the server object. A transport learns whether the URL has worked before."""
        source = target.connect()
        if isinstance(source, HttpTransport) and self._met:
            source.is_known()
        return source

    def limit(self) -> tuple[float, str]:
        """Return the seconds that the next attempt may take, and the same in words with the option that set them."""
        limits = [(self.patience, self.patience, "reconnect_timeout")]
        if self.timeout is not None:
            limits.append((self.timeout, self.timeout, "timeout"))
        if self.wait is not None:
            limits.append((max(self._end - anyio.current_time(), 0.0), self.wait, "wait_for_server"))
        seconds, given, option = min(limits)
        return seconds, f"{given:g} s ({option})"

    async def again(self, target: Target, failure: BaseException) -> Target | None:
        """Pause if necessary, and return the target to try next after the first connection has failed; None to give up.

        Args:
            target: The target that was tried.
            failure: Why that failed.
        """
        if getattr(failure, "data", None) is OLDER and target.older is not None:
            logger.info("%s speaks HTTP+SSE, the older transport; the client goes on with that", target.endpoint)
            return evolve(target, connect=target.older, older=None)
        left = self._end - anyio.current_time()
        if left == math.inf or not is_absent(failure):
            return None
        if left > 0 or self._latest is None:
            self._latest = failure
        self._failures += 1
        if self._failures == 1 and left > 0:
            words = safe_text.line(str(getattr(failure, "message", failure)), 300)
            logger.info("%s is not there yet; waiting up to %g s: %s", target.endpoint, self.wait, words)
        fault = getattr(failure, "data", None)
        wish = fault.retry_after if isinstance(fault, Fault) else None
        pause = retry_delay(self._failures, retry_after=wish, spread=random.random(), ceiling=_LONGEST_PAUSE)
        await anyio.sleep(max(min(pause, left), 0))
        return target if anyio.current_time() < self._end else None

    def told(self, failure: BaseException) -> tuple[BaseException, str]:
        """Return the failure that tells most about a first connection that is given up, and words for what was
        tried."""
        if getattr(failure, "data", None) is OLDER:
            return failure, "; http_client= cannot be used with HTTP+SSE"
        if not self._failures:
            return failure, ""
        assert self.wait is not None
        return self._latest or failure, tried_so_often(self._failures, "wait_for_server", self.wait)

    async def greet(self, client: mcp.Client) -> None:
        """Send a server that is waited for a first request, if the protocol is known and connecting sends nothing.

        Raises:
            MCPError: The server is not up.
        """
        session = client.session
        version = client.protocol_version
        if self._end == math.inf or not is_modern(version) or session.discover_result is None:
            return
        try:
            await session.send_discover(version)
        except (mcp.MCPError, ValidationError) as exc:
            if is_absent(exc):
                raise  # Any other error is an answer, which shows that the server is up.


def is_absent(failure: BaseException) -> bool:
    """Whether a failure to connect may mean that the server is not up yet: nobody listens, the host name is unknown, a
    gateway reports it, or the connection is accepted and no answer comes."""
    if isinstance(failure, TaskError):
        return isinstance(failure, NoAnswerError)
    if not isinstance(failure, mcp.MCPError) or not broke_off(failure.code, failure.message, failure.data):
        return False
    fault = judge(failure.code, failure.message, failure.data)
    if fault.action != "retry" or fault.meaning != "connection":
        return False
    return fault.status is None or fault.status in OUTAGES
