"""The public names: what `mcptasks` and `mcptasks.sync` offer, neither more nor less."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from types import ModuleType

import pytest

import mcptasks
import mcptasks.sync

EXPECTED = {
    "Client",
    "CreateMessageResult",
    "ElicitResult",
    "GetPromptResult",
    "HostTasks",
    "InputContext",
    "LookContext",
    "PollingPolicy",
    "ResourceContents",
    "Task",
    "TaskCancelledError",
    "TaskConnectionError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskInputRequiredError",
    "TaskNotFoundError",
    "TaskProtocolError",
    "TaskReference",
    "TaskStateError",
    "TaskStatus",
    "TaskSupport",
    "TaskTimeoutError",
    "TasksExtension",
    "ToolError",
    "ToolResult",
    "__version__",
    "as_completed",
    "gather",
    "wait",
}


BLOCKING = {"Client", "Task"}
BLOCKING_FUNCTIONS = {"as_completed", "gather", "wait"}

each_world = pytest.mark.parametrize("module", [mcptasks, mcptasks.sync], ids=lambda module: module.__name__)


@each_world
def test_all_is_sorted(module: ModuleType) -> None:
    """`__all__` is sorted and names nothing twice."""
    assert list(module.__all__) == sorted(set(module.__all__))


@each_world
def test_all_is_the_public_surface(module: ModuleType) -> None:
    """`__all__` holds the names of the contract."""
    assert set(module.__all__) == EXPECTED


@each_world
def test_every_name_resolves(module: ModuleType) -> None:
    """Each name in `__all__` is there."""
    for name in module.__all__:
        assert getattr(module, name) is not None, name


@each_world
def test_nothing_else_is_public(module: ModuleType) -> None:
    """The module's namespace has no other public names but its submodules'."""
    extra = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in EXPECTED and getattr(value, "__name__", "") != f"mcptasks.{name}"
    }
    assert extra <= {"annotations", "importlib", "Any", "TYPE_CHECKING"}, extra  # for importing names late


def test_only_what_blocks_differs() -> None:
    """Errors and values are the same objects in both modules, so that one `except` and one `isinstance` serve both."""
    for name in BLOCKING_FUNCTIONS:
        assert getattr(mcptasks.sync, name) is not getattr(mcptasks, name), name
    for name in EXPECTED - BLOCKING - BLOCKING_FUNCTIONS:
        assert getattr(mcptasks.sync, name) is getattr(mcptasks, name), name
    for name in BLOCKING:
        blocking, plain = getattr(mcptasks.sync, name), getattr(mcptasks, name)
        assert not issubclass(blocking, plain)
        assert not issubclass(plain, blocking)


def test_errors_form_one_tree_without_accidents() -> None:
    """Every error is directly a `TaskError`; only the timeout is a built-in error as well."""
    errors = [value for name in EXPECTED if name.endswith("Error") for value in [getattr(mcptasks, name)]]
    for error in errors:
        if error is mcptasks.TaskError:
            assert error.__bases__ == (Exception,)
        elif error is mcptasks.TaskTimeoutError:
            assert error.__bases__ == (mcptasks.TaskError, TimeoutError)
        else:
            assert error.__bases__ == (mcptasks.TaskError,), error


def test_one_version_everywhere() -> None:
    """The installed metadata, `__version__` and the newest entry of the changelog name the same version."""
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert mcptasks.__version__ == importlib.metadata.version("mcptasks") == newest[1]
