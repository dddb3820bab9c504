"""What a client says of its server, and of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mcp
import mcp_types
from mcp import ClientSession

from mcptasks._async import parts
from mcptasks._async.recovering import Recovers
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.models import TaskSupport

if TYPE_CHECKING:
    # Only for type checkers: `parts` imports the rest of the client when it is first used.
    from mcptasks._core.stats import ClientStats
    from mcptasks._engine.connection.facts import Facts
    from mcptasks._engine.engine import Engine


class About(Recovers):
    """The part of `Client` that describes the server, the connection, and what the client has done."""

    def _engine(self) -> Engine:
        """The engine, for reading on any thread. `Client` defines this."""
        raise AssertionError("a client has an engine")

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol version."""
        return self._facts().protocol_version

    @property
    def server_info(self) -> mcp_types.Implementation | None:
        """The server's name and version; None if the server gives none."""
        return self._facts().server_info

    @property
    def server_capabilities(self) -> mcp_types.ServerCapabilities:
        """The capabilities that the server declares."""
        return self._facts().capabilities

    @property
    def instructions(self) -> str | None:
        """The server's instructions on how to use it; None if the server gives none."""
        return self._facts().instructions

    @property
    def task_support(self) -> TaskSupport:
        """What this connection can do with tasks, as far as the server has declared or shown it."""
        return self._engine().abilities.support()

    def stats(self) -> ClientStats:
        """Return what this client has done so far, in numbers. Sends nothing, and needs no OpenTelemetry."""
        return self._engine().stats()

    @property
    def mcp(self) -> mcp.Client:
        """The `mcp.Client` underneath, for everything that is not about tasks. A new connection has a new one.

        Raises:
            TaskConnectionError: The connection is being made again.
        """
        link = self._engine().core.connection.current
        if link is None:
            raise TaskConnectionError("the connection is being made again; try again a little later")
        return link.client

    def as_session(self) -> ClientSession:
        """Make a view of this client for programs that take an `mcp.ClientSession`: its method names, signatures,
        result types and errors, on both protocols. Sends nothing.

        A tool call becomes a task if the server and the tool allow it, and returns the finished result. Only the caller
        knows of that task. So the client asks the server to cancel the task whenever the call ends without a result: by
        a cancelled caller, a timeout, an error, or the end of this client. Entering the session is optional; leaving it
        cancels the calls that are under way and leaves this client open. The methods raise `mcp.MCPError`, with the
        error of this package as its `__cause__`. Handlers of this client answer the input requests.

        Raises:
            TaskConnectionError: The client is not open.
        """
        self._open()
        return parts.TaskSession(self._open)

    def _facts(self) -> Facts:
        """What the server said of itself on the latest connection."""
        return self._engine().abilities.facts
