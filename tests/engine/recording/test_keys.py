"""What a call with a key comes to, for each phase of the call that had the key before."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks import StoreError, TaskKeyError
from mcptasks._core.events import Cancelled, Finished
from mcptasks._engine.recording import keys
from mcptasks._engine.recording.keys import Step
from mcptasks._store.digests import Digests
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import PHASES, Keep, Phase, Row
from tests.helpers.stores import ENDPOINT, NOW

PAYLOADS = Payloads(Keep(results=True), None)
DIGESTS = Digests(b"k" * 32)


def row(**changes: Any) -> Row:
    """A record of a call that was just answered with a task."""
    values: dict[str, Any] = {
        **dict.fromkeys(Row._fields),
        "id": "0123",
        "endpoint": ENDPOINT,
        "kind": "tool",
        "name": "work",
        "key": "order-42",
        "labels": {},
        "digest": DIGESTS.of("tool", "work", {"n": 1}),
        "phase": "created",
        "task_id": "t-1",
        "created_at": NOW,
        "updated_at": NOW,
        "fence": 1,
        "has_arguments": False,
        "has_result": False,
    }
    return Row(**{**values, **changes})


STEPS: list[tuple[Phase, float | None, Step]] = [
    ("intended", 20.0, "wait"),
    ("intended", None, "ask"),
    ("uncertain", 20.0, "ask"),
    ("refused", 20.0, "repeat"),
    ("immediate", None, "answered"),
    ("created", 20.0, "task"),
    ("over", None, "task"),
    ("forgotten", None, "task"),
]


@pytest.mark.parametrize(("phase", "left", "step"), STEPS)
def test_the_next_step(phase: Phase, left: float | None, step: Step) -> None:
    """Each phase has its step; a call whose client is dead may have been carried out."""
    assert keys.next_step(row(phase=phase, lease_left=left)) == step


def test_every_phase_has_a_step() -> None:
    """The table leaves no phase out."""
    assert {phase for phase, _, _ in STEPS} == set(PHASES)


def test_the_same_call() -> None:
    """The same tool with the same arguments is the same call; so is one whose digests cannot be compared, since the key
    file is a new one."""
    keys.check_same(row(), "tool", "work", DIGESTS.of("tool", "work", {"n": 1}))
    keys.check_same(row(), "tool", "work", Digests(b"x" * 32).of("tool", "work", {"n": 2}))


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "words"),
    [
        ("prompt", "work", {"n": 1}, "the key 'order-42' belongs to a call of the tool 'work'; nothing was sent"),
        ("tool", "other", {"n": 1}, "the key 'order-42' belongs to a call of the tool 'work'; nothing was sent"),
        ("tool", "work", {"n": 2}, "the key 'order-42' belongs to a call of 'work' with other arguments; nothing"),
    ],
)
def test_another_call(kind: Any, name: str, arguments: dict[str, Any], words: str) -> None:
    """A key belongs to one call; the error names that, and its task."""
    with pytest.raises(TaskKeyError) as caught:
        keys.check_same(row(), kind, name, DIGESTS.of(kind, name, arguments))
    assert str(caught.value).startswith(words)
    assert caught.value.key == "order-42"
    assert caught.value.reference is not None
    assert caught.value.reference.task_id == "t-1"


def test_references() -> None:
    """A task is named by its id; an answer that came at once has a reference that nobody can resume."""
    assert keys.reference_of(row(phase="intended", task_id=None)) is None
    found = keys.reference_of(row(era="2025-11-25", label="mine"))
    assert found is not None
    assert (found.task_id, found.endpoint, found.era, found.label) == ("t-1", ENDPOINT, "2025-11-25", "mine")
    at_once = keys.reference_of(row(phase="immediate", task_id=None))
    assert at_once is not None
    assert (at_once.task_id, at_once.returned_immediately) == ("immediate:0123", True)


def test_outcomes() -> None:
    """What the store has kept of the end is the outcome; what only the server can tell is asked of it."""
    result = PAYLOADS.result("0123", {"content": []})
    words = PAYLOADS.words("0123", "no paper")
    assert keys.outcome_of(row(phase="over"), result, PAYLOADS) == Finished({"content": []})
    assert keys.outcome_of(row(phase="over", status="cancelled"), None, PAYLOADS) == Cancelled(None)
    failed = keys.outcome_of(row(phase="immediate", status="failed", error=words), None, PAYLOADS)
    assert failed == Finished({"content": [{"type": "text", "text": "no paper"}], "isError": True})
    assert keys.outcome_of(row(phase="over", status="failed", error=words), None, PAYLOADS) is None
    for phase in ("created", "over", "forgotten"):
        assert keys.outcome_of(row(phase=phase), None, PAYLOADS) is None
    with pytest.raises(StoreError, match="has not kept the answer"):
        keys.outcome_of(row(phase="immediate"), None, PAYLOADS)
