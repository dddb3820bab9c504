"""The iteration behind `Group.claims`: tasks of a store as they become free, at whichever of the group's servers."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio

from mcptasks._async.client import Client
from mcptasks._async.several import Members, engine_of, named
from mcptasks._async.task import Task
from mcptasks._core import argument_checks
from mcptasks._core.exceptions import StoreError, TaskError
from mcptasks._core.iterators import Results
from mcptasks._engine.recovering import Claims, HandedOut
from mcptasks._engine.waiting.waiter import Waiter

T = TypeVar("T")

_PAUSE = 5.0
"""Seconds between two attempts to open a server that is down, while a step waits for tasks of the others. A lost
connection is tried again as often."""


class GroupClaims(Results[Task[Any]]):
    """Takes over tasks as they become free, and returns their handles one by one.

    Each step looks for a free task at every server that is up, and waits for all of them at once if there is none.
    Meanwhile it tries to open the servers that are down.

    Args:
        members: The servers.
        labels: Take only tasks that have all of these labels.
        limit: How many of the tasks may be unfinished at the same time, at all servers together; None for any number.
    """

    def __init__(self, members: Members, labels: Mapping[str, str] | None, limit: int | None) -> None:
        self._members = members
        self._labels = argument_checks.labels(labels)
        self._given = HandedOut(argument_checks.limit(limit))
        self._claims = {name: self._claims_of(client) for name, client in members.up.items()}
        """The claims of the servers that are up, by the servers' names. The server whose turn is next comes first."""
        self._next_attempts: dict[str, float] = {}
        """When to try each server again that is down, by its name."""
        self._one_more = anyio.Event()
        """Set when a server that was down is up."""
        self._turn = anyio.Lock(fast_acquire=True)
        """Held by the step that looks for a task. Of two at a time, one could lose what the other has found."""
        self._found: Waiter | None = None
        """A task that was taken, and not handed out yet."""
        self._over = False

    def __repr__(self) -> str:
        return f"<claims: {len(self._given)} tasks under way{', over' if self._over else ''}>"

    async def __anext__(self) -> Task[Any]:
        async with self._turn:
            while not (self._over or self._members.is_over):
                if self._given.is_full():
                    await self._given.less(self._members.ending.wait)
                elif self._found is not None:
                    waiter, self._found = self._found, None
                    self._given.add(waiter)
                    handle: Task[Any] = waiter.handle
                    return handle
                elif not await self._take():
                    await self._wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration. Tasks that were handed out stay with this group."""
        self._over = True

    def _claims_of(self, client: Client) -> Claims:
        return engine_of(client).recovering.claims(self._labels, None)

    async def _take(self) -> bool:
        """Take a task that is free now, at whichever server. Return whether there was one."""
        for name, claims in list(self._claims.items()):
            self._claims[name] = self._claims.pop(name)  # The next look begins with the next server.
            self._found = await _named(name, claims.take)
            if self._found is not None:
                return True
        return False

    async def _wait(self) -> None:
        """Wait for a task, or for the end of the group, and open servers that are down meanwhile.

        Raises:
            StoreError: The store cannot be read or written. The message names a server.
        """
        failure: StoreError | None = None
        async with anyio.create_task_group() as openings:
            for name in self._members.all:
                if name not in self._claims:
                    openings.start_soon(self._open, name)
            try:
                # Openings go on while we look again: an opening writes to the store, which ends the wait for changes.
                while not self._members.is_over:
                    await self._freed()
                    if await self._take():
                        break
            except StoreError as exc:
                failure = exc
            openings.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _freed(self) -> None:
        """Wait until a task may have become free at one of the servers, one more server is up, or the group is closed.

        Raises:
            StoreError: See `_wait`.
        """
        self._one_more = anyio.Event()
        claims = self._claims.items()
        waits: list[Callable[[], Awaitable[None]]] = [
            self._members.ending.wait,
            self._one_more.wait,
            *(partial(_named, name, each.freed) for name, each in claims),
        ]
        failures: list[StoreError] = []

        async def first(wait: Callable[[], Awaitable[None]]) -> None:
            try:
                await wait()
            except StoreError as exc:
                failures.append(exc)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for wait in waits:
                group.start_soon(first, wait)
        for failure in failures:
            raise failure

    async def _open(self, name: str) -> None:
        """Open a server that is down, as soon as that is possible."""
        while not self._members.is_over:
            await anyio.sleep_until(self._next_attempts.get(name, -math.inf))
            self._next_attempts[name] = anyio.current_time() + _PAUSE
            try:
                client = await self._members.client(name)
            except TaskError:
                continue  # `Group.down` says why.
            self._claims[name] = self._claims_of(client)
            self._one_more.set()
            return


async def _named(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Call an async function for one server. An error of the store gets the server's name."""
    try:
        return await work()
    except StoreError as exc:
        raise named(name, exc) from exc.__cause__
