"""Which task is meant: an id or its beginning, `@last`, `key:K`, or a reference as JSON.

A reference may be of a task that the store does not have; every other name is of a task in the store.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen

from mcptasks._cli import records, untrusted
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure

if TYPE_CHECKING:
    from mcptasks.store import Store, TaskRecord

_SHORTEST = 4
"""How many digits of an id are needed at least. A shorter beginning would soon fit another task too."""
_SHOWN = 10
"""How many tasks an error lists if a name fits several."""


@frozen
class Named:
    """A task that somebody named."""

    word: str
    record: TaskRecord | None = None
    """The task's record in the store; None if the store does not have the task."""
    reference: Mapping[str, Any] | None = None
    """The task's reference in the form of `TaskReference.to_json`; None if there is no task at a server."""

    @property
    def shown(self) -> str:
        """The name of the task for people: the beginning of its id in the store, or the server's id."""
        if self.record is not None:
            return records.short_id(self.record)
        return untrusted.line(str((self.reference or {}).get("task_id")), 80)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the task, including those of the command line itself."""
        return {} if self.record is None else self.record.labels

    @property
    def json(self) -> dict[str, Any]:
        """The task in the form of `--json`."""
        if self.record is not None:
            return records.as_json(self.record)
        return {"id": None, "reference": dict(self.reference or {})}


def of_record(record: TaskRecord) -> Named:
    """Return the name of a task in the store."""
    return Named(records.short_id(record), record, records.reference(record))


async def find(store: Store, word: str) -> Named:
    """Return the task that a word names.

    Raises:
        Failure: There is no such task, or the word may name several.
        StoreError: The store cannot be read.
    """
    text = sys.stdin.read() if word == "-" else word
    if text.lstrip().startswith("{"):
        return await _of_reference(store, text)
    if word == "-":
        raise Failure(Exit.USAGE, "standard input has no reference of a task (`mcptasks show TASK --reference`)")
    if word == "@last":
        newest = await store.tasks(limit=1)
        if not newest:
            raise Failure(Exit.NO_TASK, f"the store {store.place} is empty")
        return of_record(await store.get(newest[0].id))
    if word.startswith("key:"):
        return of_record(await _of_key(store, word.removeprefix("key:")))
    if re.fullmatch(r"[0-9a-f]*", word) and len(word) < _SHORTEST:
        raise Failure(Exit.USAGE, f"give at least {_SHORTEST} digits of the task's id; got {word!r}")
    return of_record(await _get(store, word))


async def find_all(store: Store, words: Iterable[str]) -> list[Named]:
    """Return the tasks that some words name, each once; see `find` for the errors."""
    found = [await find(store, word) for word in words]
    by_name = {json.dumps(each.reference) if each.record is None else each.record.id: each for each in found}
    return list(by_name.values())


async def refreshed(store: Store, named: Named) -> Named:
    """Return a task, as the store has it now."""
    if named.record is None:
        return named
    try:
        return of_record(await store.get(named.record.id))
    except LookupError:
        return named


async def _get(store: Store, which: str, unknown: str | None = None) -> TaskRecord:
    try:
        return await store.get(which)
    except LookupError as exc:
        several = [each for each in await store.tasks(limit=records.ALL) if _may_be(each, which)]
        if len(several) > 1:
            raise Failure(Exit.USAGE, _ambiguous(which, several)) from None
        raise Failure(Exit.NO_TASK, unknown or str(exc)) from None
    except ValueError as exc:
        raise Failure(Exit.USAGE, str(exc)) from None


def _may_be(record: TaskRecord, which: str) -> bool:
    return record.id.startswith(which) or which in (record.key, record.task_id)


def _ambiguous(which: str, several: Sequence[TaskRecord]) -> str:
    """The message for a name that fits several tasks: their ids, with as many digits as distinguish them. Pure."""
    shown = [each.id for each in several[:_SHOWN]]
    digits = next(count for count in range(records.SHORT, 33) if len({each[:count] for each in shown}) == len(shown))
    more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
    listed = ", ".join(
        f"{each.id[:digits]} ({untrusted.line(each.name or records.server(each), 40)})" for each in several[:_SHOWN]
    )
    return f"{which!r:.80} may mean several tasks: {listed}{more}; give the id of one"


async def _of_key(store: Store, key: str) -> TaskRecord:
    """The task with a key. If tasks of two servers have the same key, an error asks for the id."""
    unknown = f"the store {store.place} has no task with the key {key!r:.80}"
    record = await _get(store, key, unknown)
    if record.key != key:
        raise Failure(Exit.NO_TASK, unknown)
    return record


async def _of_reference(store: Store, text: str) -> Named:
    from mcptasks import TaskReference

    try:
        reference = TaskReference.from_json(text)
    except ValueError as exc:
        raise Failure(Exit.USAGE, str(exc)) from None
    try:
        record = await store.get(reference)
    except LookupError:
        record = None
    return Named(text, record, cast("Mapping[str, Any]", json.loads(reference.to_json())))
