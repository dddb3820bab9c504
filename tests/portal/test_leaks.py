"""Clients that nobody closes, and clients that come and go: nothing is left of either."""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mcptasks._tools.names import NAMES
from mcptasks.sync import Client, Task
from mcptasks.testing import TaskServer
from tests.helpers.blocking import Aside, Backend, Collector, begin, connected, make_client
from tests.helpers.support import http, make_server
from tests.helpers.threads import LIMIT, eventually, has_ended, is_running
from tests.helpers.warm import Warm
from tests.portal.functions import FUNCTIONS
from tests.portal.programs import SCRIPTS, Program

TINY = str(SCRIPTS / "tiny_server.py")


def thread_of(client: Client) -> threading.Thread:
    """The client's background thread."""
    return client._run(threading.current_thread)


@contextmanager
def unclosed() -> Generator[list[str]]:
    """What happens in here leaves clients unclosed, which a warning says, with what to do. After the block: what such
    warnings said. What an earlier test has left may be collected, and warn, at any time."""
    said = list[str]()

    def words() -> list[str]:
        found = [str(each.message) for each in caught if each.category is ResourceWarning]
        return [each for each in found if re.search(r"unclosed.*close\(\)", each)]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
        # Another thread may be the last that holds the client, and warns a moment later.
        eventually(words, "nobody warns")
    said += words()


each_option = pytest.mark.parametrize(
    "options", [{}, *({name: function} for name, function in FUNCTIONS.items())], ids=["none", *FUNCTIONS]
)


@each_option
def test_dropped(server: TaskServer, backend: Backend, options: dict[str, Any]) -> None:
    """A client that is dropped without `close()` is closed, with a `ResourceWarning` that says what to do."""
    client = make_client(server, backend, **options).open()
    thread = thread_of(client)
    with unclosed() as seen:
        del client
        gc.collect()
    assert len(seen) == 1
    eventually(lambda: not thread.is_alive(), "the client is still open")


def test_a_handle_keeps_its_client(server: TaskServer, backend: Backend) -> None:
    """A handle whose client was dropped works; with the last handle the client is closed, with a `ResourceWarning`."""
    client = make_client(server, backend).open()
    thread = thread_of(client)
    (task, steered), (other, _) = begin(client, server), begin(client, server)
    updates = task.updates()
    del client
    gc.collect()
    assert other.status().status == "working"
    assert task.status().status == "working"
    del other
    gc.collect()
    steered.complete("done")
    assert task.result(LIMIT).data == "done"
    with unclosed():
        del task
        assert [status.status for status in updates][-1] == "completed"
        del updates
        gc.collect()
    eventually(lambda: not thread.is_alive(), "the client is still open")


def test_a_future_keeps_its_client(server: TaskServer, backend: Backend) -> None:
    """A future that is outstanding gets its value, also where nothing else of the client was kept."""
    client = make_client(server, backend).open()
    thread = thread_of(client)
    task, steered = begin(client, server)
    future = task.future()
    with unclosed():
        del client, task
        gc.collect()
        steered.complete("done")
        assert future.result(LIMIT).data == "done"
        del future
        gc.collect()
        eventually(lambda: not thread.is_alive(), "the client is still open")


def test_never_opened(server: TaskServer, backend: Backend) -> None:
    """A client that was made and never opened, or could not be opened, needs no closing."""
    client = make_client(server, backend)
    other = make_client("http://127.0.0.1:9/mcp", backend)
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        other.open()
    del client, other
    gc.collect()


@pytest.mark.parametrize("where", ["here", "thread", "portal"])
def test_cycles_are_collected(server: TaskServer, backend: Backend, where: str) -> None:
    """A dropped client that is part of a reference cycle is closed by whichever thread the collector runs on, also by
    the background thread itself."""
    with connected(server, backend) as other:
        client: Any = make_client(server, backend).open()
        client.itself = client
        gone = weakref.ref(client)
        collect: Callable[[], object] = {
            "here": gc.collect,
            "thread": lambda: Aside(gc.collect).value(),
            "portal": lambda: other._run(gc.collect),
        }[where]
        gc.disable()
        try:
            with unclosed():
                del client
                assert gone() is not None
                collect()
        finally:
            gc.enable()
        assert gone() is None
        assert other.list_tools()
        task, steered = begin(other, server)
        steered.complete("done")
        assert task.result(LIMIT).data == "done"


def test_handles_are_collected(server: TaskServer, backend: Backend) -> None:
    """Finished handles that the program has dropped do not pile up while the client is open."""
    server.add_tool("quick", result=1)
    with connected(server, backend) as client:

        def use() -> weakref.ref[Task[Any]]:
            task: Task[Any] = client.call_tool("quick", task=True)
            task.on_status_change(Collector())
            task.future().result(LIMIT)
            task.result(LIMIT)
            return weakref.ref(task)

        seen = [use() for _ in range(50)]
        eventually(lambda: gc.collect() >= 0 and sum(ref() is not None for ref in seen) <= 1, "handles pile up")


def test_every_function_is_tried() -> None:
    """The options that take functions are the ones above."""
    parameters = {*NAMES.background, *NAMES.waiting}
    assert {name.rpartition(".")[2] for name in parameters if name.startswith("Client.__init__.")} == set(FUNCTIONS)


@each_option
def test_a_stdio_server_of_a_dropped_client(backend: Backend, options: dict[str, Any], tmp_path: Path) -> None:
    """The process of a stdio server ends when its client is closed, and when it is dropped."""
    for number, ending in enumerate(("close", "drop")):
        file = tmp_path / str(number)
        client = make_client([sys.executable, TINY, str(file), "gentle"], backend, **options).open()
        pid = int(file.read_text(encoding="utf-8"))
        assert is_running(pid)
        if ending == "close":
            client.close()
        else:
            with unclosed():
                del client
                gc.collect()
        eventually(partial(has_ended, pid), "the server outlives its client")


FIRST = 4
"""The cycles before the first look, in which everything is imported and cached."""
CYCLES = [
    ("process", 20, "open", "close"),
    ("process", 20, "use", "close"),
    ("process", 20, "use", "drop"),
    ("http", 20, "use", "close"),
    ("stdio", 10, "open", "close"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "times", "what", "ending"), CYCLES, ids=lambda value: str(value))
def test_opening_and_closing(warm: Warm, backend: Backend, where: str, times: int, what: str, ending: str) -> None:
    """Cycles of opening and closing, and of use on every transport, grow neither threads, nor file descriptors, nor
    memory: not by one object for each cycle."""
    server = make_server("modern")
    server.add_tool("quick", result=1)
    with http(server) as url:
        at = url if where == "http" else where
        with Program("cycles.py", at, backend, FIRST, times, what, ending, warm=warm) as program:
            before, after = ([int(word) for word in program.expect("look")] for _ in range(2))
            program.ends_well()
    assert after[0] == before[0] == 1
    assert after[1] <= before[1] + 1
    # After 20 cycles and after 50, no more than 5 objects more or fewer were seen.
    assert after[2] - before[2] < times // 2
    # 0.3 to 1 KB a cycle were seen: caches that fill in their own time.
    assert after[3] - before[3] < 3000 * times
    # The allocator gives no page back that holds a single object: 5 to 9 MB were seen after 30 cycles over HTTP, and
    # no more than 22 MB after 240.
    assert (after[4] - before[4]) * 4096 < 16_000_000


def test_files_of_this_process(server: TaskServer, backend: Backend) -> None:
    """One cycle on each transport leaves no file descriptor open in a program that has others open."""

    def files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    with http(server) as url:
        before = files()
        for target in (server, url):
            for _ in range(3):
                with connected(target, backend) as client:
                    client.list_tools()
        # The server may be a little later than the client to close its end.
        eventually(lambda: files() <= before, f"{files()} files are open, not {before}; {os.getpid()}")
