"""A tool's arguments from words of the command line, typed by the tool's schema. Pure: files are read by a function.

| word | meaning |
| --- | --- |
| `key=value` | a value of the type that the schema names |
| `key:=JSON` | a value as JSON |
| `key=@FILE`, `key:=@FILE` | the same from a file |
| `a.b=1` | inside an object |
| `key=1 key=2` | entries of an array |
| `@FILE`, `-` | a JSON object with arguments, from a file or from standard input |

Values of later words replace those of earlier words.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from attrs import frozen

from mcptasks._cli import schemas, untrusted
from mcptasks._cli.nearest import nearest
from mcptasks._cli.values import array

Read = Callable[[str], str]
"""Reads a file, or standard input for `-`. Raises `OSError`, or `ValueError` if the file is no text."""

_WORD = re.compile(r"(?P<key>[^=]*?)(?P<json>:)?=(?P<file>@)?(?P<value>.*)", re.DOTALL)
_NAMES = 12
"""How many names of arguments a message lists."""


class ArgumentError(ValueError):
    """A word is invalid. The message names the argument, and says what would be right."""


@frozen
class Word:
    """One `key=value`."""

    key: str
    text: str
    is_json: bool


def parse(words: Sequence[str], schema: object, read: Read) -> dict[str, Any]:
    """Return the arguments that some words stand for.

    Args:
        words: The words after the tool's name.
        schema: The tool's input schema; None if it is not known. Then every `key=value` is a text.
        read: Reads the files that words name.

    Raises:
        ArgumentError: A word is no argument, or its value does not fit the schema, or a required argument is missing.
        OSError: A file cannot be read.
    """
    found: dict[str, Any] = {}
    repeated: set[tuple[str, ...]] = set()
    for word in words:
        if word == "-" or (word.startswith("@") and "=" not in word):
            found |= _object(read(word.removeprefix("@")), word)
            continue
        _put(found, _split(word, read), schema, repeated)
    missing = [name for name in schemas.required(schemas.shape_of(schema, schema)) if name not in found]
    if missing:
        raise ArgumentError(f"the tool needs {_listed(missing)}: write {_example(missing[0], schema)}")
    return found


def split_words(words: Sequence[str], read: Read) -> list[Word]:
    """Return words of the form `key=value` taken apart, with the contents of the files that they name.

    Raises:
        ArgumentError: A word has another form.
        OSError: A file cannot be read.
    """
    return [_split(word, read) for word in words]


def value_of(word: Word, schema: object, root: object) -> Any:
    """Return the value of one word, as its schema asks for.

    Raises:
        ArgumentError: The text does not fit.
    """
    if word.is_json:
        return _json(word.text, word.key)
    return _typed(word.text, schemas.shape_of(schema, root), word.key)


def _split(word: str, read: Read) -> Word:
    match = _WORD.fullmatch(word)
    if match is None or not match["key"]:
        raise ArgumentError(f"{_shown(word)} is no argument; write key=value, key:=JSON, @FILE.json or -")
    text = match["value"]
    if match["file"]:
        text = read(text)
    return Word(key=match["key"], text=text, is_json=bool(match["json"]))


def _object(text: str, word: str) -> dict[str, Any]:
    value = _json(text, word)
    if not isinstance(value, dict):
        raise ArgumentError(f"{word} must hold a JSON object with the arguments")
    return cast("dict[str, Any]", value)


def _put(found: dict[str, Any], word: Word, schema: object, repeated: set[tuple[str, ...]]) -> None:
    """Put the value of a word in its place. Dots in the key lead into nested objects."""
    shape = schemas.shape_of(schema, schema)
    known = schemas.properties(shape)
    path = [word.key] if word.key in known or not known else word.key.split(".")
    place, here = found, shape
    for depth, name in enumerate(path):
        known = schemas.properties(here)
        if name not in known and not schemas.is_open(here):
            raise ArgumentError(_unknown(".".join(path[: depth + 1]), name, known))
        if depth == len(path) - 1:
            _set(place, name, word, (known.get(name), schema), (tuple(path), repeated))
            return
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ArgumentError(f"{'.'.join(path[: depth + 1])} has a value already, so {word.key} has no place")
        place, here = cast("dict[str, Any]", inner), schemas.shape_of(known.get(name), schema)


def _set(
    place: dict[str, Any],
    name: str,
    word: Word,
    schemas_of_it: tuple[object, object],
    repeats: tuple[tuple[str, ...], set[tuple[str, ...]]],
) -> None:
    """Set one argument, or add an entry to an array whose key is repeated."""
    path, repeated = repeats
    shape = schemas.shape_of(*schemas_of_it)
    whole = word.is_json or word.text.lstrip().startswith("[")
    if shape.types and "array" in shape.types and not whole:
        scalar = {"string", "number", "integer", "boolean"} & set(shape.types)
        if not scalar or path in repeated:
            entry = _typed(word.text, schemas.shape_of(schemas.items(shape), schemas_of_it[1]), word.key)
            before: Any = place.get(name) if path in repeated else []
            place[name] = [*(array(before) or ([] if isinstance(before, list) else [before])), entry]
            repeated.add(path)
            return
    if path in repeated and not word.is_json:
        raise ArgumentError(f"{word.key} is given twice, and is no array")
    repeated.add(path)
    place[name] = value_of(word, *schemas_of_it)


def _typed(text: str, shape: schemas.Shape, key: str) -> Any:
    """The text as a value of one of the types, tried in the order of `schemas.TYPES`."""
    if shape.choices is not None:
        return _choice(text, shape, key)
    for kind in shape.types:
        value = _AS[kind](text)
        if value is not _NOT:
            return value
    if not shape.types:
        return text
    wanted = " or ".join(_NAMED[kind] for kind in shape.types)
    raise ArgumentError(f"{key} must be {wanted}; got {_shown(text)}")


def _choice(text: str, shape: schemas.Shape, key: str) -> Any:
    by_text = {value if isinstance(value, str) else json.dumps(value): value for value in shape.choices or ()}
    if text in by_text:
        return by_text[text]
    if text == "null" and "null" in shape.types:
        return None
    near = nearest(text, by_text)
    hint = f"; did you mean {_shown(near)}?" if near else ""
    raise ArgumentError(f"{key} must be one of {_listed(list(by_text))}; got {_shown(text)}{hint}")


_NOT = object()
"""The result of reading a text that is no value of a type."""


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return _NOT
    whole = _integer(text)
    return whole if whole is not _NOT else value if math.isfinite(value) else _NOT


def _integer(text: str) -> Any:
    return int(text) if re.fullmatch(r"[+-]?\d{1,400}", text.strip(), re.ASCII) else _NOT


def _container(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return _NOT
        return value if isinstance(value, kind) else _NOT

    return read


_AS: Mapping[str, Callable[[str], Any]] = {
    "null": lambda text: None if text == "null" else _NOT,
    "boolean": lambda text: {"true": True, "false": False}.get(text.lower(), _NOT),
    "integer": _integer,
    "number": _number,
    "array": _container(list),
    "object": _container(dict),
    "string": lambda text: text,
}
_NAMED = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a JSON array, or given once for each entry",
    "object": "a JSON object, or given as key.name=value",
    "string": "a text",
}


def _json(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ArgumentError(f"{key}: the JSON is nested too deeply") from None
    except json.JSONDecodeError as exc:
        raise ArgumentError(f"{key}: no JSON: {exc.msg} (line {exc.lineno}, column {exc.colno})") from None
    except ValueError:
        raise ArgumentError(f"{key}: no JSON: a number is too long") from None


def _unknown(path: str, name: str, known: Mapping[str, Any]) -> str:
    near = nearest(name, known)
    hint = f"; did you mean {_shown(near)}?" if near else f"; it has {_listed(list(known))}"
    return f"the tool has no argument {_shown(path)}{hint}"


def _example(name: str, schema: object) -> str:
    shape = schemas.shape_of(schema, schema)
    types = schemas.shape_of(schemas.properties(shape).get(name), schema).types
    sign = ":=" if types and not {"string", "number", "integer", "boolean"} & set(types) else "="
    return f"{shlex.quote(untrusted.line(name, 80))}{sign}..."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(_shown(name) for name in names[:_NAMES]) + more


def _shown(text: str) -> str:
    return untrusted.line(text, 80) if text else "nothing"
