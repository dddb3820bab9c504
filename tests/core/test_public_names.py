"""Public names say that they live in `mcptasks`, and what was pickled when they did not is still read."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import mcptasks
import mcptasks.sync

OLD: dict[str, str] = json.loads(Path(__file__).with_name("old_pickles.json").read_text(encoding="utf-8"))
"""Pickles of a reference and of each error, in base64, made by the code that named private modules (0.1.0)."""


def own(module: Any) -> list[Any]:
    """The public classes and functions of a module that this package defines."""
    values = [getattr(module, name) for name in module.__all__]
    return [value for value in values if callable(value) and value.__module__.startswith("mcptasks")]


def test_modules() -> None:
    """Tracebacks and pickles name the module that a program imports from, so that a file of ours may move."""
    assert len(own(mcptasks)) > 20
    assert {value.__module__ for value in own(mcptasks)} == {"mcptasks"}
    blocking = {value.__name__ for value in own(mcptasks.sync) if value.__module__ == "mcptasks.sync"}
    assert blocking == {"Client", "Group", "Store", "Task", "as_completed", "gather", "progress", "wait"}
    assert {value.__module__ for value in own(mcptasks.sync)} == {"mcptasks", "mcptasks.sync"}


@pytest.mark.parametrize("name", sorted(OLD))
def test_old_pickles(name: str) -> None:
    """What earlier code pickled is read, and pickled again it names no private module."""
    value = pickle.loads(base64.b64decode(OLD[name]))
    assert type(value) is getattr(mcptasks, name)
    reference = value if name == "TaskReference" else value.reference
    assert (reference.task_id, reference.name) == ("t1", "work")
    assert b"mcptasks._" not in pickle.dumps(value, 4)
