"""From a raw result to the value that a program asked for, unwrapped if a server has wrapped it. Pure, but logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from attrs import frozen
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult
from pydantic import TypeAdapter, ValidationError

from mcptasks._core.causes import harmless
from mcptasks._core.content import block_text
from mcptasks._core.events import Cancelled, Failed, Outcome
from mcptasks._core.exceptions import TaskCancelledError, TaskFailedError, TaskProtocolError, ToolError
from mcptasks._core.json import as_object
from mcptasks._core.models import Kind, ResourceContents, TaskReference, ToolResult
from mcptasks._core.problems import first_problem
from mcptasks._core.results import NothingFits, Reader
from mcptasks._core.verdicts import reports_error

logger = logging.getLogger("mcptasks")

_METHODS: Mapping[Kind, str] = {"tool": "tools/call", "resource": "resources/read", "prompt": "prompts/get"}

Value: TypeAlias = "ToolResult | list[ResourceContents] | GetPromptResult"
SdkValue: TypeAlias = "CallToolResult | ReadResourceResult | GetPromptResult"


@frozen(kw_only=True)
class Decoding:
    """How to read a result."""

    kind: Kind | None = None
    """The kind of the call; None if only the result's form can tell (a task known by its id alone)."""
    raise_on_error: bool = True
    """Whether to raise `ToolError` if the tool reports an error."""
    as_type: Any = None
    """The type to validate the tool's value into; None for no validation."""
    sdk: bool = False
    """Whether the value is the SDK's result (`SdkValue`) rather than ours; a tool's error is a result then."""
    wrapped: bool = False
    """Whether the tool's output schema says that fastmcp 2 or 3 wraps the value in `{"result": ...}`."""


def decode(outcome: Outcome, how: Decoding, reference: TaskReference | None) -> Value | SdkValue:
    """The value for the program. Malformed parts of the result are dropped and logged.

    Raises:
        TaskFailedError: The request failed at the server.
        TaskCancelledError: The task was cancelled.
        TaskProtocolError: No part of the result is valid for the request, or the value is not of the type `as_type`.
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
    if how.sdk and isinstance(raw, CallToolResult | ReadResourceResult):
        return raw
    if isinstance(raw, GetPromptResult):
        return raw
    if isinstance(raw, ReadResourceResult):
        return list(raw.contents)
    kind = how.kind or _kind_of(raw)
    reader = Reader()
    with _told(reader, kind, raw, reference):
        found, failure = _read(reader, kind, raw)
    if failure:
        raise TaskFailedError(failure, reference=reference)
    if how.sdk and kind != "prompt":
        return sdk_result(raw, reference) if kind == "tool" else _sdk_resource(raw, found)
    return _finished(found, raw, how, reference) if isinstance(found, ToolResult) else found


def sdk_result(raw: Any, reference: TaskReference | None) -> CallToolResult:
    """A tool's result as the SDK's model. Blocks that the SDK does not know are dropped and logged.

    Raises:
        TaskProtocolError: No part of the result is valid.
    """
    reader = Reader()
    with _told(reader, "tool", raw, reference):
        result = reader.tool(raw)
        blocks = reader.without_raw(result.content)
        if not blocks and result.content and result.structured_content is None and not result.is_error:
            raise NothingFits("content: no block of it is known")
    return CallToolResult(
        content=blocks,
        structured_content=result.structured_content,
        is_error=result.is_error,
        _meta=dict(result.meta) or None,
    )


def _sdk_resource(raw: Any, found: Any) -> ReadResourceResult:
    """A resource as the SDK's model, without the parts that the SDK does not know."""
    parts = [part for part in found if not isinstance(part, Mapping)]
    if len(parts) < len(found):
        logger.warning("resources/read: left out %s parts that are not known", len(found) - len(parts))
    meta = as_object((as_object(raw) or {}).get("_meta"))
    return ReadResourceResult(contents=parts, _meta=None if meta is None else dict(meta))


@contextmanager
def _told(reader: Reader, kind: Kind, raw: Any, reference: TaskReference | None) -> Generator[None]:
    """Log the parts that were dropped from a result; if no part is valid, raise an error that carries the result."""
    method = _METHODS[kind]
    try:
        yield
    except NothingFits as exc:
        words = f"the server's result is not one of {method}: {exc}"
        raise TaskProtocolError(words, raw_result=raw, reference=reference) from None
    if reader.left_out:
        more = f"; and {reader.more} more" if reader.more else ""
        logger.warning("%s: left out what makes no sense: %s%s", method, "; ".join(reader.left_out), more)


def _read(reader: Reader, kind: Kind, raw: Any) -> tuple[Value, str | None]:
    """The value, and the error message if reading a resource or getting a prompt has failed."""
    if isinstance(raw, CallToolResult):
        return _from_sdk(raw), None
    if kind == "tool":
        return reader.tool(raw), None
    if reports_error(raw):
        # fastmcp 2.14 and 3 answer for a failed resource or prompt in the form of a tool's error.
        failed = reader.tool(raw)
        return failed, failed.text or "the request failed"
    return reader.resource(raw) if kind == "resource" else reader.prompt(raw), None


def _from_sdk(parsed: CallToolResult) -> ToolResult:
    return ToolResult(
        content=tuple(parsed.content),
        structured_content=parsed.structured_content,
        is_error=bool(parsed.is_error),
        meta=parsed.meta or {},
    )


def _kind_of(raw: Any) -> Kind:
    result = as_object(raw) or {}
    return "resource" if "contents" in result else "prompt" if "messages" in result else "tool"


def _finished(result: ToolResult, raw: Any, how: Decoding, reference: TaskReference | None) -> ToolResult:
    if result.is_error:
        if how.raise_on_error:
            raise ToolError(
                result.text or "the tool reports an error without words", result=result, reference=reference
            )
        return _with_data(result, result.text or None)
    value, structured = _value(result, wrapped=how.wrapped)
    if how.as_type is not None:
        value = _validated(value, how.as_type, structured, raw, reference)
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
        has_text = any(block_text(block) is not None for block in result.content)
        return (result.text if has_text else None), False
    marked = (as_object(result.meta.get("fastmcp")) or {}).get("wrap_result") is True
    value = as_object(structured)
    if (wrapped or marked) and value is not None and set(value) == {"result"}:
        return value["result"], True
    return structured, True


def _validated(value: Any, as_type: Any, structured: bool, raw: Any, reference: TaskReference | None) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(as_type)
    attempts: list[Callable[[], Any]] = [lambda: adapter.validate_python(value)]
    if structured:
        # Strict models accept strings for dates and the like from JSON only.
        attempts.append(lambda: adapter.validate_json(json.dumps(value)))
        inner = as_object(value)
        if inner is not None and set(inner) == {"result"}:
            # The SDK's own server wraps plain values too, without saying so.
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
        raw_result=raw,
        reference=reference,
    ) from harmless(problem)
