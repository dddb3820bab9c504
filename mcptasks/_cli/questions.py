"""The questions of a task in words, and the fields of a form. Pure. Requests come from servers and are not trusted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from mcptasks._cli import schemas, untrusted
from mcptasks._cli.values import array, mapping

SAMPLING = "sampling/createMessage"
_WHOLE = 24
"""How many characters a key may have to be shown whole. Of a longer key, as fastmcp 4 makes them, only the end is
shown."""
_END = re.compile(r"[\w-]{8,}\Z", re.ASCII)
"""The shown end of a key: the letters, digits, hyphens and underscores at its end."""


@frozen
class Field:
    """One field of a form."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    required: bool
    choices: tuple[Any, ...] | None
    """The values to choose from; None for a free answer."""
    words: tuple[str, ...]
    """The titles of the choices."""
    several: bool
    """Whether several of the choices may be taken."""
    default: Any


def method(request: object) -> str:
    """Return the method of a request, or an empty text."""
    found = mapping(request).get("method")
    return found if isinstance(found, str) else ""


def params(request: object) -> Mapping[str, Any]:
    """Return the params of a request."""
    return mapping(mapping(request).get("params"))


def summary(request: object) -> str:
    """Return a question on one line, legible."""
    kind, given = method(request), params(request)
    if kind == "roots/list":
        return "which folders it may use"
    if kind == SAMPLING:
        return f"for a text of a model: {untrusted.line(_said(given.get('messages')), 200)}"
    words = given.get("message")
    text = untrusted.line(words, 400) if isinstance(words, str) and words else "something, without words"
    where = given.get("url")
    if isinstance(where, str):
        return f"{text} (at {untrusted.line(where, 400)})"
    names = [each.name for each in fields(given.get("requestedSchema"))]
    return f"{text} (fields: {untrusted.line(', '.join(names), 200)})" if names else text


def _said(messages: object) -> object:
    """The texts of a request to a model; the messages themselves if they have another form."""
    contents = [mapping(each).get("content") for each in array(messages)]
    parts = [mapping(part) for content in contents for part in (array(content) or [content])]
    texts = [part.get("text") for part in parts]
    found = [text for text in texts if isinstance(text, str)]
    return " ".join(found) if found and len(found) == len(texts) else messages


def how_to_answer(request: object) -> str:
    """Return the words of a command line that answer a question."""
    return "text=..." if method(request) == SAMPLING else "field=value, --decline or --cancel"


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return a short name for each of several questions: its key, or the end of a long key.

    A key with the same end as another key stays whole.
    """
    given = list(keys)
    ends = {key: match[0] for key in given if len(key) > _WHOLE and (match := _END.search(key))}
    return {
        key: end if (end := ends.get(key)) and sum(each.endswith(end) for each in given) == 1 else key for key in given
    }


def host(url: str) -> str:
    """Return the host of a URL, for a person to check, in the form in which it is looked up."""
    try:
        found = urlsplit(url).hostname or ""
        shown = untrusted.line(found, 300)
        return shown if found.isascii() else f"{found.encode('idna').decode('ascii')} (written {shown})"
    except (ValueError, UnicodeError):
        return "a host that makes no sense"


def fields(form: object) -> list[Field]:
    """Return the fields of a form (`requestedSchema`)."""
    shape = schemas.shape_of(form, form)
    needed = schemas.required(shape)
    return [_field(name, mapping(schema), name in needed) for name, schema in schemas.properties(shape).items()]


def _field(name: str, schema: Mapping[str, Any], required: bool) -> Field:
    several = schema.get("type") == "array"
    holder = schemas.items(schemas.shape_of(schema, schema)) if several else schema
    values, words = _choices(mapping(holder))
    if values is not None and not several:
        named = [each for each in array(schema.get("enumNames")) if isinstance(each, str)]
        words = named if len(named) == len(values) else words
    title, description = schema.get("title"), schema.get("description")
    return Field(
        name=name,
        title=title if isinstance(title, str) and title else name,
        description=description if isinstance(description, str) else "",
        schema=schema,
        required=required,
        choices=None if values is None else tuple(values),
        words=tuple(words),
        several=several,
        default=schema.get("default"),
    )


def _choices(schema: Mapping[str, Any]) -> tuple[list[Any] | None, list[str]]:
    """The values to choose from with their titles (2025-11-25, client/elicitation, "Requested Schema")."""
    plain = array(schema.get("enum"))
    if plain:
        return plain, [str(value) for value in plain]
    options = [mapping(each) for each in array(schema.get("oneOf")) or array(schema.get("anyOf"))]
    pairs = [(each["const"], str(each.get("title") or each["const"])) for each in options if "const" in each]
    return ([value for value, _ in pairs], [word for _, word in pairs]) if pairs else (None, [])


def kind_of(field: Field) -> str:
    """Return what may be answered, in a few words: "whole number, 1 to 12"."""
    if field.choices is not None:
        return "numbers with commas between them" if field.several else "a number of the list"
    schema = field.schema
    names = {"integer": "whole number", "number": "number", "boolean": "yes or no", "array": "texts with commas"}
    said = schema.get("type")
    words = names.get(said, "text") if isinstance(said, str) else "text"
    given = schema.get("format")
    if words == "text" and isinstance(given, str):
        words = untrusted.line(given, 40)
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if "minLength" in schema or "maxLength" in schema else ""
    least, most = _number(low), _number(high)
    if least and most:
        return f"{words}, {least} to {most}{unit}"
    if least:
        return f"{words}, at least {least}{unit}"
    return f"{words}, at most {most}{unit}" if most else words


def _number(value: object) -> str:
    """A bound as people read it; empty if there is none."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:g}" if isinstance(value, float) or abs(value) < 10**15 else untrusted.line(value, 40)


class FieldError(ValueError):
    """An answer to a field is invalid. The message says what would be right."""


def value_of(field: Field, text: str) -> Any:
    """Return the value that somebody typed for a field.

    Raises:
        FieldError: The text is no such value.
    """
    if field.choices is not None:
        picked = [_picked(field, each.strip()) for each in text.split(",")] if field.several else [_picked(field, text)]
        return picked if field.several else picked[0]
    said = field.schema.get("type")
    try:
        if said == "integer":
            return int(text)
        if said == "number" and math.isfinite(number := float(text)):
            return number
    except ValueError:
        raise FieldError(f"write a {kind_of(field)}") from None
    if said == "number":
        raise FieldError(f"write a {kind_of(field)}")
    if said == "boolean":
        known = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}
        if text.lower() not in known:
            raise FieldError("write yes or no")
        return known[text.lower()]
    return [each.strip() for each in text.split(",")] if said == "array" else text


def _picked(field: Field, text: str) -> Any:
    choices = field.choices or ()
    if text.isdecimal() and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1]
    for value, word in zip(choices, field.words, strict=True):
        if text in (str(value), word):
            return value
    raise FieldError(f"write a number from 1 to {len(choices)}")
