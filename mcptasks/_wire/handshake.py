"""Tasks of MCP 2025-11-25: requests, the `task` field, creating answers, and events out of answers and pushes.

Source: specification 2025-11-25, basic/utilities/tasks. The form that fastmcp 2.14 gives its creating answers is read
here too, since it comes over the same requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mcp_types import PaginatedRequestParams, Request

from mcptasks._exceptions import TaskProtocolError
from mcptasks._json import as_object
from mcptasks._state import Finished, Origin, Seen
from mcptasks._wire.modern import TaskParams
from mcptasks._wire.parsing import RESULT_KEY, STASH_KEY, parse_status, shorten

NOTIFICATION = "notifications/tasks/status"
AUGMENT_KEY = "mcptasks/task"
"""In a request's `_meta` on the way out: make the `task` field of this, and take the key away."""

KEEP_KEY = "mcptasks/keep"
"""In a request's `_meta` on the way out: bring the answer through the SDK as it is, and take the key away."""

IMMEDIATE_RESPONSE_KEY = "io.modelcontextprotocol/model-immediate-response"
FASTMCP2_TASK_KEY = "modelcontextprotocol.io/task"

_SOURCES: Mapping[Origin, str] = {
    "created": "the creating answer",
    "polled": "tasks/get",
    "pushed": NOTIFICATION,
    "cancelled": "tasks/cancel",
}
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    # `isError` keeps the SDK from holding the stand-in against the tool's output schema.
    "tools/call": {"content": [], "isError": True},
    "resources/read": {"contents": []},
    "prompts/get": {"messages": []},
}


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    """Asks for a task's state ("Getting Tasks")."""

    method: Literal["tasks/get"] = "tasks/get"


class GetResult(Request[TaskParams, Literal["tasks/result"]]):
    """Asks for what the original request would have been answered ("Retrieving Task Results")."""

    method: Literal["tasks/result"] = "tasks/result"


class CancelTask(Request[TaskParams, Literal["tasks/cancel"]]):
    """Asks the server to cancel ("Cancelling Tasks")."""

    method: Literal["tasks/cancel"] = "tasks/cancel"


class ListTasks(Request[PaginatedRequestParams | None, Literal["tasks/list"]]):
    """Asks for one page of the server's tasks ("Listing Tasks")."""

    method: Literal["tasks/list"] = "tasks/list"
    params: PaginatedRequestParams | None = None


def augment(params: dict[str, Any]) -> bool:
    """Move the marker in a request's `_meta` to where the protocol has it; whether there was one."""
    meta: Any = params.get("_meta")
    if as_object(meta) is None or AUGMENT_KEY not in meta:
        return False
    params["task"] = meta.pop(AUGMENT_KEY)
    if not meta:
        del params["_meta"]
    return True


def keep(params: dict[str, Any]) -> bool:
    """Take away the marker for an answer that is to be kept; whether there was one."""
    meta: Any = params.get("_meta")
    if as_object(meta) is None or KEEP_KEY not in meta:
        return False
    del meta[KEEP_KEY]
    if not meta:
        del params["_meta"]
    return True


def fold(result: dict[str, Any]) -> dict[str, Any]:
    """A tool's result inside a stand-in that the SDK does not hold against the tool's output schema. It would fetch the
    tool list for that after the tool has run, and lose the result where that fails."""
    details = as_object(result.get("_meta")) or {}
    if result.get("resultType", "complete") != "complete" or STASH_KEY in details:
        return result
    return {**_EMPTY["tools/call"], "_meta": {RESULT_KEY: result}}


def unfold(method: str, result: dict[str, Any]) -> dict[str, Any]:
    """The answer to an augmented request in a form that the SDK accepts: a creating answer becomes an ordinary, empty
    result that carries it in `_meta`; anything else stays as it is."""
    if method not in _EMPTY:
        return result
    details = as_object(result.get("_meta")) or {}
    created = as_object(result.get("task"))
    if created is None:
        found = as_object(details.get(FASTMCP2_TASK_KEY))
        if found is None or "taskId" not in found:
            return result
        created = {"status": "working", **found}
    kept = {key: value for key, value in details.items() if key != FASTMCP2_TASK_KEY}
    return {**_EMPTY[method], "_meta": {**kept, STASH_KEY: dict(created)}}


def seen(raw: Any, origin: Origin, *, expected_id: str | None = None) -> Seen:
    """The event in a task object.

    Raises:
        TaskProtocolError: See `parse_status`.
    """
    return Seen(parse_status(raw, source=_SOURCES[origin], expected_id=expected_id), origin)


def fetched(raw: Any) -> Finished:
    """The outcome in an answer to `tasks/result`.

    Raises:
        TaskProtocolError: The answer is no object.
    """
    result = as_object(raw)
    if result is None:
        raise TaskProtocolError(f"tasks/result: expected an object, got {shorten(raw)}")
    return Finished(result)
