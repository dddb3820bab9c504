"""From the bytes that a server sends to JSON values and JSON-RPC messages. Pure; used by every transport.

Reads JSON, and deviations that common servers send: a byte order mark, a lone surrogate in an escape (`"\\ud83d"` is
well-formed, RFC 8259, 8.2), bytes that are not UTF-8, NaN and Infinity. Lone surrogates and broken bytes become U+FFFD.
The last value of a repeated key counts.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_types import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import from_json

from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_object, kind_of

_DIGITS = 4300
"""How many digits an integer may have; a longer one is read as a float. Python refuses to read longer ones
(`sys.int_info.default_max_str_digits`), since the cost is quadratic."""

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")
"""An escape in JSON text: a surrogate pair, a lone surrogate, or any other escape. One match for each escape, so that
the second half of a pair is never taken for a lone surrogate."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]..\Z")


class Undecodable(Exception):
    """The bytes are not JSON, or JSON of more than 200 levels."""


def decode(data: bytes) -> Any:
    """The JSON value in some bytes.

    Raises:
        Undecodable: The bytes cannot be read. The message says where and why, and shows nothing of the bytes.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return from_json(data)
    except ValueError as exc:
        if "recursion" in str(exc):
            raise Undecodable("the JSON is nested too deeply") from None
    text = _ESCAPE.sub(_whole, data.decode("utf-8", errors="replace"))
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as exc:
        where = f" at character {exc.pos}" if isinstance(exc, json.JSONDecodeError) else ""
        raise Undecodable(f"not valid JSON{where}, in {len(data)} bytes") from None


def _whole(escape: re.Match[str]) -> str:
    return "\\ufffd" if _HALF.match(escape[0]) else escape[0]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def read_message(value: Any) -> JSONRPCMessage:
    """The JSON-RPC message in a JSON value.

    Raises:
        TaskProtocolError: The value is not a JSON-RPC message. The error says what is wrong, and shows no values.
    """
    try:
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValidationError:
        what = fault_in(value) or "its parts do not fit"
        raise TaskProtocolError(f"the server sent no valid JSON-RPC message: {what}") from None


def fault_in(value: Any) -> str | None:
    """Says why a JSON value is not a JSON-RPC message, and shows no values; None if nothing is wrong."""
    message = as_object(value)
    if message is None:
        return f"it is {kind_of(value)}, not an object"
    if message.get("jsonrpc") != "2.0":
        return '"jsonrpc" is not "2.0"' if "jsonrpc" in message else '"jsonrpc" is missing'
    if "method" in message:
        wrong = _wrong(message, ("id", "a string or an integer", str | int), ("params", "an object", dict))
        return wrong or _wrong(message, ("method", "a string", str))
    for part in ("error", "result"):
        if part in message and as_object(message[part]) is None:
            return f'"{part}" is {kind_of(message[part])}, not an object'
    error = as_object(message.get("error"))
    if error is not None:
        wrong = _wrong(error, ("code", "an integer", int), ("message", "a string", str), needed=True)
        return f"in its error, {wrong}" if wrong else _wrong_id(message)
    return _wrong_id(message) if "result" in message else "it has no method, no result and no error"


def _wrong(message: Mapping[str, Any], *parts: tuple[str, str, Any], needed: bool = False) -> str | None:
    for name, right, kind in parts:
        if name not in message:
            if needed:
                return f'"{name}" is missing'
        elif isinstance(message[name], bool) or not isinstance(message[name], kind):
            return f'"{name}" is {kind_of(message[name])}, not {right}'
    return None


def _wrong_id(message: Mapping[str, Any]) -> str | None:
    return _wrong(message, ("id", "a string or an integer", str | int), needed=True)
