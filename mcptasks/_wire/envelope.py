"""Carries answers that create tasks, and tools' results, through the SDK, whose models do not have them. Pure.

1. The client marks a call in its `_meta` (`mark`).
2. The interceptor at the transport takes the marks off before the request goes out (`unmark`).
3. It puts the answer to a marked call into the `_meta` of a result that the SDK accepts (`wrap`).
4. The client takes the answer out of the SDK's result (`unwrap`).

An answer that creates a task of 2026-07-28 reaches a result claim of the SDK, which puts it into such a result too
(`carry`). All keys of `_meta` that are ours stand in this module; none reaches a server. Lists with bad entries, and
results that the SDK refuses, are carried by `pages.py` and `unfit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mcptasks._core.json import as_object
from mcptasks._wire import legacy

ODD_KEY = "mcptasks/odd"
"""In a page's `_meta`: the problems of the page; see `pages.py`."""

_TASK_KEY = "mcptasks/task"
"""In a request's `_meta`: the value for the request's `task` field."""
_KEEP_KEY = "mcptasks/keep"
"""In a request's `_meta`: carry the answer through the SDK unchanged."""
_FORBID_KEY = "mcptasks/forbid"
"""In a request's `_meta`: do not declare with this request that the client knows tasks (2026-07-28)."""
_HEADERS_KEY = "mcptasks/headers"
"""In a request's `_meta`: where the interceptor has the request's own HTTP headers. They themselves are secrets."""
_CREATED_KEY = "mcptasks/created"
"""In a result's `_meta`: the task object of an answer that creates a task."""
_RESULT_KEY = "mcptasks/result"
"""In a result's `_meta`: the result that the server sent."""

_MARKS = (_TASK_KEY, _KEEP_KEY, _FORBID_KEY, _HEADERS_KEY)

_UNFINISHED = ("input_required", "task")
"""The values of `resultType` (2026-07-28) after which the call goes on; any other value is read like "complete"."""

_EMPTY: Mapping[str, Mapping[str, Any]] = {
    # `isError` keeps the SDK from checking this stand-in against the tool's output schema.
    "tools/call": {"content": [], "isError": True},
    "resources/read": {"contents": []},
    "prompts/get": {"messages": []},
}


@frozen
class Marks:
    """The marks of a request."""

    augmented: bool = False
    """Whether the request asks for a task (2025-11-25)."""
    kept: bool = False
    """Whether the answer is to be carried through the SDK unchanged."""
    forbidden: bool = False
    """Whether the request must not be answered with a task."""
    headers: str | None = None
    """Where the interceptor has the request's own HTTP headers; None if it has none."""

    def __bool__(self) -> bool:
        return self.augmented or self.kept or self.headers is not None


@frozen
class Creating:
    """An answer that creates a task."""

    task: Any
    """The task object as the server sent it."""
    immediate_response: str | None
    """The text that the server offers to a model until the task ends (2025-11-25); None without one."""


@frozen
class Content:
    """The content of an answer that came through the SDK."""

    creating: Creating | None
    """The answer that creates a task; None if the answer is a result."""
    result: Any = None
    """The result: the server's JSON object if the call was marked to keep it; otherwise the SDK's result."""


def mark(
    meta: dict[str, Any],
    *,
    augment: Mapping[str, Any] | None = None,
    keep: bool = False,
    forbid: bool = False,
    headers: str | None = None,
) -> None:
    """Mark a request.

    Args:
        meta: The request's `_meta`, which gets the marks.
        augment: The value for the request's `task` field (2025-11-25); None for no such field.
        keep: Whether the answer, a tool's result, is to be carried through the SDK unchanged.
        forbid: Whether the request must not be answered with a task.
        headers: Where the interceptor has the request's own HTTP headers; None if it has none.
    """
    if augment is not None:
        meta[_TASK_KEY] = augment
    if keep:
        meta[_KEEP_KEY] = True
    if forbid:
        meta[_FORBID_KEY] = True
    if headers is not None:
        meta[_HEADERS_KEY] = headers


def unmark(params: dict[str, Any]) -> Marks:
    """Take the marks off a request's params, and add the `task` field if there is a mark for it."""
    meta: Any = params.get("_meta")
    if as_object(meta) is None or meta.keys().isdisjoint(_MARKS):
        return _UNMARKED
    found = {key: meta.pop(key) for key in _MARKS if key in meta}
    if _TASK_KEY in found:
        params["task"] = found[_TASK_KEY]
    if not meta:
        del params["_meta"]
    return Marks(_TASK_KEY in found, _KEEP_KEY in found, _FORBID_KEY in found, found.get(_HEADERS_KEY))


_UNMARKED = Marks()


def wrap(method: str, result: dict[str, Any], marks: Marks) -> dict[str, Any]:
    """The answer to a request, wrapped into a result that the SDK accepts if it needs wrapping.

    Args:
        method: The request's method.
        result: The server's answer, which is not changed.
        marks: The request's marks.
    """
    if marks.augmented:
        result = _with_task_aside(method, result)
    return _with_result_aside(result) if marks.kept else result


def carry(task: Mapping[str, Any]) -> dict[str, Any]:
    """The `_meta` that carries the task object of an answer that creates a task."""
    return {_CREATED_KEY: task}


def unwrap(answer: Any) -> Content:
    """The content of the SDK's answer to a call.

    Args:
        answer: A result from the SDK, wrapped or not.
    """
    meta: Mapping[str, Any] = answer.meta or {}
    if _CREATED_KEY not in meta:
        return Content(None, meta.get(_RESULT_KEY, answer))
    hint = meta.get(legacy.IMMEDIATE_RESPONSE_KEY)
    return Content(Creating(meta[_CREATED_KEY], hint if isinstance(hint, str) else None))


def _with_task_aside(method: str, result: dict[str, Any]) -> dict[str, Any]:
    """An empty result that carries the task object in `_meta`, if the answer creates a task; else the answer itself."""
    task = legacy.created_task(result) if method in _EMPTY else None
    if task is None:
        return result
    meta = as_object(result.get("_meta")) or {}
    kept = {key: value for key, value in meta.items() if key != legacy.FASTMCP2_TASK_KEY}
    return {**_EMPTY[method], "_meta": {**kept, **carry(task)}}


def _with_result_aside(result: dict[str, Any]) -> dict[str, Any]:
    """A stand-in that carries a tool's result in `_meta`, so that the SDK does not check it against the output schema.

    For that check the SDK would fetch the tool list after the tool has run, and lose the result if the list fails.
    """
    meta = as_object(result.get("_meta")) or {}
    if result.get("resultType") in _UNFINISHED or _CREATED_KEY in meta:
        return result
    return {**_EMPTY["tools/call"], "_meta": {_RESULT_KEY: result}}
