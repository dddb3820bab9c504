"""Sends the requests about tasks in the connection's protocol, and returns the events in their answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import mcp
from attrs import evolve, frozen
from mcp_types import METHOD_NOT_FOUND

from mcptasks._core import safe_text
from mcptasks._core.carried import NO_HEADERS
from mcptasks._core.causes import harmless
from mcptasks._core.events import Failed, Fetched, FetchRefused, Seen
from mcptasks._core.exceptions import TaskFailedError, TaskNotFoundError, TaskProtocolError
from mcptasks._core.faults import broke_off, judge
from mcptasks._core.json import as_list
from mcptasks._core.models import Status, TaskStatus
from mcptasks._core.trace import Trace
from mcptasks._core.unknown_tasks import Asked
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.errors import asked_of
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.list_pages import every_page
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.connection.turns import Turn
from mcptasks._wire.pages import OddEntry, in_words, parse_statuses

logger = logging.getLogger("mcptasks")

_ItemT = TypeVar("_ItemT")


@frozen
class Refused:
    """The server refused the answer to a question."""

    error: TaskFailedError
    repeated: bool
    """Whether the answer was sent before, so that an earlier attempt may have been accepted."""


class Requests:
    """The requests about tasks of one client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.headers_of: Callable[[str], Mapping[str, str]] = lambda _: NO_HEADERS
        """The HTTP headers that go with each request about a task, by its id."""

    @property
    def trace(self) -> Trace:
        """Gets the moments of `_core/trace.py`."""
        return self._connection.trace

    @property
    def wire_timeout(self) -> float | None:
        """Seconds that a request may take; None for no limit."""
        return self._connection.wire_timeout

    def _budget(self) -> Budget:
        return Budget(self.wire_timeout)

    async def _read(
        self,
        send: Callable[[Link], Awaitable[_ItemT]],
        budget: Budget | None = None,
        *,
        ahead: bool = False,
        turn: Turn | None = None,
    ) -> _ItemT:
        """Call `Connection.read`, and mark its `TaskNotFoundError` with the server that was asked."""
        try:
            return await self._connection.read(send, budget, ahead=ahead, turn=turn)
        except TaskNotFoundError as exc:
            raise asked_of(exc, _asked(self._connection)) from exc.__cause__

    def unhurried(self) -> AbstractContextManager[None]:
        """A block in which a handler of the program works. No call times out meanwhile."""
        return self._connection.limit.stopped()

    async def status(
        self, task_id: str, budget: Budget | None = None, *, ahead: bool = False, turn: Turn | None = None
    ) -> Seen:
        """Send `tasks/get`, again and again until answered. See `Connection.read` for `ahead`, `turn` and the
        errors."""
        limits = budget or self._budget()
        return await self._read(lambda link: self._get(link, task_id, limits), limits, ahead=ahead, turn=turn)

    async def outcome(
        self, task_id: str, status: Status, budget: Budget | None = None, *, turn: Turn | None = None
    ) -> Seen | Fetched | FetchRefused:
        """Fetch the outcome of a task that is over.

        Args:
            task_id: The task.
            status: The terminal status that was seen.
            budget: The limits of one attempt.
            turn: See `Connection.read`.
        """
        limits = budget or self._budget()

        async def send(link: Link) -> Seen | Fetched | FetchRefused:
            dialect = link.dialect
            try:
                answer = await link.ask(
                    dialect.result(task_id), progressed=limits.progressed, own=self.headers_of(task_id)
                )
            except mcp.MCPError as exc:
                if broke_off(exc.code, exc.message, exc.data):
                    raise
                refused = dialect.refused(Failed(exc.code, exc.message, exc.data), status)
                if refused is None:
                    raise
                return refused
            return dialect.finished(answer, task_id, status)

        return await self._read(send, limits, ahead=True, turn=turn)

    async def cancel(self, task_id: str, budget: Budget | None = None) -> None:
        """Send `tasks/cancel`. The status in the answer is ignored: some servers answer "cancelled" for a task that
        stays completed."""

        no_method = False

        async def send(link: Link) -> None:
            nonlocal no_method
            try:
                await link.ask(link.dialect.cancel(task_id), own=self.headers_of(task_id))
            except mcp.MCPError as exc:
                no_method = _no_method(exc)
                raise

        try:
            await self._read(send, budget, ahead=True)
        except TaskNotFoundError:
            # Legacy servers refuse to cancel a task that is over, with the same error as for an unknown task. A poll
            # tells which.
            await self.status(task_id, budget, ahead=True)
        except TaskProtocolError:
            if no_method:
                await self.status(task_id, budget, ahead=True)  # If the server has no tasks at all, this poll says so.
            raise

    async def answer(self, task_id: str, answers: Mapping[str, Any], budget: Budget | None = None) -> Refused | None:
        """Send `tasks/update` (2026-07-28), again and again until the server responds. Repeating does no harm: a server
        ignores an answer that it already has.

        Returns:
            None if the server accepted the answers; otherwise the refusal.

        Raises:
            TaskError: See `Connection.read`.
        """
        sent = 0

        async def send(link: Link) -> Refused | None:
            nonlocal sent
            sent += 1
            try:
                await link.ask(link.dialect.answer(task_id, answers), own=self.headers_of(task_id))
            except mcp.MCPError as exc:
                if judge(exc.code, exc.message, exc.data).action != "raise":
                    raise
                named = safe_text.several(answers)
                words = f"the server refuses the answer to {named}: {safe_text.short(exc.message, 200)}"
                error = TaskFailedError(words, code=exc.code, data=exc.data)
                error.__cause__ = harmless(exc)
                return Refused(error, repeated=sent > 1)
            return None

        return await self._read(send, budget, ahead=True)

    async def _get(self, link: Link, task_id: str, budget: Budget) -> Seen:
        poll, own = link.dialect.poll(task_id), self.headers_of(task_id)
        try:
            answer = await link.ask(poll, progressed=budget.progressed, own=own)
        except mcp.MCPError as exc:
            if not _no_method(exc):
                raise
            words = f"the server has no tasks: it answers {safe_text.short(exc.message, 200)} to a request for one"
            raise TaskNotFoundError(words) from harmless(exc)
        return link.dialect.polled(answer, task_id)

    async def listed(self) -> list[TaskStatus]:
        """Send `tasks/list` (2025-11-25) for every page. Bad entries are left out and named in the log."""
        left_out: list[OddEntry] = []

        async def page(cursor: str | None) -> tuple[list[TaskStatus], str | None]:
            async def send(link: Link) -> tuple[list[Any], str | None]:
                raw = await link.ask(link.dialect.list_page(cursor))
                tasks, following = as_list(raw.get("tasks")), raw.get("nextCursor")
                if tasks is None:
                    raise TaskProtocolError("tasks/list: the answer has no list of tasks")
                return tasks, following if isinstance(following, str) else None

            tasks, following = await self._connection.read(send, about_task=False)
            found, odd = parse_statuses(tasks)
            left_out.extend(odd)
            return found, following

        found = await every_page(page, "tasks/list")
        if left_out:
            logger.warning("tasks/list: left out what makes no sense: %s", in_words(left_out))
        return found


def _no_method(exc: mcp.MCPError) -> bool:
    return exc.code == METHOD_NOT_FOUND and not broke_off(exc.code, exc.message, exc.data)


def _asked(connection: Connection) -> Asked:
    asked, link = Asked(endpoint=connection.endpoint), connection.latest
    if link is None:
        return asked
    info = link.session.server_info
    return evolve(
        asked,
        era=link.dialect.era,
        # A server that was not asked for its capabilities has declared no tasks either.
        tasks=link.dialect.support(evolve(link.declared, asked=False), shown=(), push=None).tools,
        version=None if info is None else info.version,
        in_session=link.http is not None and link.http.in_session,
    )
