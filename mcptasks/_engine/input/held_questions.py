"""Holds the questions that came as requests of the server (2025-11-25) until somebody answers.

A question is open in every task that may have asked it. If its connection is lost, the server asks again on the next
connection, since the task still waits for input. A handler that is at work meanwhile is not called again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import mcp_types as types
from attrs import define, field

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.input_state import InputAnswered, InputAsked, InputWithdrawn
from mcptasks._engine.connection.link import Link
from mcptasks._engine.input.task_input import drop_draft
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

_FAREWELL_SECONDS = 1.0
"""Seconds to wait, after the server withdrew a question, for the connection to end. A server that shuts down withdraws
its questions right before it closes the connection; such a question counts as lost, not as withdrawn."""

_AGAIN_SECONDS = 30.0
"""Seconds that an answer waits for the server to ask again, after the connection was lost. Then sending the answer
fails; the draft is kept."""

Answer = dict[str, Any] | types.ErrorData


@define(eq=False)
class _Held:
    """A question without an answer yet."""

    watches: Sequence[Watch]
    """The tasks that may have asked it."""
    content: Mapping[str, Any] = field(repr=False)
    """The request's params, without `_meta`."""
    settled: anyio.Event = field(factory=anyio.Event)
    """Set when the question is answered. For a question whose connection was lost: when it is asked again, or is
    over."""
    answer: Answer | None = field(default=None, repr=False)


@define(eq=False)
class HeldQuestions:
    """The held questions of one client."""

    _monitor: Monitor = field(repr=False)
    _open: dict[str, _Held] = field(factory=dict[str, _Held], init=False)
    """The questions on the present connection, by key."""
    _lost: dict[str, _Held] = field(factory=dict[str, _Held], init=False)
    """The questions whose connection was lost, by key."""
    _numbers: int = field(default=0, init=False)

    async def hold(self, watches: Sequence[Watch], request: Mapping[str, Any], link: Link) -> Answer | None:
        """Take in a question, and wait for its answer; None if the tasks are over.

        Args:
            watches: The tasks that may have asked the question.
            request: The server's request.
            link: The connection over which the request came.
        """
        held = _Held(watches, {name: value for name, value in request["params"].items() if name != "_meta"})
        key = self._take_in(held, request)
        try:
            await _settled_or_over(held)
        finally:
            del self._open[key]
            if held.answer is None and not _over(held.watches):
                lost = self._lost[key] = _Held(watches, held.content)
                # A server that shuts down withdraws its questions first.
                with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                    await link.broken.wait()
                if not link.broken.is_set() and self._lost.get(key) is lost:
                    self._drop(key)
        return held.answer

    def polled(self, watch: Watch) -> None:
        """Take in that a task was polled. If the task no longer waits for input, its questions on lost connections are
        over."""
        if not self._lost or watch.state.waits:
            return
        for key, lost in list(self._lost.items()):
            if watch in lost.watches and key in self._lost:
                self._drop(key)

    def has(self, key: str) -> bool:
        """Whether a question came as a request, and is open."""
        return key in self._open or key in self._lost

    def concerned(self, watch: Watch, key: str) -> Sequence[Watch]:
        """Return all tasks in which a question of this task is open."""
        held = self._open.get(key) or self._lost.get(key)
        return (watch,) if held is None else held.watches

    def candidates(self, key: str) -> Sequence[Watch]:
        """Return the tasks of which one has asked a question, if we cannot tell which; otherwise nothing."""
        held = self._open.get(key) or self._lost.get(key)
        return held.watches if held is not None and len(held.watches) > 1 else ()

    async def asked_again(self, key: str) -> None:
        """Wait, if a question's connection was lost, until the question is asked again or is over.

        Raises:
            TaskConnectionError: The server has not asked again for `_AGAIN_SECONDS`.
        """
        with anyio.move_on_after(_AGAIN_SECONDS):
            while key in self._lost:
                await self._lost[key].settled.wait()
        if key in self._lost:
            raise TaskConnectionError("the connection was lost, and the server has not asked again for the answer")

    def settle(self, key: str, answer: Answer) -> bool:
        """Answer a question on the present connection. Return False if it is not open there."""
        held = self._open.get(key)
        if held is None:
            return False
        held.answer = answer
        held.settled.set()
        for watch in held.watches:
            drop_draft(watch, key)
            self._monitor.feed(watch, InputAnswered(key))
        return True

    def _take_in(self, held: _Held, request: Any) -> str:
        """Open a question, and return its key. A question that was asked before, on a lost connection, keeps its
        key."""
        for key, lost in self._lost.items():
            if lost.content == held.content and set(lost.watches) & set(held.watches):
                del self._lost[key]
                self._open[key] = held
                lost.settled.set()
                return key
        self._numbers += 1
        key = f"request-{self._numbers}"
        self._open[key] = held
        for watch in held.watches:
            self._monitor.feed(watch, InputAsked(key, request))
        return key

    def _drop(self, key: str) -> None:
        lost = self._lost.pop(key)
        for watch in lost.watches:
            drop_draft(watch, key)
            self._monitor.feed(watch, InputWithdrawn(key))
        lost.settled.set()


def _over(watches: Sequence[Watch]) -> bool:
    return all(watch.state.terminal for watch in watches)


async def _settled_or_over(held: _Held) -> None:
    """Wait until a question is answered, or until all tasks that may have asked it are over."""
    async with anyio.create_task_group() as group:

        async def over() -> None:
            for watch in held.watches:
                while not watch.state.terminal:
                    await watch.change()
            group.cancel_scope.cancel()

        group.start_soon(over)
        await held.settled.wait()
        group.cancel_scope.cancel()
