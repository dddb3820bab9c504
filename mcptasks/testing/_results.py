"""From the plain values of a script to results on the wire, for tools, resources and prompts."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias, cast

from pydantic import BaseModel

from mcptasks.testing._script import JSON, RawResult

Kind: TypeAlias = Literal["tool", "resource", "prompt"]

EMPTY_RESULT_KEY: dict[Kind, str] = {"tool": "content", "resource": "contents", "prompt": "messages"}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _dump(model: BaseModel) -> JSON:
    dumped = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    # The modules of the two protocols add this field if it belongs there.
    dumped.pop("resultType", None)
    return dumped


def _tool_result(value: object, wrap: bool) -> JSON:
    if value is None:
        return {"content": [], "isError": False}
    is_object = isinstance(value, dict)
    structured: JSON = cast("JSON", value) if is_object else {"result": value}
    result: JSON = {
        "content": [{"type": "text", "text": _as_text(value)}],
        "structuredContent": structured,
        "isError": False,
    }
    if wrap and not is_object:
        result["_meta"] = {"fastmcp": {"wrap_result": True}}
    return result


def shape_result(kind: Kind, name: str, value: object, *, wrap: bool) -> JSON:
    """The result object for `value`.

    A `RawResult` or a result model of the SDK stays unchanged. Any other value becomes text and structured content of a
    tool, the text of a resource, or one user message of a prompt.
    """
    if isinstance(value, RawResult):
        return dict(value.result)
    if isinstance(value, BaseModel):
        return _dump(value)
    if kind == "tool":
        return _tool_result(value, wrap)
    text = "" if value is None else _as_text(value)
    if kind == "resource":
        return {"contents": [{"uri": name, "mimeType": "text/plain", "text": text}]}
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}


def tool_error(message: str) -> JSON:
    """The result of a tool that reports an error."""
    return {"content": [{"type": "text", "text": message}], "isError": True}


def is_tool_error(result: JSON | None) -> bool:
    """Whether a result reports a tool's error."""
    flag: Any = (result or {}).get("isError")
    return flag is True
