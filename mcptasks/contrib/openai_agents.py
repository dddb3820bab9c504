"""A server for agents of the OpenAI Agents SDK: `Agent(mcp_servers=[TaskMCPServer(...)])`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import mcp
import mcp_types

from mcptasks import Client, TaskConnectionError
from mcptasks.contrib._packages import need

need(__name__, "openai-agents", least=(0, 24), below=1, extra="openai-agents")

from agents.mcp import MCPServer  # noqa: E402 - the version is checked before


class TaskMCPServer(MCPServer):
    """An MCP server whose tools may take hours, for `Agent(mcp_servers=[...])`.

    ```python
    async with TaskMCPServer("https://example.com/mcp") as server:
        agent = Agent(name="Assistant", mcp_servers=[server])
    ```

    A tool call becomes a task if the server and the tool allow it. If a run is cancelled or times out, the server is
    asked to cancel the task.

    Args:
        target: A target of `mcptasks.Client`, or a client. An open client is used as it is, and left open.
        name: The server's name, for logs and errors of the framework; None for the target's name.
        client: Options of the `mcptasks.Client` that is made for a target, such as `{"elicitation_handler": ask}`.
        options: Options of the framework's `MCPServer`, such as `require_approval`.

    Raises:
        ValueError: `client` is given together with a client as `target`, or has an invalid option.
        TypeError: The target is of an unknown kind.
    """

    def __init__(
        self, target: Any, *, name: str | None = None, client: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        if isinstance(target, Client) and client:
            raise ValueError("client= has the options of a client that is made here; give them to your client instead")
        self._target = target
        self._client_options = dict(client or {})
        # Made now, so that bad input raises an error before a run begins.
        self._next = self._made()
        self._name = name or f"mcptasks: {self._next!r}"
        self._client: Client | None = None
        self._session: mcp.ClientSession | None = None

    @property
    def name(self) -> str:
        """The server's name."""
        return self._name

    async def connect(self) -> None:
        """Connect, unless an open client was given."""
        if self._session is not None:
            return
        client = self._next
        with suppress(TaskConnectionError):
            self._session = client.as_session()
        if self._session is None:
            await client.open()
            self._client, self._session = client, client.as_session()
            self._next = self._made()  # A client is opened once, and this server may connect again.

    async def cleanup(self) -> None:
        """Cancel the calls that are under way, and their tasks; disconnect, unless an open client was given."""
        session, self._session = self._session, None
        client, self._client = self._client, None
        if session is not None:
            await session.__aexit__(None, None, None)
        if client is not None:
            await client.close()

    async def __aenter__(self) -> TaskMCPServer:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.cleanup()

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[mcp_types.Tool]:
        """List the server's tools."""
        del run_context, agent
        return (await self._connected().list_tools()).tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> mcp_types.CallToolResult:
        """Call a tool, follow its task to the end, and return the result."""
        return await self._connected().call_tool(tool_name, arguments, meta=meta)  # type: ignore[arg-type]

    async def list_prompts(self) -> mcp_types.ListPromptsResult:
        """List the server's prompts."""
        return await self._connected().list_prompts()

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> mcp_types.GetPromptResult:
        """Get a prompt."""
        return await self._connected().get_prompt(name, arguments)

    async def list_resources(self, cursor: str | None = None) -> mcp_types.ListResourcesResult:
        """List the server's resources."""
        return await self._connected().list_resources(params=_page(cursor))

    async def list_resource_templates(self, cursor: str | None = None) -> mcp_types.ListResourceTemplatesResult:
        """List the server's resource templates."""
        return await self._connected().list_resource_templates(params=_page(cursor))

    async def read_resource(self, uri: str) -> mcp_types.ReadResourceResult:
        """Read a resource."""
        return await self._connected().read_resource(uri)

    def _made(self) -> Client:
        return self._target if isinstance(self._target, Client) else Client(self._target, **self._client_options)

    def _connected(self) -> mcp.ClientSession:
        if self._session is None:
            raise TaskConnectionError("the server is not connected; call connect() first, or use `async with`")
        return self._session


def _page(cursor: str | None) -> mcp_types.PaginatedRequestParams | None:
    return None if cursor is None else mcp_types.PaginatedRequestParams(cursor=cursor)
