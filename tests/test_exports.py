"""The public names: what `import mcptasks` offers, neither more nor less."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import mcptasks

EXPECTED = {
    "Client",
    "GetPromptResult",
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
}


def test_all_is_sorted() -> None:
    """`__all__` is sorted and names nothing twice."""
    assert list(mcptasks.__all__) == sorted(set(mcptasks.__all__))


def test_all_is_the_public_surface() -> None:
    """`__all__` holds the names of the contract."""
    assert set(mcptasks.__all__) == EXPECTED


def test_every_name_resolves() -> None:
    """Each name in `__all__` is there."""
    for name in mcptasks.__all__:
        assert getattr(mcptasks, name) is not None, name


def test_nothing_else_is_public() -> None:
    """The package's namespace has no other public names but its submodules'."""
    extra = {
        name
        for name, value in vars(mcptasks).items()
        if not name.startswith("_") and name not in EXPECTED and getattr(value, "__name__", "") != f"mcptasks.{name}"
    }
    assert extra <= {"annotations", "importlib", "Any", "TYPE_CHECKING"}, extra  # for importing names late


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
