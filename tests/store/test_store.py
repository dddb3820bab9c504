"""`Store`, in both worlds and on both event loops."""

from __future__ import annotations

import copy
import os
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import mcptasks
import mcptasks.sync
from mcptasks import (
    StoreError,
    TaskConnectionError,
    TaskFailedError,
    TaskReference,
    TaskStateError,
    ToolResult,
)
from mcptasks._store.backend import Backend
from mcptasks._store.payloads import Payloads
from mcptasks._store.upkeep import Retire
from mcptasks._store.writes import Asked, Decide, Immediate, Over, StatusSeen, Uncertain
from mcptasks.store import FernetCodec, Keep, Store, TaskEvent
from tests.helpers.backends import Backend as Loop
from tests.helpers.store_worlds import World, access, make
from tests.helpers.stores import ENDPOINT, LATER, NOW, alive, created, do, intended

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["async", "blocking"])
def world(request: pytest.FixtureRequest) -> World:
    """Each test runs in both worlds."""
    found: World = request.param
    return found


@pytest.fixture
def store(world: World, anyio_backend: Loop, tmp_path: Path) -> Store:
    """A store in a file."""
    return make(world, anyio_backend[0], tmp_path / "tasks.db", keep=Keep(results=True))


def inside(store: Store) -> tuple[Backend, Payloads]:
    """What clients write to, with an owner that lives."""
    found = access(store)
    alive(found.backend)
    return found.backend, found.payloads


RESULT = {"content": [{"type": "text", "text": "42"}], "structuredContent": {"n": 42}}


async def test_a_task_is_found(store: Store) -> None:
    """By its id, a beginning of it, its key, its id at the server, and a reference; with its questions."""
    backend, payloads = inside(store)
    held = created(backend, key="order-42", labels={"job": "nightly"}, label="mine", id="ab" + "0" * 30)
    do(backend, StatusSeen(held=held, at=NOW, status="working", message=payloads.words(held.id, "busy")))
    do(backend, Asked(held=held, key="q", at=NOW, request=payloads.request(held.id, "q", {"method": "x"})))
    do(backend, Decide(held=held, key="q", at=NOW, answer=payloads.answer(held.id, "q", {"a": 1})))
    reference = TaskReference(task_id="t1", endpoint=ENDPOINT)
    for which in ("ab0", "order-42", "t1", reference, TaskReference(task_id="t1")):
        assert (await store.get(which)).id == held.id
    found = await store.get(held.id)
    assert found.reference == TaskReference(task_id="t1", kind="tool", name="work", endpoint=ENDPOINT, label="mine")
    assert (found.phase, found.status, found.message, found.error) == ("created", "working", "busy", None)
    (question,) = found.questions
    assert (question.key, question.request, question.answer) == ("q", {"method": "x"}, {"a": 1})
    assert question.decided_by == "one"
    assert not question.is_open
    assert (found.created_at, found.owner, found.is_free) == (NOW, "one", False)
    assert found.lease_until is not None
    assert found.lease_until > datetime.now(UTC)
    (listed,) = await store.tasks(labels={"job": "nightly"}, phase="created")
    assert (listed.id, [each.key for each in listed.questions]) == (held.id, ["q"])


async def test_what_is_not_found(store: Store) -> None:
    """The error names what was looked for, or says that several were found."""
    backend, _ = inside(store)
    created(backend, id="aa" + "0" * 30)
    created(backend, id="ab" + "0" * 30, task_id="t2")
    for which in ("no such", TaskReference(task_id="no such"), TaskReference(task_id="t1", endpoint="https://x")):
        with pytest.raises(LookupError, match=r"has no task '(no such|t1)'"):
            await store.get(which)
    with pytest.raises(LookupError, match="several tasks that 'a' may mean"):
        await store.get("a")
    with pytest.raises(LookupError):
        await store.forget("aa", "no such")
    assert len(await store.tasks()) == 2
    with pytest.raises(TypeError, match="named by a string or a TaskReference"):
        await store.get(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="must not be empty"):
        await store.get("")


async def test_pages(store: Store) -> None:
    """Tasks come newest first, page by page, and can be chosen by all that is said of them."""
    backend, _ = inside(store)
    ids = [intended(backend, at=NOW + number * LATER, name=f"f{number % 2}").id for number in range(5)]
    first = await store.tasks(limit=3)
    assert [each.id for each in first] == ids[:1:-1]
    assert [each.id for each in await store.tasks(after=first[-1].id)] == ids[1::-1]
    assert [each.id for each in await store.tasks(name="f1", since=NOW + 2 * LATER)] == [ids[3]]
    assert await store.tasks(endpoint="https://elsewhere.example") == []
    assert len(await store.tasks(phase=("intended", "over"))) == 5
    assert len(await store.tasks(since=NOW.astimezone().replace(tzinfo=None))) == 5


async def test_arguments_that_make_no_sense(store: Store) -> None:
    """Each error names the argument."""
    bad: list[tuple[str, dict[str, Any], type[Exception]]] = [
        ("phase", {"phase": "done"}, ValueError),
        ("limit", {"limit": 0}, ValueError),
        ("limit", {"limit": True}, ValueError),
        ("labels", {"labels": {"a": 1}}, TypeError),
        ("labels", {"labels": ["a"]}, TypeError),
    ]
    for name, options, error in bad:
        with pytest.raises(error, match=f"^{name} must be"):
            await store.tasks(**options)
    with pytest.raises(ValueError, match=r"^older_than must be"):
        await store.purge(-1)
    with pytest.raises(ValueError, match=r"^consumer must not be empty"):
        store.finished(consumer="")


async def test_results(store: Store) -> None:
    """A result that was kept is what `Task.result` returns; why there is none is told apart."""
    backend, payloads = inside(store)
    task, plain, running = created(backend), intended(backend), created(backend, task_id="t3")
    do(backend, Over(held=task, at=NOW, status="completed", result=payloads.result(task.id, RESULT)))
    do(backend, Immediate(held=plain, at=NOW, result=payloads.result(plain.id, RESULT)))
    for which in (task.id, plain.id):
        found: ToolResult[Any] = await store.result(which)
        assert isinstance(found, ToolResult)
        assert (found.data, found.text) == ({"n": 42}, "42")
        assert (await store.result(which, as_type=dict[str, int])).data == {"n": 42}
    with pytest.raises(TaskStateError, match="not over"):
        await store.result(running.id)
    failed, bare = created(backend, task_id="t4"), created(backend, task_id="t5")
    do(backend, Over(held=failed, at=NOW, status="failed", error=payloads.words(failed.id, "it broke")))
    do(backend, Over(held=bare, at=NOW, status="completed"))
    with pytest.raises(TaskFailedError, match="it broke"):
        await store.result(failed.id)
    with pytest.raises(StoreError, match="has not kept the result") as caught:
        await store.result(bare.id)
    assert caught.value.reference is not None


async def test_settling(store: Store) -> None:
    """A person says what became of an uncertain call: the task is there to be recovered, or the call is refused."""
    backend, _ = inside(store)
    one, other, sure = intended(backend), intended(backend), created(backend)
    for held in (one, other):
        do(backend, Uncertain(held=held, at=NOW))
    await store.settle(one.id, TaskReference(task_id="t9", endpoint=ENDPOINT))
    found = await store.get("t9")
    assert (found.id, found.phase, found.is_free) == (one.id, "created", True)
    await store.settle(other.id, None)
    assert (await store.get(other.id)).phase == "refused"
    with pytest.raises(TaskStateError, match="no doubt about the call: its phase is 'created'"):
        await store.settle(sure.id, None)
    third = intended(backend)
    do(backend, Uncertain(held=third, at=NOW))
    with pytest.raises(ValueError, match="another record has that task"):
        await store.settle(third.id, TaskReference(task_id="t9"))
    with pytest.raises(ValueError, match="the call went to"):
        await store.settle(third.id, TaskReference(task_id="t10", endpoint="https://elsewhere.example"))
    with pytest.raises(TypeError, match=r"^reference must be"):
        await store.settle(third.id, "t10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_forgetting_and_purging(store: Store) -> None:
    """What was forgotten or purged is gone; what still needs somebody is not purged by itself."""
    backend, _ = inside(store)
    task, ended = created(backend), created(backend, task_id="t2")
    do(backend, Over(held=ended, at=datetime.now(UTC), status="completed"))
    assert await store.purge(timedelta(days=1)) == 0
    assert await store.purge(timedelta.max) == 0
    assert await store.purge(0, phase="refused") == 0
    assert await store.purge(0) == 1
    assert await store.forget(task.id) == 1
    assert await store.forget() == 0
    with pytest.raises(LookupError):
        await store.get(task.id)


async def test_checks_and_backups(store: Store, tmp_path: Path) -> None:
    """A dead client and a file that others can read are named; a copy is a store."""
    backend, _ = inside(store)
    created(backend)
    assert await store.check() == []
    alive(backend, "gone", lease=0)
    created(backend, alive(backend, "dead", lease=0), "t2")
    os.chmod(store.place, 0o604)  # noqa: PTH101 - a path's own method is called blocking
    found = await store.check()
    assert any("has mode 0604" in words for words in found)
    assert any("the client dead on host has given no sign of life" in words for words in found)
    assert len(found) == 2
    await store.backup(tmp_path / "copy.db")
    assert len(await Store(tmp_path / "copy.db").tasks()) == 2
    with pytest.raises(StoreError, match="exists already"):
        await store.backup(tmp_path / "copy.db")


async def test_closing(store: Store) -> None:
    """A store that was closed is opened again by the next use."""
    backend, _ = inside(store)
    created(backend)
    await store.close()
    await store.close()
    assert len(await store.tasks()) == 1


async def next_of(events: Any) -> TaskEvent:
    """The next event, which must be there soon."""
    event: TaskEvent | None = None
    with anyio.fail_after(60):
        event = await anext(events)
    assert event is not None
    return event


async def test_each_event_is_told_once(store: Store) -> None:
    """Asking for the next event acknowledges the one before; what was not acknowledged is told again."""
    backend, payloads = inside(store)
    for number in range(3):
        held = created(backend, task_id=f"t{number}")
        do(backend, Over(held=held, at=NOW + number * LATER, status="completed"))
    events = store.finished(consumer="agent")
    assert [(await next_of(events)).record.task_id for _ in range(2)] == ["t0", "t1"]
    await events.aclose()
    again = store.finished(consumer="agent")
    assert [(await next_of(again)).record.task_id for _ in range(2)] == ["t1", "t2"]
    # Now it waits, and is woken by what another writes.
    asking = created(backend, task_id="t4")
    found: list[TaskEvent] = []

    async def wait() -> None:
        found.append(await next_of(again))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.05)
        request = payloads.request(asking.id, "q", {"method": "elicitation/create"})
        do(backend, Asked(held=asking, key="q", at=NOW + 9 * LATER, request=request))
    (event,) = found
    assert (event.kind, event.record.task_id) == ("question", "t4")
    assert event.question is not None
    assert event.question.request == {"method": "elicitation/create"}
    await again.aclose()
    assert [(await next_of(store.finished(consumer="other"))).record.task_id] == ["t0"]


async def test_without_waiting_the_iteration_ends(store: Store) -> None:
    """With `wait=False` the iteration ends when all is told, and its consumer is free for the next one at once."""
    backend, _ = inside(store)
    for number in range(3):
        do(backend, Over(held=created(backend, task_id=f"t{number}"), at=NOW + number * LATER, status="completed"))
        told = [event.record.task_id async for event in store.finished(consumer="agent", wait=False)]
        assert told == [f"t{number}"]
    assert not [event async for event in store.finished(consumer="agent", wait=False)]


async def test_waiting_writes_nothing(store: Store) -> None:
    """An iteration that has nothing to tell only looks, so that an idle program does not wear out a disk."""
    backend, _ = inside(store)
    created(backend)
    # The first use of a store writes down whether its payloads are encrypted.
    await store.tasks()
    marks = [backend.changes()]
    events = store.finished(consumer="agent")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(next_of, events)
        await anyio.sleep(0.8)
        marks.append(backend.changes())
        # The blocking world's thread cannot be cancelled, so it is given its event before anything is asserted.
        do(backend, Over(held=created(backend, task_id="t2"), at=NOW, status="completed"))
    assert marks[0] == marks[1]


async def test_two_iterations_of_one_consumer(store: Store) -> None:
    """One of them is told; the other takes its place when it ends."""
    backend, _ = inside(store)
    for number in range(2):
        do(backend, Over(held=created(backend, task_id=f"t{number}"), at=NOW + number * LATER, status="completed"))
    first, second = store.finished(consumer="agent"), store.finished(consumer="agent")
    assert (await next_of(first)).record.task_id == "t0"
    found: list[TaskEvent] = []
    early: list[TaskEvent] = []

    async def wait() -> None:
        found.append(await next_of(second))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.3)
        early += found
        await first.aclose()
    assert early == []
    assert [each.record.task_id for each in found] == ["t0"]


async def test_an_iteration_that_was_closed(store: Store) -> None:
    """It ends, as iterators do."""
    events = store.finished(consumer="agent")
    await events.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_codec_that_does_not_fit(world: World, anyio_backend: Loop, tmp_path: Path) -> None:
    """A store is not opened with another key or without one, and nothing is written."""
    path = tmp_path / "tasks.db"
    key = FernetCodec.new_key()
    store = make(world, anyio_backend[0], path, codec=FernetCodec(key))
    backend, payloads = inside(store)
    await store.tasks()
    held = created(backend)
    do(backend, StatusSeen(held=held, at=NOW, status="working", message=payloads.words(held.id, "sentinel")))
    assert (await store.get(held.id)).message == "sentinel"
    before = path.read_bytes()
    assert b"sentinel" not in before
    for codec in (None, FernetCodec(FernetCodec.new_key())):
        with pytest.raises(StoreError, match=r"codec=|another key"):
            await make(world, anyio_backend[0], path, codec=codec).tasks()
    assert path.read_bytes() == before


async def test_records_pickle_and_show_no_payload(store: Store) -> None:
    """A record is plain data: it goes to other processes whole, and its text has no words of a server or an answer."""
    backend, payloads = inside(store)
    held = created(backend, labels={"a": "b"})
    do(backend, StatusSeen(held=held, at=NOW, status="working", message=payloads.words(held.id, "sentinel")))
    do(backend, Asked(held=held, key="q", at=NOW, request=payloads.request(held.id, "q", {"m": "sentinel"})))
    do(backend, Decide(held=held, key="q", at=NOW, answer=payloads.answer(held.id, "q", "sentinel")))
    record = await store.get(held.id)
    assert pickle.loads(pickle.dumps(record)) == record == copy.deepcopy(record)
    assert hash(record) == hash(copy.copy(record))
    assert "sentinel" not in repr(record) + repr(record.questions)


async def test_a_store_is_not_pickled(store: Store) -> None:
    """Each process makes its own."""
    inner = getattr(store, "inner", store)
    with pytest.raises(TypeError, match="a store cannot be pickled; make one in each process"):
        pickle.dumps(inner)
    assert repr(store) == f"<Store {store.place}>"


async def test_memory(world: World) -> None:
    """A store in memory ends with the process, and does all else as the others do."""
    store: Any = mcptasks.sync.Store.memory(lease=10) if world == "blocking" else Store.memory(lease=10)
    if world == "blocking":
        assert await anyio.to_thread.run_sync(store.tasks) == []
        assert await anyio.to_thread.run_sync(store.check) == []
        return
    backend, _ = inside(store)
    held = created(backend)
    do(backend, Retire(owner="one"))
    assert [each.id for each in await store.tasks()] == [held.id]
    assert await store.check() == []
    assert store.place == "in memory"


BAD_OPTIONS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "keep": ({"keep": True}, TypeError),
    "lease": ({"lease": "30"}, TypeError),
    "lease too short": ({"lease": 0}, ValueError),
    "migrate": ({"migrate": "never"}, ValueError),
    "target": ({"target": 3}, TypeError),
    "a store is a path": ({"target": "mysql://x"}, ValueError),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
async def test_options_that_make_no_sense(world: World, anyio_backend: Loop, name: str) -> None:
    """The error comes when the store is made, and nothing is opened."""
    options, error = BAD_OPTIONS[name]
    with pytest.raises(error, match=None if name == "target" else name.removesuffix(" too short")):
        make(world, anyio_backend[0], **options)


async def test_leases_are_durations(anyio_backend: Loop) -> None:
    """Seconds or a `timedelta`."""
    assert access(Store.memory(lease=timedelta(seconds=12))).lease.seconds == 12.0


async def test_errors_of_the_store() -> None:
    """An uncertain call is a broken connection too, for programs that know of no store."""
    assert issubclass(mcptasks.TaskUncertainError, TaskConnectionError)


async def test_many_event_loops(anyio_backend: Loop, tmp_path: Path) -> None:
    """A store may be used from several threads with an event loop each, at the same time."""
    store = Store(tmp_path / "tasks.db")
    backend, _ = inside(store)

    async def use(number: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(store.tasks)
            tasks.start_soon(next_of, store.finished(consumer=f"agent {number}"))
            await anyio.sleep(0.1)
            held = created(backend, task_id=f"t{number}")
            do(backend, Over(held=held, at=NOW, status="completed"))

    def work(number: int) -> None:
        anyio.run(use, number, backend=anyio_backend[0])

    async with anyio.create_task_group() as threads:
        for number in range(4):
            threads.start_soon(anyio.to_thread.run_sync, work, number)
    assert len(await store.tasks(phase="over")) == 4
