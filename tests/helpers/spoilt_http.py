"""Other HTTP around an answer: statuses, headers, lengths, event streams, and connections that end too soon.

The choices are tables, as in `spoilt_words.py`. `FORMS` has right ways to send a message. `BAD_FORMS` has wrong ways,
and statuses that are no answer.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from attrs import evolve, frozen

from tests.helpers.conversing import value
from tests.helpers.raw_server import End
from tests.helpers.spoilt_words import FOREIGN, as_event_of_lines


@frozen
class Parts:
    """An answer before it becomes bytes."""

    texts: list[bytes]
    """The messages; all but the last come before the answer."""
    session: str | None

    @property
    def last(self) -> bytes:
        """The text of a JSON body: the answer."""
        return self.texts[-1] if self.texts else b""


@frozen
class Http:
    """An HTTP answer, as a form makes it."""

    body: bytes
    head: str = "HTTP/1.1 200 OK"
    content_type: str | None = "application/json"
    headers: tuple[str, ...] = ()
    length: Literal["right", "chunked", "none"] | str = "right"
    """How the body's end is marked. Any other text is the value of Content-Length."""
    end: End = "keep"
    before: bytes = b""
    after: bytes = b""
    cut: float = 1.0
    """The fraction of the body that is sent."""
    kept: bytes | None = None
    """The bytes for a GET that resumes the stream."""

    def bytes(self, session: str | None) -> bytes:
        """The answer as bytes on the wire."""
        lines = [self.head, *self.headers]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        if session is not None:
            lines.append(f"Mcp-Session-Id: {session}")
        body = self.body
        if self.length == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _in_parts(body, 97)) + b"0\r\n\r\n"
        elif self.length == "right":
            lines.append(f"Content-Length: {len(body)}")
        elif self.length != "none":
            lines.append(f"Content-Length: {self.length}")
        if self.end != "keep" and self.cut == 1.0:
            lines.append("Connection: close")
        whole = self.before + "\r\n".join([*lines, "", ""]).encode("latin-1") + body + self.after
        return whole[: int(len(whole) * self.cut)]


Form = Callable[[Parts], Http]


def _in_parts(body: bytes, size: int) -> Iterable[bytes]:
    size = max(size, len(body) // 40)
    return (body[start : start + size] for start in range(0, len(body), size))


def _json(**more: Any) -> Form:
    return lambda parts: Http(parts.last, **more)


def _stream(ending: bytes = b"\n", before: bytes = b"", after: bytes = b"", **more: Any) -> Form:
    """The messages as an event stream."""
    settings: dict[str, Any] = {"content_type": "text/event-stream", "length": "chunked", **more}
    return lambda parts: Http(
        before + b"".join(as_event_of_lines(text, ending) for text in parts.texts) + after, **settings
    )


def _moved(code: int) -> Form:
    return lambda parts: Http(b"", f"HTTP/1.1 {code} Moved", headers=("Location: /mcp/moved",), content_type=None)


def _resumed(parts: Parts) -> Http:
    body = b"id: 1\nretry: 10\ndata:\n\n"
    kept = b"".join(as_event_of_lines(text) for text in parts.texts)
    return Http(body, content_type="text/event-stream", length="chunked", kept=kept)


def _zipped(parts: Parts) -> Http:
    return Http(gzip.compress(parts.last), headers=("Content-Encoding: gzip",))


FORMS: Mapping[str, Form] = {
    "JSON": _json(),
    "JSON, chunked": _json(length="chunked"),
    "JSON until the end": _json(length="none", end="close"),
    "JSON with a charset": _json(content_type="application/json; charset=utf-8"),
    "JSON in capitals": _json(content_type="Application/JSON"),
    "JSON, gzip": _zipped,
    "JSON and early hints": _json(before=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "JSON and many headers": _json(headers=tuple(f"X-{number}: {number}" for number in range(60))),
    "JSON and cookies": _json(headers=("Set-Cookie: a=b", "Set-Cookie: =", "Set-Cookie: c; expires=never")),
    "stream": _stream(),
    "stream, CRLF": _stream(b"\r\n"),
    "stream, CR": _stream(b"\r"),
    "stream until the end": _stream(length="none", end="close"),
    "stream with a length": _stream(length="right"),
    "stream with a byte order mark": _stream(before=b"\xef\xbb\xbf"),
    "stream with comments": _stream(before=b": hello\n\n:\n\n", after=b": bye\n\n"),
    "stream with ids": _stream(before=b"id: 1\nretry: 10\ndata:\n\n"),
    "stream with an unknown field": _stream(before=b"nonsense: 1\nnothing\n\n"),
    "stream with an unknown event": _stream(before=b"event: ping\ndata: x\n\n"),
    "stream that stays open": _stream(length="1000000000", end="hang"),
    "stream, retry: -1": _stream(before=b"retry: -1\n\n"),
    "stream, retry: 0": _stream(before=b"retry: 0\n\n"),
    "stream, retry of 400 digits": _stream(before=b"retry: " + b"9" * 400 + b"\n\n"),
    "stream, an id with a NUL": _stream(before=b"id: a\x00b\ndata:\n\n"),
    "moved, 307": _moved(307),
    "moved, 308": _moved(308),
}
"""Right ways to send an answer. A JSON body holds one message."""

LEGACY_FORMS: Mapping[str, Form] = {"stream that is resumed": _resumed}
"""Right in legacy only: 2026-07-28 has no resumption."""

_OTHER_ANSWER = Http(json.dumps({"jsonrpc": "2.0", "id": 1, "result": value(FOREIGN)}).encode()).bytes(None)
_SHORT_PAGE = b"<html>no</html>"
_CODES = (202, 204, 206, 300, 301, 302, 303, 304, 307, 400, 401, 403, 404, 405, 406, 408, 410, 413, 415, 422, 425, 429)
_MORE_CODES = (500, 501, 502, 503, 504, 511, 599, 999)


def _status(code: int) -> Mapping[str, Form]:
    """A status without a body, with the answer as body, and with a page of HTML."""
    head = f"HTTP/1.1 {code} Word"
    forms: dict[str, Form] = {f"{code}": lambda parts: Http(b"", head, None)}
    if code not in (204, 304):
        forms[f"{code} with the answer"] = _json(head=head)
        forms[f"{code} with a page"] = lambda parts: Http(_SHORT_PAGE, head, "text/html")
    return forms


def _away(place: str, code: int = 307) -> Form:
    return lambda parts: Http(b"", f"HTTP/1.1 {code} Moved", None, (f"Location: {place}",))


LONG_PAUSE = "429 and an odd Retry-After"
"""The form after which a client sends nothing for a long time, since the server asks for that."""

BAD_FORMS: Mapping[str, Form] = {
    **{name: form for code in (*_CODES, *_MORE_CODES) for name, form in _status(code).items()},
    "503 and Retry-After": lambda parts: Http(b"", "HTTP/1.1 503 Busy", None, ("Retry-After: 1",)),
    LONG_PAUSE: lambda parts: Http(b"", "HTTP/1.1 429 Busy", None, ("Retry-After: " + "9" * 30,)),
    "401 and a challenge": lambda parts: Http(b"", "HTTP/1.1 401 Who", None, ('WWW-Authenticate: Bearer realm="x',)),
    "moved in a circle": _away("/mcp"),
    "moved to another origin": _away("http://127.0.0.1:1/mcp"),
    "moved to https": _away("https://127.0.0.1:1/mcp", 308),
    "moved to nowhere": _away("http://["),
    "moved to a file": _away("file:///etc/passwd"),
    "moved to nothing": _away(""),
    "no content type": _json(content_type=None),
    "a page's content type": _json(content_type="text/html"),
    "an unknown content type": _json(content_type="application/octet-stream"),
    "a content type of bytes": _json(content_type="\xff\xfe; =;"),
    "a stream as JSON": _stream(content_type="application/json"),
    "JSON as a stream": _json(content_type="text/event-stream"),
    "too long a length": lambda parts: Http(parts.last, length=str(len(parts.last) + 10)),
    "too long a length, then closed": lambda parts: Http(parts.last, length=str(len(parts.last) + 10), end="close"),
    "too short a length": lambda parts: Http(parts.last, length=str(max(len(parts.last) - 5, 0))),
    "no length": lambda parts: Http(parts.last, length="0"),
    "a negative length": _json(length="-1"),
    "a word as length": _json(length="many"),
    "a huge length": _json(length="9" * 30, end="close"),
    "two lengths": lambda parts: Http(parts.last, headers=("Content-Length: 3",)),
    "a length and chunks": lambda parts: Http(parts.last, headers=("Content-Length: 3",), length="chunked"),
    "a chunk of no size": _json(headers=("Transfer-Encoding: chunked",), length="none"),
    "chunks without an end": lambda parts: evolve(
        Http(b"%x\r\n%s\r\n" % (len(parts.last), parts.last), headers=("Transfer-Encoding: chunked",), length="none"),
        end="close",
    ),
    "an unknown transfer encoding": _json(headers=("Transfer-Encoding: brotli",), length="none", end="close"),
    "nothing, closed": _json(cut=0.0, end="close"),
    "nothing, reset": _json(cut=0.0, end="reset"),
    "silence": _json(cut=0.0, end="hang"),
    "half, closed": _json(cut=0.5, end="close"),
    "half, reset": _json(cut=0.5, end="reset"),
    "half, then silence": _json(cut=0.5, end="hang"),
    "most, closed": _json(cut=0.97, end="close"),
    "stream, half, closed": _stream(cut=0.6, end="close"),
    "stream, half, reset": _stream(cut=0.6, end="reset"),
    "stream, half, then silence": _stream(cut=0.6, end="hang"),
    "stream without its last line": lambda parts: evolve(_stream()(parts), body=as_event_of_lines(parts.last)[:-1]),
    "stream of nothing": lambda parts: evolve(_stream()(parts), body=b""),
    "stream of comments": lambda parts: evolve(_stream()(parts), body=b": x\n\n" * 100),
    "stream of an id": lambda parts: evolve(_stream()(parts), body=b"id: 1\nretry: 0\n\n"),
    "stream of an id, reset": lambda parts: evolve(_stream()(parts), body=b"id: 1\nretry: -1\n\n", end="reset"),
    "stream of empty events": lambda parts: evolve(_stream()(parts), body=b"event: message\n\ndata\n\ndata:\n\n"),
    "stream of one long line": lambda parts: evolve(_stream()(parts), body=b"data: " + b"x" * (2**20 + 1)),
    "another protocol": _json(head="ICY 200 OK"),
    "no HTTP": lambda parts: Http(b"", "220 mail.example ESMTP", None, length="none", end="close"),
    "HTTP/2": _json(before=b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", end="close"),
    "a status of one digit": _json(head="HTTP/1.1 2 OK"),
    "a header of 200,000 bytes": _json(headers=("X-Long: " + "x" * 200_000,)),
    "a header without a colon": _json(headers=("Nonsense",)),
    "a header with a NUL": _json(headers=("X: a\x00b",)),
    "a thousand early hints": _json(before=b"HTTP/1.1 103 Hints\r\n\r\n" * 1000),
    "switching protocols": _json(head="HTTP/1.1 101 Switching Protocols"),
    "another answer after it": _json(after=_OTHER_ANSWER),
    "bytes after it": _json(after=b"\x00 nonsense"),
    "gzip that is none": _json(headers=("Content-Encoding: gzip",)),
    "gzip cut off": lambda parts: evolve(_zipped(parts), body=gzip.compress(parts.last)[:-9]),
    "an unknown encoding": _json(headers=("Content-Encoding: nonsense",)),
    "a session id that is no word": _json(headers=("Mcp-Session-Id: \xe9\xff",)),
    "an empty session id": _json(headers=("Mcp-Session-Id:",)),
}
"""Wrong ways, and statuses that are no answer."""
