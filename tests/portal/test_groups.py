"""Groups of blocking tasks: threads, backends, handlers on the thread that waits, and what is left behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import mcptasks
import mcptasks.sync
from mcptasks.sync import Task
from mcptasks.testing import Complete, TaskServer, elicit
from tests.helpers.blocking import Aside, Backend, begin, connected
from tests.helpers.support import make_server
from tests.helpers.threads import eventually


def assert_detached(tasks: Iterable[Task[Any]]) -> None:
    """Nobody is interested in the tasks any more, soon."""
    watches = [task._inner._watch for task in tasks]
    eventually(lambda: not any(watch.polling.interest or watch._observers for watch in watches), "an interest is left")


def test_plain_iterators(server: TaskServer, backend: Backend) -> None:
    """`as_completed` and `map` are plain iterators over the handles and results of the blocking world."""
    server.add_tool("double", lambda arguments: [Complete(2 * arguments["n"])])
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        steered.complete("done")
        found = mcptasks.sync.as_completed([task])
        assert iter(found) is found
        assert list(found) == [task]
        results = client.map("double", ({"n": n} for n in range(3)))
        assert iter(results) is results
        assert [result.data for result in results] == [0, 2, 4]
        assert list(results) == []


def test_leaving_early(server: TaskServer, backend: Backend) -> None:
    """An iteration that is left gives its interest back when the iterator is gone, from whichever thread."""
    with connected(server, backend) as client:
        pairs = [begin(client, server) for _ in range(3)]
        tasks = [task for task, _ in pairs]
        pairs[0][1].complete("done")
        for _ in mcptasks.sync.as_completed(tasks):
            break
        gc.collect()
        assert_detached(tasks)
        held = [mcptasks.sync.as_completed(tasks)]
        next(held[0])
        assert tasks[1]._inner._watch.polling.interest == 1
        Aside(held.clear).value()
        gc.collect()
        assert_detached(tasks)
        pairs[1][1].complete("done")
        assert tasks[1].result().data == "done"


def test_an_iterator_outlives_its_client(server: TaskServer, backend: Backend) -> None:
    """What is left of an iteration when the client is closed can be read to its end, and collected."""
    with connected(server, backend) as client:
        pairs = [begin(client, server) for _ in range(2)]
        found = mcptasks.sync.as_completed([task for task, _ in pairs])
        pairs[0][1].complete("done")
        assert next(found) is pairs[0][0]
        unread = mcptasks.sync.as_completed([pairs[1][0]])
    assert list(found) == [pairs[1][0]]
    with pytest.raises(mcptasks.TaskConnectionError):
        pairs[1][0].result()
    del unread, found
    gc.collect()


def test_one_background_thread(server: TaskServer, backend: Backend) -> None:
    """Tasks of several clients on one background thread are one group."""
    with connected(server, backend) as one, connected(server, backend) as other:
        pairs = [begin(client, server) for client in (one, other)]
        tasks = [task for task, _ in pairs]
        waiting = Aside(lambda: mcptasks.sync.gather(*tasks))
        for number, (_, steered) in enumerate(pairs):
            steered.complete(number)
        assert [result.data for result in waiting.value()] == [0, 1]
        assert mcptasks.sync.wait(tasks) == (set(tasks), set())
        assert set(mcptasks.sync.as_completed(tasks)) == set(tasks)
        assert_detached(tasks)


def test_several_background_threads(server: TaskServer) -> None:
    """Tasks of clients with different backends are an error that says so, and nothing is sent or left behind."""
    with connected(server, "asyncio") as one, connected(server, "trio") as other:
        tasks = [begin(client, server)[0] for client in (one, other)]
        words = r"different backends \('asyncio' and 'trio'\)"
        with pytest.raises(ValueError, match=words):
            mcptasks.sync.gather(*tasks)
        with pytest.raises(ValueError, match=words):
            mcptasks.sync.wait(tasks)
        with pytest.raises(ValueError, match=words):
            mcptasks.sync.as_completed(tasks)
        assert_detached(tasks)


def test_tasks_of_the_other_world(server: TaskServer, backend: Backend) -> None:
    """An async task in a blocking group, and the reverse, are named, and the function to use instead is."""
    with connected(server, backend) as client:
        task, _ = begin(client, server)
        inner: Any = task._inner
        with pytest.raises(TypeError, match=r"of an async client; use mcptasks\.gather\(\)"):
            mcptasks.sync.gather(inner)
        blocking: Any = task
        with pytest.raises(TypeError, match=r"of a blocking client; use mcptasks\.sync\.as_completed\(\)"):
            mcptasks.as_completed([blocking])
        with pytest.raises(TypeError, match="takes an iterable of tasks, got <Task"):
            mcptasks.sync.wait(blocking)


@pytest.mark.parametrize("which", ["gather", "as_completed"])
def test_handlers_run_on_the_waiting_thread(backend: Backend, which: str) -> None:
    """What tasks of a group ask is answered on the thread that waits for them, for each client by its own handler."""
    server = make_server("modern")
    here: list[tuple[str, int]] = []

    def handler(name: str) -> Any:
        def answer(context: Any, params: Any) -> dict[str, str]:
            assert isinstance(context.task, Task)
            here.append((name, threading.get_ident()))
            return {"value": name}

        return answer

    def results(tasks: list[Any]) -> list[Any]:
        if which == "gather":
            return mcptasks.sync.gather(*tasks)
        return [task.result() for task in mcptasks.sync.as_completed(tasks)]

    with (
        connected(server, backend, elicitation_handler=handler("Ada")) as one,
        connected(server, backend, elicitation_handler=handler("Bea")) as other,
    ):
        pairs = [begin(client, server) for client in (one, other)]
        for _, steered in pairs:
            steered.need_input({"name": elicit("Who?")})
        waiting = Aside(lambda: results([task for task, _ in pairs]))
        for _, steered in pairs:
            steered.wait_for_blocking(lambda task: task.answers)
            steered.complete(steered.answers["name"]["content"]["value"])
        assert {result.data for result in waiting.value()} == {"Ada", "Bea"}
        assert set(here) == {("Ada", waiting.ident), ("Bea", waiting.ident)}


def test_the_input_is_read_on_the_calling_thread(server: TaskServer, backend: Backend) -> None:
    """`map` reads its input on the thread that iterates, where the input may call the client itself."""
    server.add_tool("double", lambda arguments: [Complete(2 * arguments["n"])])
    here: set[int | None] = set()
    with connected(server, backend) as client:

        def numbers() -> Iterator[dict[str, int]]:
            for n in range(6):
                here.add(threading.get_ident())
                yield {"n": client.call_tool("double", {"n": n}).data}

        reading = Aside(lambda: [result.data for result in client.map("double", numbers(), limit=2)])
        assert reading.value() == [0, 4, 8, 12, 16, 20]
        assert here == {reading.ident}


def test_end_of_file_in_the_input(server: TaskServer, backend: Backend) -> None:
    """What the input raises is raised as it is, also what an input handler would be excused for."""

    def nothing() -> Iterator[dict[str, int]]:
        yield from ()
        raise EOFError("nobody there")

    with connected(server, backend) as client, pytest.raises(EOFError, match="nobody there"):
        list(client.map("work", nothing()))


def test_async_input_is_refused(server: TaskServer, backend: Backend) -> None:
    """A blocking client takes no async input."""

    async def numbers() -> Any:
        yield {}

    with connected(server, backend) as client:
        wrong: Any = numbers()
        with pytest.raises(TypeError, match="a blocking client takes no async iterable"):
            client.map("work", wrong)


def test_errors_read_as_if_raised_here(server: TaskServer, backend: Backend) -> None:
    """The machinery is not in the tracebacks."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        steered.fail("out of paper")
        with pytest.raises(mcptasks.ToolError) as caught:
            mcptasks.sync.gather(task)
        assert len(caught.traceback) == 1
        anything: Any = 3
        with pytest.raises(TypeError) as wrong:
            mcptasks.sync.gather(task, anything)
        assert len(wrong.traceback) == 1
