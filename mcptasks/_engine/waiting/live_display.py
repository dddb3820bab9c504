"""Shows tasks live in a terminal or a pipe while somebody waits for them: what to show, and when to draw."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TextIO

import anyio
from attrs import define, field

from mcptasks._core.content import asked
from mcptasks._core.events import Finished
from mcptasks._core.progress_lines import Item, Row
from mcptasks._core.verdicts import error_words
from mcptasks._engine.waiting.live_writers import Screen, writer_for
from mcptasks._engine.waiting.members import Aim, Member, Members
from mcptasks._engine.waiting.progress import elapsed_of, expectation_of, progress_of
from mcptasks._engine.waiting.waiter import Waiter

_PAUSE = 0.25
"""Seconds between two drawings."""
_SHARE = 50
"""A pause between two drawings is at least this many times as long as preparing and writing a drawing took: 2 % of a
core."""


@define(eq=False)
class Shown:
    """The tasks that a display shows."""

    waiters: Sequence[Waiter]
    errors: dict[Waiter, BaseException] = field(factory=dict[Waiter, BaseException], init=False)
    """The errors that ended the waits for tasks that are not over."""

    def items(self) -> list[Item]:
        """The items to show now."""
        return [row_of(waiter, self.errors.get(waiter)) for waiter in self.waiters]

    def answering(self) -> bool:
        """Whether a handler is at work. It may be asking somebody at the same terminal."""
        return any(is_answered(waiter) for waiter in self.waiters)


async def show(waiters: Iterable[Waiter], file: TextIO) -> None:
    """Show tasks until all are over or cannot be waited for; the clients' handlers answer their questions. Does not
    raise if a task fails."""
    shown = Shown(list(dict.fromkeys(waiters)))
    if not shown.waiters:
        return
    members = Members(Aim.RESULT)
    try:
        async with on_screen(shown.items, shown.answering, file):
            for waiter in shown.waiters:
                members.add(waiter)
            while (member := await members.next()) is not None:
                if isinstance(member, Member) and member.error is not None:
                    shown.errors[member.waiter] = member.error
    finally:
        members.release()


@asynccontextmanager
async def on_screen(
    items: Callable[[], Sequence[Item]], answering: Callable[[], bool], file: TextIO
) -> AsyncGenerator[None]:
    """Show items inside the block, and once more when the block ends.

    Args:
        items: Returns the items to show at a moment.
        answering: Returns whether a handler may be using the terminal at that moment, so that nothing is drawn.
        file: Where to write.
    """
    screen = Screen(partial(writer_for, file))
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_refresh, items, answering, screen)
            yield
            group.cancel_scope.cancel()
    finally:
        await screen.close(items())


async def _refresh(items: Callable[[], Sequence[Item]], answering: Callable[[], bool], screen: Screen) -> None:
    while True:
        began = time.perf_counter()
        if answering():
            screen.rest()
        else:
            screen.draw(items())
        await anyio.sleep(max(_PAUSE, _SHARE * (time.perf_counter() - began + screen.spent)))


def row_of(waiter: Waiter, error: BaseException | None = None) -> Row:
    """A task as a display shows it.

    Args:
        waiter: The task's waiter.
        error: The error that ended the wait; None if there was none, or if the task is over.
    """
    watch, reference, progress = waiter.watch, waiter.reference, progress_of(waiter)
    status, verdict = watch.status, watch.state.verdict
    question = asked(watch.state.open)
    asks = status is not None and status.status == "input_required"
    word: str = "not known yet" if status is None else "waits for input" if asks else status.status
    words = question or (None if progress is None else progress.message)
    if verdict == "failed":
        outcome = watch.outcome
        word = "failed"
        words = (error_words(outcome.result) if isinstance(outcome, Finished) else None) or words
    elif error is not None and not watch.done:
        word, words = "given up", str(error)
    return Row(
        name=reference.name or reference.task_id,
        label=reference.label,
        word=word,
        over=watch.done or error is not None,
        failed=verdict == "failed" or (error is not None and not watch.done),
        asks=asks and error is None,
        words=words,
        fraction=None if progress is None else progress.fraction,
        elapsed=elapsed_of(waiter),
        expected=expectation_of(waiter),
    )


def is_answered(waiter: Waiter) -> bool:
    """Whether a handler is answering a question of a task."""
    return bool(waiter.watch.state.questions.reserved)
