"""One server's endpoint and the session with it: sends HTTP requests, returns successful responses, raises the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
from attrs import define, evolve, field, frozen
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND, ErrorData

from mcptasks._core import safe_text
from mcptasks._core.faults import TRANSIENT_HTTP, Fault, nonsense, of_status
from mcptasks._core.json import as_object
from mcptasks._transport.http.advice import about_status
from mcptasks._transport.http.bodies import Body, TooLarge
from mcptasks._transport.http.doors import explained
from mcptasks._transport.http.faults import failure, is_fault
from mcptasks._transport.http.redirects import LONGEST, REDIRECTS, followed, refusal
from mcptasks._transport.http.senders import Sender
from mcptasks._wire.decoding import Undecodable, decode

SESSION_HEADER = "mcp-session-id"
VERSION_HEADER = "mcp-protocol-version"

_ERROR_BYTES = 64 * 1024
"""How many bytes are read of an error's body; a longer body counts as empty. Texts for people are shorter."""
_WORDS = 300
"""How many characters of a server's text go into an error; the rest is cut off."""
_DATE = 64
"""How many characters a date in a header may have; a longer one is ignored. The forms of RFC 9110, 5.6.7 have 33 at
most."""


@define(eq=False)
class Endpoint:
    """The URL to which the messages of one connection go, and the session there."""

    url: httpx2.URL
    sender: Sender
    max_size: int
    """How many bytes one answer may have, decompressed."""
    session_id: str | None = field(default=None, init=False)
    """The session's id (2025-11-25, "Session Management"); None if the server gave none."""
    known: bool = field(default=False, init=False)
    """Whether the server has ever answered. Until then, errors say that the URL may be wrong."""
    refused_with: int | None = field(default=None, init=False)
    """The HTTP status of the latest refusal."""
    version: str | None = field(default=None, init=False)
    """The protocol version for messages without a header of their own: notifications, answers, streams."""

    async def open(
        self,
        method: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        *,
        request_id: int | str | None = None,
    ) -> httpx2.Response:
        """Send an HTTP request, follow redirects, and return the successful response. Its body is not read yet.

        Args:
            method: The HTTP method.
            headers: The headers of this request alone.
            content: The message.
            request_id: The message's id, if the message is a request.

        Raises:
            MCPError: No response came, or the response refuses the request. The error's data is a `Fault`, or the error
                is the server's own.
        """
        session = self.session_id
        stated = dict(headers)
        if session is not None:
            stated[SESSION_HEADER] = session
        if self.version is not None:
            stated.setdefault(VERSION_HEADER, self.version)
        url, hops = self.url, 0
        while True:
            response = await self._send(method, url, stated, content)
            status = response.status_code
            if status < 300:
                return response
            if status not in REDIRECTS:
                self.refused_with = status
                place = None if self.known else url
                raise await _refused(response, place, in_session=session is not None, request_id=request_id)
            await Body(response, limit=None).finish()
            place = followed(method, status, url, response.headers)
            if place is None or hops == LONGEST:
                reason = refusal(status, url, response.headers)
                raise failure(Fault(action="raise", meaning="connection", reason=reason, sent=False, status=status))
            if status == 308 and url == self.url:
                # A 308 is permanent, so it holds for later requests too (RFC 9110, 15.4.9), unless a temporary redirect
                # came before it.
                self.url = place
            url, hops = place, hops + 1

    async def _send(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        try:
            return await self.sender.send(method, url, headers, content)
        except MCPError as exc:
            if self.known:
                raise
            raise await explained(exc, url, direct=self.sender.direct) from exc.__cause__

    def begin_session(self, response: httpx2.Response) -> None:
        """Take the session id from a response to `initialize`, if it has one.

        Raises:
            MCPError: The id has characters that the specification does not allow.
        """
        given = response.headers.get(SESSION_HEADER)
        if given is None:
            return
        if not given or not given.isascii() or not given.isprintable() or " " in given:
            raise failure(nonsense("the server's session id is not made of visible ASCII characters"))
        self.session_id = given


async def _refused(
    response: httpx2.Response, unknown: httpx2.URL | None, *, in_session: bool, request_id: int | str | None
) -> MCPError:
    """The error that an unsuccessful status means: the server's own error, or a fault.

    Args:
        response: The response.
        unknown: The URL, if the server has never answered, so that the URL may be wrong.
        in_session: Whether the request named a session.
        request_id: The id of the message.
    """
    body = Body(response, limit=_ERROR_BYTES)
    try:
        content = await body.read()
    except Exception as exc:
        if not isinstance(exc, TooLarge) and not is_fault(exc):
            raise
        content = b""  # The status says enough.
    finally:
        await body.finish()
    status = response.status_code
    said = _said(content, response.headers.get("content-type", ""))
    own = said.error is not None and said.id == request_id and request_id is not None
    lost = in_session and (status == 404 or not own)
    reason = f"HTTP {status} {response.reason_phrase}".rstrip()
    wait = retry_after(response.headers, time.time())
    code = None if said.error is None else said.error.code
    fault = of_status(status, reason, in_session=lost, words=said.words, code=code, wait=wait)
    believed = fault.action != "reopen" and (status not in TRANSIENT_HTTP or code == METHOD_NOT_FOUND)
    if said.error is not None and believed:
        return MCPError(code=said.error.code, message=said.error.message, data=said.error.data)
    advice = "" if unknown is None else about_status(status, unknown, content)
    return failure(evolve(fault, reason=f"{advice} ({fault.reason})") if advice else fault)


@frozen
class _Said:
    """The contents of an error's body."""

    words: str
    """A text for people: a JSON-RPC error's message, or a plain text; empty for a page of HTML."""
    id: Any = None
    error: ErrorData | None = None


def _said(content: bytes, kind: str) -> _Said:
    try:
        parsed = as_object(decode(content)) or {}
    except Undecodable:
        plain = kind.startswith("text/plain")
        return _Said(" ".join(safe_text.cut(content.decode("utf-8", "replace"), _WORDS).split()) if plain else "")
    raw = as_object(parsed.get("error"))
    if raw is None:
        # Web frameworks answer {"detail": ...}, {"message": ...} or {"error": ...}.
        found = next((parsed[key] for key in ("detail", "message", "error") if isinstance(parsed.get(key), str)), "")
        return _Said(safe_text.cut(found, _WORDS))
    code, message = raw.get("code"), raw.get("message")
    words = message if isinstance(message, str) else ""
    if isinstance(code, bool) or not isinstance(code, int):
        return _Said(safe_text.cut(words, _WORDS))
    error = ErrorData(code=code, message=words, data=raw.get("data"))
    return _Said(safe_text.cut(words, _WORDS), parsed.get("id"), error)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait according to the Retry-After header (RFC 9110, 10.2.3); None without a valid one.

    Args:
        headers: The response's headers.
        now: Seconds since the epoch.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    if not value or len(value) > _DATE:
        return None
    try:
        when = parsedate_to_datetime(value)
        # RFC 9110, 5.6.7: all three forms of a date are in UTC, even the form that does not say so.
        return max(when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
