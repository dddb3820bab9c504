"""Samples for unit tests: statuses, task objects as on the wire, and arbitrary JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from mcptasks import TaskReference, TaskStatus
from mcptasks._core.models import Status

REFERENCE = TaskReference(
    task_id="t-1",
    kind="tool",
    name="add",
    endpoint="https://example.com/mcp",
    era="2026-07-28",
    expires_at=datetime(2026, 11, 22, 12, 0, 0, 250, tzinfo=UTC),
)


def status_of(status: Status = "working", message: str | None = None, **fields: Any) -> TaskStatus:
    """A status of the task "t-1"."""
    return TaskStatus(task_id="t-1", status=status, status_message=message, **fields)


def wire_task(status: Any = "working", **fields: Any) -> dict[str, Any]:
    """A task object of 2025-11-25, like the specification's examples."""
    return {
        "taskId": "t-1",
        "status": status,
        "createdAt": "2025-11-25T10:30:00Z",
        "lastUpdatedAt": "2025-11-25T10:40:00Z",
        "ttl": 60000,
        "pollInterval": 5000,
        **fields,
    }


def modern_task(status: Any = "working", **fields: Any) -> dict[str, Any]:
    """A task object of 2026-07-28."""
    return {
        "taskId": "t-1",
        "status": status,
        "createdAt": "2026-07-28T10:30:00+00:00",
        "lastUpdatedAt": "2026-07-28T10:40:00+00:00",
        "ttlMs": 60000,
        "pollIntervalMs": 5000,
        **fields,
    }


class Pieces(AsyncIterator[bytes]):
    """A body in pieces, which may break off. A class, since trio warns of a generator that is left half read."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._left = iter(pieces)
        self.taken = 0

    async def __anext__(self) -> bytes:
        """The next piece, or the fault in its place."""
        for piece in self._left:
            self.taken += 1
            if isinstance(piece, Exception):
                raise piece
            return piece
        raise StopAsyncIteration


# Bounded, since Python refuses to print an integer of more than 4300 digits.
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 10**18, 10**400, -(10**400)]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["working", "completed", "input_required", "2025-11-25T10:30:00Z", "0001-01-01T00:00:00+23:59"]),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
