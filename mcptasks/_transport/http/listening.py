"""Keeps open the GET stream on which a 2025-11-25 server sends messages of its own.

Status notifications and the server's requests come on this stream (specification 2025-11-25, basic/transports,
"Listening for Messages from the Server").
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
from attrs import define, field
from mcp import MCPError

from mcptasks._core.faults import TRANSIENT_HTTP, Fault, no_connection
from mcptasks._core.retries import retry_delay
from mcptasks._transport.http.bodies import Body, TooLarge
from mcptasks._transport.http.endpoint import Endpoint
from mcptasks._transport.http.events import Event, EventParser
from mcptasks._transport.http.exchange import EVENT_STREAM, GET_HEADERS
from mcptasks._transport.http.faults import failure, is_fault
from mcptasks._wire.decoding import Undecodable, decode

logger = logging.getLogger("mcptasks")

_ANSWER_SECONDS = 30.0
"""Seconds that a server has to answer the GET; then the attempt has failed."""
_LASTING_SECONDS = 2.0
"""Seconds that a stream must last to count as a success. If a gateway ends each stream at once, the pauses grow."""
_LONGEST_SECONDS = 30.0
"""The longest pause in seconds between two attempts. Meanwhile the client polls, so nothing is lost but time."""
_MAY_PASS = TRANSIENT_HTTP | {409}
"""HTTP statuses after which to try again. 409: a server that allows one stream at a time may not have noticed yet that
the previous stream is dead."""


@define(eq=False)
class Listening:
    """Keeps the stream of one connection open."""

    endpoint: Endpoint
    deliver: Callable[[Any], Awaitable[None]]
    """Takes a JSON value that the server sent."""
    opened: Callable[[], None]
    """Called when a stream has opened; earlier messages may be lost."""
    ended: Callable[[], None]
    """Called when a stream has ended."""
    _last_id: str | None = field(default=None, init=False)
    _pause: float = field(default=0.0, init=False)
    """Seconds to pause before the stream is opened again, as the server asked."""
    _failures: int = field(default=0, init=False)

    async def run(self) -> None:
        """Open the stream, and open it again whenever it ends, until the server refuses for good."""
        while True:
            started, wait = anyio.current_time(), None
            try:
                response = await self._open()
            except MCPError as exc:
                fault = exc.data
                if not isinstance(fault, Fault) or not (fault.action == "retry" or fault.status in _MAY_PASS):
                    return
                lasted, wait = False, fault.retry_after
            else:
                if response.headers.get("content-type", "").partition(";")[0].strip().lower() != EVENT_STREAM:
                    await Body(response, limit=None).finish()
                    return
                await self._follow(Body(response, limit=None))
                lasted = anyio.current_time() - started >= _LASTING_SECONDS
            self._failures = 1 if lasted else self._failures + 1
            spread = random.random()
            backoff = retry_delay(self._failures, retry_after=wait, spread=spread, ceiling=_LONGEST_SECONDS)
            await anyio.sleep(max(self._pause, backoff))

    async def _open(self) -> httpx2.Response:
        headers = GET_HEADERS if self._last_id is None else {**GET_HEADERS, "last-event-id": self._last_id}
        with anyio.move_on_after(_ANSWER_SECONDS):
            return await self.endpoint.open("GET", headers)
        raise failure(no_connection(f"no answer within {_ANSWER_SECONDS} s"))

    async def _follow(self, body: Body) -> None:
        parser = EventParser(self.endpoint.max_size)
        self.opened()
        try:
            async for chunk in body:
                for event in parser.feed(chunk):
                    await self._take(event)
        except TooLarge:
            logger.warning("the server's stream of messages has one of more than %d bytes", self.endpoint.max_size)
        except Exception as exc:
            if not is_fault(exc):
                raise
        finally:
            self.ended()
            await body.drop()

    async def _take(self, event: Event) -> None:
        self._last_id = event.last_id if event.last_id is not None else self._last_id
        if event.retry is not None:
            self._pause = min(event.retry / 1000, _LONGEST_SECONDS)
        if event.data:
            try:
                value = decode(event.data)
            except Undecodable as exc:
                logger.debug("the server sent an event that cannot be read: %s", exc)
            else:
                await self.deliver(value)
