"""Decides how work ended. A result may report that the work failed, so that a "completed" task counts as failed. Pure.

If a tool fails, the task is "failed" in 2025-11-25, but "completed" with `isError` in its result in 2026-07-28
(ext-tasks, "Task Status"). Programs see "failed" in both protocols, as soon as the result is known.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from mcp_types import CallToolResult

from mcptasks._core import safe_text
from mcptasks._core.content import block_text
from mcptasks._core.events import Cancelled, Finished, Outcome
from mcptasks._core.json import as_list, as_object
from mcptasks._core.models import TaskOutcome, TaskStatus


def is_true(flag: Any) -> bool:
    """Whether a boolean is true. Some servers write booleans as numbers or strings, and an error must not pass for a
    success."""
    return flag in (1, "true", "True")


def reports_error(result: Any) -> bool:
    """Whether a result says that the work failed.

    Args:
        result: The server's JSON value, or the SDK's model.
    """
    if isinstance(result, CallToolResult):
        return bool(result.is_error)
    return is_true((as_object(result) or {}).get("isError"))


def error_words(result: Any) -> str | None:
    """The text of a result that reports an error, made legible and cut to 2,000 characters and 50 lines; None if it has
    no text."""
    if isinstance(result, CallToolResult):
        blocks: list[Any] = list(result.content)
    else:
        content = (as_object(result) or {}).get("content")
        blocks = [content] if as_object(content) is not None else as_list(content) or []
    text = "\n".join(text for text in map(block_text, blocks) if text is not None)
    return safe_text.message(text) or None


def how_it_ended(status: TaskStatus | None, outcome: Outcome | None) -> TaskOutcome | None:
    """How the work ended; None as long as that is not known. The outcome counts more than the status.

    Args:
        status: The latest status; None if there is none.
        outcome: The outcome; None if it is not known.
    """
    word = None if status is None else status.status
    if outcome is None:
        return word if word in ("failed", "cancelled") else None
    if isinstance(outcome, Cancelled):
        return "cancelled"
    well = isinstance(outcome, Finished) and word != "failed" and not reports_error(outcome.result)
    return "succeeded" if well else "failed"


def judged(status: TaskStatus, result: Any) -> TaskStatus:
    """The status that programs see once the result is known: "failed", with the tool's words, if it reports an error.

    `raw` stays the server's own message.

    Args:
        status: The status as the server sent it.
        result: The result of the task.
    """
    if status.status not in ("completed", "failed") or not reports_error(result):
        return status
    return evolve(status, status="failed", status_message=error_words(result) or status.status_message)
