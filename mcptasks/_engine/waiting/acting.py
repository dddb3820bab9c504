"""The acts of a program on one task besides waiting: to ask for its status, answer its questions, cancel it."""

from __future__ import annotations

from typing import Any

from mcptasks._core import safe_text
from mcptasks._core.events import CancelAsked
from mcptasks._core.exceptions import TaskError, TaskStateError
from mcptasks._core.models import TaskStatus
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.errors import copy_error
from mcptasks._engine.input.answers import formed
from mcptasks._engine.waiting.waiter import Waiter, named
from mcptasks._engine.watching.taking import find_place
from mcptasks._engine.watching.telling import missing_task


async def ask_status(waiter: Waiter) -> TaskStatus:
    """Ask the server for the present status; see `Task.status` for the errors."""
    watch, monitor = waiter.watch, waiter.core.monitor
    if waiter.returned_immediately:
        return _known(waiter)
    await find_place(watch, waiter.core.connection.trace)
    try:
        with waiter.core.connection.trace.around(Requesting(watch.trace, by_program=True)):
            event = await waiter.core.requests.status(watch.task_id)
    except TaskError as exc:
        raise missing_task(waiter.watch, exc, waiter.reference) from exc.__cause__
    troubles = watch.polling.troubles
    monitor.feed(watch, event)
    if (trouble := watch.polling.trouble_since(troubles)) is not None:
        raise copy_error(trouble, waiter.reference)
    # A terminal status is final. This answer may have been sent before the end, so it does not replace the known
    # status.
    return _known(waiter)


async def answer(waiter: Waiter, key: str, value: Any) -> None:
    """Answer a question of the task by hand; see `Task.answer` for the errors.

    Args:
        waiter: The task's waiter.
        key: The question's key.
        value: The answer, as an input handler would return it.
    """
    watch, questions = waiter.watch, waiter.core.questions
    waiter.core.monitor.check(watch)
    if key not in watch.state.open and not watch.done:
        await ask_status(waiter)
    if key not in watch.state.open or key in watch.state.questions.reserved:
        raise TaskStateError(_no_question(waiter, key), reference=waiter.reference)
    try:
        formed_answer = formed(watch.state.open[key], value)
        questions.reserve(watch, key)
        try:
            await _send(waiter, key, formed_answer)
        finally:
            questions.release(watch, key)
    except TaskError as exc:
        raise missing_task(waiter.watch, exc, waiter.reference) from exc.__cause__
    questions.drop(watch, key)


async def cancel(waiter: Waiter) -> None:
    """Ask the server to cancel the task, unless it is over; see `Task.cancel` for the errors."""
    core, watch = waiter.core, waiter.watch
    if watch.state.terminal:
        return
    await find_place(watch, core.connection.trace)
    await _take(waiter)
    if not await watch.record.cancel_asked():
        raise _held_elsewhere(waiter)
    try:
        with core.connection.trace.around(Requesting(watch.trace, by_program=True)):
            await core.requests.cancel(watch.task_id)
            core.monitor.feed(watch, CancelAsked())
            core.monitor.feed(watch, await core.requests.status(watch.task_id, ahead=True))
    except TaskError as exc:
        raise missing_task(waiter.watch, exc, waiter.reference) from exc.__cause__


async def _send(waiter: Waiter, key: str, answer: dict[str, Any]) -> None:
    """Send an answer. If another client has decided another answer, send that one, and raise an error that says so."""
    watch, deciding = waiter.watch, waiter.core.questions.deciding
    await _take(waiter)
    decided = await deciding.asked(watch, key, watch.state.open[key])
    if decided is not None and decided.held and decided.answer is None:
        deciding.answered(watch, key)
    elif not await deciding.send(watch, key, answer):
        raise _held_elsewhere(waiter)
    if decided is not None:
        words = f"{safe_text.short(key, 80)} was answered by another client before, and that answer stands"
        raise TaskStateError(words, reference=waiter.reference)


async def _take(waiter: Waiter) -> None:
    """Take the lease of a resumed task from the store, if it is free."""
    taken = await waiter.watch.record.taken()
    if taken.holds:
        waiter.watch.recorded(taken)


def _held_elsewhere(waiter: Waiter) -> TaskStateError:
    words = (
        "another client of the store holds the task, or the store cannot be reached: this client may neither answer "
        "nor cancel"
    )
    return TaskStateError(words, reference=waiter.reference)


def _known(waiter: Waiter) -> TaskStatus:
    status = waiter.watch.status
    assert status is not None
    return status


def _no_question(waiter: Waiter, key: str) -> str:
    questions = waiter.watch.state.questions
    if waiter.watch.done:
        return f"the task is {_known(waiter).status}; there is nothing to answer"
    if key in questions.reserved:
        return f"a handler is answering {safe_text.short(key, 80)}"
    if key in questions.answered:
        return f"{safe_text.short(key, 80)} is answered already"
    known = named(waiter.watch.state.open) or "none"
    return f"the task does not ask {safe_text.short(key, 80)}; its open questions are: {known}"
