"""Long-running work over the Model Context Protocol: tasks of both protocols, on asyncio and on trio.

Names are imported when they are first used: `python -m mcptasks --help` need not wait for the SDK.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mcptasks._version import __version__

if TYPE_CHECKING:
    from mcp_types import CreateMessageResult, ElicitResult, GetPromptResult

    from mcptasks._async.client import Client
    from mcptasks._async.extension import TasksExtension
    from mcptasks._async.groups import as_completed, gather, wait
    from mcptasks._async.handlers import InputContext
    from mcptasks._async.task import Task
    from mcptasks._exceptions import (
        TaskCancelledError,
        TaskConnectionError,
        TaskError,
        TaskExpiredError,
        TaskFailedError,
        TaskInputRequiredError,
        TaskNotFoundError,
        TaskProtocolError,
        TaskStateError,
        TaskTimeoutError,
        ToolError,
    )
    from mcptasks._hosting import HostTasks
    from mcptasks._models import ResourceContents, TaskReference, TaskStatus, TaskSupport, ToolResult
    from mcptasks._schedule import LookContext, PollingPolicy

__all__ = [
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
]

_HOMES = {
    "Client": "mcptasks._async.client",
    **dict.fromkeys(("CreateMessageResult", "ElicitResult", "GetPromptResult"), "mcp_types"),
    **dict.fromkeys(("as_completed", "gather", "wait"), "mcptasks._async.groups"),
    "HostTasks": "mcptasks._hosting",
    "InputContext": "mcptasks._async.handlers",
    **dict.fromkeys(("LookContext", "PollingPolicy"), "mcptasks._schedule"),
    "Task": "mcptasks._async.task",
    "TasksExtension": "mcptasks._async.extension",
    **dict.fromkeys(
        ("ResourceContents", "TaskReference", "TaskStatus", "TaskSupport", "ToolResult"), "mcptasks._models"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "mcptasks._exceptions")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
