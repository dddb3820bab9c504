"""The public names: what `mcptasks` and `mcptasks.sync` offer, neither more nor less."""

from __future__ import annotations

import importlib.metadata
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mcptasks
import mcptasks.sync
import mcptasks.testing

EXPECTED = {
    "BY_HAND",
    "Client",
    "ClientStats",
    "CreateMessageRequestParams",
    "CreateMessageResult",
    "ElicitRequestParams",
    "ElicitResult",
    "Expectation",
    "GetPromptResult",
    "Group",
    "HostTasks",
    "InputContext",
    "LookContext",
    "Patience",
    "PollingPolicy",
    "ResourceContents",
    "StoreError",
    "StoreVersionError",
    "Task",
    "TaskCancelledError",
    "TaskConnectionError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskInputRequiredError",
    "TaskKeyError",
    "TaskNotFoundError",
    "TaskOutcome",
    "TaskProgress",
    "TaskProtocolError",
    "TaskReference",
    "TaskStalledError",
    "TaskStateError",
    "TaskStatus",
    "TaskSupport",
    "TaskTimeoutError",
    "TaskUncertainError",
    "TaskUnsupportedError",
    "TasksExtension",
    "Telemetry",
    "ToolError",
    "ToolResult",
    "TtlIgnoredWarning",
    "__version__",
    "as_completed",
    "gather",
    "progress",
    "wait",
}


EXPECTED_BLOCKING = EXPECTED | {"Store"}
"""The async store is in a module of its own, `mcptasks.store`."""
BLOCKING = {"Client", "Group", "Task"}
BLOCKING_FUNCTIONS = {"as_completed", "gather", "progress", "wait"}

each_world = pytest.mark.parametrize("module", [mcptasks, mcptasks.sync], ids=lambda module: module.__name__)


@each_world
def test_all_is_sorted(module: ModuleType) -> None:
    """`__all__` is sorted and names nothing twice."""
    assert list(module.__all__) == sorted(set(module.__all__))


@each_world
def test_all_is_the_public_surface(module: ModuleType) -> None:
    """`__all__` holds the names of the contract."""
    assert set(module.__all__) == (EXPECTED if module is mcptasks else EXPECTED_BLOCKING)


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
        if not name.startswith("_")
        and name not in EXPECTED_BLOCKING
        and getattr(value, "__name__", "") != f"mcptasks.{name}"
    }
    # For importing names late, and for types.
    assert extra <= {"annotations", "importlib", "Any", "TYPE_CHECKING", "TypeAlias"}, extra


@pytest.mark.parametrize("module", [mcptasks, mcptasks.sync, mcptasks.testing], ids=lambda module: module.__name__)
def test_dir_has_public_names_only(module: ModuleType) -> None:
    """What `dir()` and a notebook's Tab key show is what there is to use: the public names and modules."""
    public = {*module.__all__, *(("remote", "store", "sync", "testing") if module is mcptasks else ())}
    assert dir(module) == sorted(public)


def test_public_modules_are_there_at_once() -> None:
    """`import mcptasks` is enough for `mcptasks.sync.Client`, as `dir(mcptasks)` promises."""
    code = "import mcptasks; print(mcptasks.sync.Client.__name__, mcptasks.testing.TaskServer.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Client TaskServer\n"


METHODS = [
    pytest.param(owner, name, id=f"{module.__name__}.{owner.__name__}.{name}")
    for module in (mcptasks, mcptasks.sync)
    for owner in [getattr(module, each) for each in module.__all__]
    if inspect.isclass(owner) and owner.__module__.startswith("mcptasks.")
    for name in dir(owner)
    if (not name.startswith("_") or name in ("__init__", "__enter__", "__aenter__"))
    and inspect.isfunction(found := inspect.getattr_static(owner, name))
    and found.__module__.startswith("mcptasks.")
]


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_errors_about_arguments_name_the_public_class(owner: Any, name: str) -> None:
    """Python's own error about wrong arguments names a class that the program knows, not where the method stands."""
    function = inspect.unwrap(inspect.getattr_static(owner, name))
    known = "|".join(each.__name__ for each in owner.__mro__ if each.__name__ in EXPECTED_BLOCKING)
    with pytest.raises(TypeError, match=rf"^({known})\.{name}\(\) got an unexpected keyword argument 'wrong_one'"):
        function(None, wrong_one=1)


def test_a_subclass_renames_nothing() -> None:
    """A client class of a program's own leaves the names of ours alone."""

    class Mine(mcptasks.Client):
        pass

    assert Mine.call_tool.__qualname__ == "Client.call_tool"


def test_tool_results_name_their_data() -> None:
    """`ToolResult[int]` can be written where the program runs, and such a result is a plain one that pickles."""
    result = mcptasks.ToolResult[int](content=(), data=3)
    assert type(result) is mcptasks.ToolResult
    assert pickle.loads(pickle.dumps(result)) == result == mcptasks.ToolResult(content=(), data=3)


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
    """Every error but two is directly a `TaskError`; only the timeout is a built-in error as well."""
    kinds_of = {"TaskUncertainError": mcptasks.TaskConnectionError, "StoreVersionError": mcptasks.StoreError}
    errors = [value for name in EXPECTED if name.endswith("Error") for value in [getattr(mcptasks, name)]]
    for error in errors:
        if error is mcptasks.TaskError:
            assert error.__bases__ == (Exception,)
        elif error is mcptasks.TaskTimeoutError:
            assert error.__bases__ == (mcptasks.TaskError, TimeoutError)
        else:
            assert error.__bases__ == (kinds_of.get(error.__name__, mcptasks.TaskError),), error


def test_one_version_everywhere() -> None:
    """The installed metadata, `__version__` and the newest version of the changelog are the same."""
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d\S*)", changelog, re.MULTILINE)
    assert newest is not None
    assert mcptasks.__version__ == importlib.metadata.version("mcptasks") == newest[1]
