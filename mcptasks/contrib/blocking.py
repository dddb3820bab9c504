"""Background work of an agent, for programs without an event loop: `BackgroundWork` for a `mcptasks.sync.Client`.

The generator does not cover `mcptasks.contrib`, so this class is written by hand. It has no logic of its own: the async
`BackgroundWork` does everything, in one call on the client's background thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from operator import attrgetter
from types import TracebackType
from typing import Any, Self, cast

import anyio

from mcptasks import store as async_store
from mcptasks._portal.call import calling
from mcptasks._portal.portal import Portal, current_portal
from mcptasks._portal.runner import Runner
from mcptasks._transport.checks import kind_of
from mcptasks.contrib.background import BackgroundWork as AsyncBackgroundWork
from mcptasks.sync import Client, Store

Tool = Callable[..., str]

_inner_of: Callable[[Any], Any] = attrgetter("_inner")
_runner_of: Callable[[Client], Runner] = attrgetter("_runner")


class BackgroundWork:
    """Starts tools of one server in the background, and tells what has ended. For `with`.

    ```python
    with BackgroundWork(client, store) as work:
        agent = make_agent(tools=work.tools)  # start_work and finished_work
    ```

    Inside the block, the client watches all work that was started, fetches results, and lets its handlers answer input
    requests: on the thread that waits in a call of the client, or on a worker thread if no thread waits. When the block
    ends, the work goes on; the next block takes it up.

    Args:
        client: An open client that keeps its tasks in `store`.
        store: The same store.
        agent: The name of the agent that starts the work and is told of it. Each agent of a store needs its own name.
        tools: The tools that may be started; None for every tool of the server.

    Raises:
        TypeError: The client is async, or `store` is no store.
        ValueError: `agent` is empty.
    """

    def __init__(
        self,
        client: Client,
        store: Store | async_store.Store,
        *,
        agent: str = "agent",
        tools: Collection[str] | None = None,
    ) -> None:
        if not isinstance(cast("object", client), Client):
            raise TypeError(
                f"client must be a mcptasks.sync.Client, not {kind_of(client)}; for a mcptasks.Client there is "
                "mcptasks.contrib.background.BackgroundWork"
            )
        if not isinstance(cast("object", store), Store | async_store.Store):
            raise TypeError(f"store must be the client's mcptasks.sync.Store, not {kind_of(store)}")
        inner = _inner_of(store) if isinstance(store, Store) else store
        self._client = client
        self._work = AsyncBackgroundWork(_inner_of(client), inner, agent=agent, tools=tools)
        self._life: Future[None] | None = None
        """The call that lasts as long as the block."""
        self._begun: Future[Portal] = Future()
        self._leave: anyio.Event

    def __enter__(self) -> Self:
        """Take over the work that earlier programs have started for this agent.

        Raises:
            ValueError: The client has no store.
        """
        # Called like `submit`, so that handlers run even if no thread waits.
        self._life = _runner_of(self._client).future(self._live)
        try:
            either: list[Future[Any]] = [self._life, self._begun]
            wait(either, return_when=FIRST_COMPLETED)
            if not self._begun.done():
                self._life.result()
        except BaseException:
            self._life.cancel()
            self._life = None
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        life, self._life = self._life, None
        assert life is not None
        with suppress(RuntimeError):  # The client is closed, and its background thread has ended.
            self._begun.result().post(self._leave.set)
        wait([life])

    @property
    def tools(self) -> tuple[Tool, Tool]:
        """The two tools, `start_work` and `finished_work`. Their docstrings are written for a model."""
        return self.start_work, self.finished_work

    def start_work(self, tool: str, arguments: dict[str, Any]) -> str:
        """Start a tool in the background if it may take long. You get an answer at once and go on with something else;
        never start the same work again because its result is not there yet.

        Args:
            tool: The name of the tool to start.
            arguments: The arguments of that tool, by name.
        """
        return self._call(lambda: self._work.start_work(tool, arguments))

    def finished_work(self) -> str:
        """Tell which background work has ended since you last asked, with the results. If nothing has ended, do
        something else or end your turn; do not ask again and again.
        """
        return self._call(self._work.finished_work)

    def _call(self, function: Callable[[], Awaitable[str]]) -> str:
        if self._life is None:
            raise RuntimeError("enter BackgroundWork with `with` before its tools are used")
        return self._client.run(function)

    async def _live(self) -> None:
        """Watch the work until the block ends, in one task, since a task group is left where it was entered."""
        calling.set(None)  # The questions of one task have nothing to do with those of another.
        portal = current_portal()
        assert portal is not None
        self._leave = anyio.Event()
        async with self._work:
            self._begun.set_result(portal)
            await self._leave.wait()
