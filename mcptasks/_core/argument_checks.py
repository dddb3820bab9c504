"""Checks of the arguments that programs pass in. Each error names the argument, and says what would be right. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar, cast

from mcptasks._core import sendable
from mcptasks._core.json import as_number
from mcptasks._core.models import STATUSES, Status, TaskReference
from mcptasks._core.sendable import type_name

WordT = TypeVar("WordT", bound=str)

OnUncertain: TypeAlias = Literal["raise", "send"]
"""What to do about a call with a key if nobody knows whether it was carried out before: raise, or send it again."""

ON_UNCERTAIN: tuple[OnUncertain, ...] = ("raise", "send")

TaskMode: TypeAlias = Literal["prefer", "require", "forbid"]
"""Whether a call is to become a task: if it can, in any case, or in no case."""

AskForTask: TypeAlias = bool | TaskMode
"""What a program may give as `task`."""

TASK_MODES: tuple[TaskMode, ...] = ("prefer", "require", "forbid")

ANSWER_SIZE = 256 * 2**20
"""How many bytes one answer may have unless the program sets `max_answer_size`. A larger answer is an error, since an
endless one would fill the memory."""

IDEMPOTENCY_KEY = "mcptasks.dev/idempotency-key"
"""In a request's `_meta`: the key of the call, so that a server that wants to can tell one call that is sent twice from
two calls. The protocol has no such key."""

_PROGRESS = " (`progress_handler` follows progress)"
_KEY = " (`key` gives the call its key)"
_OWN: Mapping[str, str] = {
    "progressToken": _PROGRESS,
    "progress_token": _PROGRESS,  # The SDK's name for the same entry.
    "io.modelcontextprotocol/protocolVersion": "",
    "io.modelcontextprotocol/clientInfo": "",
    "io.modelcontextprotocol/clientCapabilities": "",
    IDEMPOTENCY_KEY: _KEY,
}
"""The entries of `_meta` that the client or the SDK writes itself, each with a hint on what to use instead."""
_OWN_PREFIX = "mcptasks/"

_LONGEST_TTL = timedelta.max.total_seconds()
"""The longest time to live in seconds, which is the longest `timedelta`; a longer time is an error. In milliseconds it
still fits into a 64-bit integer."""


def seconds(value: Any, name: str, *, zero: bool = True) -> float | None:
    """A duration in seconds, from a number of seconds or a `timedelta`; None stays None. All public durations are
    checked here.

    Raises:
        TypeError: The value is neither a number, nor a `timedelta`, nor None.
        ValueError: The value is negative, not finite, or zero although `zero` is not set.
    """
    if value is None:
        return None
    number = in_seconds(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"{name} must be a number of seconds, a timedelta or None; got {value!r:.200}")
    number = as_number(number)
    if number is None or number < 0 or (number == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be a finite number of seconds, {least}; got {value!r:.80}")
    return number


def in_seconds(value: Any) -> Any:
    """A `timedelta` as a number of seconds; any other value unchanged and unchecked."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def time_to_live(value: Any) -> int | None:
    """A time to live in whole milliseconds, from seconds or a `timedelta`; None leaves the choice to the server.

    Raises:
        TypeError: See `seconds`.
        ValueError: See `seconds`; or the time is too long.
    """
    found = seconds(value, "ttl", zero=False)
    if found is None:
        return None
    if found > _LONGEST_TTL:
        raise ValueError(
            f"ttl must be at most {_LONGEST_TTL:g} seconds, got {found:g}; leave it out for the server's own choice"
        )
    return max(round(found * 1000), 1)


def text(value: Any, name: str) -> str:
    """A non-empty string, as a plain `str`.

    Raises:
        TypeError: The value is not a string.
        ValueError: The string is empty, or holds a lone surrogate.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type_name(value)}")
    found = sendable.text(value, name)
    if not found:
        raise ValueError(f"{name} must not be empty")
    return found


def label(value: Any) -> str | None:
    """A program's own word for a task, or None; see `text` for the errors."""
    return None if value is None else text(value, "label")


def key(value: Any) -> str | None:
    """The idempotency key of a call, or None; see `text` for the errors."""
    return None if value is None else text(value, "key")


def labels(value: Any) -> Mapping[str, str]:
    """A program's labels on a call; none for None.

    Raises:
        TypeError: They are no mapping of strings to strings.
        ValueError: A name is empty, or a string holds a lone surrogate.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"labels must be a mapping of strings to strings or None, not {type_name(value)}")
    found: dict[str, str] = {}
    for name, held in cast("Mapping[Any, Any]", value).items():
        word = text(name, "the name of a label")
        if not isinstance(held, str):
            raise TypeError(f"{sendable.path('labels', word)} must be a string, not {type_name(held)}")
        found[word] = sendable.text(held, sendable.path("labels", word))
    return found


def on_uncertain(value: Any) -> OnUncertain:
    """The argument `on_uncertain`: what to do about a call that may have been carried out before.

    Raises:
        ValueError: The value is none of the two words.
    """
    for known in ON_UNCERTAIN:
        if value == known:
            return known
    raise ValueError(f'on_uncertain must be "raise" or "send"; got {value!r:.80}')


def task_mode(value: Any) -> TaskMode | None:
    """The task mode of a call. True means "prefer"; False and None leave the choice to the server, which is None here.

    Raises:
        ValueError: The value is a string, but none of the three words.
    """
    if not isinstance(value, str):
        return "prefer" if value else None
    for known in TASK_MODES:
        if value == known:
            return known
    raise ValueError(f'task must be True, False, "prefer", "require" or "forbid"; got {value!r:.80}')


def map_mode(value: Any) -> TaskMode:
    """The task mode of the calls of a map: True means "prefer".

    Raises:
        ValueError: The value is False or None, or a string but none of the three words.
    """
    mode = task_mode(value)
    if mode is None:
        raise ValueError(f'task must be "prefer", "require" or "forbid"; got {value!r:.80}')
    return mode


def task_id(value: Any) -> str:
    """The id of a task; see `text` for the errors. The error for a reference recommends `resume`."""
    if isinstance(value, TaskReference | Mapping):
        raise TypeError(f"task_id must be a string, not {type_name(value)}: for a reference use resume(reference)")
    if isinstance(getattr(value, "reference", None), TaskReference):
        raise TypeError(f"task_id must be a string, not {type_name(value)}: a handle knows its id as task.task_id")
    found = text(value, "task_id")
    # Also a JSON text that was cut or encoded twice. No server's ids look like that.
    if found.lstrip(" \t\r\n\"'").startswith("{") and ("task_id" in found or "taskId" in found):
        raise ValueError("task_id must be an id, not the JSON text of a reference: use resume(reference)")
    return found


def mapping(value: Any, name: str) -> dict[str, Any] | None:
    """A mapping with string keys, as the JSON object to send; None stays None. See `sendable` for the errors."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping with string keys or None, not {type_name(value)}")
    found: dict[str, Any] = sendable.sendable(value, name)
    return found


def prompt(value: Any, name: str) -> dict[str, str] | None:
    """The arguments of a prompt, which must be strings (2025-11-25 and 2026-07-28, `GetPromptRequestParams`), or None.

    Raises:
        TypeError: A value is not a string.
        ValueError: See `sendable`.
    """
    found = mapping(value, name)
    for key, held in (found or {}).items():
        if not isinstance(held, str):
            place = sendable.path(name, key)
            raise TypeError(f"{place} must be a string, not {type_name(held)}: the arguments of prompts are strings")
    return found


def meta(value: Any) -> dict[str, Any] | None:
    """The `_meta` of a call, as the JSON object to send, or None.

    Raises:
        TypeError: See `sendable`.
        ValueError: An entry is None, which the SDK would leave out, or an entry that the client writes itself.
    """
    found = mapping(value, "meta")
    for key, held in (found or {}).items():
        place = sendable.path("meta", key)
        if key in _OWN or key.startswith(_OWN_PREFIX):
            raise ValueError(f"{place} is written by the client itself; leave it out{_OWN.get(key, '')}")
        if held is None:
            raise ValueError(f"{place} must not be None, which cannot be sent there; leave it out")
    return found


def many(value: Any, *also: type) -> Any:
    """The arguments of many calls: an iterable, an async iterable, or an object of one of the types in `also`.

    Raises:
        TypeError: The value is none of these.
    """
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, (Iterable, AsyncIterable, *also)):
        raise TypeError(f"arguments must be an iterable of mappings, one for each call, not {type_name(value)}")
    return value


def limit(value: Any) -> int | None:
    """How many calls may run at once: a whole number of 1 or more, or None for no limit. See `whole` for the errors."""
    return None if value is None else whole(value, "limit", " or None")


def whole(value: Any, name: str, otherwise: str = "") -> int:
    """A whole number of 1 or more.

    Args:
        value: The program's value.
        name: The argument's name.
        otherwise: The other values that are allowed, for the error.

    Raises:
        TypeError: The value is not a whole number.
        ValueError: The number is less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number{otherwise}, got {value!r:.80}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more{',' if otherwise else ''}{otherwise}; got {value!r:.80}")
    return value


def states(value: Any) -> frozenset[Status] | None:
    """One status or several; None, which means any terminal status, stays None. See `some_of` for the errors."""
    return None if value is None else frozenset(some_of(value, STATUSES, "state", "state"))


def some_of(value: Any, known: Sequence[WordT], name: str, word: str) -> tuple[WordT, ...]:
    """One word or several out of the known words, in the order of the known words.

    Args:
        value: The program's value.
        known: The known words.
        name: The argument's name.
        word: The noun for one of the words, for the error.

    Raises:
        TypeError: The value is neither a string nor an iterable.
        ValueError: A word is unknown, or there is none.
    """
    if isinstance(value, str):
        value = (value,)
    elif isinstance(value, bytes | bytearray) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be one string or several out of {', '.join(known)}; got {value!r:.80}")
    found = list(cast("Iterable[Any]", value))
    unknown = [each for each in found if each not in known]
    if unknown or not found:
        named = f"unknown {word} {unknown[0]!r:.80}" if unknown else f"{name} must not be empty"
        raise ValueError(f"{named}; the {word}s are {', '.join(known)}")
    return tuple(each for each in known if each in found)
