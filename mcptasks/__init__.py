"""Long-running work over the Model Context Protocol: tasks of both protocols, on asyncio and on trio."""

from mcp_types import GetPromptResult

from mcptasks._async.client import Client
from mcptasks._async.extension import TasksExtension
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
from mcptasks._models import ResourceContents, TaskReference, TaskStatus, TaskSupport, ToolResult
from mcptasks._schedule import PollingPolicy
from mcptasks._version import __version__

__all__ = [
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
]
