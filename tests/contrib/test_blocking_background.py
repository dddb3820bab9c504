"""The blocking `BackgroundWork`: the async one does the work, so these tests show that both are joined well."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mcptasks
from mcptasks.contrib import background
from mcptasks.contrib.blocking import BackgroundWork
from mcptasks.store import Keep
from mcptasks.sync import Client, Store
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from tests.helpers.support import LIMIT, QUICK

NOTHING = "Nothing has ended since you last asked.\n\nNo background work is under way."


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store in a file."""
    return Store(tmp_path / "tasks.db", keep=Keep(results=True))


@contextmanager
def working(server: TaskServer, store: Store, **options: Any) -> Generator[BackgroundWork]:
    """The tools of an agent, for as long as a program runs."""
    with Client(server, store=store, polling=QUICK, **options) as client, BackgroundWork(client, store) as work:
        yield work


def told(work: BackgroundWork, words: str) -> str:
    """What the agent is told up to these words; a question that waited for its handler may come before."""
    end, heard = time.monotonic() + LIMIT, ""
    while words not in heard:
        said = work.finished_work()
        heard += "" if said.startswith("Nothing has ended") else said
        assert time.monotonic() < end, heard
        time.sleep(0.01)
    return heard


def test_an_agent_is_told_once(server: TaskServer, store: Store) -> None:
    """Starting returns at once with a sentence; the end is told once, with the result. Any thread may ask."""
    with working(server, store) as work:
        start, finished = work.tools
        assert start("work", {"topic": "bees"}).startswith('work {"topic": "bees"} has been started')
        steered = server.next_task_blocking(LIMIT)
        assert finished().endswith('Still at work: work {"topic": "bees"}.')
        steered.complete("they dance")
        heard: list[str] = []
        thread = threading.Thread(target=lambda: heard.append(told(work, "has ended")))
        thread.start()
        thread.join(LIMIT)
        assert heard == ['work {"topic": "bees"} has ended:\nthey dance\n\nNo background work is under way.']
        assert finished() == NOTHING


def test_the_next_program_goes_on(server: TaskServer, store: Store) -> None:
    """Leaving the block leaves the work running; the next block watches it and tells its end."""
    with working(server, store) as work:
        work.start_work("work", {"n": 1})
        steered = server.next_task_blocking(LIMIT)
    assert not steered.cancel_requested
    with pytest.raises(RuntimeError, match="enter BackgroundWork with `with`"):
        work.finished_work()
    with working(server, store) as work:
        steered.complete("all the same")
        told(work, 'work {"n": 1} has ended:\nall the same')


def test_handlers_answer_though_no_thread_waits(server: TaskServer, store: Store) -> None:
    """A plain handler of the client is called for a question of background work, on a worker thread."""
    form = elicit("Which account?", {"name": {"type": "string"}})
    server.add_tool("ask", [NeedInput({"q": form}), Complete("booked")])
    threads: list[threading.Thread] = []

    def answer(_: Any, __: Any) -> dict[str, str]:
        threads.append(threading.current_thread())
        return {"name": "Ada"}

    with working(server, store, elicitation_handler=answer) as work:
        work.start_work("ask", {})
        told(work, "ask {} has ended:\nbooked")
    assert threads
    assert threads[0] is not threading.current_thread()


def test_a_client_that_is_closed_first(server: TaskServer, store: Store) -> None:
    """A block whose client was closed meanwhile can be left."""
    client = Client(server, store=store, polling=QUICK).open()
    with BackgroundWork(client, store) as work:
        work.start_work("work", {})
        client.close()


def test_bad_input(server: TaskServer, store: Store) -> None:
    """What cannot work is refused in one sentence, before anything is sent."""
    wrong: Any = mcptasks.Client(server)
    nothing: Any = None
    with pytest.raises(TypeError, match=r"mcptasks\.sync\.Client, .* mcptasks\.contrib\.background\.BackgroundWork"):
        BackgroundWork(wrong, store)
    with Client(server) as client:
        with pytest.raises(TypeError, match=r"store must be the client's mcptasks\.sync\.Store, not None"):
            BackgroundWork(client, nothing)
        with pytest.raises(ValueError, match="agent must not be empty"):
            BackgroundWork(client, store, agent="")
        with pytest.raises(ValueError, match="store"), BackgroundWork(client, store):
            pass
    assert not server.requests.count("tools/call")


@pytest.mark.parametrize("name", ["start_work", "finished_work"])
def test_models_read_the_same_of_both(name: str) -> None:
    """The tools of both classes have the same signatures and docstrings."""
    ours, theirs = getattr(BackgroundWork, name), getattr(background.BackgroundWork, name)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert inspect.signature(ours) == inspect.signature(theirs)
