"""The questions of a task in a store, when another client has been asked before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mcptasks import TaskReference, TaskStatus
from mcptasks._async.store import access_of
from mcptasks._engine.recording.journal import Decision, Intent
from mcptasks._engine.recording.record import StoredRecord
from mcptasks._engine.recording.stored import StoredJournal
from mcptasks._store.upkeep import Retire
from mcptasks.store import Store
from mcptasks.testing import elicit
from tests.helpers.stores import ENDPOINT
from tests.helpers.support import LIMIT
from tests.helpers.virtual_time import on_frozen_clocks

pytestmark = pytest.mark.anyio

WHO, AGE = elicit("Who?"), elicit("How old?")
FIRST = {"action": "accept", "content": {"value": "first"}}
SECOND = {"action": "accept", "content": {"value": "second"}}


def holds(record: StoredRecord) -> bool:
    """Whether a client may act for a task now."""
    return record.holds


async def never() -> bool:
    """A call that may not be sent again."""
    return False


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[StoredJournal]:
    """A client's part in a store."""
    journal = StoredJournal(access_of(store), ENDPOINT)
    async with journal.open():
        yield journal


async def created(journal: StoredJournal) -> StoredRecord:
    """The record of a new task."""
    record = await journal.intend(Intent(kind="tool", name="work"), never)
    assert isinstance(record, StoredRecord)
    await record.created(TaskStatus(task_id="t-1", status="working"), "2025-11-25", None)
    return record


async def inherited(journal: StoredJournal, before: StoredJournal) -> StoredRecord:
    """The record of the task when its client is dead."""
    before._access.backend.apply([Retire(owner=before._session.owner.owner)])
    return await journal.adopt(TaskReference(task_id="t-1"))


async def acknowledged(store: Store, key: str) -> None:
    """Wait until the store knows that the server has the answer."""
    with anyio.fail_after(LIMIT):
        while not any(  # noqa: ASYNC110 - a store may be another process's
            each.key == key and each.acknowledged_at is not None for each in (await store.get("t-1")).questions
        ):
            await anyio.sleep(0.01)


@pytest.mark.parametrize("meta", [{}, {"_meta": {"progressToken": 7}}])
async def test_a_question_is_known_by_its_words(meta: dict[str, Any]) -> None:
    """A request that a 2025-11-25 server repeats to another client is the same question, whatever key each client made
    up for it, and whatever `_meta` it has: the answer that was decided stands."""
    store = Store.memory()
    async with opened(store) as one, opened(store) as other:
        record = await created(one)
        assert await record.asked("request-1", WHO, lasting=False) is None
        assert (await record.decide("request-1", FIRST)).answer == FIRST
        again = await inherited(other, one)
        request = {**WHO, "params": {**WHO["params"], **meta}}
        assert await again.asked("request-9", request, lasting=False) == Decision(FIRST)
        assert (await again.decide("request-9", SECOND)).answer == FIRST
        again.acknowledged("request-9")
        assert [each.key for each in (await store.get("t-1")).questions] == ["request-1"]


async def test_another_question_under_the_same_key() -> None:
    """A key that two clients made up for different requests names two questions."""
    store = Store.memory()
    async with opened(store) as one, opened(store) as other:
        record = await created(one)
        assert await record.asked("request-1", WHO, lasting=False) is None
        await record.decide("request-1", FIRST)
        again = await inherited(other, one)
        assert await again.asked("request-1", AGE, lasting=False) is None
        assert (await again.decide("request-1", SECOND)).answer == SECOND
        assert await again.asked("request-2", WHO, lasting=False) == Decision(FIRST)
        assert len((await store.get("t-1")).questions) == 2


async def test_the_same_words_twice() -> None:
    """Two requests with the same words are two questions, if both are open at a time."""
    store = Store.memory()
    async with opened(store) as one, opened(store) as other:
        record = await created(one)
        for key, answer in (("request-1", FIRST), ("request-2", SECOND)):
            await record.asked(key, WHO, lasting=False)
            await record.decide(key, answer)
        again = await inherited(other, one)
        found = [await again.asked(key, WHO, lasting=False) for key in ("request-5", "request-6", "request-7")]
        assert found == [Decision(FIRST), Decision(SECOND), None]


async def test_a_lasting_key() -> None:
    """On 2026-07-28 the key alone tells: what was acknowledged is asked of nobody, what is open of the next client."""
    store = Store.memory()
    async with opened(store) as one, opened(store) as other:
        record = await created(one)
        for key in ("acknowledged", "decided", "open"):
            await record.asked(key, WHO, lasting=True)
        for key in ("acknowledged", "decided"):
            await record.decide(key, FIRST)
        record.acknowledged("acknowledged")
        await acknowledged(store, "acknowledged")
        again = await inherited(other, one)
        found = [await again.asked(key, WHO, lasting=True) for key in ("acknowledged", "decided", "open", "new")]
        assert found == [Decision(None), Decision(FIRST), None, None]


async def test_an_answer_that_the_server_refuses() -> None:
    """A refused answer does not stand in the way of another one."""
    store = Store.memory()
    async with opened(store) as journal:
        record = await created(journal)
        await record.asked("q", WHO, lasting=True)
        assert (await record.decide("q", FIRST)).answer == FIRST
        record.answer_refused("q")
        assert await record.asked("q", WHO, lasting=True) is None
        assert (await record.decide("q", SECOND)).answer == SECOND


@on_frozen_clocks
async def test_a_question_that_is_only_seen() -> None:
    """What is seen is recorded soon, also if nobody is asked; and once."""
    store = Store.memory()
    async with opened(store) as journal:
        record = await created(journal)
        record.noticed("q", WHO, lasting=True)
        record.noticed("q", WHO, lasting=True)
        assert (await store.get("t-1")).questions == ()
    (question,) = (await store.get("t-1")).questions
    assert (question.request, question.is_open) == (WHO, True)


async def test_a_cancellation_needs_the_lease() -> None:
    """Whoever has lost a task is told so before the server is asked."""
    store = Store.memory()
    async with opened(store) as one, opened(store) as other:
        record = await created(one)
        assert await record.cancel_asked()
        again = await inherited(other, one)
        assert holds(record)
        assert not await record.cancel_asked()
        assert not holds(record)
        assert await again.cancel_asked()
