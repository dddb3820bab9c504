# Generated from mcptasks/_async/about.py by `nox -s generate`. Do not edit: change the source and run that again.
"""What a client says of its server, and of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mcp
import mcp_types

from mcptasks._core.models import TaskSupport
from mcptasks._portal.facade import blocking
from mcptasks._sync.recovering import Recovers

if TYPE_CHECKING:
    from mcptasks._core.stats import ClientStats


class About(Recovers):
    """The part of `Client` that describes the server, the connection, and what the client has done."""

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol version."""
        return self._inner.protocol_version

    @property
    def server_info(self) -> mcp_types.Implementation | None:
        """The server's name and version; None if the server gives none."""
        return self._inner.server_info

    @property
    def server_capabilities(self) -> mcp_types.ServerCapabilities:
        """The capabilities that the server declares."""
        return self._inner.server_capabilities

    @property
    def instructions(self) -> str | None:
        """The server's instructions on how to use it; None if the server gives none."""
        return self._inner.instructions

    @property
    def task_support(self) -> TaskSupport:
        """What this connection can do with tasks, as far as the server has declared or shown it."""
        return self._inner.task_support

    @blocking
    def stats(self) -> ClientStats:
        """Return what this client has done so far, in numbers. Sends nothing, and needs no OpenTelemetry."""
        return self._run(self._inner.stats)

    @property
    def mcp(self) -> mcp.Client:
        """The `mcp.Client` underneath, for everything that is not about tasks. A new connection has a new one.

        Raises:
            TaskConnectionError: The connection is being made again.
        """
        return self._inner.mcp
