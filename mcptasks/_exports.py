"""The public names: which there are, and which module defines each.

`__all__`, `dir()` and the values of `mcptasks` and `mcptasks.sync` come from this table. Type checkers cannot follow
the table, so `__init__.py` and `sync.py` import each name once more for them; tests/house/test_exported_names.py holds
these imports equal to the table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

HOMES: Mapping[str, str] = {
    "BY_HAND": "mcptasks._engine.input.handlers",
    "Client": "mcptasks._async.client",
    "ClientStats": "mcptasks._core.stats",
    "CreateMessageRequestParams": "mcp_types",
    "CreateMessageResult": "mcp_types",
    "ElicitRequestParams": "mcp_types",
    "ElicitResult": "mcp_types",
    "Expectation": "mcptasks._core.progress",
    "GetPromptResult": "mcp_types",
    "Group": "mcptasks._async.group",
    "HostTasks": "mcptasks._core.hosted_tasks",
    "InputContext": "mcptasks._async.input",
    "LookContext": "mcptasks._core.polling.policy",
    "Patience": "mcptasks._core.patience",
    "PollingPolicy": "mcptasks._core.polling.policy",
    "ResourceContents": "mcptasks._core.models",
    "StoreError": "mcptasks._core.exceptions",
    "StoreVersionError": "mcptasks._core.exceptions",
    "Task": "mcptasks._async.task",
    "TaskCancelledError": "mcptasks._core.exceptions",
    "TaskConnectionError": "mcptasks._core.exceptions",
    "TaskError": "mcptasks._core.exceptions",
    "TaskExpiredError": "mcptasks._core.exceptions",
    "TaskFailedError": "mcptasks._core.exceptions",
    "TaskInputRequiredError": "mcptasks._core.exceptions",
    "TaskKeyError": "mcptasks._core.exceptions",
    "TaskNotFoundError": "mcptasks._core.exceptions",
    "TaskOutcome": "mcptasks._core.models",
    "TaskProgress": "mcptasks._core.progress",
    "TaskProtocolError": "mcptasks._core.exceptions",
    "TaskReference": "mcptasks._core.models",
    "TaskStalledError": "mcptasks._core.exceptions",
    "TaskStateError": "mcptasks._core.exceptions",
    "TaskStatus": "mcptasks._core.models",
    "TaskSupport": "mcptasks._core.models",
    "TaskTimeoutError": "mcptasks._core.exceptions",
    "TaskUncertainError": "mcptasks._core.exceptions",
    "TaskUnsupportedError": "mcptasks._core.exceptions",
    "TasksExtension": "mcptasks._extension",
    "Telemetry": "mcptasks._telemetry.options",
    "ToolError": "mcptasks._core.exceptions",
    "ToolResult": "mcptasks._core.models",
    "TtlIgnoredWarning": "mcptasks._core.exceptions",
    "__version__": "mcptasks._version",
    "as_completed": "mcptasks._async.groups",
    "gather": "mcptasks._async.groups",
    "progress": "mcptasks._async.displays",
    "wait": "mcptasks._async.groups",
}
"""Public names of `mcptasks`, sorted, each with the module that defines the name."""

BLOCKING_HOMES: Mapping[str, str] = dict(sorted({**HOMES, "Store": "mcptasks._sync.store"}.items()))
"""Public names of `mcptasks.sync`: the names of `mcptasks`, and `Store`, whose async form is in `mcptasks.store`.
`Client`, `Task` and the functions for many tasks are imported from `_sync` instead."""


def load(name: str, module: str, homes: Mapping[str, str] = HOMES) -> Any:
    """Import the value of a public name, for the `__getattr__` of a public module.

    Args:
        name: The attribute that the public module does not have yet.
        module: The public module.
        homes: The names of that module.

    Raises:
        AttributeError: The name is not public.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name, obj=sys.modules[module])
    return getattr(importlib.import_module(homes[name]), name)
