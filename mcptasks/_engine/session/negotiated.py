"""What the client has negotiated with the server, in the names of the SDK's session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import mcp
import mcp_types

from mcptasks._core.exceptions import TaskError, TaskStateError
from mcptasks._engine.engine import Engine
from mcptasks._engine.session.errors import speaking_sdk


class Negotiated(mcp.ClientSession):
    """The part of `TaskSession` that describes the server.

    Args:
        engine: Returns the open client's engine; raises if the client is closed or belongs to another event loop.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        # No super().__init__(): the base would want streams of its own, and nothing of its state exists here.
        self._open = engine
        self._tool_output_schemas: dict[str, dict[str, Any] | None] = {}
        self._scopes = set[anyio.CancelScope]()
        self._over = False

    def __repr__(self) -> str:
        try:
            name = self._open().endpoint
        except TaskError:
            return "<session of a client that is not open>"
        return f"<{'closed ' if self._over else ''}session of {name}>"

    def _engine(self) -> Engine:
        if self._over:
            raise mcp.MCPError(mcp_types.CONNECTION_CLOSED, "the session is closed; make another with as_session()")
        with speaking_sdk():
            return self._open()

    async def initialize(self) -> mcp_types.InitializeResult:
        """Return what the client has negotiated with the server. Sends nothing."""
        await anyio.lowlevel.checkpoint()
        facts = self._engine().abilities.facts
        return mcp_types.InitializeResult(
            protocol_version=facts.protocol_version,
            capabilities=facts.capabilities,
            server_info=facts.server_info or mcp_types.Implementation(name="", version=""),
            instructions=facts.instructions,
        )

    async def discover(self) -> mcp_types.DiscoverResult:
        """Return the server's answer to `server/discover` (2026-07-28). Sends nothing.

        Raises:
            mcp.MCPError: The connection speaks an earlier protocol, which has no `server/discover`.
        """
        await anyio.lowlevel.checkpoint()
        found = self.discover_result
        if found is None:
            raise mcp.MCPError(mcp_types.METHOD_NOT_FOUND, "the connection speaks a protocol without server/discover")
        return found

    async def send_discover(self, version: str) -> dict[str, Any]:
        """Refuse: the client negotiates the protocol itself."""
        raise TaskStateError(f"cannot negotiate {version}: the client has done that; use protocol_version")

    def adopt(self, result: mcp_types.InitializeResult | mcp_types.DiscoverResult) -> None:
        """Refuse: the client negotiates the protocol itself."""
        raise TaskStateError(f"cannot adopt a {type(result).__name__}: the client has negotiated the protocol itself")

    @property
    def initialize_result(self) -> mcp_types.InitializeResult | None:
        """The server's answer to the handshake; None on 2026-07-28."""
        link = self._engine().core.connection.latest
        return None if link is None else link.session.initialize_result

    @property
    def discover_result(self) -> mcp_types.DiscoverResult | None:
        """The server's answer to `server/discover` (2026-07-28); None on earlier protocols."""
        link = self._engine().core.connection.latest
        return None if link is None else link.session.discover_result

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol version."""
        return self._engine().abilities.facts.protocol_version

    @property
    def server_info(self) -> mcp_types.Implementation | None:
        """The server's name and version; None if the server gives none."""
        return self._engine().abilities.facts.server_info

    @property
    def server_capabilities(self) -> mcp_types.ServerCapabilities:
        """The capabilities that the server declares."""
        return self._engine().abilities.facts.capabilities

    @property
    def instructions(self) -> str | None:
        """The server's instructions on how to use it; None if the server gives none."""
        return self._engine().abilities.facts.instructions
