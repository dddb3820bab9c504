"""Parses server-sent events out of a stream's bytes (WHATWG HTML, 9.2, "Server-sent events"). Pure.

The parser works on bytes, as the JSON parser does, and reads each byte once, however the stream is cut into chunks.
"""

from __future__ import annotations

from attrs import define, field, frozen

from mcptasks._transport.http.bodies import TooLarge

_DIGITS = 9
"""How many digits a `retry` (in milliseconds) may have; a longer one counts as 10**9, more than eleven days. Callers
wait less anyway."""


@frozen
class Event:
    """One event of a stream, or a block without data that has an id to resume from or a time to wait."""

    data: bytes
    """The event's data; empty if it has none, or is of a kind that MCP does not use."""
    last_id: str | None
    """The id to resume the stream from, by the `Last-Event-ID` header; None if the stream has given none so far."""
    retry: int | None
    """Milliseconds to wait before the stream is resumed; None if the event does not say."""


@define
class EventParser:
    """Parses one stream."""

    limit: int
    """How many bytes one event may have."""
    _line: list[bytes] = field(factory=list[bytes], init=False)
    """The pieces of the line that has begun."""
    _data: list[bytes] = field(factory=list[bytes], init=False)
    first_kind: bytes | None = field(default=None, init=False)
    """The kind of the first event, empty if it names none; None until an event has come."""
    _kind: bytes = field(default=b"", init=False)
    _retry: int | None = field(default=None, init=False)
    _last_id: str | None = field(default=None, init=False)
    _told_id: str | None = field(default=None, init=False)
    _size: int = field(default=0, init=False)
    _after_return: bool = field(default=False, init=False)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the next bytes of the stream complete.

        Raises:
            TooLarge: An event has more bytes than allowed.
        """
        if not chunk:
            return []
        after_return, self._after_return = self._after_return, chunk.endswith(b"\r")
        if after_return:
            # The previous chunk ended between the CR and the LF of one line end.
            chunk = chunk.removeprefix(b"\n")
        events: list[Event] = []
        for piece in chunk.splitlines(keepends=True):
            self._size += len(piece)
            if self._size > self.limit:
                raise TooLarge
            text = piece.rstrip(b"\r\n")
            if len(text) == len(piece):
                self._line.append(piece)
                continue
            if self._line:
                text = b"".join((*self._line, text))
                self._line.clear()
            if text:
                self._take(text)
            else:
                self._dispatch(events)
        return events

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._kind = value
            case b"id" if b"\0" not in value:
                self._last_id = value.decode("utf-8", errors="replace")
            case b"retry" if value.isdigit():
                self._retry = int(value) if len(value) <= _DIGITS else 10**_DIGITS
            case _:
                pass

    def _dispatch(self, events: list[Event]) -> None:
        if self.first_kind is None and (self._data or self._kind):
            self.first_kind = self._kind
        data = b"\n".join(self._data) if self._kind in (b"", b"message") else b""
        if data or self._retry is not None or self._last_id != self._told_id:
            events.append(Event(data, self._last_id, self._retry))
            self._told_id = self._last_id
        self._data.clear()
        self._kind, self._retry, self._size = b"", None, 0
