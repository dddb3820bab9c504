"""What can come of a call, decided before it is sent."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import ServerCapabilities

from mcptasks._core.models import Era, Kind
from mcptasks._engine.creating_calls import Call, Prospect, foresee
from mcptasks._wire.dialect import Declared, Legacy, Modern, dialect_of

EXTENSION = "io.modelcontextprotocol/tasks"
TOOLS: dict[str, Any] = {"tools": {}}
TASKS: dict[str, Any] = {**TOOLS, "tasks": {"requests": {"tools": {"call": {}}}}}


def call(kind: Kind, *, task: bool, ttl: int | None = None) -> Call:
    """A call of that kind."""
    return Call(kind=kind, name="x", arguments=None, task=task, ttl=ttl, meta=None)


EXTENDED: dict[str, Any] = {**TOOLS, "extensions": {EXTENSION: {}}}
CASES: list[tuple[Kind, Era, Any, bool, bool]] = [
    ("tool", "2026-07-28", EXTENDED, True, True),
    ("tool", "2026-07-28", EXTENDED, False, True),
    ("tool", "2026-07-28", {**TOOLS, "extensions": {"another": {}}}, True, False),
    ("tool", "2026-07-28", TOOLS, True, False),
    ("tool", "2026-07-28", {}, True, True),  # Nobody asked the server what it can do.
    ("tool", "2026-07-28", None, True, True),
    ("resource", "2026-07-28", EXTENDED, True, False),
    ("prompt", "2026-07-28", {}, True, False),
    ("tool", "2025-11-25", TASKS, True, True),
    ("tool", "2025-11-25", TASKS, False, False),
    ("tool", "2025-11-25", TOOLS, True, False),
    ("tool", "2025-11-25", {**TOOLS, "tasks": {}}, True, False),
    ("tool", "2025-11-25", {**TOOLS, "tasks": {"requests": {"tools": {}}}}, True, False),
    ("tool", "2025-11-25", None, True, False),
    ("resource", "2025-11-25", TASKS, True, True),
    ("prompt", "2025-11-25", {"tasks": {}}, True, True),
    ("resource", "2025-11-25", TASKS, False, False),
    ("prompt", "2025-11-25", TOOLS, True, False),
]


@pytest.mark.parametrize(("kind", "era", "declared", "rewritable", "offered"), CASES)
def test_what_a_server_makes_tasks_of(kind: Kind, era: Era, declared: Any, rewritable: bool, offered: bool) -> None:
    """What the server declares says whether tasks can come of calls of a kind. Where it was not asked, they can."""
    capabilities = None if declared is None else ServerCapabilities.model_validate(declared)
    found = Declared(capabilities=capabilities, rewritable=rewritable)
    assert dialect_of(era).offers(kind, found) is offered


@pytest.mark.parametrize("task", [True, False])
@pytest.mark.parametrize("support", ["required", "optional", "forbidden"])
@pytest.mark.parametrize("kind", ["tool", "resource"])
@pytest.mark.parametrize("ttl", [None, 90_000])
def test_who_makes_a_task(kind: Kind, support: str, task: bool, ttl: int | None) -> None:
    """On 2025-11-25 the client asks where the program wants it and the tool allows it, or the tool demands it; on
    2026-07-28 the server decides. Where the server has no tasks, nobody does."""
    one = call(kind, task=task, ttl=ttl)
    nobody, server = Prospect("nobody"), Prospect("server")
    asked = Prospect("asked", {} if ttl is None else {"ttl": ttl})
    wanted = task if kind == "resource" else (support == "required" or (task and support == "optional"))
    assert foresee(one, Legacy(), offered=True, support=support) == (asked if wanted else nobody)
    assert foresee(one, Modern(), offered=True, support=support) == server
    for dialect in (Legacy(), Modern()):
        assert foresee(one, dialect, offered=False, support=support) == nobody
