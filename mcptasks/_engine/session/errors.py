"""Our errors as the SDK's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import mcp
import mcp_types

from mcptasks._core.exceptions import (
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskStateError,
    TaskTimeoutError,
)

_CODES: tuple[tuple[type[TaskError], int], ...] = (
    (TaskTimeoutError, mcp_types.REQUEST_TIMEOUT),
    (TaskConnectionError, mcp_types.CONNECTION_CLOSED),
    (TaskInputRequiredError, mcp_types.INVALID_REQUEST),
)
"""The SDK's codes for our errors; any other error becomes an internal error."""


def _sdk_error(error: TaskError) -> mcp.MCPError:
    """The SDK's error for one of ours, which stays its `__cause__`."""
    if isinstance(error, TaskFailedError):
        return mcp.MCPError(error.code, error.message, error.data)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), mcp_types.INTERNAL_ERROR)
    return mcp.MCPError(code, error.message)


@contextmanager
def speaking_sdk() -> Generator[None]:
    """Turn our errors into the SDK's. Misuse, such as another event loop than the client's, keeps its own error."""
    try:
        yield
    except TaskStateError:
        raise
    except TaskError as exc:
        raise _sdk_error(exc) from exc
