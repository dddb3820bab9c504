"""What is said of a task that a server does not know."""

from __future__ import annotations

import pytest
from attrs import evolve

from mcptasks import TaskReference
from mcptasks._core.unknown_tasks import Asked, unknown

URL = "http://127.0.0.1:8000/mcp"
ASKED = Asked(endpoint=URL, era="2025-11-25", tasks=True, version="3.4.4", in_session=True)
OURS = TaskReference(task_id="t1", kind="tool", name="work", endpoint=URL, era="2025-11-25")


@pytest.mark.parametrize(
    ("reference", "asked", "reason"),
    [
        (OURS, ASKED, None),
        (TaskReference(task_id="t1"), ASKED, None),
        (OURS, evolve(ASKED, era=None, tasks=None, version=None), None),
        (evolve(OURS, task_id="immediate:" + "0" * 32), ASKED, "the id is of a call without a task at the server"),
        (
            evolve(OURS, endpoint="https://other/mcp", era="2026-07-28"),
            ASKED,
            f"the task is of https://other/mcp, and this client is connected to {URL}",
        ),
        (OURS, evolve(ASKED, tasks=False), "the server declares no tasks"),
        (
            OURS,
            evolve(ASKED, era="2026-07-28"),
            "the task was made in the protocol of 2025-11-25, and this client speaks 2026-07-28",
        ),
        (
            evolve(OURS, endpoint="stdio:python f2.py"),
            evolve(ASKED, endpoint="stdio:python f2.py"),
            "perhaps it was a task of an earlier process",
        ),
        (OURS, evolve(ASKED, version="2.14.7"), "perhaps it was made in another session: fastmcp 2.14"),
        (OURS, evolve(ASKED, version="2.14.7", in_session=False), None),
        (evolve(OURS, endpoint="\x1b" * 1000), ASKED, "the task is of \\x1b"),
    ],
)
def test_reasons(reference: TaskReference, asked: Asked, reason: str | None) -> None:
    """The server's words come first; then the likeliest reason, if the reference and the client show one."""
    words = unknown("Task not found", reference, asked)
    if reason is None:
        assert words == "Task not found"
    else:
        assert words.startswith(f"Task not found; {reason}")
    assert len(words) < 500
