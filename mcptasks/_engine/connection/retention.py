"""Warns the program, once for each client, that the server keeps tasks for less time than `ttl=` asks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from weakref import WeakKeyDictionary

from mcptasks._core.exceptions import TtlIgnoredWarning
from mcptasks._core.models import Kind, TaskStatus, TaskSupport
from mcptasks._core.program_line import Line, warn
from mcptasks._core.retention import at_once, not_sent, says_time, too_short
from mcptasks._engine.connection.tool_list import ToolBook, task_support

logger = logging.getLogger("mcptasks")


class AskingCall(Protocol):
    """The part of a call that this module reads."""

    @property
    def kind(self) -> Kind: ...
    @property
    def name(self) -> str: ...
    @property
    def task(self) -> bool: ...
    @property
    def line(self) -> Line | None: ...


class KeptTask(Protocol):
    """The part of a task that this module reads."""

    @property
    def status(self) -> TaskStatus | None: ...


class Keeping:
    """Compares the `ttl` that one client asks for with what the server says, and keeps whether the program was
    warned."""

    def __init__(self, support: Callable[[], TaskSupport], tools: ToolBook) -> None:
        self._support = support
        self._tools = tools
        self._told = False
        self._asked: WeakKeyDictionary[KeptTask, tuple[int, Line]] = WeakKeyDictionary()
        """The milliseconds that a call asked for, and the program's line. An entry goes when the server has said how
        long it keeps the task."""

    def not_sent(self, call: AskingCall) -> None:
        """Note, before a call is sent, that the call has no `task` field, so that `ttl=` has no effect.

        Raises:
            TtlIgnoredWarning: The call has a `ttl`, and the program turns warnings into errors. Then every such call
                raises.
        """
        if call.line is None or self._told:
            return
        can = self._support()
        declared = {"tool": can.tools, "resource": can.resources, "prompt": can.prompts}
        known = self._tools.known(call.name) if call.kind == "tool" else None
        words = not_sent(
            era=can.era,
            kind=call.kind,
            name=call.name,
            task=call.task,
            tasks=any(offered is not False for offered in declared.values()),
            offered=declared[call.kind] is not False,
            support=None if known is None else task_support(known),
        )
        warn(TtlIgnoredWarning(words), call.line)
        self._told = True

    def answered(self, call: AskingCall) -> None:
        """Note that a call was answered with its result at once, without a task."""
        if call.line is not None:
            self._late(at_once(call.kind, call.name), call.line)

    def asked(self, watch: KeptTask, milliseconds: int, line: Line) -> None:
        """Note a created task, and how long the server was asked to keep it."""
        self._asked[watch] = milliseconds, line

    def look(self, watch: KeptTask) -> None:
        """Read a task's status. If a time was asked for, the first status that names a time is compared with it."""
        status = watch.status
        if status is None or watch not in self._asked or not says_time(status):
            return
        milliseconds, line = self._asked.pop(watch)
        words = too_short(timedelta(milliseconds=milliseconds), status)
        if words is not None:
            self._late(words, line)

    def _late(self, words: str, line: Line) -> None:
        """Warn of a task that exists. The warning must not raise, since an error here would lose the task."""
        if self._told:
            return
        self._told = True
        try:
            warn(TtlIgnoredWarning(words), line)
        except Exception:  # noqa: BLE001 - the warning as an error, or what a hook of the program's own raises
            logger.warning("%s", words)
