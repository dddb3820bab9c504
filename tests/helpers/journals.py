"""A client's part in a store, without the client: what tests of `mcptasks._engine.recording` begin with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcptasks import TaskStatus
from mcptasks._async.store import access_of
from mcptasks._engine.recording.journal import Intent
from mcptasks._engine.recording.record import StoredRecord
from mcptasks._engine.recording.stored import StoredJournal
from mcptasks.store import Store
from tests.helpers.stores import ENDPOINT

INTENT = Intent(kind="tool", name="work", arguments={"n": 1}, key="order-42", labels={"job": "nightly"})
WORKING = TaskStatus(task_id="t-1", status="working", status_message="halfway")
DONE = TaskStatus(task_id="t-1", status="completed")


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[StoredJournal]:
    """A client's part in a store."""
    journal = StoredJournal(access_of(store), ENDPOINT)
    async with journal.open():
        yield journal


async def never() -> bool:
    """A call that may not be sent again."""
    return False


async def sent(journal: StoredJournal, intent: Intent = INTENT) -> StoredRecord:
    """The record of a call that is to be sent."""
    found = await journal.intend(intent, never)
    assert isinstance(found, StoredRecord)
    return found


async def working(journal: StoredJournal) -> StoredRecord:
    """The record of a task that a call has made."""
    record = await sent(journal)
    await record.created(WORKING, "2026-07-28", None)
    return record
