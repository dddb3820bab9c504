"""`BackgroundWork`: an agent starts work, goes on, and is told once of each end, also by the next program."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks import BY_HAND, Client
from mcptasks.contrib.background import BackgroundWork
from mcptasks.store import Keep, Store
from mcptasks.testing import Complete, NeedInput, TaskServer, ToolFailure, elicit
from tests.helpers.support import LIMIT, QUICK, make_server, modern_only

pytestmark = pytest.mark.anyio

NOTHING = "Nothing has ended since you last asked.\n\nNo background work is under way."


@pytest.fixture(params=[True, False], ids=["kept", "not-kept"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store in a file, with results and without."""
    return Store(tmp_path / "tasks.db", keep=Keep(results=request.param))


@asynccontextmanager
async def working(
    server: TaskServer, store: Store, tools: Collection[str] | None = None
) -> AsyncGenerator[BackgroundWork]:
    """The tools of an agent, for as long as a program runs."""
    with anyio.fail_after(LIMIT):
        async with (
            Client(server, store=store, polling=QUICK) as client,
            BackgroundWork(client, store, tools=tools) as work,
        ):
            yield work


async def told(work: BackgroundWork, beginning: str) -> str:
    """What the agent is told as soon as there is something that begins so."""
    while True:
        words = await work.finished_work()
        if words.startswith(beginning):
            return words
        assert words.startswith("Nothing has ended"), words
        await anyio.sleep(0.01)


async def test_an_agent_is_told_once(server: TaskServer, store: Store) -> None:
    """Starting returns at once with a sentence; the end is told once, with the result."""
    async with working(server, store) as work:
        start, finished = work.tools
        answer = await start("work", {"topic": "bees"})
        assert answer.startswith('work {"topic": "bees"} has been started')
        steered = await server.next_task()
        assert steered.arguments == {"topic": "bees"}
        waiting = await finished()
        assert waiting.startswith("Nothing has ended since you last asked.")
        assert waiting.endswith('Still at work: work {"topic": "bees"}.')
        steered.complete("they dance")
        words = await told(work, "work")
        assert words == 'work {"topic": "bees"} has ended:\nthey dance\n\nNo background work is under way.'
        assert await finished() == NOTHING


async def test_the_servers_words_come_first(store: Store) -> None:
    """Where the server suggests what to tell the model meanwhile, the model is told that (2025-11-25)."""
    server = make_server("legacy")
    server.add_tool("slow", immediate_response="I am on it.")
    async with working(server, store) as work:
        assert await work.start_work("slow", {}) == "I am on it."


async def test_failures_and_cancellations(server: TaskServer, store: Store) -> None:
    """An end without a result is told in words: the tool's error, the server's, a cancellation."""
    async with working(server, store) as work:
        await work.start_work("work", {"n": 1})
        (await server.next_task()).apply(ToolFailure("no such page"))
        assert "no such page" in await told(work, 'work {"n": 1} failed')
        await work.start_work("work", {})
        (await server.next_task()).cancelled("not today")
        assert (await told(work, "work")).startswith("work {} was cancelled.")
        await work.start_work("work", {"n": 2})
        (await server.next_task()).fail("out of memory", code=-32000)
        assert "out of memory" in await told(work, 'work {"n": 2} failed')


async def test_a_quick_answer_is_told_at_once(server: TaskServer, store: Store) -> None:
    """A call that the server answers at once is told at once, and not again."""
    server.add_tool("quick", result="42", support="none")
    async with working(server, store) as work:
        answer = await work.start_work("quick", {})
        if "has ended" not in answer:  # 2025-11-25: the call runs in the client.
            answer = await told(work, "quick")
        assert answer.startswith("quick {} has ended:\n42")
        assert await work.finished_work() == NOTHING


async def test_bad_input_is_answered_in_words(server: TaskServer, store: Store) -> None:
    """A model that names a tool which is not to be started, or arguments that cannot be sent, is told so."""
    async with working(server, store, tools=["work"]) as work:
        assert await work.start_work("other", {}) == "There is no tool 'other' to start. There are: work."
        refused = await work.start_work("work", {"n": float("nan")})
        assert "was not started" in refused
        assert not server.requests.count("tools/call")
        assert await work.finished_work() == NOTHING


async def test_the_next_program_goes_on(server: TaskServer, store: Store, tmp_path: Path) -> None:
    """A program that ends leaves the work running; the next one watches it, and its agent is told of the end."""
    async with working(server, store) as work:
        await work.start_work("work", {"n": 1})
        steered = await server.next_task()
    assert not steered.cancel_requested
    async with working(server, store) as work:
        steered.complete("all the same")
        assert (await told(work, "work")).startswith('work {"n": 1} has ended:\nall the same')
        assert await work.finished_work() == NOTHING


async def test_the_next_block_of_a_client_goes_on(server: TaskServer, store: Store) -> None:
    """A block that ends leaves the work running; the next block of the same client watches it."""
    with anyio.fail_after(LIMIT):
        async with Client(server, store=store, polling=QUICK) as client:
            async with BackgroundWork(client, store) as work:
                await work.start_work("work", {})
                steered = await server.next_task()
            async with BackgroundWork(client, store) as work:
                steered.complete("all the same")
                assert (await told(work, "work")).startswith("work {} has ended:\nall the same")


async def test_agents_are_told_their_own(server: TaskServer, store: Store) -> None:
    """Two agents of one store are told of their own work only, and not of other calls of the program."""
    with anyio.fail_after(LIMIT):
        async with (
            Client(server, store=store, polling=QUICK) as client,
            BackgroundWork(client, store, agent="one") as one,
            BackgroundWork(client, store, agent="two") as two,
        ):
            await one.start_work("work", {})
            (await server.next_task()).complete("done")
            task = await client.call_tool("work", task=True)
            (await server.next_task()).complete("of the program")
            await task
            await told(one, "work")
            assert await two.finished_work() == NOTHING


@modern_only
async def test_a_question_is_told(server: TaskServer, store: Store) -> None:
    """Work that waits for a person says so; when somebody has answered, its end is told."""
    form = elicit("Which account?", {"name": {"type": "string"}})
    server.add_tool("ask", [NeedInput({"q": form}), Complete("booked")])
    with anyio.fail_after(LIMIT):
        async with (
            Client(server, store=store, polling=QUICK, elicitation_handler=BY_HAND) as client,
            BackgroundWork(client, store) as work,
        ):
            await work.start_work("ask", {})
            assert await told(work, "ask {} waits for an answer of a person: Which account?\n")
            (task,) = await client.list_tasks()
            await task.answer("q", {"name": "Ada"})
            assert (await told(work, "ask")).startswith("ask {} has ended:\nbooked")


async def test_a_cancelled_question_loses_nothing(server: TaskServer, store: Store) -> None:
    """A framework that cancels the asking is told the next time."""
    async with working(server, store) as work:
        await work.start_work("work", {})
        (await server.next_task()).complete("done")
        for _ in range(20):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await work.finished_work()
        assert (await told(work, "work")).startswith("work {} has ended:\ndone")


async def test_it_is_entered_first(server: TaskServer, store: Store) -> None:
    """Tools that are used outside the block say so, and a client without a store is refused when the block begins."""
    async with Client(server) as client:
        with pytest.raises(RuntimeError, match="enter BackgroundWork"):
            await BackgroundWork(client, store).start_work("work", {})
        with pytest.raises(ValueError, match="store"):
            async with BackgroundWork(client, store):
                pass
        with pytest.raises(ValueError, match="agent must not be empty"):
            BackgroundWork(client, store, agent="")


async def test_an_exception_of_the_program(server: TaskServer, store: Store) -> None:
    """What the program raises in the block comes out as it is, though work is watched. So does a time limit."""

    async def fail() -> None:
        async with working(server, store) as work:
            await work.start_work("work", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with working(server, store) as work:
        await work.start_work("work", {})
        with anyio.move_on_after(0.01) as scope:
            async with BackgroundWork(work._client, store, agent="other"):
                await anyio.sleep_forever()
        assert scope.cancelled_caught


async def test_it_is_entered_once_at_a_time(server: TaskServer, store: Store) -> None:
    """A block inside itself is refused, and does the outer block no harm."""
    async with working(server, store) as work:
        with pytest.raises(RuntimeError, match="entered already"):
            async with work:
                pass
        await work.start_work("work", {})
        (await server.next_task()).complete("done")
        await told(work, "work {} has ended:\ndone")


async def test_another_store_than_the_clients(server: TaskServer, store: Store) -> None:
    """A store that the client does not write to is refused, since its agent would be told of nothing."""
    other, same = Store.memory(), Store(store.place)
    async with Client(server, store=store) as client, BackgroundWork(client, same):
        with pytest.raises(ValueError, match=r"keeps its tasks in .*tasks\.db, and store= is in memory"):
            async with BackgroundWork(client, other):
                pass
    async with Client(server, store=other) as client:
        for wrong, words in (
            (store, "in memory, and store= is in .*"),
            (Store.memory(), "in memory, and store= is another one"),
        ):
            with pytest.raises(ValueError, match=f"{words}: give the store of the client"):
                async with BackgroundWork(client, wrong):
                    pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"client": None}, "client must be a mcptasks.Client, not None"),
        ({"store": "tasks.db"}, "store must be the client's mcptasks.store.Store, not a str"),
        ({"agent": 5}, "agent must be a string"),
        ({"tools": "work"}, "tools must be names of tools, not a str"),
        ({"tools": [5]}, "tools must be names of tools, and has an int"),
        ({"tools": 5}, "tools must be names of tools, not an int"),
    ],
)
def test_wrong_types(server: TaskServer, store: Store, options: dict[str, Any], words: str) -> None:
    """What makes no sense is refused when the object is made."""
    given: dict[str, Any] = {"client": Client(server), "store": store, **options}
    with pytest.raises(TypeError, match=words):
        BackgroundWork(given.pop("client"), given.pop("store"), **given)
