"""How changes of one task are told, and to whom."""

from __future__ import annotations

import gc
import tracemalloc

import anyio
import pytest

from mcptasks import TaskStatus
from mcptasks._core.events import Emit, Fail, Look, Seen, Trouble
from mcptasks._engine.watching.watch import Effects, Watch, emitted
from tests.helpers.support import settle

WORKING, DONE = TaskStatus(task_id="a", status="working"), TaskStatus(task_id="a", status="completed")


def test_observers_are_called_in_order() -> None:
    """Each is called with the effects of each change, in the order in which they came; one that has left is not."""
    watch, told = Watch("a", 0.0), list[tuple[str, Effects]]()

    def first(effects: Effects) -> None:
        told.append(("first", effects))

    def second(effects: Effects) -> None:
        told.append(("second", effects))
        watch.unobserve(second)

    watch.observe(first)
    watch.observe(second)
    watch.wake((Look(),))
    watch.wake()
    assert told == [("first", (Look(),)), ("second", (Look(),)), ("first", ())]
    watch.unobserve(first)
    watch.unobserve(first)
    watch.wake()
    assert len(told) == 3
    assert watch._observers is None


def test_an_observer_that_leaves_takes_none_along() -> None:
    """One that leaves while a change is told keeps no other from being told."""
    watch, told = Watch("a", 0.0), list[str]()

    def leaves(_effects: Effects) -> None:
        watch.unobserve(leaves)

    watch.observe(leaves)
    watch.observe(lambda _effects: told.append("stays"))
    watch.wake()
    assert told == ["stays"]


@pytest.mark.anyio
async def test_observers_come_before_those_who_wait() -> None:
    """Whoever awaits a change runs after all observers were called."""
    watch, order = Watch("a", 0.0), list[str]()

    async def wait() -> None:
        await watch.change()
        order.append("waits")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await settle()
        watch.observe(lambda _effects: order.append("observes"))
        watch.wake()
    assert order == ["observes", "waits"]


def test_effects_of_an_event() -> None:
    """An event changes the state; its effects are told by the caller, its error is kept at once."""
    watch, error = Watch("a", 0.0), RuntimeError("down")
    assert watch.apply(Seen(WORKING, "created")) == (Emit(WORKING),)
    assert watch.status is WORKING
    troubles = watch.polling.troubles
    assert watch.polling.trouble_since(troubles) is None
    assert watch.apply(Trouble(error)) == (Fail(error),)
    assert watch.polling.trouble_since(troubles) is error
    assert watch.polling.trouble_since(watch.polling.troubles) is None


def test_emitted() -> None:
    """Of the effects, the new statuses are told, in order."""
    assert list(emitted((Emit(WORKING), Look(), Emit(DONE)))) == [WORKING, DONE]


def test_interest_has_its_deadline() -> None:
    """Who leaves takes its own deadline along, and one of two that are equal."""
    polling = Watch("a", 0.0).polling
    for deadline in (7.0, 5.0, 7.0):
        polling.enter(deadline)
    polling.enter()
    polling.leave(7.0)
    assert (polling.interest, sorted(polling.deadlines)) == (3, [5.0, 7.0])
    polling.leave()
    assert (polling.interest, sorted(polling.deadlines)) == (2, [5.0, 7.0])


def test_an_idle_task_is_small() -> None:
    """What is known of a task that nobody waits for takes no more than 560 bytes, beside its status."""
    watches: list[Watch | None] = [None] * 1000
    Watch("a", 0.0)

    def taken() -> int:
        """The bytes that the watches take; what other threads of this process take meanwhile counts, too."""
        watches[:] = [None] * len(watches)
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for number in range(len(watches)):
                watches[number] = Watch("a", 0.0)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return after - before

    assert min(taken() for _ in range(5)) <= 560 * len(watches)
