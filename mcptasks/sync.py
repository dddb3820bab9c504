"""The blocking form of `mcptasks`: the same names, with no event loop in the program.

`Client`, `Task` and the functions for many tasks are blocking here; a background thread, one for all clients of a
process, runs the async ones. All other names are those of `mcptasks` itself.
"""

from __future__ import annotations

from mcp_types import CreateMessageResult, ElicitResult, GetPromptResult

from mcptasks._async.extension import TasksExtension
from mcptasks._async.handlers import InputContext
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
from mcptasks._sync.client import Client
from mcptasks._sync.groups import as_completed, gather, wait
from mcptasks._sync.task import Task
from mcptasks._version import __version__

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
