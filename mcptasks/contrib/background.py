"""Background work of an agent: a tool that starts work, and a tool that tells what has ended. For any framework.

Models poll badly and forget ids. With `BackgroundWork` they need neither: `start_work` returns at once, and
`finished_work` says in words which work has ended since the last call. The store keeps what the agent was told, so that
no end is lost if the program restarts.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import anyio
from anyio.abc import TaskGroup

from mcptasks import Client, Task, TaskError, TaskInputRequiredError, ToolResult
from mcptasks._async.several import engine_of
from mcptasks._async.store import access_of
from mcptasks._core import argument_checks
from mcptasks._store.backend import Backend
from mcptasks._store.sqlite.memory import MemoryBackend
from mcptasks._transport.checks import kind_of
from mcptasks.store import Store, TaskEvent, TaskRecord

logger = logging.getLogger("mcptasks")

AGENT_LABEL = "mcptasks.agent"
"""The label, in the store, with the name of the agent for which work was started."""
_CALL_LABEL = "mcptasks.call"
"""The label with a unique value for each call."""
_LABEL_LENGTH = 200
"""How many characters of a call's arguments name the call for the agent; the rest is cut off."""
_FETCH_SECONDS = 30.0
"""Seconds that fetching a result may take if the store has not kept the result."""

Tool = Callable[..., Awaitable[str]]


class BackgroundWork:
    """Starts tools of one server in the background, and tells an agent what has ended. For `async with`.

    ```python
    async with BackgroundWork(client, store) as work:
        agent = make_agent(tools=work.tools)  # start_work and finished_work
    ```

    Inside the block, the client watches all work that was started, fetches results, and lets its handlers answer input
    requests. When the block ends, the work goes on; the next block takes it up.

    Args:
        client: An open client that keeps its tasks in `store`.
        store: The same store.
        agent: The name of the agent that starts the work and is told of it. Each agent of a store needs its own name.
        tools: The tools that may be started; None for every tool of the server.
    """

    def __init__(
        self, client: Client, store: Store, *, agent: str = "agent", tools: Collection[str] | None = None
    ) -> None:
        if not isinstance(cast("object", client), Client):
            raise TypeError(f"client must be a mcptasks.Client, not {kind_of(client)}")
        if not isinstance(cast("object", store), Store):
            raise TypeError(f"store must be the client's mcptasks.store.Store, not {kind_of(store)}")
        argument_checks.text(agent, "agent")
        self._client = client
        self._store = store
        self._agent = agent
        self._allowed = None if tools is None else _names(tools)
        self._group: TaskGroup | None = None
        self._running: dict[str, Task[ToolResult]] = {}
        self._told_at_once = set[str]()
        self._untold: deque[str] = deque()
        self._turn = anyio.Lock()

    async def __aenter__(self) -> Self:
        """Take over the work that earlier programs have started for this agent.

        Raises:
            ValueError: The client has no store, or another one.
            RuntimeError: The block is entered already.
        """
        if self._group is not None:
            raise RuntimeError("this BackgroundWork is entered already; use it inside its block")
        labels = {AGENT_LABEL: self._agent}
        recovery = await self._client.recover(labels=labels)
        _check_store(self._client, self._store)
        left = {task.task_id: task for task in recovery.tasks}
        known = engine_of(self._client).handles.known
        for record in await self._store.tasks(phase="created", labels=labels):
            # Work that an earlier block of this client has left is still held by the client.
            if record.task_id is not None and (task := known(record.task_id)) is not None:
                left.setdefault(record.task_id, task)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for task in left.values():
            self._group.start_soon(_follow, task)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        assert group is not None
        group.cancel_scope.cancel()
        await group.__aexit__(None, None, None)  # With the program's exception, the group would wrap it.

    @property
    def tools(self) -> tuple[Tool, Tool]:
        """The two tools, `start_work` and `finished_work`. Their docstrings are written for a model."""
        return self.start_work, self.finished_work

    async def start_work(self, tool: str, arguments: dict[str, Any]) -> str:
        """Start a tool in the background if it may take long. You get an answer at once and go on with something else;
        never start the same work again because its result is not there yet.

        Args:
            tool: The name of the tool to start.
            arguments: The arguments of that tool, by name.
        """
        if self._group is None:
            raise RuntimeError("enter BackgroundWork with `async with` before its tools are used")
        if self._allowed is not None and tool not in self._allowed:
            return f"There is no tool {tool!r} to start. There are: {', '.join(self._allowed)}."
        call, title = uuid.uuid4().hex, _title(tool, arguments)
        labels = {AGENT_LABEL: self._agent, _CALL_LABEL: call}
        try:
            task = await self._client.call_tool(tool, arguments, task=True, label=title, labels=labels)
        except (TaskError, TypeError, ValueError) as exc:
            self._told_at_once.add(call)
            return f"{title} was not started: {exc}"
        if task.done:
            self._told_at_once.add(call)
            return await _ending(title, task)
        self._running[call] = task
        self._group.start_soon(_follow, task)
        return task.immediate_response or (
            f"{title} has been started and works in the background. Go on with something else: you will be told its "
            "result by finished_work."
        )

    async def finished_work(self) -> str:
        """Tell which background work has ended since you last asked, with the results. If nothing has ended, do
        something else or end your turn; do not ask again and again.
        """
        async with self._turn:
            events = self._store.finished(consumer=f"{AGENT_LABEL}:{self._agent}", wait=False)
            try:
                async for event in events:
                    words = await self._words(event)
                    if words is not None:
                        # Kept until it is returned, so that a cancelled call loses nothing.
                        self._untold.append(words)
            finally:
                await events.aclose()
            still = await self._still_running()
            told = list(self._untold)
            self._untold.clear()
        return "\n\n".join([*(told or ["Nothing has ended since you last asked."]), still])

    async def _still_running(self) -> str:
        records = await self._store.tasks(phase="created", labels={AGENT_LABEL: self._agent})
        titles = [record.label or record.name or "a tool" for record in reversed(records)]
        titles += [task.label or "a tool" for task in self._running.values() if task.returned_immediately]
        return f"Still at work: {'; '.join(titles)}." if titles else "No background work is under way."

    async def _words(self, event: TaskEvent) -> str | None:
        """The words about an event for the agent; None if the event belongs to another agent, or was told before."""
        record = event.record
        call = record.labels.get(_CALL_LABEL)
        if record.labels.get(AGENT_LABEL) != self._agent or call is None:
            return None
        task = None if event.kind == "question" else self._running.pop(call, None)
        if event.kind != "question" and call in self._told_at_once:
            self._told_at_once.discard(call)
            return None
        title = record.label or record.name or "a tool"
        if event.kind == "question":
            return f"{title} waits for an answer of a person{_asked(event)}"
        if event.kind == "forgotten":
            return f"{title} is lost: the server does not know it any more."
        if event.kind == "uncertain":
            return f"Nobody knows whether {title} was started: {record.error}"
        return await self._end(record, title, task)

    async def _end(self, record: TaskRecord, title: str, task: Task[ToolResult] | None) -> str:
        if task is not None:
            return await _ending(title, task)
        if record.status == "cancelled":
            return f"{title} was cancelled."
        try:
            if record.has_result:
                return _said(title, await self._store.result(record.id))
            if record.reference is not None and not record.reference.returned_immediately:
                found: Task[ToolResult] = self._client.resume(record.reference)
                return await _ending(title, found)
        except TaskError as exc:
            return f"{title} failed: {exc}"
        return f"{title} failed: {record.error}" if record.error else f"{title} has ended; its result was not kept."


async def _follow(task: Task[Any]) -> None:
    """Follow a task to its end, so that the store learns of the end and has an event for it."""
    while True:
        try:
            await task.result()
        except TaskInputRequiredError:
            logger.debug("background work waits for a person")
        except TaskError as exc:
            logger.debug("background work has ended with %s", type(exc).__name__)
            return
        except Exception:
            logger.exception("an input handler raised, so the question of %r is left open", task)
        else:
            return
        # A person may answer the question, by `Task.answer` or in another program.
        with suppress(TaskError):
            await task.wait(state=("working", "completed", "failed", "cancelled"))


async def _ending(title: str, task: Task[ToolResult]) -> str:
    """The words about a task that is over."""
    try:
        return _said(title, await task.result(timeout=_FETCH_SECONDS))
    except TaskError as exc:
        cancelled = task.last_status is not None and task.last_status.status == "cancelled"
        return f"{title} was cancelled." if cancelled else f"{title} failed: {exc}"


def _said(title: str, result: ToolResult) -> str:
    data = result.structured_content
    text = result.text or ("" if data is None else json.dumps(data, ensure_ascii=False))
    return f"{title} has ended:\n{text}" if text else f"{title} has ended."


def _title(tool: str, arguments: Mapping[str, Any]) -> str:
    """The call in words that the agent recognizes, so that it need not remember an id."""
    try:
        words = json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError):
        words = "{...}"
    return f"{tool} {words}" if len(words) <= _LABEL_LENGTH else f"{tool} {words[:_LABEL_LENGTH]}..."


def _asked(event: TaskEvent) -> str:
    request = None if event.question is None else event.question.request
    params: Any = (request or {}).get("params") or {}
    message: object = params.get("message")
    return f": {message}" if isinstance(message, str) else "."


def _names(tools: Any) -> list[str]:
    """The names of the tools that may be started."""
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        raise TypeError(f"tools must be names of tools, not {kind_of(tools)}")
    names = list(cast("Iterable[Any]", tools))
    wrong = [each for each in names if not isinstance(each, str)]
    if wrong:
        raise TypeError(f"tools must be names of tools, and has {kind_of(wrong[0])}")
    return sorted(names)


def _check_store(client: Client, store: Store) -> None:
    """Check that a client writes to a store."""
    given = engine_of(client).options.store
    assert given is not None  # Otherwise `recover` has raised an error.
    ours, theirs = given.access.backend, access_of(store).backend
    same_place = ours.place == theirs.place
    if ours is theirs or (same_place and not isinstance(ours, MemoryBackend)):
        return
    places = f"{_in(ours)}, and store= is {'another one' if same_place else _in(theirs)}"
    raise ValueError(f"the client keeps its tasks {places}: give the store of the client")


def _in(backend: Backend) -> str:
    return backend.place if isinstance(backend, MemoryBackend) else f"in {backend.place}"
