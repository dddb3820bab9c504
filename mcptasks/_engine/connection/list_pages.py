"""Fetches a server's lists (tools, resources, prompts) page by page, and gives up lists that never end.

Bad entries are left out and named in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import mcp
import mcp_types
from mcp_types import PaginatedResult

from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.link import Link
from mcptasks._wire import pages
from mcptasks._wire.pages import Odd, OddEntry

logger = logging.getLogger("mcptasks")

_PAGES = 1000
"""How many pages of one list are fetched; a list with more pages raises an error. Real lists have a few pages, so a
longer list probably never ends."""

_PageT = TypeVar("_PageT", bound=PaginatedResult)
_EntryT = TypeVar("_EntryT")


async def every_tool(connection: Connection) -> tuple[list[mcp_types.Tool], list[OddEntry]]:
    """Return all tools, and the entries that were left out; see `Connection.read` for the errors."""

    def fetch(client: mcp.Client, cursor: str | None) -> Awaitable[mcp_types.ListToolsResult]:
        return client.list_tools(cursor=cursor, cache_mode="refresh")

    return await _every(connection, "tools/list", fetch, lambda page: page.tools)


async def every_resource(connection: Connection) -> list[mcp_types.Resource]:
    """Return all resources; see `Connection.read` for the errors."""

    def fetch(client: mcp.Client, cursor: str | None) -> Awaitable[mcp_types.ListResourcesResult]:
        return client.list_resources(cursor=cursor)

    return (await _every(connection, "resources/list", fetch, lambda page: page.resources))[0]


async def every_template(connection: Connection) -> list[mcp_types.ResourceTemplate]:
    """Return all resource templates; see `Connection.read` for the errors."""

    def fetch(client: mcp.Client, cursor: str | None) -> Awaitable[mcp_types.ListResourceTemplatesResult]:
        return client.list_resource_templates(cursor=cursor)

    return (await _every(connection, "resources/templates/list", fetch, lambda page: page.resource_templates))[0]


async def every_prompt(connection: Connection) -> list[mcp_types.Prompt]:
    """Return all prompts; see `Connection.read` for the errors."""

    def fetch(client: mcp.Client, cursor: str | None) -> Awaitable[mcp_types.ListPromptsResult]:
        return client.list_prompts(cursor=cursor)

    return (await _every(connection, "prompts/list", fetch, lambda page: page.prompts))[0]


async def every_page(
    fetch: Callable[[str | None], Awaitable[tuple[list[_EntryT], str | None]]], what: str
) -> list[_EntryT]:
    """Return all items of a paginated list.

    Raises:
        TaskProtocolError: A cursor came twice, or there are more than `_PAGES` pages.
    """
    items: list[_EntryT] = []
    cursor: str | None = None
    known: set[str] = set()
    while True:
        page, cursor = await fetch(cursor)
        items += page
        if cursor is None:
            return items
        if cursor in known or len(known) >= _PAGES:
            raise TaskProtocolError(
                f"{what}: the pages never end: a cursor came twice, or there are more than {_PAGES} pages"
            )
        known.add(cursor)


async def _every(
    connection: Connection,
    method: str,
    fetch: Callable[[mcp.Client, str | None], Awaitable[_PageT]],
    entries: Callable[[_PageT], Iterable[_EntryT]],
) -> tuple[list[_EntryT], list[OddEntry]]:
    left_out: list[OddEntry] = []

    async def page(cursor: str | None) -> tuple[list[_EntryT], str | None]:
        async def send(link: Link) -> tuple[_PageT, Odd]:
            answer = await fetch(link.client, cursor)
            odd = pages.odd_in(answer.meta)
            if odd.fault is not None:
                raise TaskProtocolError(f"{method}: {odd.fault}")
            return answer, odd

        answer, odd = await connection.read(send, about_task=False)
        left_out.extend(odd.entries)
        return list(entries(answer)), answer.next_cursor

    found = await every_page(page, method)
    if left_out:
        logger.warning("%s: left out what makes no sense: %s", method, pages.in_words(left_out))
    return found, left_out
