"""The clients of a group. Each is opened with the group, opened again when it is needed after a failure, and closed
with the group."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from operator import methodcaller
from typing import Any, TypeVar

import anyio
from attrs import define, field

from mcptasks._async.client import Client
from mcptasks._async.task import Task, waiter_of
from mcptasks._core.exceptions import TaskConnectionError, TaskError, TaskStateError
from mcptasks._core.iterators import Results
from mcptasks._engine.engine import Engine

T = TypeVar("T")


engine_of: Callable[[Client], Engine] = methodcaller("_open")
"""The engine of an open client."""


def has_task(client: Client, task: Task[Any]) -> bool:
    """Whether a client has a handle on a task."""
    return waiter_of(task).handles is engine_of(client).handles


@define(eq=False)
class Member:
    """One server of a group."""

    name: str
    endpoint: str
    make: Callable[[], Client] = field(repr=False)
    """Makes a new client for each attempt, since a client can be opened only once."""
    client: Client | None = field(default=None, init=False)
    """The open client; None while the server is down."""
    error: TaskError | None = field(default=None, init=False)
    """The error if the server is down; None if it is up, or if nobody has tried to open it yet."""
    _lock: anyio.Lock = field(factory=anyio.Lock, init=False, repr=False)

    async def open(self, limit: float | None) -> Client:
        """The open client. It is opened now if it is not open.

        Args:
            limit: How many seconds opening may take; None for as long as the client itself tries.

        Raises:
            TaskConnectionError: The server cannot be reached. The message names the server, as in the other errors.
            TaskProtocolError: The server's first answer is invalid.
            StoreError: The store cannot be opened.
        """
        async with self._lock:
            if self.client is not None:
                return self.client
            try:
                self.client = await self._opened(limit)
            except TaskError as exc:
                self.error = exc
                raise
            self.error = None
            return self.client

    async def _opened(self, limit: float | None) -> Client:
        client = self.make()
        try:
            with anyio.move_on_after(limit):
                return await client.open()
        except TaskError as exc:
            raise named(self.name, exc) from exc.__cause__
        raise TaskConnectionError(f"server {self.name!r}: {self.endpoint} has not answered within {limit} s")

    async def close(self) -> None:
        """Close the client, if it is open."""
        client, self.client = self.client, None
        if client is not None:
            await client.close()


def named(name: str, error: TaskError) -> TaskError:
    """Put the server's name before the message of an error, and return the error."""
    error.args = (f"server {name!r}: {error.message}",)
    return error


@define(eq=False)
class Members:
    """The servers of one group.

    Args:
        all: Each server by its name.
        limit: How many seconds opening a server may take.
    """

    all: Mapping[str, Member]
    limit: float | None
    is_open: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)
    ending: anyio.Event = field(factory=anyio.Event, init=False, repr=False)
    """Set when the group is closed."""

    @property
    def up(self) -> dict[str, Client]:
        """The open clients by their servers' names, in the order of the servers."""
        self.check()
        return {name: member.client for name, member in self.all.items() if member.client is not None}

    @property
    def down(self) -> dict[str, TaskError]:
        """The errors of the servers that could not be opened, by the servers' names."""
        return {name: member.error for name, member in self.all.items() if member.error is not None}

    def check(self) -> None:
        """Raise `TaskConnectionError` if the group is not open."""
        if self.is_over:
            raise TaskConnectionError("the group is closed; make a new one")
        if not self.is_open:
            raise TaskConnectionError("the group is not open; enter it first, or call its open()")

    async def open(self) -> None:
        """Open all servers at once.

        Raises:
            TaskStateError: The group is or was open already.
            TaskConnectionError: No server can be opened.
        """
        if self.is_open or self.is_over:
            raise TaskStateError("a group is opened once; make a new one")
        self.is_open = True
        try:
            if not await self.each_up():
                raise self._none()
        except BaseException:
            with anyio.CancelScope(shield=True):  # a client's end is bounded
                await self.close()
            raise

    async def close(self) -> None:
        """Close all clients at once."""
        self.is_over = True
        self.ending.set()
        _, failures = await _at_once({name: member.close for name, member in self.all.items()})
        for failure in failures.values():
            raise failure

    async def client(self, name: str) -> Client:
        """The open client of a server; see `Member.open` for the errors."""
        self.check()
        client = await self.all[name].open(self.limit)
        if self.is_over:  # The group was closed meanwhile.
            await self.all[name].close()
            self.check()
        return client

    async def each_up(self) -> dict[str, Client]:
        """The open clients, in the order of the servers. Servers that are down are tried again, all at once."""
        self.check()
        found, failures = await _at_once({name: partial(self.client, name) for name in self.all})
        for failure in failures.values():
            if not isinstance(failure, TaskError):
                raise failure
        self.check()  # If the group is open, the members keep the errors.
        return found

    async def ask_each(self, ask: Callable[[Client], Awaitable[T]]) -> dict[str, T]:
        """Ask all servers that are up at the same time, and return their answers in the order of the servers. A server
        whose connection breaks is left out, and its error is in `down` until it answers again.

        Raises:
            TaskConnectionError: No server can be reached.
            Exception: What `ask` raises of a server that is up.
        """
        up = await self.each_up()
        found, failures = await _at_once({name: partial(ask, client) for name, client in up.items()})
        self.check()
        for name, failure in failures.items():
            if not isinstance(failure, TaskConnectionError):
                raise named(name, failure) if isinstance(failure, TaskError) else failure
            self.all[name].error = named(name, failure)
        for name in found:
            self.all[name].error = None
        if not found:
            raise self._none()
        return found

    def _none(self) -> TaskError:
        words = "; ".join(error.message for error in self.down.values())
        return TaskConnectionError(f"no server of the group can be reached: {words}")

    @asynccontextmanager
    async def at(self, name: str) -> AsyncGenerator[Client]:
        """The open client of a server; a note on each error that leaves the block names the server."""
        client = await self.client(name)
        try:
            yield client
        except TaskError as exc:
            exc.add_note(f"at the server {name!r} of the group")
            raise


async def _at_once(work: Mapping[str, Callable[[], Awaitable[T]]]) -> tuple[dict[str, T], dict[str, Exception]]:
    """Call several async functions at the same time. Return their values and their exceptions, in the order of the
    functions. A failure does not stop the others."""
    found: dict[str, T] = {}
    failures: dict[str, Exception] = {}

    async def do(name: str) -> None:
        try:
            found[name] = await work[name]()
        except Exception as exc:  # noqa: BLE001 - the caller decides what to do about it
            failures[name] = exc

    async with anyio.create_task_group() as group:
        for name in work:
            group.start_soon(do, name)
    return (
        {name: found[name] for name in work if name in found},
        {name: failures[name] for name in work if name in failures},
    )


class Later(Results[T]):
    """An iterator that is made at its first step, since its server may have to be opened first.

    Args:
        make: Makes the iterator.
    """

    def __init__(self, make: Callable[[], Awaitable[Results[T]]]) -> None:
        self._make = make
        self._made: Results[T] | None = None
        self._over = False

    async def __anext__(self) -> T:
        if self._over:
            raise StopAsyncIteration
        if self._made is None:
            self._made = await self._make()
        return await anext(self._made)

    async def aclose(self) -> None:
        """End the iteration."""
        self._over = True
        if self._made is not None:
            await self._made.aclose()
