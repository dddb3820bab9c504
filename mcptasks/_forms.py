"""The forms that servers ask to be filled in: an answer's defaults, and whether it keeps to the form. Pure.

A form is a flat object of fields; a field is a text, a number, a boolean, or a choice of one or of several (2025-11-25
and 2026-07-28, client/elicitation, "Requested Schema"). Forms come from servers, so they are read with care: what a
field says that makes no sense is passed over, and nothing in it is evaluated. Messages name fields, never the
values, which may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from mcptasks._json import as_list, as_number, as_object

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "string": ("a text", (str,)),
    "boolean": ("true or false", (bool,)),
    "integer": ("a whole number", (int, float)),
    "number": ("a number", (int, float)),
    "array": ("a list", (list,)),
}


def filled_in(form: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content, with the defaults of the fields that it leaves out (SEP-1034).

    A default that its own field does not allow is none: servers that make forms of types give null to what may be
    left out.
    """
    defaults = {
        name: field["default"]
        for name, field in _fields(form).items()
        if field.get("default") is not None and _problem(field, field["default"]) is None
    }
    return {**defaults, **content}


def check(form: Any, content: Mapping[str, Any]) -> None:
    """Complain if the content does not keep to the form.

    Raises:
        ValueError: Names the field and what would be right.
    """
    fields = _fields(form)
    for name in as_list((as_object(form) or {}).get("required")) or ():
        if isinstance(name, str) and name not in content:
            raise ValueError(f"the answer lacks the field {name!r}, which the form requires")
    closed = (as_object(form) or {}).get("additionalProperties") is False
    for name, value in content.items():
        if name not in fields and closed:
            known = ", ".join(map(repr, fields)) or "none"
            raise ValueError(f"the field {name!r:.80} of the answer is not in the form; its fields are {known:.200}")
        problem = _problem(fields.get(name, {}), value)
        if problem is not None:
            raise ValueError(f"the field {name!r:.80} of the answer {problem}")


def _fields(form: Any) -> dict[str, Mapping[str, Any]]:
    properties = as_object((as_object(form) or {}).get("properties")) or {}
    return {name: field for name, raw in properties.items() if (field := as_object(raw)) is not None}


def _problem(field: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with a value, in words that follow the field's name."""
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
        return f"must be one of {choices!r:.200}"
    if isinstance(value, str):
        return _size(field, len(value), "minLength", "maxLength", "characters") or _format(field.get("format"), value)
    several = as_list(value)
    if several is not None:
        return _size(field, len(several), "minItems", "maxItems", "items") or _items(field, several)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _size(field, value, "minimum", "maximum", "")
    return None


def _choices(field: Mapping[str, Any]) -> list[Any] | None:
    """What may be chosen from: plain values, or titled ones."""
    plain = as_list(field.get("enum"))
    if plain is not None:
        return plain
    titled = as_list(field.get("oneOf")) or as_list(field.get("anyOf"))
    if titled is None:
        return None
    found = [option["const"] for raw in titled if (option := as_object(raw)) is not None and "const" in option]
    # An option that is not one value allows more than can be told here.
    return found if found and len(found) == len(titled) else None


def _items(field: Mapping[str, Any], values: list[Any]) -> str | None:
    choices = _choices(as_object(field.get("items")) or {})
    if choices is not None and any(value not in choices for value in values):
        return f"must hold only items out of {choices!r:.200}"
    return None


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
                fits = _EMAIL.fullmatch(value) is not None
            case "uri":
                fits = bool(urlsplit(value).scheme)
            case "date":
                fits = date.fromisoformat(value).isoformat() == value
            case "date-time":
                fits = bool(datetime.fromisoformat(value)) and "T" in value.upper()
            case _:
                return None
    except ValueError:
        fits = False
    return None if fits else f"must be written as {name}"
