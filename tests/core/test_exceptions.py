"""The error tree is the one that is drawn, and errors survive what programs do to them."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import traceback
from typing import Any

import pytest
from mcp_types import TextContent

import mcptasks
from mcptasks import TaskError
from mcptasks._core import exceptions
from mcptasks._core.models import ToolResult
from tests.helpers.error_samples import ERRORS
from tests.helpers.samples import REFERENCE


def drawn() -> dict[str, str]:
    """The tree in the module's docstring: each error and the one above it."""
    assert exceptions.__doc__ is not None
    above: list[tuple[int, str]] = []
    found: dict[str, str] = {}
    for line in exceptions.__doc__.splitlines():
        match = re.match(r"^( +)(?:[│ ]*[├└]── )?([A-Z]\w+)(?:\s|$)", line)
        if match is None:
            continue
        depth = match.start(2)
        while above and above[-1][0] >= depth:
            above.pop()
        if above:
            found[match[2]] = above[-1][1]
        above.append((depth, match[2]))
    return found


RESULT = ToolResult(content=(TextContent(type="text", text="no such city"),), is_error=True)
EXTRA: dict[str, dict[str, Any]] = {
    "TaskFailedError": {"code": -32000, "data": {"why": ["x"]}},
    "TaskInputRequiredError": {"input_requests": {"k": {"method": "elicitation/create"}}},
    "TaskUncertainError": {"key": "order-42", "record_id": "0123abcd"},
    "TaskKeyError": {"key": "order-42"},
    "TaskStalledError": {"reason": "rounds"},
    "TaskProtocolError": {"raw_result": {"content": [1]}},
    "StoreError": {"unknown": True, "refused": True},
    "StoreVersionError": {"found": 3, "understood": 2},
    "ToolError": {"result": RESULT},
}
KINDS_OF = {"TaskUncertainError": "TaskConnectionError", "StoreVersionError": "StoreError"}
"""The errors that are a kind of another one: who handles the wider one handles them well enough."""


def test_tree_is_as_drawn() -> None:
    """The classes and their bases are those of the drawing, neither more nor less."""
    real = {name: error.__bases__[0].__name__ for name, error in ERRORS.items()}
    assert drawn() == real


def test_every_error_is_public() -> None:
    """Programs can name every error of the tree."""
    for name, error in ERRORS.items():
        assert getattr(mcptasks, name) is error
        assert name in mcptasks.__all__


@pytest.mark.parametrize("name", sorted(ERRORS.keys() - {"TaskError"}))
def test_no_error_is_another(name: str) -> None:
    """But for the base and `KINDS_OF` no error is a kind of another, nor of a builtin one; a timeout alone is a
    `TimeoutError`."""
    error = ERRORS[name]
    kinds = {other for other, cls in ERRORS.items() if issubclass(error, cls)}
    assert kinds == {"TaskError", name, KINDS_OF.get(name, name)}
    builtin = [cls for cls in error.__mro__ if cls.__module__ == "builtins" and cls not in TimeoutError.__mro__]
    assert builtin == []
    assert issubclass(error, TimeoutError) is (name == "TaskTimeoutError")
    assert issubclass(error, OSError) is (name == "TaskTimeoutError")
    assert not issubclass(error, ValueError | TypeError | ConnectionError | RuntimeError | LookupError)


@pytest.mark.parametrize("name", sorted(ERRORS.keys() - {"TaskError"}))
def test_every_attribute_travels(name: str) -> None:
    """The samples of `test_errors_travel` have each attribute that an error takes, and that no wider error takes."""
    own = set(inspect.signature(ERRORS[name]).parameters) - {"message", "reference"}
    wider = inspect.signature(ERRORS[name].__bases__[0]).parameters
    assert own - set(wider) <= set(EXTRA.get(name, {}))


@pytest.mark.parametrize("name", sorted(ERRORS))
@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
def test_errors_travel(name: str, way: str) -> None:
    """An error that goes to another process keeps its words, its reference and what else it carries."""
    error = ERRORS[name]("it went wrong", reference=REFERENCE, **EXTRA.get(name, {}))
    error.__notes__ = ["a note"]
    match way:
        case "pickle":
            arrived = pickle.loads(pickle.dumps(error))
        case "copy":
            arrived = copy.copy(error)
        case _:
            arrived = copy.deepcopy(error)
    assert type(arrived) is type(error)
    assert (arrived.message, str(arrived), arrived.args) == ("it went wrong", "it went wrong", ("it went wrong",))
    assert arrived.reference == REFERENCE
    assert arrived.__notes__ == ["a note"]
    for field, value in EXTRA.get(name, {}).items():
        assert getattr(arrived, field) == value


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_without_extras(name: str) -> None:
    """A message is enough; what else an error carries has a neutral value then, and the message is what is shown."""
    error = ERRORS[name]("words")
    assert error.reference is None
    assert (error.message, str(error)) == ("words", "words")
    assert traceback.format_exception_only(error)[-1].strip() == f"mcptasks.{name}: words"
    neutral: dict[str, Any] = {"code": -32603, "data": None, "input_requests": {}, "result": None}
    neutral |= {"reason": "stalled", "raw_result": None}
    neutral |= {"key": None, "record_id": None, "unknown": False, "refused": False, "found": 0}
    neutral |= {"understood": 0}
    for field in EXTRA.get(name, {}):
        assert getattr(error, field) == neutral[field]


def test_details_are_by_name_only() -> None:
    """What an error carries is passed by name, so that no order has to be remembered."""
    with pytest.raises(TypeError):
        TaskError("words", REFERENCE)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_input_requests_are_copied() -> None:
    """The error keeps the questions of its own moment."""
    asked: dict[str, Any] = {"k": {}}
    error = mcptasks.TaskInputRequiredError("words", input_requests=asked)
    asked.clear()
    assert error.input_requests == {"k": {}}


def test_timeout_is_caught_as_such() -> None:
    """A deadline of ours is caught by who waits for a `TimeoutError`, and it has no error number."""
    with pytest.raises(TimeoutError) as caught:
        raise mcptasks.TaskTimeoutError("too late", reference=REFERENCE)
    assert str(caught.value) == "too late"
    assert caught.value.errno is None
