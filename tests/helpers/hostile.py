"""Values with which a server or a program might break code that shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b style='x'>&lt;"
BIDI = "\u202e\u2066abc\u2069\u200f"
ODD = f"\ud800 \x00\x1b[31m\r{BIDI}\u2028\ufeff\U000e0041"
TERMINAL = (
    "\x1b]0;title\x07\x1b[2J\x1b]52;c;cm0gLXJmIH4=\x07\x1b]8;;https://evil.example/\x1b\\here\x1b]8;;\x1b\\"
    "\x9b31m\x9d0;t\x9c\x85\r\nroot# rm\rls\x08\x7f\x00"
    "\u2028\u2029\u202egpj.exe\u2066\u2069\u200b\u200c\u200dx\ufeff\u00ad\u061c\U000e0041\ud800"
    "\u3164\u034f\ufe00\U000e0100"
)
"""Sets title and clipboard, clears the screen, hides a link, overwrites, reverses the direction, and has invisible
characters."""

hostile = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Ps"])) | st.just(MARKUP + ODD)


def harm(text: str) -> set[str]:
    """The characters in a text on which a terminal would act, or which are invisible."""
    hidden = set("\u3164\u115f\u1160\uffa0\u034f\ufe00\U000e0100")
    # These joiners are fine between letters or emoji, which they shape.
    shaped = {
        index
        for index in range(1, len(text) - 1)
        if text[index] in "\u200c\u200d"
        and all(unicodedata.category(side)[0] in "LMS" for side in (text[index - 1], text[index + 1]))
    }
    return {
        char
        for index, char in enumerate(text)
        if char not in "\n\t"
        and index not in shaped
        and (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or char in hidden)
    }


class Broken:
    """An object whose `repr` fails."""

    def __repr__(self) -> str:
        """Fail."""
        raise ValueError(MARKUP)


class Sly(str):
    """A string whose `repr` is something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return many lines of text."""
        return "one\ntwo" * 100_000


class Endless(dict[str, Any]):
    """A mapping whose length and items contradict each other."""

    def __len__(self) -> int:
        """Return too small a number."""
        return 1

    def __iter__(self) -> Iterator[str]:
        """Return keys without end."""
        while True:
            yield "key"


def nested(depth: int) -> Any:
    """Containers within each other."""
    value: Any = "core"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def circle() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


MEGABYTES = "x<" * 2_000_000
HOSTILE: dict[str, Any] = {
    "megabytes": MEGABYTES,
    "megabytes of bytes": MEGABYTES.encode(),
    "controls": "\U000e0041" * 1_000_000,
    "deep": nested(100_000),
    "wide": [{"key": "value"}] * 1_000_000,
    "wide mapping": {f"<{n}>": n for n in range(100_000)},
    "long keys": {MEGABYTES: MEGABYTES},
    "circle": circle(),
    "broken": Broken(),
    "broken inside": [{"k": (Broken(),)}],
    "sly": Sly(),
    "endless": Endless(),
    "digits": 10**100_000,
}
