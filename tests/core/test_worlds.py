"""The tests' two worlds: which tests run in which, and that the blocking one is what it says."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import mcptasks.sync
from mcptasks.testing import TaskServer
from tests.core.bridge import BlockingWorld
from tests.core.support import begin, connected, settle
from tests.core.worlds import ASYNC, Reason, World, both_worlds, is_chosen

CORE = Path(__file__).parent
BOTH = Counter(("pytestmark", "both_worlds"))
ASYNC_MODULES = {
    "test_extension": "the extension is for a program's own `mcp.Client`, which is async",
    "test_open": "blocking clients are opened otherwise: tests/portal/test_closing.py",
}
"""Modules that do not run in both worlds, and why."""
ASYNC_TESTS: dict[Reason, int] = {"virtual time": 71, "one event loop": 22}
"""How many tests of the other modules do not, at most. Raise it for a test that cannot do without."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """The modules here, read."""
    for path in sorted(CORE.glob("test_*.py")):
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
