"""What the server of the present connection can do with tasks: by its declarations, and by what was seen."""

from __future__ import annotations

from attrs import define, field

from mcptasks._core.models import Kind, TaskSupport
from mcptasks._engine.connection.facts import Facts
from mcptasks._engine.connection.link import Link
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.push_streams import PushStreams


@define(eq=False)
class Abilities:
    """The abilities of one client's server."""

    mode: str
    """The program's `mode`: how the protocol is negotiated."""
    monitor: Monitor
    push: PushStreams
    became_tasks: set[Kind] = field(factory=set[Kind], init=False)
    """The kinds of calls that have become tasks on the present connection."""
    _facts: Facts | None = field(default=None, init=False)

    @property
    def facts(self) -> Facts:
        """What the server said of itself on the latest connection. An open client has had a connection."""
        assert self._facts is not None
        return self._facts

    def linked(self, link: Link) -> None:
        """Take in a new connection."""
        self._facts = Facts.of(link, self.mode)
        self.became_tasks.clear()

    def support(self) -> TaskSupport:
        """Return what the server can do with tasks."""
        seen = True if self.monitor.pushes else None
        push = self.push.known if self.facts.dialect.subscribes else seen
        return self.facts.support(shown=self.became_tasks, push=push)
