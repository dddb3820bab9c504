"""What a failed request means: try again, open a new connection, or give up. Pure.

For a failure below JSON-RPC, our transports make a `Fault`. The SDK carries the `Fault` to the caller as the `data` of
an error. No server can send an object of that type.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import evolve, frozen
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
)

PATIENCE = 3
"""How many times one request may get an invalid answer, or an internal error; then the failure is final. A gateway's
short disturbance is over by then; a fault of the server itself is not."""

_GENERAL = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT, -32002})
"""Codes that servers use both for an unknown task and for other errors. The specification's code for an unknown task is
-32602 (invalid params)."""
_OWN = frozenset({PARSE_ERROR, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY})
"""Codes with one meaning, whatever the message says."""

_READ = 500
"""How many characters of an error's message are searched for words; the rest is ignored, to bound the time."""
_UNKNOWN = re.compile(
    r"not found|unknown|no such|no task|expired|purged|(not|n't|no longer) (exist|known|valid)", re.IGNORECASE
)
_TASK = re.compile(r"\btasks?\b", re.IGNORECASE)
_SESSION = re.compile(
    r"\bsession( id)?\b.{0,40}(not found|unknown|expired|not|n't|no longer)|(unknown|invalid|no such|expired) session",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(method|tool|resource|prompt|host|token|credential|certificate|client|connection)s?\b", re.IGNORECASE
)

TRANSIENT_HTTP = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that mean a passing state of the server, whatever the body says."""

TOO_MANY = 429
"""The status of a server that gets too many requests (RFC 6585, section 4)."""

OUTAGES = frozenset({408, 425, 429, 502, 503, 504})
"""HTTP statuses from which we learn neither that the server is there nor which protocol it speaks."""

REFUSED_HTTP = frozenset({*range(300, 400), 401, 403, 404, 405, 406, 407, 411, 413, 414, 415, 421, 426, 428, 429, 431})
"""HTTP statuses that a server sends before it reads the message (RFC 9110, 15.4 and 15.5; RFC 6585)."""


@frozen(kw_only=True)
class Fault:
    """The meaning of one failed request."""

    action: Literal["retry", "reopen", "raise"]
    """Try again on this connection, try again on a new connection, or raise an error."""
    meaning: Literal["connection", "protocol", "unknown_task", "server_error"]
    """The kind of error to raise."""
    reason: str
    """The reason in words, for the error."""
    patient: bool = False
    """Whether to give up after `PATIENCE` such faults, since the fault does not look like an outage."""
    retry_after: float | None = None
    """Seconds that the server asked to wait; None if it did not ask."""
    sent: bool = True
    """False only if the request was certainly not carried out."""
    status: int | None = None
    """The HTTP status of the response; None if there was none."""

    @property
    def whereabouts(self) -> str:
        """Says whether the request reached the server."""
        if self.sent:
            return "the request may or may not have reached the server"
        if self.status is None:
            return "the request did not reach the server"
        return "the server refused the request before the work began"


def judge(code: int, message: str, data: Any) -> Fault:
    """The fault that a JSON-RPC error means, if it answers a request that reads a task's state or result.

    Args:
        code: The error's code.
        message: The error's message.
        data: The error's data; a `Fault` if a transport of ours made the error.
    """
    if isinstance(data, Fault):
        return data
    match code:
        case _ if code == INVALID_PARAMS or (code not in _OWN and says_unknown(message, named=code not in _GENERAL)):
            return Fault(action="raise", meaning="unknown_task", reason=message)
        case _ if code in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
            # Many servers use these codes for their own errors too, so this need not be an outage.
            words = message or ("connection closed" if code == CONNECTION_CLOSED else "no answer in time")
            own = bool(message) and not broke_off(code, message, data)
            words = f"the server answered with an error: {message}" if own else words
            return Fault(action="retry", meaning="connection", reason=words)
        case _ if code == PARSE_ERROR:
            # The SDK's transport quotes an answer that it cannot parse, in many lines.
            words = (
                "the server's answer is not a JSON-RPC message" if message.startswith("Failed to parse") else message
            )
            return Fault(action="retry", meaning="protocol", patient=True, reason=words)
        case _ if code == INTERNAL_ERROR:
            return Fault(action="retry", meaning="server_error", patient=True, reason=message)
        case _ if code in (MISSING_REQUIRED_CLIENT_CAPABILITY, METHOD_NOT_FOUND):
            return Fault(action="raise", meaning="protocol", reason=message)
        case _:
            return Fault(action="raise", meaning="server_error", reason=message)


def says_unknown(message: str, *, named: bool) -> bool:
    """Whether the message of an error that answers a request about a task means that the server does not know the task.

    Args:
        message: The error's message.
        named: Whether the message must have the word "task" in it.
    """
    words = message[:_READ]
    if _UNKNOWN.search(words) is None or _SESSION.search(words) is not None:
        return False
    return _TASK.search(words) is not None or (not named and _ANOTHER.search(words) is None)


def broke_off(code: int, message: str, data: Any) -> bool:
    """Whether an error was made by a transport because no valid answer came, and not by the server."""
    if isinstance(data, Fault) or code == PARSE_ERROR:
        return True
    # Servers use both codes too, so the SDKs' errors are recognized by their words.
    if code == REQUEST_TIMEOUT:
        return not message or "timed out" in message.lower()
    return code == CONNECTION_CLOSED and message.startswith(("Connection closed", "SSE stream"))


def no_connection(reason: str) -> Fault:
    """The fault of a connection that could not be made: nothing was sent."""
    return Fault(action="retry", meaning="connection", reason=reason, sent=False)


def broken(reason: str) -> Fault:
    """The fault of a connection, or an answer, that broke off after something was sent."""
    return Fault(action="retry", meaning="connection", reason=reason)


def nonsense(reason: str) -> Fault:
    """The fault of an invalid answer."""
    return Fault(action="retry", meaning="protocol", patient=True, reason=reason)


def too_large(what: str, limit: int) -> Fault:
    """The fault of an answer that is larger than the program allows. Asking again would not help."""
    words = f"{what} is larger than {limit} bytes; a larger limit can be set with max_answer_size="
    return Fault(action="raise", meaning="protocol", reason=words)


def of_status(
    status: int, reason: str, *, in_session: bool, words: str = "", code: int | None = None, wait: float | None = None
) -> Fault:
    """The fault that an unsuccessful HTTP status means.

    Args:
        status: The status.
        reason: The status in words.
        in_session: Whether the request named a session (2025-11-25).
        words: The text in the body: a JSON-RPC error's message, or the beginning of a plain text.
        code: The code of the JSON-RPC error in the body; None without one.
        wait: Seconds that the server asks to wait; None if it does not ask.
    """
    fault = Fault(
        action="raise",
        meaning="connection",
        reason=f"{reason}: {words}" if words else reason,
        retry_after=wait,
        status=status,
        sent=status not in REFUSED_HTTP,
    )
    if in_session and _session_unknown(status, words, code):
        # Only a JSON-RPC error comes from the server itself and proves that the request was not carried out. A bare
        # status may be a gateway's.
        return evolve(fault, action="reopen", sent=code is None)
    if status in TRANSIENT_HTTP:
        return evolve(fault, action="retry", sent=True)
    if status in (404, 410):
        return evolve(fault, action="retry", patient=True)
    return fault


def _session_unknown(status: int, words: str, code: int | None) -> bool:
    """Whether a response means that the server does not know the session.

    The specification says 404 (2025-11-25, basic/transports, "Session Management"). Servers made from the TypeScript
    SDK's examples answer 400 with -32000, some gateways 401 or 403 (seen: shared/wire/README.md).
    """
    if status in (401, 403, 404):
        return True
    named = "session" in words.lower() or "not initialized" in words.lower()
    return status in (400, 409, 410, 422) and (named or code in (CONNECTION_CLOSED, REQUEST_TIMEOUT))
