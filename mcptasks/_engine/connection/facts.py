"""What the server said of itself on the latest connection. Stays readable while a new connection is made."""

from __future__ import annotations

from collections.abc import Collection

import mcp_types
from attrs import evolve, frozen

from mcptasks._core.models import Era, Kind, TaskSupport
from mcptasks._engine.connection.link import Link
from mcptasks._wire.dialect import Declared, Dialect
from mcptasks._wire.versions import is_modern


@frozen
class Facts:
    """What the server said of itself on the latest connection."""

    dialect: Dialect
    """The task protocol of that connection."""
    protocol_version: str
    server_info: mcp_types.Implementation | None
    capabilities: mcp_types.ServerCapabilities
    instructions: str | None
    declared: Declared
    """What is known of the server's capabilities."""

    @classmethod
    def of(cls, link: Link, mode: str) -> Facts:
        """Return what a new connection says of the server, as negotiated with the program's `mode`."""
        client = link.client
        return cls(
            link.dialect,
            client.protocol_version,
            client.server_info,
            client.server_capabilities,
            client.instructions,
            evolve(link.declared, asked=not is_modern(mode)),
        )

    @property
    def era(self) -> Era:
        """The task protocol's name, as programs see it."""
        return self.dialect.era

    def support(self, *, shown: Collection[Kind], push: bool | None) -> TaskSupport:
        """What the connection can do with tasks; see `Dialect.support`."""
        return self.dialect.support(self.declared, shown=shown, push=push)
