"""What servers and programs might put into values to break whoever shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b style='x'>&lt;"
BIDI = "\u202e\u2066abc\u2069\u200f"
ODD = f"\ud800 \x00\x1b[31m\r{BIDI}\u2028\ufeff\U000e0041"

hostile = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Ps"])) | st.just(MARKUP + ODD)


class Broken:
    """Cannot even be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise ValueError(MARKUP)


class Sly(str):
    """A string that shows itself as something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        """More than one line, and more than anyone asked for."""
        return "one\ntwo" * 100_000


class Endless(dict[str, Any]):
    """A mapping that says one thing and does another."""

    def __len__(self) -> int:
        """Too little."""
        return 1

    def __iter__(self) -> Iterator[str]:
        """Too much."""
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
