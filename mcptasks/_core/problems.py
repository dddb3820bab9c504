"""The first problem of a validation error, in one line and without values. Pure."""

from __future__ import annotations

import re
from typing import get_args

from pydantic import ValidationError
from pydantic_core import core_schema

_QUOTING = frozenset(
    {
        # The message comes from a validator or another function, which may quote the value.
        *("value_error", "assertion_error", "get_attribute_error", "mapping_type", "iteration_error"),
        # The message has a part of the value in it.
        *("union_tag_invalid", "no_such_attribute", "uuid_parsing", "bytes_invalid_encoding"),
    }
)
"""The types of pydantic's errors whose messages may show a value."""
_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,39}")
"""A key that may be shown. Other keys look like data: in a mapping, the server chooses the keys."""
_DEEP = 10
"""How many steps of a place are shown; the rest is cut off, to keep the line short."""
_COMPLAINTS = 1000
"""How many problems an error may have; with more, only their number is told. Pydantic can list them only all at once,
which takes time and memory."""


def first_problem(exc: ValueError, *, below: int = 0) -> str:
    """The first problem of a validation error: the place, and what would be right.

    Args:
        exc: The error; if it is not a `ValidationError`, its own words are not shown.
        below: How many steps at the beginning of the place to leave out.
    """
    if not isinstance(exc, ValidationError):
        return "the value: it does not fit"
    if exc.error_count() > _COMPLAINTS:
        return f"the value: {exc.error_count():,} parts of it do not fit"
    found = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    known = found["type"] in get_args(core_schema.ErrorType) and found["type"] not in _QUOTING
    place = found["loc"][below:][:_DEEP]
    return f"{'.'.join(map(_part, place)) or 'the value'}: {found['msg'] if known else 'it does not fit'}"


def _part(part: int | str) -> str:
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "…"
