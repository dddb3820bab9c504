"""The async and the blocking surface are one: every name, parameter and docstring of the one is in the other.

Types are compared by tests/types/check_surfaces.py, which needs type checkers.
"""

from __future__ import annotations

import inspect
from typing import Any, get_overloads

import pytest

import mcptasks
import mcptasks.sync

# The special methods that a person or IPython uses, and what stands for them.
SPECIAL = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__repr__": "__repr__",
    "_ipython_display_": "_ipython_display_",
    "_repr_html_": "_repr_html_",
}
# `await task` is `result()` in the blocking world, and the SDK's session is async.
ASYNC_ONLY = {"Client": {"as_session"}, "Group": set[str](), "Task": {"__await__"}}
BLOCKING_ONLY = {"Client": {"backend", "run"}, "Group": {"backend", "run"}, "Task": {"future"}}
CLASSES = sorted(ASYNC_ONLY)
FUNCTIONS = ["as_completed", "gather", "progress", "wait"]
PAIRS = [
    pytest.param(getattr(mcptasks, owner), getattr(mcptasks.sync, owner), name, SPECIAL.get(name, name), id=name)
    for owner in CLASSES
    for name in dir(getattr(mcptasks, owner))
    if name not in ASYNC_ONLY[owner] and (not name.startswith("_") or name in SPECIAL)
]


def names(owner: type[Any], special: set[str]) -> set[str]:
    """The public names of a class, and those of its special methods that are asked for."""
    return {name for name in dir(owner) if not name.startswith("_") or name in special}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter."""
    return [(found.name, found.kind, found.default) for found in inspect.signature(function).parameters.values()]


def test_modules_have_the_same_names() -> None:
    """`mcptasks.sync` has every name of `mcptasks`, and all but what blocks are the same objects. The async store is in
    a module of its own (tests/store/test_surfaces.py)."""
    assert vars(mcptasks.sync)["__all__"] == sorted([*mcptasks.__all__, "Store"])
    different = {name for name in mcptasks.__all__ if getattr(mcptasks, name) is not getattr(mcptasks.sync, name)}
    assert different == {*CLASSES, *FUNCTIONS}


@pytest.mark.parametrize("owner", CLASSES)
def test_classes_have_the_same_names(owner: str) -> None:
    """Every public name of the async class has its counterpart, and the reverse; the exceptions are listed above."""
    ours = names(getattr(mcptasks, owner), {*SPECIAL, "__await__"}) - ASYNC_ONLY[owner]
    theirs = names(getattr(mcptasks.sync, owner), {*SPECIAL.values(), "__await__"}) - BLOCKING_ONLY[owner]
    assert {SPECIAL.get(name, name) for name in ours} == theirs


@pytest.mark.parametrize("owner", CLASSES)
def test_exceptions_are_there(owner: str) -> None:
    """What is listed as being in one world only is there, and only there."""
    ours, theirs = getattr(mcptasks, owner), getattr(mcptasks.sync, owner)
    assert all(hasattr(ours, name) and not hasattr(theirs, name) for name in ASYNC_ONLY[owner])
    assert all(hasattr(theirs, name) and not hasattr(ours, name) for name in BLOCKING_ONLY[owner])


@pytest.mark.parametrize(("ours", "theirs", "name", "counterpart"), PAIRS)
def test_members_are_called_alike(ours: type[Any], theirs: type[Any], name: str, counterpart: str) -> None:
    """A property is a property, and a method takes the same parameters with the same kinds and defaults."""
    one, other = inspect.getattr_static(ours, name), inspect.getattr_static(theirs, counterpart)
    assert isinstance(one, property) == isinstance(other, property)
    if name == "_ipython_display_":
        assert len(parameters(other)) == 1  # the async one's other parameter is for the blocking one
    elif not isinstance(one, property):
        assert parameters(one) == parameters(other)


@pytest.mark.parametrize(("ours", "theirs", "name", "counterpart"), PAIRS)
def test_members_are_documented_alike(ours: type[Any], theirs: type[Any], name: str, counterpart: str) -> None:
    """What has a docstring in the one world has one in the other, with the same sections and entries."""
    one = inspect.getattr_static(ours, name).__doc__
    other = inspect.getattr_static(theirs, counterpart).__doc__
    if not name.startswith("_"):
        assert one
        assert other
        assert one.count("\n\n") == other.count("\n\n") or name in ("open", "close")


@pytest.mark.parametrize(("ours", "theirs", "name", "counterpart"), PAIRS)
def test_blocking_members_return_no_awaitables(ours: type[Any], theirs: type[Any], name: str, counterpart: str) -> None:
    """Nothing in the blocking world is a coroutine function or an async generator function."""
    other = inspect.getattr_static(theirs, counterpart)
    function = other.fget if isinstance(other, property) else inspect.unwrap(other)
    assert inspect.isfunction(function)
    assert not inspect.iscoroutinefunction(function)
    assert not inspect.isasyncgenfunction(function)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_called_alike(name: str) -> None:
    """A function takes the same parameters, is documented the same but for calls that are not awaited, and returns no
    awaitable in the blocking world."""
    one, other = getattr(mcptasks, name), getattr(mcptasks.sync, name)
    assert parameters(one) == parameters(other)
    assert one.__doc__.count("\n\n") == other.__doc__.count("\n\n")
    assert ("not awaited" in one.__doc__) == ("calls with `task=True`" in one.__doc__)
    assert "await" not in other.__doc__
    assert not inspect.iscoroutinefunction(inspect.unwrap(other))
    overloads = [[parameters(overload) for overload in get_overloads(inspect.unwrap(each))] for each in (one, other)]
    assert overloads[0] == overloads[1]


def test_clients_are_made_alike() -> None:
    """The blocking client takes what the async one takes, and `backend`, by keyword."""
    *same, backend = parameters(mcptasks.sync.Client)
    assert same == parameters(mcptasks.Client)
    assert backend == ("backend", inspect.Parameter.KEYWORD_ONLY, "asyncio")


@pytest.mark.parametrize("name", ["call_tool", "get_prompt", "map", "read_resource"])
def test_overloads_correspond(name: str) -> None:
    """The methods with overloads have the same ones in both worlds."""
    one, other = (inspect.unwrap(getattr(module.Client, name)) for module in (mcptasks, mcptasks.sync))
    found = [parameters(overload) for overload in get_overloads(one)]
    assert len(found) == {"call_tool": 6, "map": 4}.get(name, 3)
    assert found == [parameters(overload) for overload in get_overloads(other)]


@pytest.mark.parametrize("owner", CLASSES)
def test_classes_are_documented(owner: str) -> None:
    """Both classes say what they are, the blocking one without the words of the other world."""
    assert getattr(mcptasks, owner).__doc__
    words = getattr(mcptasks.sync, owner).__doc__
    assert words
    assert "await" not in words.lower()
    assert "async with" not in words
