"""The blocking form of `mcptasks`: the same names, with no event loop in the program.

`Client`, `Group`, `Task`, `Store` and the functions for many tasks are blocking here; a background thread, one for all
clients of a process, runs the async ones. All other names are those of `mcptasks` itself. (The async `Store` is in
`mcptasks.store`.) `Store` is imported at its first use, since most programs have no store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from mcptasks._core.public_names import live_in as _live_in
from mcptasks._exports import BLOCKING_HOMES as _HOMES
from mcptasks._exports import load as _load
from mcptasks._sync.client import Client as Client
from mcptasks._sync.displays import progress as progress
from mcptasks._sync.group import Group as Group
from mcptasks._sync.groups import as_completed as as_completed
from mcptasks._sync.groups import gather as gather
from mcptasks._sync.groups import wait as wait
from mcptasks._sync.task import Task as Task

# Type checkers take `X as X` for an export. They cannot read an `__all__` that is computed, so it is hidden from them.
if TYPE_CHECKING:
    from mcp_types import CreateMessageRequestParams as CreateMessageRequestParams
    from mcp_types import CreateMessageResult as CreateMessageResult
    from mcp_types import ElicitRequestParams as ElicitRequestParams
    from mcp_types import ElicitResult as ElicitResult
    from mcp_types import GetPromptResult as GetPromptResult
    from typing_extensions import TypeVar

    from mcptasks._async.input import InputContext as _InputContext
    from mcptasks._core.exceptions import StoreError as StoreError
    from mcptasks._core.exceptions import StoreVersionError as StoreVersionError
    from mcptasks._core.exceptions import TaskCancelledError as TaskCancelledError
    from mcptasks._core.exceptions import TaskConnectionError as TaskConnectionError
    from mcptasks._core.exceptions import TaskError as TaskError
    from mcptasks._core.exceptions import TaskExpiredError as TaskExpiredError
    from mcptasks._core.exceptions import TaskFailedError as TaskFailedError
    from mcptasks._core.exceptions import TaskInputRequiredError as TaskInputRequiredError
    from mcptasks._core.exceptions import TaskKeyError as TaskKeyError
    from mcptasks._core.exceptions import TaskNotFoundError as TaskNotFoundError
    from mcptasks._core.exceptions import TaskProtocolError as TaskProtocolError
    from mcptasks._core.exceptions import TaskStalledError as TaskStalledError
    from mcptasks._core.exceptions import TaskStateError as TaskStateError
    from mcptasks._core.exceptions import TaskTimeoutError as TaskTimeoutError
    from mcptasks._core.exceptions import TaskUncertainError as TaskUncertainError
    from mcptasks._core.exceptions import TaskUnsupportedError as TaskUnsupportedError
    from mcptasks._core.exceptions import ToolError as ToolError
    from mcptasks._core.exceptions import TtlIgnoredWarning as TtlIgnoredWarning
    from mcptasks._core.hosted_tasks import HostTasks as HostTasks
    from mcptasks._core.models import ResourceContents as ResourceContents
    from mcptasks._core.models import TaskOutcome as TaskOutcome
    from mcptasks._core.models import TaskReference as TaskReference
    from mcptasks._core.models import TaskStatus as TaskStatus
    from mcptasks._core.models import TaskSupport as TaskSupport
    from mcptasks._core.models import ToolResult as ToolResult
    from mcptasks._core.patience import Patience as Patience
    from mcptasks._core.polling.policy import LookContext as LookContext
    from mcptasks._core.polling.policy import PollingPolicy as PollingPolicy
    from mcptasks._core.progress import Expectation as Expectation
    from mcptasks._core.progress import TaskProgress as TaskProgress
    from mcptasks._core.stats import ClientStats as ClientStats
    from mcptasks._engine.input.handlers import BY_HAND as BY_HAND
    from mcptasks._extension import TasksExtension as TasksExtension
    from mcptasks._sync.store import Store as Store
    from mcptasks._telemetry.options import Telemetry as Telemetry
    from mcptasks._version import __version__ as __version__

    _TaskT = TypeVar("_TaskT", default=Task[Any])
    InputContext: TypeAlias = _InputContext[_TaskT]
else:
    __all__ = list(_HOMES)

    def __getattr__(name: str) -> Any:
        value = _load(name, __name__, _HOMES)
        if name == "Store":
            _live_in(__name__, value)
        globals()[name] = value
        return value


_live_in(__name__, Client, Group, Task, as_completed, gather, progress, wait)


def __dir__() -> list[str]:
    return sorted(_HOMES)
