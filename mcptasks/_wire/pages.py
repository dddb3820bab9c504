"""Checks pages of lists (tools, resources, resource templates, prompts) entry by entry, and drops only bad entries.

The SDK refuses a whole page for one bad entry. So it gets the good entries; the problems of the others are put into the
page's `_meta`, under a key that is first removed in case the server has used it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, asdict, define, frozen
from mcp_types.methods import parse_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_list, as_object, kind_of
from mcptasks._core.models import TaskStatus
from mcptasks._core.problems import first_problem
from mcptasks._wire.envelope import ODD_KEY
from mcptasks._wire.parsing import parse_status

LISTS: Mapping[str, str] = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
"""The methods whose answers are pages, and the name of the list in each."""

WRAP_KEY = "x-fastmcp-wrap-result"
"""The key in a tool's output schema that says: fastmcp 2 or 3 wraps the tool's value in `{"result": ...}`."""

_TOGETHER = 50
"""How many entries are checked at once. If an entry is bad, its group is checked again entry by entry: larger groups
would cost more for bad entries, smaller ones more for good pages."""
_REFUSED = 1000
"""How many bad entries a page may have; with more, the whole list counts as bad. The check of a bad entry is slow."""
_NAMED = 5
"""How many dropped entries a log line names; the others are counted."""


@frozen
class OddEntry:
    """An entry that was dropped from a list."""

    place: str
    """The entry's name, or its number if it has none; fit for an error message."""
    problem: str
    """The reason, without values."""
    name: str | None = None
    """The entry's name as the server sent it; None if it has none, or one that cannot be printed."""
    task_support: str | None = None
    """The tool's `taskSupport` (2025-11-25), which still counts; None without a valid one."""
    wraps_result: bool = False
    """Whether the tool's schema says that fastmcp wraps its value."""


@define
class Odd:
    """The problems of one page."""

    entries: list[OddEntry] = Factory(list[OddEntry])
    fault: str | None = None
    """Why the page has no valid list, without values; None if it has one."""


def mend(method: str, result: dict[str, Any], *, modern: bool) -> dict[str, Any]:
    """A page that the SDK accepts, with the problems of the server's page in `_meta` for `odd_in`.

    Args:
        method: One of `LISTS`.
        result: The server's page, which is not changed.
        modern: Whether the connection speaks 2026-07-28.
    """
    odd = Odd()
    check = _Check(method, modern)
    name = LISTS[method]
    entries = as_list(result.get(name))
    if entries is None:
        what = f"{kind_of(result[name])}, not an array" if name in result else "missing"
        odd.fault = f"{name}: {what}"
        entries = []
    page, kept = check.frame(result, odd), check.kept(entries, odd)
    meta = {key: value for key, value in (as_object(page.get("_meta")) or {}).items() if key != ODD_KEY}
    if odd.entries or odd.fault is not None:
        meta[ODD_KEY] = asdict(odd)
    mended = {**page, name: [] if odd.fault is not None else kept}
    return {**mended, "_meta": meta} if meta or "_meta" in page else mended


def odd_in(meta: Mapping[str, Any] | None) -> Odd:
    """The problems that `mend` has put into the `_meta` of a page."""
    found = (meta or {}).get(ODD_KEY)
    return Odd() if found is None else Odd([OddEntry(**entry) for entry in found["entries"]], found["fault"])


def in_words(odd: Iterable[OddEntry]) -> str:
    """The dropped entries in words for a log: their names and problems, without values."""
    entries = list(odd)
    named = "; ".join(f"{entry.place} ({entry.problem})" for entry in entries[:_NAMED])
    return named + (f"; and {len(entries) - _NAMED} more" if len(entries) > _NAMED else "")


def parse_statuses(entries: Iterable[Any]) -> tuple[list[TaskStatus], list[OddEntry]]:
    """The statuses in a page of `tasks/list`, and the entries that were dropped."""
    found: list[TaskStatus] = []
    odd: list[OddEntry] = []
    for place, entry in enumerate(entries):
        try:
            found.append(parse_status(entry, source=""))
        except TaskProtocolError as exc:
            odd.append(_odd(entry, place, exc.message.removeprefix(": "), "taskId"))
    return found, odd


def _odd(raw: Any, place: int, problem: str, *keys: str) -> OddEntry:
    """Describes a bad entry, named by the first of these keys whose value is a string."""
    entry = as_object(raw) or {}
    name = next((entry[key] for key in keys if isinstance(entry.get(key), str)), None)
    execution, schema = as_object(entry.get("execution")) or {}, as_object(entry.get("outputSchema")) or {}
    support = execution.get("taskSupport")
    return OddEntry(
        f"number {place + 1}" if name is None else safe_text.short(name, 80),
        problem,
        name=name if name is not None and name.isprintable() else None,
        task_support=support if support in ("required", "optional") else None,
        wraps_result=schema.get(WRAP_KEY) is True,
    )


class _Check:
    """Checks pages of one method with the SDK's models."""

    def __init__(self, method: str, modern: bool) -> None:
        self._method = method
        self._version = LATEST_MODERN_VERSION if modern else LATEST_HANDSHAKE_VERSION
        self._name = LISTS[method]
        # The fields that a 2026-07-28 page has beside its list (basic, "Result Types" and "Caching").
        self._frame: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if modern else {}

    def frame(self, result: Mapping[str, Any], odd: Odd) -> dict[str, Any]:
        """The page without its list. A bad field is left out, or replaced by a harmless value."""
        frame = {**self._frame, **result}
        if self._refusal(frame, []) is None:
            return frame
        frame = dict(self._frame)
        for key in ("nextCursor", "_meta", "ttlMs", "cacheScope", "resultType"):
            if key not in result:
                continue
            problem = self._refusal({**frame, key: result[key]}, [])
            if problem is None:
                frame[key] = result[key]
            elif key == "nextCursor" and result[key] is not None:
                odd.entries.append(OddEntry("what comes after this page", problem))
        return frame

    def kept(self, entries: list[Any], odd: Odd) -> list[Any]:
        """The entries that the SDK accepts."""
        kept: list[Any] = []
        for start in range(0, len(entries), _TOGETHER):
            several = entries[start : start + _TOGETHER]
            if self._refusal(self._frame, several) is None:
                kept += several
                continue
            for place, entry in enumerate(several, start):
                told = as_object(entry) is None
                problem = f"{kind_of(entry)}, not an object" if told else self._refusal(self._frame, [entry])
                if problem is None:
                    kept.append(entry)
                else:
                    odd.entries.append(_odd(entry, place, problem, "name", "uri", "uriTemplate"))
            if len(odd.entries) > _REFUSED:
                odd.fault = f"{self._name}: more than {_REFUSED} entries do not fit"
                break
        return kept

    def _refusal(self, frame: Mapping[str, Any], entries: list[Any]) -> str | None:
        try:
            parse_server_result(self._method, self._version, {**frame, self._name: entries})
        except ValueError as exc:  # From validation, or from a value that is not JSON.
            return first_problem(exc, below=2 if entries else 0)
        return None
