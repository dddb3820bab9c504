"""The tests' two worlds: which tests run in which, and that the blocking one is what it says."""

from __future__ import annotations

import ast
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import mcptasks.sync
from mcptasks._portal.call import Call, Job
from mcptasks.testing import TaskServer
from tests.helpers.bridge import BlockingWorld, BridgedClient
from tests.helpers.support import Signal, begin, connected, settle
from tests.helpers.threads import LIMIT, eventually
from tests.helpers.worlds import ASYNC, Reason, World, both_worlds, is_chosen

CLIENT = Path(__file__).parent
BOTH = Counter(("pytestmark", "both_worlds"))
ASYNC_MODULES = {
    "test_cancelled_scopes": "scopes are those of an event loop",
    "test_elsewhere": "event loops and their threads; for blocking clients: tests/portal/test_loops.py, test_fork.py",
    "test_extension": "the extension is for a program's own `mcp.Client`, which is async",
    "test_extension_engine": "as test_extension",
    "test_joining": "calls that are not awaited; a blocking call returns when it is made",
    "test_lifetimes": "tasks of an event loop; for blocking clients: tests/portal/test_closing.py",
    "test_oauth": "the SDK's provider is an object for an event loop",
    "test_open": "blocking clients are opened otherwise: tests/portal/test_closing.py",
    "test_opening_fails": "the module has tests of its own for blocking clients",
    "test_session": "the view is the SDK's session, which is async",
    "test_stopped_holders": "programs in processes of their own, each with a client of its world",
    "test_stdio": "a transport is the same in both worlds",
}
"""Modules that do not run in both worlds, and why."""
ASYNC_TESTS: dict[Reason, int] = {"virtual time": 128, "one event loop": 40}
"""How many tests of the other modules do not, at most. Raise it for a test that cannot do without."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """The modules in this folder and below, read."""
    for path in sorted(CLIENT.rglob("test_*.py")):
        yield path.stem, ast.parse(path.read_text(encoding="utf-8"))


def functions_of(module: ast.Module) -> Iterator[ast.AsyncFunctionDef | ast.FunctionDef]:
    """The tests of a module."""
    for node in module.body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def names_in(*nodes: ast.AST) -> Counter[str]:
    """How often names stand there."""
    return Counter(each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name))


def test_every_module_runs_in_both_worlds() -> None:
    """A test of the client runs in both worlds, by its own mark or its module's, or its module is listed above."""
    found = set[str]()
    for name, module in modules():
        if any(isinstance(node, ast.Assign) and names_in(node) >= BOTH for node in module.body):
            continue
        for node in functions_of(module):
            marks = names_in(*node.decorator_list).keys() & {"both_worlds", "async_only", "virtual_clock"}
            if isinstance(node, ast.AsyncFunctionDef) and not marks:
                found.add(name)
    assert found == {*ASYNC_MODULES, "test_worlds"}


def test_tests_of_one_world_are_counted() -> None:
    """Within the other modules a test is left to the async world for a known reason, and knowingly."""
    found: Counter[str] = Counter()
    tests = [test for name, module in modules() if name not in ASYNC_MODULES for test in functions_of(module)]
    for decorator in [decorator for test in tests for decorator in test.decorator_list]:
        match decorator:
            case ast.Call(func=ast.Name(id="virtual_clock")):
                found["virtual time"] += 1
            case ast.Call(func=ast.Name(id="async_only"), args=[ast.Constant(value=str(reason))]):
                found[reason] += 1
            case _:
                assert not names_in(decorator)["async_only"], ast.unparse(decorator)
    assert found <= Counter(ASYNC_TESTS)


Params = dict[str, Any]
CHOSEN: list[tuple[Params, set[bool]]] = [
    ({"world": "async", "anyio_backend": ("trio", {}), "era": "modern"}, {True}),
    ({"world": "blocking", "anyio_backend": ("trio", {}), "era": "modern"}, {False}),
    ({"world": "blocking", "anyio_backend": ("trio", {}), "era": "legacy"}, {True}),
    ({"world": "blocking", "anyio_backend": ("asyncio", {}), "era": "modern"}, {True}),
    ({"world": "blocking", "anyio_backend": ("asyncio", {}), "era": "legacy"}, {False}),
    ({"world": "blocking", "anyio_backend": ("asyncio", {})}, {True, False}),
    ({"world": "blocking"}, {True}),
    ({"world": "blocking", "anyio_backend": ("trio", {}), "era": "legacy", "way": "http"}, {True, False}),
    ({"world": "blocking", "anyio_backend": ("trio", {}), "era": "legacy", "way": "http", "form": "sync"}, {True}),
    ({}, {True}),
]


@pytest.mark.parametrize(("params", "chosen"), CHOSEN)
def test_parameters_of_the_blocking_world(params: Params, chosen: set[bool]) -> None:
    """In the blocking world each era has its background thread, and other parameters take turns."""
    assert {is_chosen(f"test_{n}[asyncio-blocking]", params) for n in range(20)} == chosen


@pytest.mark.parametrize("number", range(20))
def test_every_test_has_its_turn(number: int) -> None:
    """A test that knows no era runs in the blocking world with one background thread, and in one way to the server."""
    turns = [
        is_chosen(
            f"test_{number}[{name}-blocking-{way}]", {"world": "blocking", "anyio_backend": (name, {}), "way": way}
        )
        for name in ("asyncio", "trio")
        for way in ("object", "streams", "http")
    ]
    assert turns.count(True) == 1


@pytest.mark.anyio
@both_worlds
async def test_the_client_is_of_its_world(server: TaskServer, world: World, anyio_backend_name: str) -> None:
    """The client is the async one, or stands for a blocking one whose thread runs the same kind of event loop."""
    async with connected(server) as client:
        inner: Any = client
        if world is ASYNC:
            assert type(client) is mcptasks.Client
        else:
            assert type(inner._blocking) is mcptasks.sync.Client
            assert inner._blocking.backend == anyio_backend_name
        assert client.task_support.tools


@pytest.mark.anyio
@pytest.mark.parametrize("world", ["blocking"], indirect=True)
async def test_cancellation_is_an_interrupt(server: TaskServer, world: BlockingWorld) -> None:
    """In the blocking world a cancelled await is a KeyboardInterrupt out of the blocking call, also before it began."""
    raised: list[BaseException] = []
    async with connected(server) as client:
        task: Any = (await begin(client, server))[0]

        def wait() -> None:
            try:
                task._blocking.result()
            except BaseException as exc:
                raised.append(exc)
                raise

        for n in (1, 2):
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(world.run, wait)
                if n == 1:
                    await settle()
                else:
                    await anyio.lowlevel.checkpoint()
                waiters.cancel_scope.cancel()
        with pytest.raises(TimeoutError):
            await task.result(timeout=0)
    assert {type(exc) for exc in raised} == {KeyboardInterrupt}


class LateCall(Call[None]):
    """A call whose thread notices its end only after the thread was given something else to do."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ended = Signal()
        self._given = threading.Event()

    def give(self, job: Job) -> None:
        """Have the waiting thread do something, and let it look."""
        super().give(job)
        self._given.set()

    def _next(self, end: float | None) -> Job | None:
        eventually(lambda: not self._inbox.empty(), "the call does not end")
        self.ended.set()
        assert self._given.wait(LIMIT)
        return super()._next(end)


@pytest.mark.anyio
@pytest.mark.parametrize("world", ["blocking"], indirect=True)
async def test_an_interrupt_at_the_end_of_an_inner_call(server: TaskServer, world: BlockingWorld) -> None:
    """An interrupt ends the outer call if it comes when an inner call has ended and the thread has not noticed that."""
    raised: list[BaseException] = []
    async with connected(server) as client:
        inner_client: Any = client
        portal = inner_client._blocking._runner.portal
        inner = LateCall(portal, anyio.lowlevel.checkpoint)

        def wait() -> None:
            outer: Call[None] = Call(portal, anyio.sleep_forever)
            outer.give(inner.wait)
            try:
                outer.wait()
            except BaseException as exc:
                raised.append(exc)
                raise

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(world.run, wait)
            await inner.ended.wait()
            waiters.cancel_scope.cancel()
    assert {type(exc) for exc in raised} == {KeyboardInterrupt}


class Held:
    """Something that a blocking call holds on to."""


@pytest.mark.anyio
async def test_a_call_keeps_nothing() -> None:
    """A blocking call whose error was caught keeps nothing alive, also before a collection; its thread has ended."""
    held = Held()
    left = weakref.ref(held)
    callers: list[threading.Thread] = []

    def fail(held: Held) -> None:
        callers.append(threading.current_thread())
        raise LookupError

    call = partial(fail, held)
    del held
    try:
        await BlockingWorld("asyncio").run(call)
    except LookupError:
        del call
    assert left() is None
    assert not callers[0].is_alive()


@pytest.mark.anyio
@pytest.mark.parametrize("world", ["blocking"], indirect=True)
async def test_a_cancelled_step_loses_nothing(world: BlockingWorld) -> None:
    """What a blocking iterator returns although its step was cancelled is what the next step returns."""
    begun, cancelled = Signal(), threading.Event()

    def numbers() -> Iterator[int]:
        begun.set()
        assert cancelled.wait(LIMIT)
        yield from range(2)

    steps: Any = BridgedClient(world, mcptasks.sync.Client("http://localhost/mcp"))._bridge(numbers())
    async with anyio.create_task_group() as waiters:
        waiters.start_soon(anext, steps)
        await begun.wait()
        waiters.cancel_scope.cancel()
        cancelled.set()
    assert [step async for step in steps] == [0, 1]
