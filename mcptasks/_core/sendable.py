"""From a program's values to the JSON that is sent. Pure.

A value without an exact meaning in JSON is an error, never an approximation. The error names the place, such as
`arguments["q"][0]`, and the fault. It does not show the value, which may be a secret.
"""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import isawaitable
from math import isfinite
from pathlib import PurePath
from typing import Any, NoReturn, TypeAlias, TypeVar, cast
from uuid import UUID

import attrs
from pydantic import AnyUrl, BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from mcptasks._core import safe_text

DEPTH = 190
"""How many levels of containers a value may have; more are an error. The SDK's servers read 200 levels of a message,
and refuse more with words that do not name the cause."""

_MANY_DIGITS = 1 << 64
"""Integers whose absolute value is below this are sent unchecked; Python can write them in decimal. A larger one is
checked, which takes longer."""

_KEY = 60
"""How many characters of a key an error shows; the rest is cut off."""

_STEPS = 6
"""How many steps an error shows at each end of a long path; the middle is left out."""

T = TypeVar("T")

_ARRAYS = (list, tuple, set, frozenset, deque)
_SCALARS = (bool, int, float, str)

Place: TypeAlias = "tuple[Place | None, str | int, Any]"
"""The place of a value: its container's place, its key or index there, and the value itself."""


def sendable(value: Any, name: str, *, exclude_none: bool = False) -> Any:
    """The JSON value for a program's value: a copy, made of JSON's own types only.

    - Strings, numbers, booleans and None stay what they are.
    - An `Enum` becomes its value, a number of numpy's the number, a pydantic secret the text in it.
    - A date, time or duration becomes its ISO 8601 text; a UUID, `Decimal`, path or URL becomes its text.
    - Mappings, dataclasses, attrs and pydantic objects (by their aliases) become objects.
    - Lists, tuples, sets and deques become arrays.

    Args:
        value: The program's value.
        name: The program's name for the value, with which the places in errors begin.
        exclude_none: Whether to leave out the fields of a pydantic object that are None.

    Raises:
        TypeError: A part of the value has no form in JSON (bytes or an array of numpy's), or a key is not a string.
        ValueError: A string holds a lone surrogate; a number is not finite, or has more digits than Python writes; or
            the value is nested too deeply, or holds itself.
    """
    try:
        if exclude_none and isinstance(value, BaseModel):
            value = _asked(value, (None, name, value), lambda model: _dumped(model, exclude_none=True))
        return _value(value, None, name, DEPTH)
    except RecursionError:
        pass
    raise ValueError(f"{name} is nested too deeply for what is left of Python's stack")


def text(value: str, name: str) -> str:
    """A string as a plain `str`.

    Raises:
        ValueError: The string holds a lone surrogate.
    """
    return _text(str.__str__(value), (None, name, value))


def path(name: str, key: str) -> str:
    """The place of an entry of a mapping, written like Python code."""
    return _path(((None, name, None), key, None))


def type_name(value: Any) -> str:
    """The name of a value's type, short and harmless."""
    kind = cast("type[Any]", type(value))
    package = kind.__module__.partition(".")[0]
    return safe_text.cut(kind.__name__ if package in ("builtins", "__main__") else f"{package}.{kind.__name__}", 80)


# --- values -------------------------------------------------------------------------------------------------------


def _value(value: Any, holder: Place | None, key: str | int, left: int) -> Any:
    kind: type[object] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        return value if value.isascii() else _text(value, (holder, key, value))
    if kind is int:
        return value if -_MANY_DIGITS < value < _MANY_DIGITS else _whole(value, (holder, key, value))
    if value is None or kind is bool:
        return value
    if kind is float:
        return value if isfinite(value) else _finite(value, (holder, key, value))
    if kind is dict:
        # `copy` is one step, so no other thread can change the dict while we go through it.
        return _object(value.copy().items(), (holder, key, value), left)
    if kind is list:
        return _array(value, (holder, key, value), left)
    return _other(value, (holder, key, value), left)


def _object(items: Collection[tuple[Any, Any]], place: Place, left: int) -> dict[str, Any]:
    left = left - 1 if left > 0 else _too_deep(place)
    found: dict[str, Any] = {}
    for key, value in items:
        name = key if type(key) is str and key.isascii() else _key(key, place)
        found[name] = _value(value, place, name, left)
    if len(found) != len(items):
        raise ValueError(f"{_path(place)} has a key twice")
    return found


def _array(values: Iterable[Any], place: Place, left: int) -> list[Any]:
    left = left - 1 if left > 0 else _too_deep(place)
    return [_value(value, place, index, left) for index, value in enumerate(values)]


def _other(value: Any, place: Place, left: int) -> Any:
    """The JSON value for a value of any other type: a subclass of JSON's types, or a type with one meaning in JSON."""
    holder, key, _ = place
    less = left - 1 if left > 0 else _too_deep(place)
    if isinstance(value, Enum):
        return _value(value.value, holder, key, less)
    if isinstance(value, str):
        return _text(str.__str__(value), place)
    if isinstance(value, int):
        return _whole(int.__int__(value), place)
    if isinstance(value, float):
        return _finite(float.__float__(value), place)
    if isinstance(value, _ARRAYS):
        items: list[Any] = _asked(value, place, list)
        return _array(items, place, left)
    fields = _asked(value, place, _fields)
    if fields is not None:
        return _object(fields, place, left)
    written = _asked(value, place, _written)
    if written is None:
        words = f"is of type {type_name(value)}, which JSON cannot hold: {_asked(value, place, _advice)}"
        raise TypeError(f"{_path(place)} {words}")
    return _value(written, holder, key, less)


def _asked(value: Any, place: Place, ask: Callable[[Any], T]) -> T:
    """Call a function that runs code of the value's own type, and turn any exception into a `TypeError`."""
    try:
        return ask(value)
    except RecursionError:
        raise
    except Exception as exc:  # noqa: BLE001 - any type may be raised; it is not chained, for it may hold a secret
        fault = type_name(exc)
    raise TypeError(f"{_path(place)} cannot be sent: its type, {type_name(value)}, raises {fault}")


def _fields(value: Any) -> list[tuple[Any, Any]] | None:
    """The entries of a value that becomes a JSON object; None for other values, and for pydantic objects."""
    kind = cast("type[Any]", type(value))
    if isinstance(value, Mapping):
        return list(cast("Mapping[Any, Any]", value).items())
    if isinstance(value, BaseModel):
        return None
    if is_dataclass(kind):
        return [(field.name, getattr(value, field.name)) for field in dataclass_fields(kind)]
    if attrs.has(kind):
        return [(field.name, getattr(value, field.name)) for field in attrs.fields(kind)]
    return None


def _written(value: Any) -> Any:
    """The form in JSON of a value with one meaning there, such as a date's text; None if there is no such form."""
    if isinstance(value, BaseModel):
        return _dumped(value, exclude_none=False)
    if isinstance(value, SecretBytes):
        return value.get_secret_value().decode()
    if isinstance(value, SecretStr | Secret):
        return cast("Secret[Any]", value).get_secret_value()
    if isinstance(value, datetime | date | time | timedelta):
        return to_jsonable_python(value)
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else math.nan
    if isinstance(value, UUID | PurePath | AnyUrl):
        return str(value)
    return _scalar(value)


def _dumped(model: BaseModel, *, exclude_none: bool) -> Any:
    """A pydantic object in the form that pydantic writes, but with secrets, and numbers that are not finite, kept.

    Pydantic would write asterisks for a secret, and null for such a number.
    """
    plain = model.model_dump(mode="json", by_alias=True, exclude_none=exclude_none)
    return _opened(model.model_dump(by_alias=True, exclude_none=exclude_none), plain)


def _opened(held: Any, plain: Any) -> Any:
    if isinstance(held, SecretStr | SecretBytes | Secret):
        return cast("Any", held)
    if isinstance(held, float) and plain is None:
        return held  # The number is not finite; pydantic writes null.
    if isinstance(held, Mapping) and isinstance(plain, dict):
        inner = cast("Mapping[Any, Any]", held).values()
        written = cast("dict[str, Any]", plain)
        if len(inner) == len(written):
            return {name: _opened(value, written[name]) for name, value in zip(written, inner, strict=True)}
    elif isinstance(held, _ARRAYS) and isinstance(plain, list):
        values, texts = list(cast("Iterable[Any]", held)), cast("list[Any]", plain)
        if len(values) == len(texts):
            return list(map(_opened, values, texts))
    return cast("Any", plain)


def _scalar(value: Any) -> Any:
    """The value of a number or time of numpy's, or of a similar object; None for arrays and other objects."""
    # An array with one element has `item()` too, but is an array.
    if not callable(getattr(value, "item", None)) or tuple(getattr(value, "shape", ())) != ():
        return None
    found = value.item()
    # For a time that Python's types cannot hold, `item()` returns a number, which would mean something else.
    kinds = (
        (date, datetime, timedelta) if getattr(getattr(value, "dtype", None), "kind", "") in ("M", "m") else _SCALARS
    )
    return found if type(found) in kinds else None


def _advice(value: Any) -> str:
    """Says what to send instead of a value without a form in JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "send bytes as a text, in base64 for example"
    if isawaitable(value):
        return "await it first"
    if hasattr(value, "tolist"):
        # The `tolist()` of a single number of numpy's may return a value with another meaning.
        single = tuple(getattr(value, "shape", ())) == ()
        return "send a number or a text of Python's own" if single else "send what its tolist() gives"
    if isinstance(value, Iterable):
        return "send a list of what it has"
    return (
        "None, bool, int, float, str, lists and mappings of them, dates, enums, and dataclass, attrs and pydantic "
        "objects can be sent"
    )


# --- checks -------------------------------------------------------------------------------------------------------


def _text(value: str, place: Place) -> str:
    lone = None if value.isascii() else _surrogate(value)
    if lone is not None:
        raise ValueError(f"{_path(place)} holds {_half(value, lone)}")
    return value


def _key(key: Any, place: Place) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{_path(place)} has a key of type {type_name(key)}; the keys of a JSON object are strings")
    plain = str.__str__(key)
    lone = _surrogate(plain)
    if lone is not None:
        raise ValueError(f"{_path(place)} has a key with {_half(plain, lone)}")
    return plain


def _surrogate(value: str) -> int | None:
    """The index of the first lone surrogate; None if there is none."""
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        return exc.start
    return None


def _half(value: str, index: int) -> str:
    return (
        f"a lone surrogate, U+{ord(value[index]):04X} at index {index}: half of a character, which cannot be sent; "
        "a text that was cut or decoded wrongly has them"
    )


def _whole(value: int, place: Place) -> int:
    try:
        int.__repr__(value)
    except ValueError:
        pass
    else:
        return value
    raise ValueError(
        f"{_path(place)} has more digits than Python writes ({sys.get_int_max_str_digits()}); send it as a text"
    )


def _finite(value: float, place: Place) -> float:
    if not isfinite(value):
        raise ValueError(f"{_path(place)} must be a finite number: JSON has no NaN and no infinity")
    return value


def _too_deep(place: Place) -> NoReturn:
    holders: list[int] = []
    here: Place | None = place
    while here is not None:
        holders.append(id(here[2]))
        here = here[0]
    circle = len(set(holders)) < len(holders)
    raise ValueError(f"{_path(place)} {'holds itself' if circle else f'is nested more than {DEPTH} levels deep'}")


def _path(place: Place) -> str:
    """The place, written like Python code; of a long path only the two ends."""
    steps: list[str] = []
    here: Place | None = place
    while here is not None:
        holder, key, _ = here
        steps.append(str(key) if holder is None else f"[{_shown(key)}]")
        here = holder
    name, *inner = reversed(steps)
    if len(inner) > 2 * _STEPS:
        inner[_STEPS:-_STEPS] = ["[…]"]
    return name + "".join(inner)


def _shown(key: str | int) -> str:
    if isinstance(key, int):
        return str(key)
    return safe_text.line(json.dumps(key if len(key) <= _KEY else key[:_KEY] + "…", ensure_ascii=False))
