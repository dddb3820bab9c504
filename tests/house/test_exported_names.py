"""The public names that type checkers see are those of the table that the program runs by; read from the source."""

from __future__ import annotations

import ast
import importlib
from typing import Any

import pytest

from mcptasks._async import parts as _parts
from mcptasks._exports import BLOCKING_HOMES, HOMES
from tests.helpers.source_tree import MODULES, parse

parts: Any = _parts
"""What type checkers do not see of that module."""

BLOCKING = {"Client", "Group", "Store", "Task", "as_completed", "gather", "progress", "wait"}


def exported(tree: ast.AST) -> dict[str, str | None]:
    """The names that a module exports to type checkers, each with the module that the name is imported from."""
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }


def test_async_names() -> None:
    """Type checkers see each public name of `mcptasks`, and no other, with the value that the program gets."""
    assert exported(parse(MODULES["__init__"])) == HOMES


def test_blocking_names() -> None:
    """Type checkers see the same names in `mcptasks.sync`: those that block from `_sync`, and the others from where the
    program gets them."""
    tree = parse(MODULES["sync"])
    names = exported(tree)
    assert {name for name, home in names.items() if home and home.startswith("mcptasks._sync.")} == BLOCKING
    # For type checkers an alias whose default is the blocking task.
    targets = [node.target for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    aliases = {target.id for target in targets if isinstance(target, ast.Name)}
    assert aliases == {"InputContext"}
    shared = BLOCKING_HOMES.keys() - BLOCKING - aliases
    assert {name: names[name] for name in names.keys() - BLOCKING} == {name: HOMES[name] for name in shared}


def test_parts() -> None:
    """Type checkers see each name that is imported at first use, with the value that the program gets; each is there,
    and any other name is an ordinary error."""
    assert exported(parse(MODULES["_async.parts"])) == parts.HOMES
    for name, home in parts.HOMES.items():
        known = getattr(parts, name)
        assert known is getattr(importlib.import_module(home), name)
        assert known is getattr(parts, name)
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = parts.missing


@pytest.mark.parametrize("source", ["from a import b", "from a import b as c", "import b"])
def test_other_imports_export_nothing(source: str) -> None:
    """The check takes no import for an export that type checkers take for none."""
    assert not exported(ast.parse(source))
