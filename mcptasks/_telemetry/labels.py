"""Keeps the names and attributes of one client's spans and measurements, which are the same for most of its tasks.

Making them anew for each span and each measurement would cost nearly as much as OpenTelemetry itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import define, field, frozen

from mcptasks._core.models import Kind
from mcptasks._core.trace import TracedTask
from mcptasks._telemetry import names

_KEPT = 1024
"""How many tools, calls and measurements a client keeps attributes for, each of a few hundred bytes. Those of further
ones are made anew each time."""

Measured: TypeAlias = tuple[tuple[str, str], ...]
"""Attributes of a measurement beside the server and the tool: names and values."""


@frozen
class CallLabels:
    """What the span and the measurement of a call say. Nobody may change the dictionaries."""

    span: str
    """The span's name."""
    attributes: dict[str, Any]
    measured: dict[str, Any]
    """The attributes of the measurement, which names the first `MOST_TOOLS` tools only."""


@define(eq=False)
class TaskLabels:
    """What spans and measurements of the tasks of one tool or prompt say. Nobody may change the dictionaries."""

    name: str | None
    """The tool or prompt; None if it is not known or may not be shown."""
    subject: dict[str, str]
    """The attribute that names the tool or prompt, if there is one."""
    measured: dict[str, Any]
    """The attributes of each measurement: the server, and the tool's name as metrics show it."""
    _spans: dict[str, str] = field(factory=dict[str, str], init=False)

    def span(self, what: str) -> str:
        """The name of a span."""
        return self._spans.get(what) or self._spans.setdefault(what, names.span_name(what, self.name))


class Labels:
    """The names and attributes of one client's spans and measurements.

    Args:
        server: The attributes that name the server.
    """

    def __init__(self, server: Mapping[str, str | int]) -> None:
        self._server = server
        self._tools = names.ToolNames()
        self._calls: dict[tuple[Kind, str | None, str | None], CallLabels] = {}
        self._tasks: dict[tuple[Kind | None, str | None], TaskLabels] = {}
        self._measurements: dict[tuple[Kind | None, str | None, Measured], dict[str, Any] | None] = {}

    def of_call(self, kind: Kind, name: str, protocol: str | None) -> CallLabels:
        """What a call's span and measurement say."""
        shown = None if kind == "resource" else name
        key = kind, shown, protocol
        known = self._calls.get(key)
        return known or self._call(*key)

    def of_task(self, task: TracedTask) -> TaskLabels:
        """What a task's spans and measurements say."""
        return self._of_task(task.kind, task.name)

    def of_measurement(self, task: TracedTask | None, more: Measured) -> dict[str, Any] | None:
        """The attributes of a measurement; None if there are none.

        Args:
            task: The task that is measured; the measurement names its tool or prompt. None for no certain task.
            more: Further attributes.
        """
        key = (None, None, more) if task is None else (task.kind, task.name, more)
        if key in self._measurements:
            return self._measurements[key]
        made = {**self._of_task(*key[:2]).measured, **dict(more)} or None
        if len(self._measurements) < _KEPT:
            self._measurements[key] = made
        return made

    def _of_task(self, kind: Kind | None, name: str | None) -> TaskLabels:
        if (known := self._tasks.get((kind, name))) is not None:
            return known
        subject = names.subject(kind, name)
        address = self._server.get(names.ADDRESS)
        measured: dict[str, Any] = {} if address is None else {names.ADDRESS: address}
        measured |= {attribute: self._tools.shown(value) for attribute, value in subject.items()}
        made = TaskLabels(name, subject, measured)
        if len(self._tasks) < _KEPT:
            self._tasks[kind, name] = made
        return made

    def _call(self, kind: Kind, name: str | None, protocol: str | None) -> CallLabels:
        method = names.METHODS[kind]
        others: dict[str, Any] = dict(self._server)
        if kind == "tool":
            others[names.OPERATION] = "execute_tool"
        if protocol is not None:
            others[names.PROTOCOL] = protocol
        shown = None if name is None else self._tools.shown(name)
        span, measured = ({names.METHOD: method, **names.subject(kind, each), **others} for each in (name, shown))
        made = CallLabels(names.span_name(method, name), span, measured)
        if len(self._calls) < _KEPT:
            self._calls[kind, name, protocol] = made
        return made
