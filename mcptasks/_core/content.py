"""The text in a content block, known to the SDK or not, and in an input request. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import TextContent

from mcptasks._core.json import as_list, as_object


def block_text(block: Any) -> str | None:
    """The text of a text block, even of a malformed block that has a text; None for other blocks."""
    if isinstance(block, TextContent):
        return block.text
    raw = as_object(block)
    text = raw.get("text") if raw is not None and raw.get("type", "text") == "text" else None
    return text if isinstance(text, str) else None


def question_text(request: Any) -> str | None:
    """The text of an input request for people: an elicitation's message, or the last text of a sampling request.

    None if the request has no such text, or is malformed.

    Source: 2025-11-25 and 2026-07-28, `ElicitRequestParams` and `CreateMessageRequestParams`.
    """
    params = as_object((as_object(request) or {}).get("params")) or {}
    message = params.get("message")
    if isinstance(message, str):
        return message or None
    messages = as_list(params.get("messages"))
    content: Any = (as_object(messages[-1]) or {}).get("content") if messages else None
    blocks = as_list(content)
    texts = [text for text in map(block_text, [content] if blocks is None else blocks) if text]
    return texts[-1] if texts else None


def asked(requests: Mapping[str, Any]) -> str | None:
    """The text of the first open input request that has a text; None if none has."""
    return next((text for text in map(question_text, requests.values()) if text), None)
