"""How long a server keeps a task, against what was asked: the decisions and their words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.models import Era
from mcptasks._core.retention import kept_until, not_sent, says_time, too_short
from mcptasks._wire.parsing import parse_status

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEGACY: Era = "2025-11-25"
MODERN: Era = "2026-07-28"


def status(**fields: Any) -> Any:
    """A status as it came over the wire."""
    return parse_status({"taskId": "t", "status": "working", **fields}, source="tasks/get")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, False),
        ({"ttl": None}, True),
        ({"ttlMs": None}, True),
        ({"ttl": 5}, True),
        ({"ttlMs": 5}, True),
        ({"ttl": "5"}, False),
        ({"ttlMs": -5}, False),
    ],
)
def test_says_time(fields: dict[str, Any], says: bool) -> None:
    """No limit is a word on the time; nothing, and what makes no sense, is none."""
    assert says_time(status(**fields)) is says


@pytest.mark.parametrize(
    ("era", "fields", "created", "expires", "expected"),
    [
        # Nothing said: what is known from the creating answer.
        (LEGACY, None, None, NOON, NOON),
        (MODERN, {}, NOON, NOON + HOUR, NOON + HOUR),
        (None, {}, None, None, None),
        # 2025-11-25: the creating answer counts, where it said something.
        (LEGACY, {"ttl": 60_000}, NOON, NOON + HOUR, NOON + HOUR),
        (LEGACY, {"ttl": 3_600_000}, NOON, None, NOON + HOUR),
        # 2026-07-28: the latest status counts, from the creation by this machine's clock.
        (MODERN, {"ttlMs": 3_600_000}, NOON, NOON + 5 * HOUR, NOON + HOUR),
        (MODERN, {"ttlMs": 3_600_000, "createdAt": "2020-01-01T00:00:00Z"}, NOON, None, NOON + HOUR),
        (MODERN, {"ttlMs": None}, NOON, NOON + HOUR, None),
        # Of a task that somebody else created: by the server's clock.
        (MODERN, {"ttlMs": 3_600_000, "createdAt": "2026-11-29T12:00:00Z"}, None, None, NOON + HOUR),
        (MODERN, {"ttlMs": 3_600_000}, None, NOON, NOON),
        (MODERN, {"ttlMs": 3_600_000}, None, None, None),
        (MODERN, {"ttlMs": 3_600_000, "createdAt": "9999-12-31T23:59:59Z"}, None, NOON, None),
    ],
)
def test_kept_until(era: Era | None, fields: Any, created: Any, expires: Any, expected: Any) -> None:
    """What is said last counts, but for 2025-11-25, and counts from what is known best of the creation."""
    found = None if fields is None else status(**fields)
    assert kept_until(found, era=era, created=created, expires=expires) == expected


FIELDS = st.sampled_from(["ttl", "ttlMs", "createdAt"])
VALUES = (
    st.none() | st.integers() | st.floats() | st.text() | st.datetimes().map(datetime.isoformat) | st.lists(st.none())
)


@given(st.dictionaries(FIELDS, VALUES), st.sampled_from([LEGACY, MODERN]))
def test_whatever_is_sent(fields: dict[str, Any], era: Era) -> None:
    """Whatever a server sends, the time is aware or None."""
    found = kept_until(status(**fields), era=era, created=None, expires=None)
    assert found is None or found.tzinfo is not None


def test_too_short() -> None:
    """Only less than what was asked for is worth a word."""
    assert too_short(HOUR, status(ttl=3_600_000)) is too_short(HOUR, status(ttl=None)) is None
    words = too_short(HOUR, status(ttl=60_000))
    assert words is not None
    assert words.startswith("the server keeps the task for 0:01:00, not for the ttl of 1:00:00; ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "resource 'x' does not become a task, so nothing is kept"),
        ({"tasks": False}, "the server has no tasks, so nothing is kept"),
        ({"era": MODERN, "tasks": False}, "the server has no tasks, so nothing is kept"),
        ({"era": MODERN}, "a 2026-07-28 server alone decides how long"),
        ({"era": MODERN, "offered": False}, "the server makes no task of a resource, so nothing is kept"),
        ({"kind": "tool", "offered": False}, "the server makes no task of a tool, so nothing is kept"),
        ({"kind": "tool", "support": "forbidden"}, "tool 'x' does not become a task (its taskSupport is forbidden)"),
        ({"kind": "tool", "support": None}, "tool 'x' does not become a task (its taskSupport is not known)"),
        ({"kind": "tool", "support": "optional", "task": False}, "tool 'x' is called without task=True"),
        ({"task": False}, "resource 'x' is called without task=True"),
        ({"kind": "prompt", "name": "\x1b[2J"}, r"prompt '\x1b[2J' does not"),
    ],
)
def test_why_it_was_not_sent(changes: dict[str, Any], words: str) -> None:
    """The words say what is in the way."""
    case: dict[str, Any] = {"era": LEGACY, "kind": "resource", "name": "x", "task": True, "tasks": True}
    case |= {"offered": True, "support": None, **changes}
    found = not_sent(**case)
    assert found.startswith("ttl was not sent: ")
    assert words in found
