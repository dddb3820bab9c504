"""One task followed to its end: its changes go to a display, its questions to a person, and its result comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mcptasks._cli import questions
from mcptasks._cli.asking import Asker, LeftOpen
from mcptasks._cli.display import BEAT, Display, Row
from mcptasks._cli.exits import Exit, of_error
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks import Task, TaskStatus

Told = Callable[["TaskStatus"], Awaitable[None] | None]


@frozen
class Followed:
    """The outcome of following a task."""

    code: Exit
    result: Any = None
    error: Exception | None = None


async def follow(
    task: Task[Any],
    row: Row,
    display: Display,
    asker: Asker,
    *,
    timeout: float | None = None,
    told: Callable[[TaskStatus], None] | None = None,
) -> Followed:
    """Follow a task until it is over, the time is up, or a question of it is left open.

    Args:
        task: The task.
        row: The task's row in the display.
        display: Shows its changes.
        asker: Answers its questions.
        timeout: Seconds; None for no limit.
        told: Called with each change.
    """
    import anyio

    ended: Followed | None = None
    async with anyio.create_task_group() as tg:
        tg.start_soon(_show, task, row, display, told)
        tg.start_soon(_beat, display)
        ended = await _result(task, asker, timeout)
        tg.cancel_scope.cancel()
    assert ended is not None
    return ended


async def _result(task: Task[Any], asker: Asker, timeout: float | None) -> Followed:
    import anyio

    from mcptasks import TaskError, TaskInputRequiredError

    deadline = None if timeout is None else anyio.current_time() + timeout
    while True:
        left = None if deadline is None else max(deadline - anyio.current_time(), 0.0)
        try:
            return Followed(Exit.OK, await task.result(left))
        except (LeftOpen, TaskInputRequiredError) as exc:
            return Followed(Exit.INPUT, error=exc)
        except TaskError as exc:
            return Followed(of_error(exc), error=exc)
        except ValueError as exc:
            # The answer does not match the form, so the question stays open and is asked again.
            asker.fault = str(exc)


async def _show(task: Task[Any], row: Row, display: Display, told: Callable[[TaskStatus], None] | None) -> None:
    from attrs import evolve

    from mcptasks import TaskError

    try:
        async for status in task.updates():
            asked = next((questions.summary(each) for each in status.input_requests.values()), None)
            display.update(evolve(row, status=status.status, message=asked or status.status_message or ""))
            if told is not None:
                told(status)
    except TaskError:
        return  # `_result`, which waits for the result, gets the error too.


async def _beat(display: Display) -> None:
    import anyio

    while True:
        display.beat()
        await anyio.sleep(BEAT)


def failure_of(setting: Setting, followed: Followed, task: Mapping[str, Any], known: str) -> Failure:
    """Return the failure for a task that did not come to a result. Pure.

    Args:
        setting: The options, for the commands that are shown.
        followed: How it ended.
        task: The task, as `--json` has it.
        known: The name of the task for later commands.
    """
    error = followed.error
    assert error is not None
    message = getattr(error, "message", None) or str(error)
    hints: list[str] = []
    if followed.code is Exit.INPUT:
        asked = list(getattr(error, "input_requests", {}).values())
        message = f"the task asks: {questions.summary(asked[0])}" if asked else message
        hints = [f"answer it:  {setting.command('answer', known)}"]
        if any(questions.method(each) == questions.SAMPLING for each in asked):
            hints.append("a model:    give --sampling-command CMD")
    elif followed.code in (Exit.TIMEOUT, Exit.UNREACHABLE):
        hints = come_back(setting, known)
    return Failure(followed.code, message, kind=type(error).__name__, task=task, hints=hints)


def come_back(setting: Setting, known: str) -> list[str]:
    """Return the two commands for a task that goes on. Pure."""
    return [
        f"watch it:   {setting.command('watch', known)}",
        f"cancel it:  {setting.command('cancel', known)}",
    ]
