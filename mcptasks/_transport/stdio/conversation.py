"""Turns the lines that a server writes on stdout into messages. Pure.

A line is a JSON-RPC message, an array of messages (2025-03-26), or noise: programs print other texts to stdout too.
Noise is skipped. An answer that is invalid, or too long to be read to its end, becomes an error for its request, whose
sender would otherwise wait for ever.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCResponse, RequestId
from pydantic_core import from_json

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.faults import Fault, nonsense, too_large
from mcptasks._core.json import as_list, as_object
from mcptasks._transport.stdio.lines import HEAD, Lines, Overlong
from mcptasks._transport.stdio.open_requests import OpenRequests
from mcptasks._wire.decoding import Undecodable, decode, read_message

logger = logging.getLogger("mcptasks")

_BLANK = re.compile(rb"[\s\xef\xbb\xbf]*")
"""White space and the bytes of byte order marks, which may begin a line (RFC 8259, 8.1)."""
_MARKS = frozenset({"jsonrpc", "result", "error"})
"""An answer has at least one of these members. Other JSON on stdout is noise."""
_SHOWN = 80
"""How many characters of a noisy line are logged; the rest is cut off. One line of a log suffices to recognize it."""
_OPENINGS = (HEAD, 1024, 256, 96)
"""How many bytes of a damaged line to parse for its first members: if a long piece fails, since it is nested too
deeply, a shorter piece may do."""


@define
class Conversation:
    """One connection's messages in both directions.

    Args:
        max_size: How many bytes a line may have; an answer in a longer line becomes an error.
    """

    max_size: int
    requests: OpenRequests = field(factory=OpenRequests, init=False)
    _lines: Lines = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lines = Lines(self.max_size)

    def lines(self, chunk: bytes) -> list[bytes | Overlong]:
        """The lines that a chunk of the output completes."""
        return self._lines.feed(chunk)

    def end(self) -> list[bytes | Overlong]:
        """The last line, if the output ends without a line feed."""
        return self._lines.end()

    def begin_anew(self) -> None:
        """Forget a line that has begun: the output of another process follows."""
        self._lines = Lines(self.max_size)

    def received(self, line: bytes | Overlong) -> list[JSONRPCMessage]:
        """The messages in a line, and an error for each request whose answer the line has spoilt."""
        text = line.head if isinstance(line, Overlong) else line
        start = _end_of_blank(text)
        if not text.startswith((b"{", b"["), start):
            return _noise(text, "no JSON-RPC") if start < len(text) else []
        head = text[start : start + HEAD]
        if isinstance(line, Overlong):
            return self._unread(head, too_large("the answer", self.max_size), for_all=True)
        try:
            value = decode(text[start:])
        except Undecodable as exc:
            reason = f"the server sent an answer that cannot be read: {exc}"
            return self._unread(head, nonsense(reason), for_all=False)
        items = as_list(value)
        return [message for item in ([value] if items is None else items) for message in self._in(item)]

    def fail(self, request_id: RequestId, fault: Fault) -> JSONRPCError:
        """Close an open request; returns the error, with the fault in it, that answers the request."""
        self.requests.answered(request_id)
        error = ErrorData(code=INTERNAL_ERROR, message=fault.reason, data=fault)
        return JSONRPCError(jsonrpc="2.0", id=request_id, error=error)

    def fail_all(self, fault: Fault) -> list[JSONRPCMessage]:
        """Close all open requests; returns an error for each."""
        return [self.fail(request_id, fault) for request_id in self.requests.take_all()]

    def _in(self, value: Any) -> list[JSONRPCMessage]:
        """The messages that a JSON value stands for: one, or none if the value is noise."""
        given = as_object(value)
        if given is None:
            return _noise(value, "no object")
        # Some servers write every member that a message may have, most of them null.
        parts = {name: part for name, part in given.items() if part is not None}
        if "result" not in parts and "error" not in parts and "method" in parts:
            try:
                return [read_message(parts)]
            except TaskProtocolError as exc:
                return _noise(value, str(exc))
        return self._answer(given, parts)

    def _answer(self, given: Mapping[str, Any], parts: dict[str, Any]) -> list[JSONRPCMessage]:
        if not _MARKS & given.keys():
            return _noise(given, "no JSON-RPC")
        request_id = parts.get("id")
        if isinstance(request_id, float) and request_id.is_integer():
            request_id = int(request_id)  # JSON has one type of numbers, and some servers write 1 as 1.0.
        asked = self.requests.find(request_id)
        source = parts if "result" in parts or "error" in parts else given
        answer = {name: source[name] for name in _MARKS if name in source}
        try:
            if len(answer) == len(_MARKS):
                raise TaskProtocolError("the server sent an answer with both a result and an error")
            message = read_message({**answer, "id": request_id})
        except TaskProtocolError as exc:
            return _noise(given, str(exc)) if asked is None else [self.fail(asked, nonsense(str(exc)))]
        if isinstance(message, JSONRPCError) and message.id is None:
            message.id = asked = self.requests.to_blame(message.error.code)
        if message_id(message) is None:
            return _noise(given, "an answer without an id")
        self.requests.answered(asked)
        return [message]

    def _unread(self, head: bytes, fault: Fault, *, for_all: bool) -> list[JSONRPCMessage]:
        """The errors for the requests that a line may have answered, if only the line's beginning can be read.

        Args:
            head: The line's beginning.
            fault: The fault that the errors carry.
            for_all: Whether every open request fails if the line's id is unknown. A line that is too long needs that,
                since its end may never come.
        """
        found = opening(head)
        answer = "result" in found or "error" in found
        if "method" in found or "params" in found or not (answer or for_all):
            return _noise(head, fault.reason)
        # An id in the last member may be cut off: its number may have more digits.
        if "id" in found and next(reversed(found)) != "id":
            asked = self.requests.find(found["id"])
        elif for_all:
            return self.fail_all(fault)
        else:
            asked = self.requests.only()
        return _noise(head, fault.reason) if asked is None else [self.fail(asked, fault)]


def message_id(message: JSONRPCMessage) -> RequestId | None:
    """The id of an answer; None for other messages."""
    return message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None


def opening(head: bytes) -> dict[str, Any]:
    """The first members of a JSON object that is cut off or damaged: those that can be read."""
    for size in _OPENINGS:
        piece = head[:size]
        try:
            json.loads(piece.decode("latin-1"))  # One character for each byte, so `exc.pos` is a position in `piece`.
        except json.JSONDecodeError as exc:
            piece = piece[: exc.pos]
        except (ValueError, RecursionError):
            pass
        try:
            return dict(as_object(from_json(piece, allow_partial=True)) or {})
        except ValueError:
            continue
    return {}


def _end_of_blank(line: bytes) -> int:
    blank = _BLANK.match(line)
    return 0 if blank is None else blank.end()


def _noise(what: Any, why: str) -> list[JSONRPCMessage]:
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("skipped what a server wrote on stdout (%s): %s", why, safe_text.short(what, _SHOWN))
    return []
