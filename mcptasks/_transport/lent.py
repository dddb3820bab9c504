"""A session of the SDK's that the program has opened, and lends to an engine (`TasksExtension`).

The engine sends over that session, and neither opens nor closes it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Self, cast

import mcp
from mcp_types import CONNECTION_CLOSED, CallToolRequest
from pydantic import PrivateAttr

from mcptasks._wire import modern

_CLOSED = "Connection closed"
"""The SDK's words for a session that is over. An error with the same code but other words ends a single request
only."""
_FRAMES = 20
"""How many frames of the call stack are searched for the SDK's `send_request`; two or three lie between."""


class LentSession:
    """The program's session, as an engine sees it. Notices the end of the session by the SDK's errors."""

    def __init__(self, session: mcp.ClientSession) -> None:
        self._session = session
        self.ended: Callable[[], None] = lambda: None
        """Called when a request has shown that the session is over."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def send_request(self, request: Any, result_type: Any, *arguments: Any, **options: Any) -> Any:
        """Send a request; see `mcp.ClientSession.send_request`. A subscription has no time limit, whatever limit the
        session has for requests."""
        if isinstance(request, modern.Listen):
            options["request_read_timeout_seconds"] = math.inf
        try:
            return await self._session.send_request(request, result_type, *arguments, **options)
        except mcp.MCPError as exc:
            if exc.code == CONNECTION_CLOSED and exc.message == _CLOSED:
                self.ended()
            raise


class LentClient:
    """Stands in place of the `mcp.Client` that an engine would make. Entering and leaving do nothing."""

    def __init__(self, session: mcp.ClientSession) -> None:
        self.session = LentSession(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        # The negotiated version, the server's name and capabilities: a client has them from its session.
        return getattr(self.session, name)


class AnsweredTask(modern.CreatedTask):
    """An answer that created a task, with the arguments of the call that it answers."""

    _arguments: Mapping[str, Any] | None = PrivateAttr(default=None)

    def model_post_init(self, _context: Any, /) -> None:
        """Find the call. The SDK reads the answer inside the `send_request` of that call."""
        request = _request_under_way()
        self._arguments = None if request is None else request.params.arguments or {}

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The call's arguments; None if they are not known."""
        return self._arguments


def _request_under_way() -> CallToolRequest | None:
    """Return the request whose answer is being read; None if it is not found.

    The SDK tells an extension the tool's name, and not the arguments. Its `ClientSession.send_request` has them in the
    parameter `request`.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    for _ in range(_FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == mcp.ClientSession.send_request.__name__:
            request = cast("object", frame.f_locals.get("request"))
            if isinstance(request, CallToolRequest):
                return request
        frame = frame.f_back
    return None
