"""An interrupt at every single line of the portal: none loses a client, leaves a thread or a task behind, or hangs.

What a signal does at a random moment a trace function does here at each line in turn. Left out are the lines that only
begin or end a `with` or `try`: there Python looks for signals no sooner than it has entered or left the block. So are
those with `except`: Python looks for none between a raised error and the first call in its handler.
"""

from __future__ import annotations

import gc
import linecache
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import mcptasks
from mcptasks.sync import Client, Task
from mcptasks.testing import TaskServer
from tests.helpers.blocking import Backend, begin, connected, make_client
from tests.helpers.support import POLLED, make_server
from tests.helpers.threads import LIMIT, eventually, loop_tasks, threads

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

one_backend = pytest.mark.parametrize("backend", ["asyncio"])
"""What is interrupted runs on the calling thread, and is the same for all of them."""

PORTAL = str(Path(mcptasks.__file__).parent / "_portal")
NO_MOMENT = ("with ", "try:", "except ")
"""How the lines begin that are left out."""


@pytest.fixture
def server() -> TaskServer:
    """A server that never pushes: no stream of pushes is opened on the event loop while its tasks are counted."""
    return make_server("modern", **POLLED)


def interrupted_at(number: int, call: Callable[[], object]) -> str | None:
    """Make a call, with a `KeyboardInterrupt` at the n-th line that it runs of the portal; where that was, or None
    where the call has no more so many lines."""
    count, place = 0, None

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count, place
        name, line = frame.f_code.co_filename, frame.f_lineno
        if not name.startswith(PORTAL):
            return None
        if event == "line" and not linecache.getline(name, line).strip().startswith(NO_MOMENT):
            count += 1
            if count == number:
                place = f"{Path(name).name}:{line}"
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    # Garbage that is collected meanwhile may be a client of an earlier call: Python drops an interrupt in a `__del__`.
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return place
    finally:
        sys.settrace(before)
        gc.enable()
    return place


def every_moment() -> Iterator[int]:
    """1, 2, 3 ... with a limit that no call comes near."""
    yield from range(1, 1000)
    raise AssertionError("a call has no end")


def opened_and_closed(client: Client) -> None:
    """Without a block; the program closes the client again, as `finally` does."""
    try:
        client.open()
        client.close()
    finally:
        client.close()


def in_a_block(client: Client) -> None:
    """With one."""
    with client:
        pass


@one_backend
@pytest.mark.parametrize("use", [opened_and_closed, in_a_block])
def test_clients(server: TaskServer, backend: Backend, use: Callable[[Client], None]) -> None:
    """Opening and closing, interrupted anywhere: once the program has closed or dropped the client, it is closed, and
    the background thread has ended."""
    before = threads()

    def nothing_is_left() -> bool:
        return threads() <= before or (gc.collect() > 0 and threads() <= before)

    for number in every_moment():
        place = interrupted_at(number, partial(use, make_client(server, backend)))
        eventually(nothing_is_left, f"a thread is left after an interrupt at {place}")
        if place is None:
            return


@one_backend
@pytest.mark.parametrize(
    "way", ["status", "result", "call", "updates", "next", "callback", "future", "task", "list_tasks"]
)
def test_calls(server: TaskServer, backend: Backend, way: str) -> None:
    """A call, interrupted anywhere, leaves nothing of it on the event loop, and the client and the handle work."""
    server.add_tool("quick", support="none", result=1)
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        finished: Task[Any] = client.call_tool("quick", task=True)
        task.status()
        updates = task.updates()
        next(updates)
        living = loop_tasks(client)
        calls: dict[str, Callable[[], object]] = {
            "status": task.status,
            "result": finished.result,
            "call": lambda: client.call_tool("quick"),
            "updates": task.updates,
            "next": lambda: next(task.updates()),
            "callback": lambda: finished.on_status_change(lambda status: None)(),
            "future": lambda: finished.future().result(LIMIT),
            "task": lambda: client.task("x"),
            "list_tasks": client.list_tasks,
        }
        for number in every_moment():
            place = interrupted_at(number, calls[way])
            eventually(lambda: loop_tasks(client) <= living, f"a task is left after an interrupt at {place}")
            assert client.list_tools()
            if place is None:
                break
        steered.complete("done")
        assert task.result(LIMIT).data == "done"


@one_backend
def test_no_status_is_lost(server: TaskServer, backend: Backend) -> None:
    """An interrupt of the wait for the next status, wherever it comes, loses none: the next `next()` has it."""
    with connected(server, backend) as client:
        for number in every_moment():
            task, steered = begin(client, server)
            updates = task.updates()
            assert next(updates).status == "working"
            steered.complete("done")
            task.result(LIMIT)
            found: list[str] = []
            place = interrupted_at(number, lambda: found.append(next(updates).status))  # noqa: B023 - called here
            found.extend(status.status for status in updates)
            assert found == ["completed"], f"after an interrupt at {place}"
            if place is None:
                return


def failing(n: int) -> dict[str, int]:
    """An item of an input whose second one fails."""
    if n == 1:
        raise LookupError("no more")
    return {"n": n}


@one_backend
def test_no_item_is_lost(server: TaskServer, backend: Backend) -> None:
    """An interrupt of a step of `map` with `detach=True`, wherever it comes, loses no item of the input, and not the
    error that ends the input: later steps have the item's result, and raise the error."""
    server.add_tool("quick", support="none", result=1)
    with connected(server, backend) as client:
        for number in every_moment():
            results = client.map("quick", map(failing, range(2)), detach=True)
            found: list[object] = []

            def collect() -> None:
                try:
                    for result in results:  # noqa: B023 - called here
                        found.append(result.data)  # noqa: B023, PERF401
                except LookupError as exc:
                    found.append(str(exc))  # noqa: B023

            place = interrupted_at(number, collect)
            if len(found) < 2:
                collect()
            assert found == [1, "no more"], f"after an interrupt at {place}"
            if place is None:
                return
