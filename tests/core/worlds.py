"""The two worlds that the tests of the client run in: the async client, and the blocking one.

Tests are written once, for the async surface; tests/core/bridge.py gives it to the blocking client.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar, cast, get_args

import pytest

import mcptasks
from tests.core.bridge import checkpoints

TestT = TypeVar("TestT", bound=Callable[..., Any])

Reason = Literal["virtual time", "one event loop"]
"""Why a test may run in the async world only: the background thread of blocking clients has a clock of its own; the
test is about something on the event loop that it shares with the client."""


class World(Protocol):
    """How a test gets a client."""

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        ...

    async def settle(self) -> None:
        """Let everything run that can run now."""
        ...

    async def gather(self, *tasks: Any, **options: Any) -> Any:
        """`mcptasks.gather`, or that of `mcptasks.sync`."""
        ...

    def as_completed(self, tasks: Iterable[Any], timeout: float | None = None) -> AsyncIterator[Any]:
        """`as_completed`, the same."""
        ...

    async def wait(self, tasks: Iterable[Any], **options: Any) -> Any:
        """`wait`, the same."""
        ...

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The async task, to look into."""
        ...


class AsyncWorld:
    """The async client itself."""

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        return mcptasks.Client(target, **options)

    async def settle(self) -> None:
        """Let everything run that can run now."""
        await checkpoints()

    async def gather(self, *tasks: Any, **options: Any) -> Any:
        """`mcptasks.gather`."""
        return await mcptasks.gather(*tasks, **options)

    def as_completed(self, tasks: Iterable[Any], timeout: float | None = None) -> AsyncIterator[Any]:
        """`mcptasks.as_completed`."""
        return mcptasks.as_completed(tasks, timeout)

    async def wait(self, tasks: Iterable[Any], **options: Any) -> Any:
        """`mcptasks.wait`."""
        return await mcptasks.wait(tasks, **options)

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The task itself."""
        return cast("mcptasks.Task[Any]", task)


ASYNC = AsyncWorld()
present: World = ASYNC
"""The world of the test that runs now; its fixture sets it."""


def make_client(target: Any, **options: Any) -> mcptasks.Client:
    """A client of the present world, not connected yet."""
    return present.make(target, **options)


both_worlds = pytest.mark.usefixtures("world")
"""Run with the async client and with the blocking one."""


def async_only(reason: Reason) -> Callable[[TestT], TestT]:
    """Run with the async client only; for a test of a module that runs in both worlds."""
    assert reason in get_args(Reason)
    only = pytest.mark.parametrize("world", [ASYNC], ids=["async"])
    return lambda test: both_worlds(only(test))


def is_chosen(nodeid: str, params: Mapping[str, Any]) -> bool:
    """Whether a test runs with these parameters.

    In the blocking world each kind of background thread goes with one era, and tests that know no era, or do not depend
    on the way to the server, take turns: what depends on all of these at a time is the async client, and there all
    combinations run.
    """
    if params.get("world") != "blocking" or "anyio_backend" not in params:
        return True
    backend = params["anyio_backend"][0]
    turn = zlib.crc32(re.sub("asyncio|trio|modern|legacy|object|streams|http", "", nodeid).encode())
    if "way" in params and "form" not in params and params["way"] != ("object", "streams", "http")[turn % 3]:
        return False
    if "era" in params:
        return (backend, params["era"]) in (("asyncio", "modern"), ("trio", "legacy"))
    return bool(backend == ("asyncio", "trio")[turn % 2])
