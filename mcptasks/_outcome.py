"""From a raw result to the value that a program asked for. Pure; it knows the dialects of wrapped values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import mcp_types
from attrs import frozen
from mcp_types import GetPromptResult, TextContent
from pydantic import BaseModel, TypeAdapter, ValidationError

from mcptasks._exceptions import TaskCancelledError, TaskFailedError, TaskProtocolError, ToolError
from mcptasks._json import as_object
from mcptasks._models import Kind, ResourceContents, TaskReference, ToolResult
from mcptasks._state import Cancelled, Failed, Outcome

_ModelT = TypeVar("_ModelT", bound=BaseModel)

Value: TypeAlias = "ToolResult | list[ResourceContents] | GetPromptResult"


@frozen(kw_only=True)
class Decoding:
    """How the caller wants a result read."""

    kind: Kind | None = None
    """What was asked for; None where only the shape can tell (a task known by its id alone)."""
    raise_on_error: bool = True
    """Raise `ToolError` for a tool that reports an error."""
    as_type: Any = None
    """A type that the tool's value is validated into, or None."""
    wrapped: bool = False
    """The tool's listed output schema says that the value is wrapped in `{"result": ...}` (fastmcp 2 and 3)."""


def decode(outcome: Outcome, how: Decoding, reference: TaskReference | None) -> Value:
    """The finished value.

    Raises:
        TaskFailedError: The request failed at the server.
        TaskCancelledError: The task was cancelled.
        TaskProtocolError: The result is not what the request can be answered with, or not of `as_type`.
        ToolError: The tool reports an error, and `raise_on_error` is set.
    """
    match outcome:
        case Cancelled(message):
            words = "the task was cancelled" + (f": {message}" if message else "")
            raise TaskCancelledError(words, reference=reference)
        case Failed(code, message, data):
            raise TaskFailedError(message, code=code, data=data, reference=reference)
        case _:
            raw = outcome.result
    kind = how.kind or _kind_of(raw)
    failure = as_object(raw) if kind != "tool" else None
    if failure is not None and failure.get("isError") is True:
        # fastmcp 2.14 and 3 answer for a failed resource or prompt in the form of a tool's error.
        parsed = _parse(mcp_types.CallToolResult, raw, "tools/call", reference)
        raise TaskFailedError(ToolResult(content=parsed.content).text or "the request failed", reference=reference)
    if kind == "tool":
        return _tool_result(raw, how, reference)
    if kind == "resource":
        return list(_parse(mcp_types.ReadResourceResult, raw, "resources/read", reference).contents)
    return _parse(GetPromptResult, raw, "prompts/get", reference)


def _kind_of(raw: Any) -> Kind:
    if "contents" in raw:
        return "resource"
    if "messages" in raw:
        return "prompt"
    return "tool"


def _parse(model: type[_ModelT], raw: Any, method: str, reference: TaskReference | None) -> _ModelT:
    if isinstance(raw, model):
        return raw
    try:
        return model.model_validate(raw, by_name=False)
    except ValidationError as exc:
        raise TaskProtocolError(
            f"the server's result is not one of {method}: {first_problem(exc)}", reference=reference
        ) from exc


def first_problem(exc: ValidationError) -> str:
    """The first complaint of a validation, in a line and without the input."""
    found = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in found["loc"]) or "the value"
    return f"{where}: {found['msg']}"


def _tool_result(raw: Any, how: Decoding, reference: TaskReference | None) -> ToolResult:
    parsed = _parse(mcp_types.CallToolResult, raw, "tools/call", reference)
    meta: Mapping[str, Any] = parsed.meta or {}
    result = ToolResult(
        content=tuple(parsed.content),
        structured_content=parsed.structured_content,
        is_error=bool(parsed.is_error),
        meta=meta,
    )
    if result.is_error:
        if how.raise_on_error:
            raise ToolError(
                result.text or "the tool reports an error without words", result=result, reference=reference
            )
        return _with_data(result, result.text or None)
    value, structured = _value(result, wrapped=how.wrapped)
    if how.as_type is not None:
        value = _validated(value, how.as_type, structured, reference)
    return _with_data(result, value)


def _with_data(result: ToolResult, data: Any) -> ToolResult:
    return ToolResult(
        content=result.content,
        structured_content=result.structured_content,
        data=data,
        is_error=result.is_error,
        meta=result.meta,
    )


def _value(result: ToolResult, *, wrapped: bool) -> tuple[Any, bool]:
    """The tool's value, and whether it came as structured content."""
    structured = result.structured_content
    if structured is None:
        has_text = any(isinstance(block, TextContent) for block in result.content)
        return (result.text if has_text else None), False
    marked = (as_object(result.meta.get("fastmcp")) or {}).get("wrap_result") is True
    value = as_object(structured)
    if (wrapped or marked) and value is not None and set(value) == {"result"}:
        return value["result"], True
    return structured, True


def _validated(value: Any, as_type: Any, structured: bool, reference: TaskReference | None) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(as_type)
    attempts: list[Callable[[], Any]] = [lambda: adapter.validate_python(value)]
    if structured:
        # Strict models take dates and the like from JSON only.
        attempts.append(lambda: adapter.validate_json(json.dumps(value)))
        inner = as_object(value)
        if inner is not None and set(inner) == {"result"}:
            # The SDK's own server wraps plain values too, and does not say so.
            attempts.append(lambda: adapter.validate_python(inner["result"]))
    elif isinstance(value, str) and as_type is not str:
        # A tool without structured output sends its value as JSON text.
        attempts.insert(0, lambda: adapter.validate_json(value))
    problem: ValidationError | None = None
    for attempt in attempts:
        try:
            return attempt()
        except ValidationError as exc:
            problem = exc
    assert problem is not None
    raise TaskProtocolError(
        f"the tool's value is not a {getattr(as_type, '__name__', as_type)}: {first_problem(problem)}",
        reference=reference,
    ) from problem
