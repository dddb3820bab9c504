"""Server-sent events out of bytes: each event once and whole, however the stream is cut into chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._transport.http.bodies import TooLarge
from mcptasks._transport.http.events import Event, EventParser

LIMIT = 1000


def events(*chunks: bytes, limit: int = LIMIT) -> list[Event]:
    """What a stream of these chunks holds."""
    parser = EventParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: x\n\n", [Event(b"x", None, None)]),
        (b"data:x\r\n\r\n", [Event(b"x", None, None)]),
        (b"data:  x\r\r", [Event(b" x", None, None)]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb", None, None)]),
        (b": ping\n\ndata: x\n\n", [Event(b"x", None, None)]),
        (b"event: message\ndata: x\n\n", [Event(b"x", None, None)]),
        (b"id: 7\ndata: x\n\ndata: y\n\n", [Event(b"x", "7", None), Event(b"y", "7", None)]),
        (b"id: 7\ndata: \n\n", [Event(b"", "7", None)]),
        (b"retry: 250\n\n", [Event(b"", None, 250)]),
        (b"retry: -1\ndata: x\n\n", [Event(b"x", None, None)]),
        (b"retry: 1e3\ndata: x\n\n", [Event(b"x", None, None)]),
        (b"retry: " + b"9" * 400 + b"\n\n", [Event(b"", None, 10**9)]),
        (b"id: a\0b\ndata: x\n\n", [Event(b"x", None, None)]),
        (b"id: \xff\ndata: x\n\n", [Event(b"x", "\ufffd", None)]),
        (b"event: ping\ndata: x\n\n", []),
        (b"nonsense\nfield: x\n\n", []),
        (b"data: never ended", []),
        (b"data: never ended\n", []),
    ],
)
def test_events(stream: bytes, expected: list[Event]) -> None:
    """Fields, line ends, comments and other kinds of events are read as WHATWG HTML, 9.2.6, says; nonsense is passed
    over."""
    assert events(stream) == expected


LINES = st.sampled_from(
    [
        b"data: x",
        b"data: y z",
        b"data",
        b"id: 1",
        b"id",
        b"retry: 5",
        b"event: message",
        b"event: other",
        b": note",
        b"",
    ]
)


@given(st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))), st.data())
def test_chunks(lines: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """Where a stream is cut makes no difference, also between CR and LF."""
    stream = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert events(*chunks) == events(stream)


def test_size() -> None:
    """One event may have so many bytes and no more, in one line or in many, ended or not."""
    assert events(b"data: " + b"x" * 900 + b"\n\n") * 3
    for stream in (b"data: " + b"x" * LIMIT, b"data: x\n" * LIMIT, b": " + b"x" * LIMIT):
        with pytest.raises(TooLarge):
            events(*(stream[i : i + 10] for i in range(0, len(stream), 10)))
    assert len(events(*[b"data: x\n\n"] * LIMIT)) == LIMIT


def test_work_is_linear() -> None:
    """A long line that comes in small pieces is put together once."""
    pieces = [b"data: ", *[b"x" * 100] * 20_000, b"\n\n"]
    parser = EventParser(10_000_000)
    kept = max(len(parser._line) for piece in pieces if not parser.feed(piece))
    assert kept == 20_001
