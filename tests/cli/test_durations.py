"""Durations, as people write them and as they are shown."""

from __future__ import annotations

import pytest

from mcptasks._cli.durations import seconds, words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", 0), ("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("5 min", 300), ("2h", 7200), ("1d", 86400)),
        *(("1w", 604800), ("1h30m", 5400), ("1h 30m", 5400), ("250ms", 0.25)),
    ],
)
def test_read(text: str, value: float) -> None:
    """A number is seconds; numbers with units are added up."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "-1", "1x", "1h30", "h1", "nan", "inf", "1e3", "٣s", "1h,30m", "9" * 400])
def test_refused(text: str) -> None:
    """What is no duration is refused, and nothing is guessed."""
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        *((-1, "0 s"), (0, "0 s"), (99.9, "99 s"), (100, "1 min"), (119, "1 min"), (120, "2 min"), (3599, "59 min")),
        *((3600, "1 h"), (86399, "23 h"), (86400, "1 d"), (86400 * 400, "400 d")),
    ],
)
def test_shown(duration: float, text: str) -> None:
    """A duration is shown in one unit."""
    assert words(duration) == text
