"""What a failed request means: try again, open a new connection, or give up. Pure.

The SDK reports everything as a JSON-RPC error; `GUARD_KEY` in the error's data is what our own HTTP client
(`_transport/http.py`) adds where it knows more: the HTTP status, Retry-After, or that nothing was sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
)

from mcptasks._json import as_number, as_object

GUARD_KEY = f"mcptasks/http-{secrets.token_hex(8)}"
"""Random, so that no server can write it."""

PATIENCE = 3
"""How many times in a row an answer may be nonsense, or an error without a name, before it is believed."""

TRANSIENT_HTTP = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that speak of the server's condition, whatever the body says."""


@frozen(kw_only=True)
class Fault:
    """One failed request, as far as it can be told."""

    action: Literal["retry", "reopen", "raise"]
    """Try again on this connection, on a new one, or not at all."""
    meaning: Literal["connection", "protocol", "unknown_task", "server_error"]
    """What to call it when it is raised."""
    reason: str
    """In words, for messages."""
    patient: bool = False
    """Try again only `PATIENCE` times: it does not look like an outage."""
    retry_after: float | None = None
    """Seconds the server asked to wait."""
    sent: bool = True
    """False only where the request certainly was not carried out."""


def judge(code: int, message: str, data: Any) -> Fault:
    """What a JSON-RPC error in answer to a read of a task means.

    Args:
        code: The error's code.
        message: The error's message.
        data: The error's data.
    """
    guard = _guard(data)
    if guard is not None:
        return _judge_http(guard, message)
    match code:
        case _ if code == INVALID_PARAMS:
            return Fault(action="raise", meaning="unknown_task", reason=message)
        case _ if code == CONNECTION_CLOSED:
            # -32000 is also the general error code of many servers, so an outage is not taken for certain.
            return Fault(action="retry", meaning="connection", reason=message or "connection closed")
        case _ if code == REQUEST_TIMEOUT:
            return Fault(action="retry", meaning="connection", reason=message or "no answer in time")
        case _ if code == PARSE_ERROR:
            return Fault(action="retry", meaning="protocol", patient=True, reason=message)
        case _ if code == INTERNAL_ERROR:
            return Fault(action="retry", meaning="server_error", patient=True, reason=message)
        case _ if code in (MISSING_REQUIRED_CLIENT_CAPABILITY, METHOD_NOT_FOUND):
            return Fault(action="raise", meaning="protocol", reason=message)
        case _:
            return Fault(action="raise", meaning="server_error", reason=message)


def broke_off(code: int, message: str, data: Any) -> bool:
    """Whether an error comes from below the server: its answer is missing, not an answer of its own."""
    if _guard(data) is not None or code in (REQUEST_TIMEOUT, PARSE_ERROR):
        return True
    # -32000 is a server's general error too; these are the SDK's own words.
    return code == CONNECTION_CLOSED and message.startswith(("Connection closed", "SSE stream"))


def _guard(data: Any) -> Mapping[str, Any] | None:
    return as_object((as_object(data) or {}).get(GUARD_KEY))


def _judge_http(guard: Mapping[str, Any], message: str) -> Fault:
    status, retry_after = as_number(guard.get("status")), guard.get("retry_after")
    wait = as_number(retry_after)
    if status is None:
        return Fault(action="retry", meaning="connection", reason=message, sent=bool(guard.get("sent", True)))
    if status == 404 and guard.get("session"):
        # 2025-11-25 transports, "Session Management": the session is over and a new one has to be made.
        # Only a server's own word for it proves that the request was not carried out.
        sent = not guard.get("refused")
        return Fault(action="reopen", meaning="connection", reason=message, retry_after=wait, sent=sent)
    if status in TRANSIENT_HTTP:
        return Fault(action="retry", meaning="connection", reason=message, retry_after=wait)
    if status in (404, 410):
        return Fault(action="retry", meaning="connection", patient=True, reason=message, retry_after=wait)
    return Fault(action="raise", meaning="connection", reason=message)
