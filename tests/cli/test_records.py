"""Tasks of the store, as commands show them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from mcptasks._cli import records
from mcptasks._cli.commands.list import fits, row
from mcptasks.store import TaskRecord

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
RECORD = TaskRecord(
    id="3f2a91bc" * 4,
    endpoint="https://example.com/mcp",
    era="2026-07-28",
    kind="tool",
    name="report",
    label="2026-11",
    key="k",
    labels={"job": "nightly", records.TARGET: "reports", records.AUTH: "TOKEN"},
    phase="created",
    task_id="t1",
    status="working",
    created_at=NOW,
    updated_at=NOW,
    expires_at=NOW,
)


def test_reference() -> None:
    """The reference is word for word that of the library, for every program that reads one."""
    assert RECORD.reference is not None
    assert records.reference(RECORD) == json.loads(RECORD.reference.to_json())
    assert records.reference(attrs.evolve(RECORD, task_id=None)) is None


def test_labels() -> None:
    """Our own labels are not shown among the user's; the server is shown as it was called."""
    assert records.labels(RECORD) == {"job": "nightly"}
    assert records.server(RECORD) == "reports"
    assert records.server(attrs.evolve(RECORD, labels={})) == "https://example.com/mcp"


def test_json() -> None:
    """Everything that `--json` has of a task is JSON, and names every field that the schema promises."""
    found = json.loads(json.dumps(records.as_json(RECORD)))
    assert found["created_at"] == "2026-11-29T12:00:00+00:00"
    assert {"id", "server", "task_id", "name", "key", "labels", "phase", "status", "questions", "reference"} <= set(
        found
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "working"),
        ({"phase": "uncertain", "status": None}, "may exist"),
        ({"phase": "intended", "status": None}, "being sent"),
        ({"phase": "immediate", "status": None}, "completed"),
        ({"phase": "immediate", "status": None, "error": "x"}, "failed"),
        ({"phase": "over", "status": "cancelled"}, "cancelled"),
        ({"phase": "forgotten"}, "forgotten"),
        ({"status": None}, "unknown"),
    ],
)
def test_statuses(changes: dict[str, Any], word: str) -> None:
    """A task has one word for how far it is, whichever phase and status the store has."""
    assert records.status(attrs.evolve(RECORD, **changes)) == word


@pytest.mark.parametrize(
    ("statuses", "server", "wanted"),
    [
        (set[str](), None, True),
        ({"working"}, None, True),
        ({"completed"}, None, False),
        ({"uncertain", "working"}, None, True),
        (set[str](), "reports", True),
        (set[str](), "https://example.com/mcp", True),
        (set[str](), "other", False),
    ],
)
def test_filters(statuses: set[str], server: str | None, wanted: bool) -> None:
    """A list is narrowed by status and by server, in the words of the call or as an address."""
    assert fits(RECORD, statuses, server) is wanted


def test_rows() -> None:
    """A row has the beginning of the id, and no text of a server as it came."""
    evil = attrs.evolve(RECORD, name="\x1b[2J", message="a\nb", created_at=NOW)
    assert row(evil, NOW) == ["3f2a91bc", "\\x1b[2J", "working", "0 s", "reports", "a\\nb"]
