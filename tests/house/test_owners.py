"""What one module alone may know or do; read from the source, not by importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

PACKAGE = Path(__file__).parent.parent.parent / "mcptasks"
# The test server and the tools know nothing of the client.
APART = ("testing", "_tools")
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in APART
}
KEYS = "_wire/envelope.py"
SDK_CLIENT = "_transport/sdk_client.py"
WATCH = "_engine/watching/watch.py"
# Whose folder may write what of a task: the fields of a class of `watch.py`.
OWNERS = {"Polling": "_engine/watching/", "TaskInput": "_engine/input/", "Watch": WATCH}


def keys_of_ours(tree: ast.AST) -> Iterator[str]:
    """The keys of `_meta` that carry something through the SDK."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            prefix, slash, name = node.value.partition("/")
            if prefix == "mcptasks" and slash and name.isidentifier():
                yield f"line {node.lineno}: {node.value}"


def sdk_clients(tree: ast.AST) -> Iterator[str]:
    """The places where an `mcp.Client` is made, or imported so that it may be made under another name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("mcp.Client", "mcp.client.Client"):
            yield f"line {node.lineno}: {ast.unparse(node.func)}(...)"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mcp":
            yield from (f"line {node.lineno}: {ast.unparse(node)}" for alias in node.names if alias.name == "Client")


def choices_of_era(tree: ast.AST) -> Iterator[str]:
    """The places where a protocol is told from another one, not by what its dialect can do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in KNOWN_PROTOCOL_VERSIONS:
            yield f"line {node.lineno}: {node.value!r}"
        elif isinstance(node, ast.Compare | ast.match_case | ast.Subscript):
            names = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
            if names & {"era", "ERA"}:
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            bad = node.module == "mcp_types.version" or {alias.name for alias in node.names} & {"Legacy", "Modern"}
            if bad:
                yield f"line {node.lineno}: {ast.unparse(node)}"


@cache
def fields(name: str) -> frozenset[str]:
    """The fields of a class of `watch.py`."""
    (found,) = (node for node in parse(WATCH).body if isinstance(node, ast.ClassDef) and node.name == name)
    return frozenset(
        line.target.id for line in found.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    )


def owner(written: ast.Attribute) -> str | None:
    """The owner of what is written, if it is of a task: a field of one of its records, or of the watch itself, which
    other classes have fields like. Their own are theirs."""
    holder = ast.unparse(written.value)
    if written.attr == "input" or re.search(r"\.input\b", holder):
        return OWNERS["TaskInput"] if holder != "self" else None
    if written.attr in fields("Polling") and holder != "self":
        return OWNERS["Polling"]
    if written.attr in fields("Watch") and re.search(r"watch(es\[.*\])?$", holder):
        return OWNERS["Watch"]
    return None


def strange_writes(tree: ast.AST, name: str) -> Iterator[str]:
    """The places where something of a task is assigned or deleted that is not this file's to write."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            owned_by = owner(node)
            if owned_by is not None and not name.startswith(owned_by):
                yield f"line {node.lineno}: {ast.unparse(node)} is for {owned_by} to write"


def parse(name: str) -> ast.Module:
    """The syntax tree of a file of the package."""
    return ast.parse(SOURCES[name].read_text(encoding="utf-8"), name)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """The syntax tree of each file. A test looks at all of them: one test for each would take ten times as long."""
    return {name: parse(name) for name in SOURCES}


def test_one_module_has_the_keys(trees: dict[str, ast.Module]) -> None:
    """How answers travel through the SDK that has no words for them is known to one module."""
    assert {name for name, tree in trees.items() if list(keys_of_ours(tree))} == {KEYS}


def test_dialects_are_chosen_once(trees: dict[str, ast.Module]) -> None:
    """Above the wire nobody asks which protocol is spoken: what it can do, and how, is the dialect's to say. The era
    is data there, for programs such as the command line."""
    above = {name: tree for name, tree in trees.items() if not name.startswith(("_wire/", "_core/", "_cli/"))}
    assert not [(name, found) for name, tree in above.items() for found in choices_of_era(tree)]


def test_one_module_makes_the_sdk_client(trees: dict[str, ast.Module]) -> None:
    """The SDK's client is made in one place, with its claims, callbacks and notifications."""
    assert {name for name, tree in trees.items() if list(sdk_clients(tree))} == {SDK_CLIENT}


def test_rooms_write_what_is_theirs(trees: dict[str, ast.Module]) -> None:
    """What is known of a task is shared by all rooms of the engine, and each part of it written by one."""
    rooms = {name: tree for name, tree in trees.items() if name.startswith(("_engine/", "_async/", "_portal/"))}
    assert not [(name, found) for name, tree in rooms.items() for found in strange_writes(tree, name)]


@pytest.mark.parametrize(
    "source",
    [
        "watch.polling.busy = True",
        "polling.again, planned = False, True",
        "self.watch.polling.interest += 1",
        "for other.gone in (): pass",
        "del found[0].announced",
        "watch.input = evolve(watch.input, silent=True)",
        "self._watch.input.silent = True",
        "watch.state, effects = advance(watch.state, event)",
        "self._watch.reference = reference",
        "watches[0].polling = Polling()",
    ],
)
def test_strange_writes_are_seen(source: str) -> None:
    """The check finds each way of writing what another room owns."""
    assert list(strange_writes(ast.parse(source), "_engine/waiting/waiter.py"))


def test_own_writes_are_no_strange_ones() -> None:
    """An owner may write; so may any class what is its own, or what is no task's."""
    assert not list(strange_writes(ast.parse("watch.polling.busy = True"), "_engine/watching/polls.py"))
    assert not list(strange_writes(ast.parse("watch.input = NO_INPUT"), "_engine/input/task_input.py"))
    assert list(strange_writes(ast.parse("watch.input = NO_INPUT"), "_engine/watching/monitor.py"))
    for source in ("self.state = 1", "self.input = 1", "error.reference = 1", "self.core.state = 1"):
        assert not list(strange_writes(ast.parse(source), "_engine/waiting/waiter.py"))


def test_the_owners_are_seen() -> None:
    """The checks find what they look for where it is."""
    assert list(keys_of_ours(parse(KEYS)))
    assert list(sdk_clients(parse(SDK_CLIENT)))
    assert list(sdk_clients(ast.parse("from mcp import Client")))


@pytest.mark.parametrize(
    "source",
    [
        'link.era == "2026-07-28"',
        'version = "2025-11-25"',
        "link.dialect.era in ERAS",
        "table[facts.era]",
        "match x:\n    case modern.ERA:\n        pass",
        "from mcp_types.version import MODERN_PROTOCOL_VERSIONS",
        "from mcptasks._wire.dialect import Modern",
    ],
)
def test_choices_of_era_are_seen(source: str) -> None:
    """The check finds each way of telling the protocols apart."""
    assert list(choices_of_era(ast.parse(source)))


def test_eras_are_data() -> None:
    """Handing an era on is no choice."""
    assert not list(choices_of_era(ast.parse("TaskReference(task_id=x, era=facts.era)")))
