"""The two worlds in which the tests of the client run: the async client, and the blocking client.

Tests are written once, for the async surface. tests/helpers/bridge.py puts that surface on the blocking client.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar, cast, get_args

import pytest

import mcptasks
from tests.helpers.bridge import checkpoints

TestT = TypeVar("TestT", bound=Callable[..., Any])

Reason = Literal["virtual time", "one event loop"]
"""Why a test may run in the async world only. "virtual time": the background thread of a blocking client has a clock of
its own. "one event loop": the test is about something on the event loop that it shares with the client."""


class World(Protocol):
    """How a test gets a client."""

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        ...

    def group(self, servers: Any, **options: Any) -> mcptasks.Group:
        """A group, not connected yet."""
        ...

    async def settle(self) -> None:
        """Let everything run that can run now."""
        ...

    async def gather(self, *tasks: Any, **options: Any) -> Any:
        """`mcptasks.gather`, or `mcptasks.sync.gather`."""
        ...

    def as_completed(self, tasks: Iterable[Any], timeout: float | None = None) -> AsyncIterator[Any]:
        """`as_completed` of this world."""
        ...

    async def wait(self, tasks: Iterable[Any], **options: Any) -> Any:
        """`wait` of this world."""
        ...

    async def progress(self, *tasks: Any, **options: Any) -> None:
        """`progress` of this world."""
        ...

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The async task behind a handle, so that a test can look inside."""
        ...


class AsyncWorld:
    """The async client itself."""

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        return mcptasks.Client(target, **options)

    def group(self, servers: Any, **options: Any) -> mcptasks.Group:
        """A group, not connected yet."""
        return mcptasks.Group(servers, **options)

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

    async def progress(self, *tasks: Any, **options: Any) -> None:
        """`mcptasks.progress`."""
        await mcptasks.progress(*tasks, **options)

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The task itself."""
        return cast("mcptasks.Task[Any]", task)


ASYNC = AsyncWorld()
present: World = ASYNC
"""The world of the test that runs now; its fixture sets it."""


def make_client(target: Any, **options: Any) -> mcptasks.Client:
    """A client of the present world, not connected yet."""
    return present.make(target, **options)


sdk_http = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)\\.:ResourceWarning")
"""For tests of the SDK's own HTTP transport, which leaves event streams half read. trio warns of that."""

both_worlds = pytest.mark.usefixtures("world")
"""Run with the async client and with the blocking one."""


def async_only(reason: Reason) -> Callable[[TestT], TestT]:
    """Run a test with the async client only, in a module whose tests run in both worlds."""
    assert reason in get_args(Reason)
    only = pytest.mark.parametrize("world", [ASYNC], ids=["async"])
    return lambda test: both_worlds(only(test))


def is_chosen(nodeid: str, params: Mapping[str, Any]) -> bool:
    """Whether a test runs with these parameters.

    The async client depends on era, backend and transport together, so all combinations run there, but for tests that
    are marked `pairwise` (tests/helpers/pairs.py). In the blocking world each backend goes with one era. A test without
    an era runs on one backend there, and most tests use one way to the server; tests take turns with both.
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
