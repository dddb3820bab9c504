"""A store that is away for a while: what became known meanwhile is written when the store is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from mcptasks import StoreError
from mcptasks._core.events import Failed, Finished
from mcptasks._engine.recording.record import StoredRecord
from mcptasks.store import Keep, Store, TaskRecord
from tests.helpers.journals import DONE, INTENT, never, opened, sent, working
from tests.helpers.stores import Outage
from tests.helpers.virtual_time import virtual

pytestmark = pytest.mark.anyio

AWAY = 5.0
"""Seconds for which the store is away: longer than any write waits for others."""
BACK = 2.0
"""Seconds after which a store that is back has everything."""


@pytest.fixture
def store() -> Store:
    """A store in memory that keeps results."""
    return Store.memory(keep=Keep(results=True))


Tell = Callable[[StoredRecord], Awaitable[object] | None]

TOLD: Mapping[str, tuple[Tell, Callable[[TaskRecord], bool]]] = {
    "over": (
        lambda record: record.over(DONE, Finished({"content": []})),
        lambda found: (found.phase, found.status, found.has_result) == ("over", "completed", True),
    ),
    "forgotten": (
        lambda record: record.forgotten("unknown task"),
        lambda found: (found.phase, found.error) == ("forgotten", "unknown task"),
    ),
    "question": (
        lambda record: record.noticed("q", {"method": "elicitation/create"}, lasting=True),
        lambda found: [each.key for each in found.questions] == ["q"],
    ),
}
"""What becomes known of a task, and what its record has then."""


@virtual()
@pytest.mark.parametrize("what", TOLD)
async def test_what_becomes_known_of_a_task(store: Store, what: str) -> None:
    """Its end with the result, and its questions, are written when the store is back; nobody waits for that."""
    tell, is_there = TOLD[what]
    async with opened(store) as journal:
        record = await working(journal)
        outage = Outage(store)
        tell(record)
        await record.settled()
        await anyio.sleep(AWAY)
        assert not is_there(await store.get("t-1"))
        outage.over()
        await anyio.sleep(BACK)
        assert is_there(await store.get("t-1"))


CALLS: Mapping[str, tuple[Tell, str]] = {
    "refused": (lambda record: record.refused("no"), "refused"),
    "uncertain": (lambda record: record.uncertain("no answer"), "uncertain"),
    "given up unsent": (lambda record: record.given_up("cancelled", sent=False), "refused"),
    "given up": (lambda record: record.given_up("cancelled", sent=True), "uncertain"),
}
"""What becomes of a call without a task, and the phase of its record then."""


@virtual()
@pytest.mark.parametrize("what", CALLS)
async def test_what_became_of_a_call(store: Store, what: str) -> None:
    """The call is not "intended" for as long as its client lives: others with its key would wait for it."""
    tell, phase = CALLS[what]
    async with opened(store) as journal:
        record = await sent(journal)
        outage = Outage(store)
        told = tell(record)
        if told is not None:
            await told
        await anyio.sleep(AWAY)
        outage.over()
        await anyio.sleep(BACK)
        assert (await store.get(record.id)).phase == phase


@virtual()
async def test_a_call_that_may_be_recorded_and_is_not_sent(store: Store) -> None:
    """If nobody knows whether the intent was written, it is settled when the store is back, however late."""
    async with opened(store) as journal:
        outage = Outage(store, answer_lost=True)
        with pytest.raises(StoreError):
            await journal.intend(INTENT, never)
        await anyio.sleep(AWAY)
        assert (await store.get("order-42")).phase == "intended"
        outage.over()
        await anyio.sleep(BACK)
        assert (await store.get("order-42")).phase == "refused"


@virtual()
async def test_the_latest_end_stands(store: Store) -> None:
    """An end that could not be written does not come after a later one, of which more was known."""
    async with opened(store) as journal:
        record = await working(journal)
        outage = Outage(store)
        record.over(DONE, None)
        await record.settled()
        outage.over()
        record.over(DONE, Failed(-32603, "no paper"))
        await record.settled()
        await anyio.sleep(BACK)
        found = await store.get("t-1")
        assert (found.status, found.error) == ("failed", "no paper")


@virtual()
async def test_the_client_ends_when_the_store_is_back(store: Store) -> None:
    """What the store has missed is tried once more at the end of the client."""
    async with opened(store) as journal:
        record = await working(journal)
        outage = Outage(store)
        record.over(DONE, None)
        await record.settled()
        outage.over()
    assert (await store.get("t-1")).phase == "over"


@virtual()
async def test_the_client_ends_before_the_store_is_back(store: Store) -> None:
    """The client ends all the same, and its tasks can be recovered when its lease has ended."""
    async with opened(store) as journal:
        record = await working(journal)
        outage = Outage(store)
        record.over(DONE, None)
        await record.settled()
    outage.over()
    found: Any = await store.get("t-1")
    assert found.phase == "created"
    await anyio.sleep(31)
    assert (await store.get("t-1")).is_free


@virtual()
async def test_a_call_that_is_not_recorded_leaves_nothing_to_write(store: Store) -> None:
    """Calls that fail since the store is away cost the store no attempt later, however many they are."""
    async with opened(store) as journal:
        outage = Outage(store)
        for _ in range(3):
            with pytest.raises(StoreError):
                await journal.intend(INTENT, never)
        tried = outage.refused
        await anyio.sleep(AWAY)
        outage.over()
        await sent(journal)
    assert outage.refused == tried == 3
