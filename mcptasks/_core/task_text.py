"""A task on one line, with its arguments: enough to tell calls apart, without what looks like a secret. Pure.

Reprs and displays go to logs, screens and shared notebooks, and arguments may hold secrets. Three kinds of values are
hidden: a value whose name says that it is secret (`api_key`, `dbPassword`), a secret of pydantic's types, and the part
of a text that looks like a credential (`Bearer ...`, a password or a query in a URL, a long run of letters and digits).

Each text is cut, and so is the whole line. The work does not grow with the size of the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import attrs
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from mcptasks._core import safe_text
from mcptasks._core.content import asked

if TYPE_CHECKING:
    from mcptasks._core.models import TaskReference

HIDDEN = "…"
"""Stands in place of hidden text."""

# The following limits keep a task on one line of a log or notebook. Longer text is cut off.
_WHOLE = 100
"""How many characters of all arguments together are shown."""
_TEXT = 40
"""How many characters of one text are shown."""
_ENTRIES = 6
"""How many entries of one container are shown."""
_DEPTH = 2
"""How many levels of containers inside the arguments are opened."""
_LABEL = 80
"""How many characters of a label are shown."""
_QUESTION = 100
"""How many characters of an open question are shown."""
_RUN = 20
"""How many letters and digits in a row, with both among them, count as a key or token. Words and numbers are shorter,
or of one sort."""
_LEFT = 4
"""How many characters of such a key or token are shown, so that two can be told apart."""

_PARTS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "accesskey", "privatekey"),
    *("credential", "authorization", "authentication", "bearer", "cookie", "signature"),
)
"""Parts of names of secrets. They count anywhere in a name, also with other characters between their words."""
_WORDS = frozenset(
    {"key", "keys", "auth", "pass", "pwd", "pw", "pin", "otp", "totp", "jwt", "sid", "session", "cvv", "csrf"}
)
"""Words in names of secrets. They count only as whole words of a name."""
_INTRODUCING = ("password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "api-key")
"""Words in a text after which, with "=" or ":" between, a secret may follow."""


def task_text(reference: TaskReference, arguments: str, status: str, questions: Mapping[str, Any]) -> str:
    """The text of a task's `repr`.

    Args:
        reference: The task.
        arguments: The task's arguments, as `arguments_text` shows them; empty if none are known.
        status: The task's status, or words in its place.
        questions: The open questions by key, as the server sent them. The text of the first is shown.
    """
    parts = [safe_text.short(reference.task_id)]
    if reference.label is not None:
        parts.append(f"label {safe_text.short(reference.label, _LABEL)}")
    parts.append(f"{reference.kind or 'task'} {safe_text.short(reference.name)}" if reference.name else "task")
    parts += [arguments] if arguments else []
    parts.append(status)
    if question := asked(questions):
        parts.append(safe_text.short(question, _QUESTION))
    return " ".join(parts)


def task_name(reference: TaskReference) -> str:
    """Names a task in a note under an error, by its id, its label and the name of the call."""
    parts = [] if reference.label is None else [f"label {safe_text.short(reference.label, _LABEL)}"]
    parts += [f"{reference.kind or 'task'} {safe_text.short(reference.name)}"] if reference.name else []
    return f"task {', '.join([safe_text.short(reference.task_id), *parts])}"


def arguments_text(arguments: Mapping[str, Any], hidden: Iterable[str] = ()) -> str:
    """The arguments of a call on one line, short and without what looks like a secret.

    Args:
        arguments: The arguments as they are sent.
        hidden: Names of arguments that are hidden in any case.
    """
    return safe_text.line(_object(arguments, frozenset(hidden), _DEPTH), _WHOLE)


def secrets_of(arguments: Any) -> frozenset[str]:
    """The names of the arguments that hold a secret of pydantic's types, in the entries that could be shown.

    Args:
        arguments: The program's own arguments, before they were turned into JSON.
    """
    if not isinstance(arguments, Mapping):
        return frozenset()
    entries = list(islice(cast("Mapping[Any, Any]", arguments).items(), _ENTRIES))
    return frozenset(name for name, value in entries if isinstance(name, str) and _holds_secret(value, _DEPTH + 1))


def _holds_secret(value: Any, depth: int) -> bool:
    if value is None or isinstance(value, str | int | float):
        return False
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    if not depth:
        return False
    try:
        return any(_holds_secret(held, depth - 1) for held in _held(value))
    except Exception:  # noqa: BLE001 - a program's own type may raise anything; an unknown value is hidden
        return True


def _held(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return islice(cast("Mapping[Any, Any]", value).values(), _ENTRIES)
    if isinstance(value, BaseModel):
        return dict(value).values()
    kind = cast("type[Any]", type(value))
    if is_dataclass(kind):
        return [getattr(value, field.name) for field in dataclass_fields(kind)]
    if attrs.has(kind):
        return [getattr(value, field.name) for field in attrs.fields(kind)]
    return islice(cast("Iterable[Any]", value), _ENTRIES) if isinstance(value, list | tuple | set | frozenset) else ()


def _object(value: Mapping[Any, Any], hidden: frozenset[str], depth: int) -> str:
    entries = [
        f"{safe_text.short(key, _TEXT)}: {HIDDEN if key in hidden or is_secret(key) else _value(held, depth)}"
        for key, held in islice(value.items(), _ENTRIES)
    ]
    return f"{{{_joined(entries, len(value))}}}"


def _value(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return safe_text.short(value, _TEXT)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[Any, Any]", value), frozenset(), depth - 1) if depth else "{…}"
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return f"[{_joined([_value(item, depth - 1) for item in items[:_ENTRIES]], len(items))}]" if depth else "[…]"
    return f"<{type(value).__name__:.{_TEXT}}>"


def _joined(entries: list[str], total: int) -> str:
    return ", ".join([*entries, "…"] if total > len(entries) else entries)


def _text(value: str) -> str:
    """A text as a literal, cut off where something that looks like a credential begins."""
    shown = value[: _TEXT + _RUN]
    end = min(len(shown), _TEXT, _url_end(shown, len(value)), _named_end(shown.lower()), _run_end(shown))
    literal = safe_text.short(shown[:end], _TEXT + _RUN)
    return literal if end == len(value) else f"{literal[:-1]}{HIDDEN}{literal[-1]}"


def _url_end(text: str, total: int) -> int:
    """The index at which to cut off a URL: before user and password ("@"), or before the query or fragment."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return len(text)
    authority, slash, _ = rest.partition("/")
    if "@" in authority or (not slash and len(text) < total):
        return len(scheme) + len(separator)
    return min(text.index(mark) if mark in text else len(text) for mark in "?#")


def _named_end(text: str) -> int:
    """The index at which to cut off a text (in lower case): after a word that announces a secret."""
    if text.startswith("basic "):
        return len("basic ")
    ends = [len(text)]
    if "bearer " in text:
        ends.append(text.index("bearer ") + len("bearer "))
    for name in _INTRODUCING:
        before, found, after = text.partition(name)
        if found and after.lstrip(" \"'")[:1] in ("=", ":"):
            ends.append(len(before) + len(name))
    return min(ends)


def _run_end(text: str) -> int:
    """The index at which to cut off a text: in a run that looks like a key or token; the length if there is none."""
    start = 0
    for index in range(len(text) + 1):
        if index < len(text) and text[index].isascii() and text[index].isalnum():
            continue
        run = text[start:index]
        if len(run) >= _RUN and not run.isalpha() and not run.isdigit():
            return start + _LEFT
        start = index + 1
    return len(text)


def is_secret(name: Any) -> bool:
    """Whether a name says that its value is a secret."""
    if not isinstance(name, str):
        return False
    words = _words(name[:200])
    joined = "".join(words)
    return any(part in joined for part in _PARTS) or not _WORDS.isdisjoint(words)


def _words(name: str) -> list[str]:
    """The words of a name, in lower case: the same for `dbPassword`, `db-password` and `DB_PASSWORD`."""
    words = [""]
    for before, char in zip(" " + name, name, strict=False):
        if not char.isalnum() or (char.isupper() and not before.isupper()):
            words.append("")
        if char.isalnum():
            words[-1] += char.lower()
    return [word for word in words if word]
