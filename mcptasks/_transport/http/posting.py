"""Posts messages that get no answer: notifications, and answers to the server's own requests."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

import anyio
from mcp import MCPError

from mcptasks._core.faults import Fault
from mcptasks._core.retries import retry_delay
from mcptasks._transport.http.bodies import Body
from mcptasks._transport.http.endpoint import Endpoint
from mcptasks._transport.http.exchange import POST_HEADERS

logger = logging.getLogger("mcptasks")

ANSWER_ATTEMPTS = 3
"""How many times an answer to a server's request is sent until the server accepts the answer. Without repetition the
server could wait for ever; a repetition does no harm, since the server knows an answer by its id."""

_ACCEPT_SECONDS = 10.0
"""Seconds that a server has to accept a message; then the attempt has failed."""


async def post(endpoint: Endpoint, content: bytes, headers: Mapping[str, str], attempts: int = 1) -> None:
    """Send a message that gets no answer. Logs a fault and raises nothing, since nobody waits.

    Args:
        endpoint: The server's endpoint.
        content: The message.
        headers: The headers of this message alone.
        attempts: How often to send the message until the server accepts it.
    """
    for attempt in range(1, attempts + 1):
        try:
            with anyio.move_on_after(_ACCEPT_SECONDS):
                response = await endpoint.open("POST", {**POST_HEADERS, **headers}, content)
                await Body(response, limit=None).finish()
                return
        except MCPError as exc:
            logger.debug("the server did not accept a message: %s", exc.message)
            if not isinstance(exc.data, Fault) or exc.data.action != "retry":
                return
        if attempt < attempts:
            await anyio.sleep(retry_delay(attempt, retry_after=None, spread=random.random()))
