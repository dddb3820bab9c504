"""The requests about tasks, in whichever protocol the connection speaks, and the events in their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import mcp
from attrs import frozen
from mcp.client import ClaimContext
from mcp_types import INVALID_PARAMS, CallToolResult, PaginatedRequestParams
from pydantic import TypeAdapter

from mcptasks import _plain
from mcptasks._async.connection import Connection, Link
from mcptasks._async.limits import Budget
from mcptasks._exceptions import TaskFailedError, TaskNotFoundError, TaskProtocolError
from mcptasks._faults import broke_off, judge
from mcptasks._json import as_list
from mcptasks._models import Status, TaskStatus
from mcptasks._state import Failed, Fetched, FetchRefused, Seen
from mcptasks._wire import handshake, modern
from mcptasks._wire.parsing import parse_status

RAW: TypeAdapter[Any] = TypeAdapter(dict[str, Any])
"""Answers about tasks are taken as the JSON objects that they are."""

_PAGES = 1000
_ItemT = TypeVar("_ItemT")


@frozen
class Refused:
    """A server does not take an answer."""

    error: TaskFailedError
    repeated: bool
    """Whether it was not the first attempt, and an earlier one may have arrived."""


async def stash_created(created: modern.CreatedTask, _: ClaimContext) -> CallToolResult:
    """Carry a creating answer through `mcp.Client.call_tool`; `is_error` keeps it from the tool's output schema."""
    return CallToolResult(content=[], is_error=True, _meta=modern.stash(created))


async def every_page(
    fetch: Callable[[str | None], Awaitable[tuple[list[_ItemT], str | None]]], what: str
) -> list[_ItemT]:
    """All items of a paginated list.

    Raises:
        TaskProtocolError: The pages go round in a circle, or never end.
    """
    items: list[_ItemT] = []
    cursor: str | None = None
    known: set[str] = set()
    while True:
        page, cursor = await fetch(cursor)
        items += page
        if cursor is None:
            return items
        if cursor in known or len(known) >= _PAGES:
            raise TaskProtocolError(
                f"{what}: the pages never end; cursor {cursor!r} came again or after {_PAGES} pages"
            )
        known.add(cursor)


class Requests:
    """Reads and cancels tasks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unhurried(self) -> AbstractContextManager[None]:
        """A handler of the program works inside the block; no call times out meanwhile."""
        return self._connection.limit.stopped()

    async def status(self, task_id: str, budget: Budget | None = None, *, ahead: bool = False) -> Seen:
        """`tasks/get`, repeated until answered; see `Connection.read` for `ahead` and the errors."""
        return await self._connection.read(lambda link: _get(link, task_id), budget, ahead=ahead)

    async def outcome(
        self, task_id: str, status: Status, budget: Budget | None = None
    ) -> Seen | Fetched | FetchRefused:
        """What the task came to, once it is over.

        Args:
            task_id: The task.
            status: The terminal status that was seen.
            budget: The limits of one attempt.
        """

        async def send(link: Link) -> Seen | Fetched | FetchRefused:
            if link.era == "2026-07-28":
                event = await _get(link, task_id)
                if event.outcome is None or event.status.status != status:
                    words = f"the server called the task {status} and now calls it {event.status.status}"
                    return FetchRefused(TaskProtocolError(words))
                return event
            try:
                raw = await _send(link, handshake.GetResult(params=modern.TaskParams(task_id=task_id)))
            except mcp.MCPError as exc:
                if broke_off(exc.code, exc.message, exc.data):
                    raise
                if status == "failed":
                    # The answer is what the original request would have been answered: here an error.
                    return Fetched(Failed(exc.code, exc.message, exc.data))
                if exc.code == INVALID_PARAMS:
                    words = f"the task is {status}, but the server refuses its result: {_plain.short(exc.message, 200)}"
                    return FetchRefused(TaskProtocolError(words))
                raise
            return Fetched(handshake.fetched(raw))

        return await self._connection.read(send, budget, ahead=True)

    async def cancel(self, task_id: str, budget: Budget | None = None) -> None:
        """`tasks/cancel`. The server's word in the answer is not taken for the state: real servers call a task
        cancelled there that stays completed."""

        async def send(link: Link) -> None:
            params = modern.TaskParams(task_id=task_id)
            request = (
                modern.CancelTask(params=params) if link.era == "2026-07-28" else handshake.CancelTask(params=params)
            )
            await _send(link, request)

        try:
            await self._connection.read(send, budget, ahead=True)
        except TaskNotFoundError:
            # Servers of 2025-11-25 refuse to cancel a task that is over; whether it exists shows in its status.
            await self.status(task_id, budget, ahead=True)

    async def answer(self, task_id: str, answers: Mapping[str, Any], budget: Budget | None = None) -> Refused | None:
        """`tasks/update` (2026-07-28), repeated until answered: a server ignores answers that it has already.

        Returns:
            None where the server has accepted them; what it says where it refuses them.

        Raises:
            TaskError: See `Connection.read`.
        """
        sent = 0

        async def send(link: Link) -> Refused | None:
            nonlocal sent
            sent += 1
            params = modern.UpdateParams(task_id=task_id, input_responses=dict(answers))
            try:
                await _send(link, modern.UpdateTask(params=params))
            except mcp.MCPError as exc:
                if judge(exc.code, exc.message, exc.data).action != "raise":
                    raise
                named = ", ".join(map(repr, answers))
                words = f"the server refuses the answer to {named:.200}: {_plain.short(exc.message, 200)}"
                error = TaskFailedError(words, code=exc.code, data=exc.data)
                error.__cause__ = exc
                return Refused(error, repeated=sent > 1)
            return None

        return await self._connection.read(send, budget, ahead=True)

    async def listed(self) -> list[TaskStatus]:
        """`tasks/list`, every page (2025-11-25)."""

        async def page(cursor: str | None) -> tuple[list[TaskStatus], str | None]:
            async def send(link: Link) -> tuple[list[TaskStatus], str | None]:
                params = None if cursor is None else PaginatedRequestParams(cursor=cursor)
                raw = await _send(link, handshake.ListTasks(params=params))
                tasks, following = as_list(raw.get("tasks")), raw.get("nextCursor")
                if tasks is None:
                    raise TaskProtocolError("tasks/list: the answer has no list of tasks")
                found = [parse_status(task, source="tasks/list") for task in tasks]
                return found, following if isinstance(following, str) else None

            return await self._connection.read(send, about_task=False)

        return await every_page(page, "tasks/list")


async def _send(link: Link, request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await link.session.send_request(request, RAW)
    return answer


async def _get(link: Link, task_id: str) -> Seen:
    params = modern.TaskParams(task_id=task_id)
    if link.era == "2026-07-28":
        return modern.seen(await _send(link, modern.GetTask(params=params)), "polled", expected_id=task_id)
    return handshake.seen(await _send(link, handshake.GetTask(params=params)), "polled", expected_id=task_id)
