"""The async store, and the blocking store behind the async surface, so that their tests are written once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Literal, cast

import anyio.to_thread

import mcptasks.sync
from mcptasks._async.store import access_of
from mcptasks._store.access import Access
from mcptasks.store import Store, TaskEvent

World = Literal["async", "blocking"]


class BridgedStore:
    """A blocking store. Each awaited call is made in a thread of its own."""

    def __init__(self, inner: mcptasks.sync.Store) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return repr(self.inner)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name == "finished":
            return self._finished
        if not callable(found):
            return found

        async def call(*arguments: Any, **options: Any) -> Any:
            return await anyio.to_thread.run_sync(partial(found, *arguments, **options))

        return call

    def _finished(self, *, consumer: str, wait: bool = True) -> BridgedSteps:
        return BridgedSteps(self.inner.finished(consumer=consumer, wait=wait))


class BridgedSteps:
    """A blocking iteration."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[TaskEvent]:
        return cast("AsyncIterator[TaskEvent]", self)

    async def __anext__(self) -> TaskEvent:
        found: TaskEvent | None = await anyio.to_thread.run_sync(partial(next, self._inner, None))
        if found is None:
            raise StopAsyncIteration
        return found

    async def aclose(self) -> None:
        """End the iteration."""
        await anyio.to_thread.run_sync(self._inner.close)


def make(world: World, backend: str, *arguments: Any, **options: Any) -> Store:
    """A store of a world.

    Args:
        world: Whether the async or the blocking store.
        backend: The event loop of the blocking world's thread.
        arguments: The store's arguments.
        options: The store's options.
    """
    if world == "async":
        return Store(*arguments, **options)
    return cast("Store", BridgedStore(mcptasks.sync.Store(*arguments, backend=cast("Any", backend), **options)))


def access(store: Store) -> Access:
    """The part of a store that its clients work with."""
    inner: Any = store
    return access_of(inner.inner._inner if isinstance(inner, BridgedStore) else store)
