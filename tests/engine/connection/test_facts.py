"""What follows from a server's declarations for tasks, in either protocol, whatever it declares."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import mcp_types
import pytest

from mcptasks import TaskSupport
from mcptasks._core.models import Era, Kind
from mcptasks._wire.dialect import Declared, dialect_of

TOOLS: dict[str, Any] = {"tools": {"call": {}}}
LEGACY: Era = "2025-11-25"
MODERN: Era = "2026-07-28"


def support(
    era: Era,
    sent: dict[str, Any],
    *,
    shown: Collection[Kind] = (),
    push: bool | None = None,
    rewritable: bool = True,
    asked: bool = True,
) -> TaskSupport:
    """What a connection can do whose server declares this."""
    capabilities = mcp_types.ServerCapabilities.model_validate(sent)
    declared = Declared(capabilities=capabilities, sent=sent, rewritable=rewritable, asked=asked)
    return dialect_of(era).support(declared, shown=shown, push=push)


def kinds(found: TaskSupport) -> tuple[bool | None, bool | None, bool | None]:
    """Tools, resources and prompts."""
    return found.tools, found.resources, found.prompts


CASES: list[tuple[Any, tuple[bool | None, ...]]] = [
    (TOOLS, (True, None, None)),
    ({}, (False, None, None)),
    (None, (False, None, None)),
    ({"tools": {}}, (False, None, None)),
    ({**TOOLS, "resources": {"read": {}}, "prompts": {"get": {}}}, (True, True, True)),  # fastmcp 2.14 and 3
    ({**TOOLS, "resources": {"read": {}}}, (True, True, None)),
    ({"prompts": {"get": {}}}, (False, None, True)),
    ({**TOOLS, "resources": {"list": {}}, "prompts": {}}, (True, None, None)),
    ({**TOOLS, "resources": "yes", "prompts": [{"get": {}}]}, (True, None, None)),
    ({**TOOLS, "resources": {"read": True}, "prompts": {"get": None}}, (True, None, None)),
]


@pytest.mark.parametrize(("requests", "expected"), CASES)
def test_declared_kinds(requests: Any, expected: tuple[bool | None, ...]) -> None:
    """On 2025-11-25 each kind is what the server names; what it does not name is open, but for tools."""
    tasks: dict[str, Any] = {} if requests is None else {"requests": requests}
    declared: dict[str, Any] = {"tasks": tasks}
    assert kinds(support(LEGACY, declared)) == expected


@pytest.mark.parametrize("declared", [{}, {"tasks": None}, {"tools": {}}])
@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_no_tasks(era: Era, declared: dict[str, Any]) -> None:
    """Without the declaration there is nothing, whatever was pushed."""
    found = support(era, declared)
    assert kinds(found) == (False, False, False)
    assert (found.cancel, found.list, found.push) == (False, False, False)


def test_the_extension() -> None:
    """On 2026-07-28 the extension is what counts; a field of the other protocol is not."""
    extension: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    found = support(MODERN, extension)
    assert kinds(found) == (True, False, False)
    assert (found.cancel, found.list, found.push) == (True, False, None)
    assert kinds(support(MODERN, {"tasks": {"requests": TOOLS}})) == (False, False, False)
    assert kinds(support(LEGACY, extension)) == (False, False, False)


def test_shown() -> None:
    """What did become a task can, whatever was declared."""
    bare: dict[str, Any] = {"tasks": {"requests": TOOLS}}
    assert kinds(support(LEGACY, bare, shown={"resource"})) == (True, True, None)
    assert kinds(support(LEGACY, bare, shown={"prompt"})) == (True, None, True)
    assert kinds(support(MODERN, {}, shown={"tool"})) == (True, False, False)


def test_a_connection_that_cannot_have_them() -> None:
    """Without streams that can be rewritten there are no tasks of 2025-11-25, whatever the server declares."""
    declared: dict[str, Any] = {"tasks": {"requests": {**TOOLS, "resources": {"read": {}}}}}
    assert kinds(support(LEGACY, declared, rewritable=False, push=True)) == (False, False, False)


def test_a_server_that_was_not_asked() -> None:
    """Where nobody asked the server what it can do, nothing is claimed of what it may have, and no more denied."""
    found = support(MODERN, {}, asked=False)
    assert kinds(found) == (None, False, False)
    assert (found.cancel, found.list, found.push) == (None, False, None)
    assert support(MODERN, {}, asked=False, push=False).push is False
    assert kinds(support(MODERN, {}, asked=False, shown={"tool"})) == (True, False, False)
