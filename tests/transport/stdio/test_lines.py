"""A server's output cut into lines: any bytes, in any pieces, with bounded memory and in time that is linear."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._transport.stdio.lines import HEAD, Lines, Overlong
from mcptasks._transport.stdio.stderr import last_words


@given(st.lists(st.binary(max_size=6)), st.integers(0, 6))
def test_pieces(pieces: list[bytes], max_size: int) -> None:
    """However the bytes are cut into pieces, the lines are the same; too long ones show their beginning."""
    lines = Lines(max_size)
    found = [line for piece in pieces for line in lines.feed(piece)] + lines.end()
    expected = b"".join(pieces).split(b"\n")
    heads = [line.head if isinstance(line, Overlong) else line for line in found]
    assert [line[: len(head)] for line, head in zip(filter(None, expected), heads, strict=True)] == heads
    for line, whole in zip(found, filter(None, expected), strict=True):
        assert isinstance(line, Overlong) == (len(whole) > max_size)


def work_of(function: Callable[[], Any]) -> int:
    """How many lines of Python run in a call."""
    count = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


class Counted(bytes):
    """Bytes that count how many of them are looked through."""

    looked = 0

    def split(self, sep: Any = None, maxsplit: SupportsIndex = -1) -> list[bytes]:
        """Count."""
        Counted.looked += len(self)
        return super().split(sep, maxsplit)


@pytest.mark.parametrize("size", [1, 4096])
def test_the_work_is_linear(size: int) -> None:
    """A line twice as long takes twice the work, and each byte is looked at once when it comes."""

    def read(pieces: int) -> None:
        lines = Lines(1 << 30)
        for _ in range(pieces):
            assert not lines.feed(Counted(b"x" * size))
        (line,) = lines.feed(b"\n")
        assert len(line if isinstance(line, bytes) else line.head) == pieces * size

    once, twice = work_of(lambda: read(1000)), work_of(lambda: read(2000))
    assert twice < 2.1 * once
    Counted.looked = 0
    read(1000)
    assert Counted.looked == 1000 * size


def test_what_is_too_long_is_not_kept() -> None:
    """A line that is too long is told of at once, its beginning is all that is kept, and the next one is read."""
    lines = Lines(10_000)
    assert lines.feed(b"a" * 10_000) == []
    assert lines.feed(b"b") == [Overlong(b"a" * HEAD)]
    for _ in range(100):
        assert lines.feed(b"c" * 10_000) == []
    assert lines.feed(b"\nnext\n") == [b"next"]
    assert Lines(3).feed(b"abcd") == [Overlong(b"abcd")]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b"", ""),
        (b" \n\r\n", ""),
        (b"Traceback:\n  here\nValueError: no key\n", "Traceback: | here | ValueError: no key"),
        (b"1\n2\n3\n4\n5\n6\n", "2 | 3 | 4 | 5 | 6"),
        (b"\x1b[31;1mred\x1b[0m \x1b]52;c;c3RvbGVu\x07text\x1b(B \x1b]0;title\x1b\\end", "red text end"),
        (b"10%\r20%\x08\x00\x7f \xe2\x80\xae", "10% | 20%\\x08\\x00\\x7f \\u202e"),
        (b"caf\xe9", "caf\ufffd"),
        (b"x" * 4096, "\u2026" + "x" * 499),
        (b"\x1b]" * 2000, ""),
    ],
)
def test_last_words(end: bytes, words: str) -> None:
    """Of a server's stderr the last five lines go into a message: on one line, short, and harmless on a terminal."""
    assert last_words(end) == words
