"""Opens the stream of unasked messages of a 2025-11-25 connection over HTTP, for as long as it takes.

Status notifications come on it (specification 2025-11-25, basic/transports, "Listening for Messages from the Server").
The SDK gives up after two failures in a row, and then nothing would be pushed for the rest of the connection. Here a
failure that may pass is kept from it, and the request is sent again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable

import anyio
import httpx2
from attrs import define, field

from mcptasks._faults import TRANSIENT_HTTP
from mcptasks._schedule import retry_delay

_ANSWER_SECONDS = 30.0
"""How long a server may take to open the stream."""
_LASTING_SECONDS = 2.0
"""A stream that is to be opened again sooner counts as a failure: something ends it at once. The SDK waits for one
second of these, or as long as the server asks."""
_PAUSE_SECONDS = 30.0
"""The longest pause: looks cover meanwhile."""
_MAY_PASS = TRANSIENT_HTTP | {409}
"""409: servers allow one stream at a time, and may not have noticed that the one before is dead."""


@define
class Listening:
    """The attempts of one connection to have the stream open."""

    _listeners: set[int] = field(factory=set[int], init=False)
    """The tasks that listen, in which the SDK opens the stream again after its end."""
    _failures: int = field(default=0, init=False)
    _opened: float = field(default=-math.inf, init=False)

    def concerns(self, request: httpx2.Request) -> bool:
        """Whether a request opens the stream; with `Last-Event-ID` it may also go on with the answer to another one."""
        if request.method != "GET":
            return False
        task = anyio.get_current_task().id
        if "last-event-id" not in request.headers:
            self._listeners.add(task)
        return task in self._listeners

    async def open(self, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        """Send the request until the server opens the stream or says that it has none."""
        if anyio.current_time() - self._opened < _LASTING_SECONDS:
            await self._pause(None)
        else:
            self._failures = 0
        while True:
            response = None
            with anyio.move_on_after(_ANSWER_SECONDS):
                response = await send()
            if response is not None and response.status_code not in _MAY_PASS:
                self._opened = anyio.current_time()
                return response
            await self._pause(response)

    async def _pause(self, response: httpx2.Response | None) -> None:
        self._failures += 1
        wait = None if response is None else response.extensions.get("retry_after")
        spread = random.random()
        await anyio.sleep(retry_delay(self._failures, retry_after=wait, spread=spread, ceiling=_PAUSE_SECONDS))
