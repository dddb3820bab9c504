"""Long-running work over the Model Context Protocol: tasks of both protocols, on asyncio and on trio.

Names are imported when they are first used: `python -m mcptasks --help` need not wait for the SDK.

    store.py        what outlives the program
    remote.py       calls and waits in the workers of other systems
    sync.py         the blocking world: the same names
    testing/        a scriptable server for tests
    contrib/        adapters for agent frameworks, and for Dask, Temporal and Airflow; import them from there
    _async/         the public surface: `Client`, `Task`, groups
    _sync/          its mirror, generated
    _portal/        how threads reach the async world
    _remote/        values that travel, and clients that a worker shares
    _engine/        one open client
    _store/         what outlives the process: records, databases, leases
    _transport/     how messages get to a server and back
    _wire/          what stands on the wire, in both protocols
    _core/          the rules, pure
    _telemetry/     spans and metrics by OpenTelemetry
    _extension.py   `TasksExtension`, for programs that have an `mcp.Client`
    _eventloop.py   tells asyncio from trio
    _exports.py     the public names, and which module defines each
    _cli/           the command line
    __main__.py     `python -m mcptasks`
    _tools/         the generator of `_sync`
    _version.py     the version
    _models.py      for pickles of 0.1.0
    _exceptions.py  for pickles of 0.1.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mcptasks._exports import HOMES as _HOMES
from mcptasks._exports import load as _load

# Type checkers take `X as X` for an export. They cannot read an `__all__` that is computed, so it is hidden from them.
if TYPE_CHECKING:
    from mcp_types import CreateMessageRequestParams as CreateMessageRequestParams
    from mcp_types import CreateMessageResult as CreateMessageResult
    from mcp_types import ElicitRequestParams as ElicitRequestParams
    from mcp_types import ElicitResult as ElicitResult
    from mcp_types import GetPromptResult as GetPromptResult

    from mcptasks._async.client import Client as Client
    from mcptasks._async.displays import progress as progress
    from mcptasks._async.group import Group as Group
    from mcptasks._async.groups import as_completed as as_completed
    from mcptasks._async.groups import gather as gather
    from mcptasks._async.groups import wait as wait
    from mcptasks._async.input import InputContext as InputContext
    from mcptasks._async.task import Task as Task
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
    from mcptasks._telemetry.options import Telemetry as Telemetry
    from mcptasks._version import __version__ as __version__
else:
    __all__ = list(_HOMES)

_MODULES = ("remote", "store", "sync", "testing")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    value = _load(name, __name__)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*_HOMES, *_MODULES))
