"""Hands on what comes in over a client's links unasked: notifications, questions, links made and lost. It is built
before the connection; the parts above subscribe when they are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from mcp.client import IncomingMessage

from mcptasks._engine.connection.link import Link
from mcptasks._transport.intercept import TaskHost

LinkObserver = Callable[[Link], None]
NotificationObserver = Callable[[str, Mapping[str, Any]], None]
MessageObserver = Callable[[IncomingMessage], None]


@define(eq=False)
class Incoming:
    """The subscriptions of one client."""

    on_link: list[LinkObserver] = field(factory=list[LinkObserver], init=False)
    """Told of each link that is made, in this order, before anything is sent over it for the program."""
    on_lost: list[Callable[[], None]] = field(factory=list[Callable[[], None]], init=False)
    """Told of each link that has ended, if the client goes on."""
    on_notification: list[NotificationObserver] = field(factory=list[NotificationObserver], init=False)
    """Told of notifications about tasks: method and params."""
    on_message: list[MessageObserver] = field(factory=list[MessageObserver], init=False)
    """Told of every other message that the SDK parses."""
    callbacks: Mapping[str, Any] = field(factory=dict[str, Any], init=False)
    """The SDK client's callbacks, which answer the server's questions, by the SDK's parameter names."""
    make_host: Callable[[], TaskHost] | None = field(default=None, init=False)
    """Makes the part that runs tasks for the server on one link (2025-11-25); None if the program hosts no tasks."""

    def linked(self, link: Link) -> None:
        """A link was made."""
        for observer in self.on_link:
            observer(link)

    def lost(self) -> None:
        """A link has ended."""
        for observer in self.on_lost:
            observer()

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """A notification about a task has come."""
        for observer in self.on_notification:
            observer(method, params)

    async def message(self, message: IncomingMessage) -> None:
        """Another message has come."""
        for observer in self.on_message:
            observer(message)

    def host(self) -> TaskHost | None:
        """Return the part that runs tasks for the server on a link that is being made."""
        return None if self.make_host is None else self.make_host()
