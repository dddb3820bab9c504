"""One client's part in a store: leases, what is told lazily, and what a record makes of the store's answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from mcptasks import StoreError, TaskReference, TaskStatus, TaskUncertainError
from mcptasks._async.store import access_of
from mcptasks._core.events import Cancelled, Failed, Finished, Outcome
from mcptasks._core.state import TaskState
from mcptasks._engine.recording.journal import Decision, Earlier, Timing
from mcptasks._engine.recording.record import StoredRecord
from mcptasks._engine.recording.stored import StoredJournal
from mcptasks._store.upkeep import Beat, EraKnown, Retire
from mcptasks.store import Keep, Store
from tests.helpers.journals import DONE, INTENT, WORKING, never, opened, sent
from tests.helpers.stores import ENDPOINT
from tests.helpers.virtual_time import virtual

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Store:
    """A store in memory that keeps results."""
    return Store.memory(keep=Keep(results=True))


async def always() -> bool:
    """A call that may."""
    return True


async def known(journal: StoredJournal) -> Earlier:
    """What there is of the call already."""
    found = await journal.intend(INTENT, never)
    assert isinstance(found, Earlier)
    return found


def holds(record: StoredRecord) -> bool:
    """Whether a client may act for a task now."""
    return record.holds


def die(journal: StoredJournal) -> None:
    """Have the store believe that a client is dead, which the client does not know."""
    journal._access.backend.apply([Retire(owner=journal._session.owner.owner)])


async def test_a_call_and_its_task(store: Store) -> None:
    """A call is intended, then has its task, whose statuses and end are recorded."""
    async with opened(store) as journal:
        record = await sent(journal)
        assert (await store.get(record.id)).phase == "intended"
        await record.created(WORKING, "2026-07-28", None)
        record.seen(WORKING)
        found = await store.get("t-1")
        assert (found.phase, found.status, found.message, found.era) == ("created", "working", "halfway", "2026-07-28")
        assert (found.labels, found.key) == ({"job": "nightly"}, "order-42")
        record.over(DONE, Finished({"content": []}))
        await record.settled()
        found = await store.get("t-1")
        assert (found.phase, found.status, found.has_result) == ("over", "completed", True)
        assert (await known(journal)).outcome == Finished({"content": []})


@pytest.mark.parametrize("word", [None, "working", "completed", "failed", "cancelled"])
@pytest.mark.parametrize(
    "outcome",
    [
        None,
        Finished({"content": []}),
        Finished({"content": [], "isError": True}),
        Failed(-32603, "no"),
        Cancelled(),
    ],
)
async def test_an_end_is_the_same_in_the_store(store: Store, word: Any, outcome: Outcome | None) -> None:
    """The store and the program are told the same end. An error in a result is a failure, whatever the status."""
    status = None if word is None else TaskStatus(task_id="t-1", status=word)
    state = TaskState(status=status, outcome=outcome)
    if not state.terminal and outcome is None:
        return
    async with opened(store) as journal:
        record = await sent(journal)
        await record.created(WORKING, "2026-07-28", None)
        record.over(status, outcome)
        await record.settled()
        kept = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled", None: "completed"}
        assert (await store.get("t-1")).status == kept[state.verdict]


async def test_a_task_that_is_forgotten(store: Store) -> None:
    """A server that does not know the task any more ends it, in its own words."""
    async with opened(store) as journal:
        record = await sent(journal)
        await record.created(WORKING, "2026-07-28", None)
        record.forgotten("unknown task")
        await record.settled()
        found = await store.get("t-1")
        assert (found.phase, found.error) == ("forgotten", "unknown task")
        assert (await known(journal)).outcome is None


async def test_an_answer_is_decided_once(store: Store) -> None:
    """The answer that was decided first is what every client sends, and nothing once the server has it."""
    async with opened(store) as journal:
        record = await sent(journal)
        await record.created(WORKING, "2026-07-28", None)
        assert await record.asked("q", {"method": "elicitation/create"}, lasting=True) is None
        first = await record.decide("q", {"n": 1})
        assert (first.answer, first.held) == ({"n": 1}, True)
        second = await record.decide("q", {"n": 2})
        assert second.answer == {"n": 1}
        record.acknowledged("q")
        third = await record.decide("q", {"n": 3})
        assert (third.answer, third.held) == (None, True)


async def test_a_lease_that_is_lost(store: Store) -> None:
    """Once another client has the task, nothing is put, decided or written here any more."""
    async with opened(store) as one, opened(store) as other:
        record = await sent(one)
        await record.created(WORKING, "2026-07-28", None)
        assert holds(record)
        die(one)
        earlier = await known(other)
        assert earlier.record.holds
        assert await record.asked("q", {}, lasting=True) == Decision(None, held=False)
        assert not holds(record)
        decision = await record.decide("q", {"n": 1})
        assert (decision.answer, decision.held) == (None, False)
        record.over(DONE, None)
        await record.settled()
        assert (await store.get("t-1")).phase == "created"


async def test_a_decision_that_comes_too_late(store: Store) -> None:
    """A client that does not know yet that it lost the task is told by the store to send nothing."""
    async with opened(store) as one, opened(store) as other:
        record = await sent(one)
        await record.created(WORKING, "2026-07-28", None)
        die(one)
        await known(other)
        decision = await record.decide("q", {"n": 1})
        assert (decision.answer, decision.held, record.holds) == (None, False, False)


async def test_a_task_that_is_given_back(store: Store) -> None:
    """A task that was released is free, and another client takes it."""
    async with opened(store) as one, opened(store) as other:
        record = await sent(one)
        await record.created(WORKING, "2026-07-28", None)
        assert not (await other.adopt(TaskReference(task_id="t-1"))).holds
        await record.release()
        assert not holds(record)
        assert (await other.adopt(TaskReference(task_id="t-1"))).holds


async def test_an_id_that_comes_after_the_lease_is_lost(store: Store) -> None:
    """A client that was taken for dead while its call was under way still records the id."""
    async with opened(store) as journal:
        record = await sent(journal)
        die(journal)
        assert (await store.get(record.id)).phase == "uncertain"
        await record.created(WORKING, "2026-07-28", None)
        assert (await store.get("t-1")).phase == "created"


async def test_the_call_of_a_dead_client_is_uncertain(store: Store) -> None:
    """A call whose client died before the answer may have been carried out: it is sent again only if that may be."""
    async with opened(store) as one, opened(store) as other:
        record = await sent(one)
        die(one)
        with pytest.raises(TaskUncertainError) as caught:
            await other.intend(INTENT, never)
        assert caught.value.record_id == record.id
        again = await other.intend(INTENT, always)
        assert isinstance(again, StoredRecord)
        assert again.id == record.id
        # What the first sending came to is as uncertain as before.
        await again.refused("busy")
        assert (await store.get(record.id)).phase == "uncertain"


@pytest.mark.parametrize(("was_sent", "phase"), [(True, "uncertain"), (False, "refused")])
async def test_a_call_that_was_given_up(store: Store, was_sent: bool, phase: str) -> None:
    """A cancelled call is uncertain, and known to be cancelled, if it may have arrived; otherwise it had no effect."""
    async with opened(store) as journal:
        record = await sent(journal)
        record.given_up("cancelled", sent=was_sent)
    found = await store.get(record.id)
    assert (found.phase, found.error) == (phase, "cancelled")
    assert (found.cancel_asked_at is not None) == was_sent


async def test_what_is_known_of_the_server(store: Store) -> None:
    """The protocol is believed for a day, and durations come back in their order."""
    timings = [Timing(kind="tool", name="work", low=n, high=n + 1, least=0) for n in range(3)]
    async with opened(store) as journal:
        assert await journal.era() is None
        journal.speaks("2025-11-25")
        for timing in timings:
            journal.learned(timing)
    async with opened(store) as journal:
        assert await journal.era() == "2025-11-25"
        assert list(await journal.timings()) == timings
        old = datetime.now(UTC) - timedelta(days=1, seconds=1)
        await journal.commit(EraKnown(endpoint=ENDPOINT, era="2025-11-25", at=old))
        assert await journal.era() is None


async def test_after_the_end_nothing_is_written(store: Store) -> None:
    """A client that is closed sends nothing, since nothing could be written down."""
    async with opened(store) as journal:
        record = await sent(journal)
    with pytest.raises(StoreError, match="the client is closed"):
        await journal.intend(INTENT, never)
    record.seen(WORKING)
    record.over(DONE, None)
    await record.settled()
    assert (await store.get(record.id)).phase == "uncertain"


@virtual()
async def test_a_client_whose_lease_is_not_renewed(store: Store) -> None:
    """A client that cannot renew its lease stops by itself before another one may take over."""
    access: Any = access_of(store)
    apply = access.backend.apply

    def refuse(writes: Any) -> list[Any]:
        if any(isinstance(write, Beat) for write in writes):
            raise StoreError("the database is down")
        found: list[Any] = apply(writes)
        return found

    async with opened(store) as journal:
        record = await sent(journal)
        await record.created(WORKING, "2026-07-28", None)
        access.backend.apply = refuse
        await anyio.sleep(24)
        assert holds(record)
        await anyio.sleep(2)
        assert not holds(record)
        access.backend.apply = apply
        await anyio.sleep(2)
        assert holds(record)
