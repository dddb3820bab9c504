"""Carries results of `resources/read` and `prompts/get` past the SDK if the SDK would refuse them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from mcp_types import INTERNAL_ERROR, ErrorData
from mcp_types.methods import parse_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from mcptasks._core.json import as_list
from mcptasks._core.problems import first_problem

CHECKED: Mapping[str, str] = {"resources/read": "contents", "prompts/get": "messages"}
"""The methods, and the name of the list in a result of each."""

_TOGETHER = 50
"""How many entries are checked at once, and none after the first group with a bad one: for each bad entry, the SDK's
models make several error objects."""


@frozen
class Unfit:
    """The `data` of the error that replaces a refused result. No server can send an object of this type."""

    raw: Mapping[str, Any]
    """The result as the server sent it."""


def refusal(method: str, result: Mapping[str, Any], *, modern: bool) -> ErrorData | None:
    """The error that carries a result if the SDK would refuse the result; else None.

    Args:
        method: One of `CHECKED`.
        result: The server's result.
        modern: Whether the connection speaks 2026-07-28.
    """
    version = LATEST_MODERN_VERSION if modern else LATEST_HANDSHAKE_VERSION
    name = CHECKED[method]
    entries = as_list(result.get(name)) or []
    for start in range(0, len(entries) or 1, _TOGETHER):
        part = {**result, name: entries[start : start + _TOGETHER]} if entries else result
        try:
            parse_server_result(method, version, part)
        except ValueError as exc:  # From validation, or from a value that is not JSON.
            words = f"the server's result is not one of {method}: {first_problem(exc)}"
            return ErrorData(code=INTERNAL_ERROR, message=words, data=Unfit(result))
    return None
