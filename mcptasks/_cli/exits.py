"""The exit codes: their table, the code of an error, and the code for several tasks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum


class Exit(IntEnum):
    """How a command ended, for scripts. These numbers do not change."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    CREDENTIALS = 4
    NO_TASK = 5
    INPUT = 6
    UNREACHABLE = 7
    RUNNING = 8
    UNCERTAIN = 9
    TIMEOUT = 124
    HANGUP = 129
    INTERRUPTED = 130
    PIPE = 141
    TERMINATED = 143


MEANINGS: Mapping[Exit, str] = {
    Exit.OK: "The command did what was asked.",
    Exit.FAILED: "The tool or the task failed, or the store or a file could not be used.",
    Exit.USAGE: "The command line cannot be right. Nothing was sent.",
    Exit.CANCELLED: "The task was cancelled.",
    Exit.CREDENTIALS: "Credentials are missing, or the server refused them (HTTP 401 or 403).",
    Exit.NO_TASK: "There is no such task, or the server has forgotten it.",
    Exit.INPUT: "The task requires input, and nobody answers here.",
    Exit.UNREACHABLE: "The server cannot be reached.",
    Exit.RUNNING: "The task is not over yet (`result --no-wait`).",
    Exit.UNCERTAIN: "Nobody knows whether the server carried out the call.",
    Exit.TIMEOUT: "The time of `--timeout` passed. A task goes on.",
    Exit.HANGUP: "The terminal was closed (SIGHUP). A task goes on.",
    Exit.INTERRUPTED: "Somebody pressed Ctrl-C (SIGINT). A task goes on.",
    Exit.PIPE: "The reader of the output went away (SIGPIPE). Nothing is printed about that.",
    Exit.TERMINATED: "Somebody ended the command (SIGTERM). A task goes on.",
}
"""The meaning of each code, for the reference page."""

_SEVERITY: tuple[Exit, ...] = (
    Exit.UNREACHABLE,
    Exit.CREDENTIALS,
    Exit.NO_TASK,
    Exit.UNCERTAIN,
    Exit.USAGE,
    Exit.FAILED,
    Exit.CANCELLED,
    Exit.INPUT,
    Exit.RUNNING,
    Exit.TIMEOUT,
)
"""The order in which codes count for several tasks: the first of these that a task has is the exit code."""

_REFUSED = re.compile(r"\bHTTP 40[13]\b")
"""The words with which a `TaskConnectionError` reports that credentials were refused."""


def of_error(error: BaseException) -> Exit:
    """Return the exit code of an error.

    Args:
        error: What a call of the library raised.
    """
    import mcptasks

    kinds: tuple[tuple[type[BaseException], Exit], ...] = (
        (mcptasks.TaskCancelledError, Exit.CANCELLED),
        (mcptasks.TaskNotFoundError, Exit.NO_TASK),
        (mcptasks.TaskExpiredError, Exit.NO_TASK),
        (mcptasks.TaskInputRequiredError, Exit.INPUT),
        (mcptasks.TaskTimeoutError, Exit.TIMEOUT),
        (mcptasks.TaskUncertainError, Exit.UNCERTAIN),
        (mcptasks.TaskKeyError, Exit.USAGE),
    )
    for kind, code in kinds:
        if isinstance(error, kind):
            return code
    if isinstance(error, mcptasks.TaskConnectionError):
        return Exit.CREDENTIALS if _REFUSED.search(error.message) else Exit.UNREACHABLE
    return Exit.FAILED


def worst(codes: Iterable[Exit]) -> Exit:
    """Return the one code that stands for several tasks."""
    found = set(codes)
    return next((code for code in _SEVERITY if code in found), Exit.OK)
