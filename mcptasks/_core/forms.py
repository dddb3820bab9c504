"""Elicitation forms: adds the defaults to an answer, and checks whether the answer keeps to the form. Pure.

A form is a flat object of fields. A field is a text, a number, a boolean, or a choice of one or several (2025-11-25 and
2026-07-28, client/elicitation, "Requested Schema"). Forms come from servers, so the checks do not trust them:

- An invalid constraint of a field is ignored.
- A server's `pattern` is never run, since it could take forever.
- The time of all checks is linear: formats, whose check may take longer, are checked on short values only.
- Errors name fields, and show no values, which may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from mcptasks._core import safe_text
from mcptasks._core.json import as_list, as_number, as_object

_EMAIL = 320
"""How many characters an e-mail address may have: 64 before the @ and 255 after it (RFC 5321, 4.5.3.1)."""
_URI_BEGIN = 2048
"""How many characters of a URI are checked: enough for scheme and host. The rest of a `data:` URI may be very long."""
_TIME = 64
"""How many characters a date or time may have; a longer one is invalid. With nanoseconds and a zone, a time has 35."""

_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "string": ("a text", (str,)),
    "boolean": ("true or false", (bool,)),
    "integer": ("a whole number", (int, float)),
    "number": ("a number", (int, float)),
    "array": ("a list", (list,)),
}


def filled_in(form: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of an answer, with the defaults of the fields that it leaves out (SEP-1034).

    A default is ignored if its own field does not allow it, or if no answer can hold it (an object, for example).
    Servers that derive forms from Python types set the default of optional fields to null.
    """
    defaults = {
        name: field["default"]
        for name, field in _fields(form).items()
        if name not in content and _is_value(field.get("default")) and _problem(field, field["default"]) is None
    }
    return {**defaults, **content}


def _is_value(value: Any) -> bool:
    """Whether an answer can hold a value: a text, a number, a boolean or a list of texts (`ElicitResult.content`)."""
    items = as_list(value)
    return isinstance(value, str | int | float) if items is None else all(isinstance(item, str) for item in items)


def check(form: Any, content: Mapping[str, Any]) -> None:
    """Check that the content of an answer keeps to the form.

    Raises:
        ValueError: A field is wrong or missing. The message names the field, and says what would be right.
    """
    fields = _fields(form)
    for name in as_list((as_object(form) or {}).get("required")) or ():
        if isinstance(name, str) and name not in content:
            raise ValueError(f"the answer lacks the field {safe_text.short(name, 80)}, which the form requires")
    closed = (as_object(form) or {}).get("additionalProperties") is False
    for name, value in content.items():
        if name not in fields and closed:
            known = safe_text.several(fields) or "none"
            words = f"the field {safe_text.short(name, 80)} of the answer is not in the form"
            raise ValueError(f"{words}; its fields are {known}")
        problem = _problem(fields.get(name, {}), value)
        if problem is not None:
            raise ValueError(f"the field {safe_text.short(name, 80)} of the answer {problem}")


def _fields(form: Any) -> dict[str, Mapping[str, Any]]:
    properties = as_object((as_object(form) or {}).get("properties")) or {}
    return {name: field for name, raw in properties.items() if (field := as_object(raw)) is not None}


def _problem(field: Mapping[str, Any], value: Any) -> str | None:
    """Says what is wrong with a value, to follow the field's name; None if the value fits."""
    kind = field.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        words, types = _TYPES[kind]
        whole = kind != "integer" or not isinstance(value, float) or value.is_integer()
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean") or not whole:
            return f"must be {words}, not {type(value).__name__}"
    if isinstance(value, float) and not isfinite(value):
        return "must be a finite number"
    choices = _choices(field)
    if choices is not None and value not in choices:
        return f"must be one of {safe_text.short(choices, 200)}"
    if isinstance(value, str):
        return _size(field, len(value), "minLength", "maxLength", "characters") or _format(field.get("format"), value)
    several = as_list(value)
    if several is not None:
        return _size(field, len(several), "minItems", "maxItems", "items") or _items(field, several)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _size(field, value, "minimum", "maximum", "")
    return None


def _choices(field: Mapping[str, Any]) -> list[Any] | None:
    """The values of a choice, with titles or without; None if the field is not a choice."""
    plain = as_list(field.get("enum"))
    if plain is not None:
        return plain
    titled = as_list(field.get("oneOf")) or as_list(field.get("anyOf"))
    if titled is None:
        return None
    found = [option["const"] for raw in titled if (option := as_object(raw)) is not None and "const" in option]
    # An option without `const` may allow any values, so such a choice is not checked.
    return found if found and len(found) == len(titled) else None


def _items(field: Mapping[str, Any], values: list[Any]) -> str | None:
    choices = _choices(as_object(field.get("items")) or {})
    # Both protocols allow only texts as items. Other choices are not checked: they need not be hashable, and comparing
    # each item with each choice could take too long.
    if choices is None or not all(isinstance(choice, str) for choice in choices):
        return None
    allowed: set[str] = set(choices)
    if all(isinstance(value, str) and value in allowed for value in values):
        return None
    return f"must hold only items out of {safe_text.short(choices, 200)}"


def _size(field: Mapping[str, Any], size: float, least: str, most: str, unit: str) -> str | None:
    low, high = as_number(field.get(least)), as_number(field.get(most))
    if low is not None and size < low:
        return f"must be at least {low:g} {unit}".rstrip()
    if high is not None and size > high:
        return f"must be at most {high:g} {unit}".rstrip()
    return None


def _format(name: Any, value: str) -> str | None:
    try:
        match name:
            case "email":
                fits = len(value) <= _EMAIL and _is_email(value)
            case "uri":
                fits = bool(urlsplit(value[:_URI_BEGIN]).scheme)
            case "date":
                fits = len(value) <= _TIME and date.fromisoformat(value).isoformat() == value
            case "date-time":
                fits = len(value) <= _TIME and bool(datetime.fromisoformat(value)) and "T" in value.upper()
            case _:
                return None
    except ValueError:
        fits = False
    return None if fits else f"must be written as {name}"


def _is_email(value: str) -> bool:
    name, _, host = value.partition("@")
    return bool(name) and "." in host[1:-1] and "@" not in host and not any(map(str.isspace, value))
