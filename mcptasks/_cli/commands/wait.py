"""`mcptasks wait`: waits for tasks in silence, for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import exits, naming, options, running
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, tell
from mcptasks._cli.following import come_back
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting
from mcptasks._cli.taking_up import with_tasks

if TYPE_CHECKING:
    from mcptasks import Task, TaskStatus

_PATIENCE = 5.0
"""Seconds for the store to get a question that the client knows already, which is one write."""
_OF_STATUS = {"failed": Exit.FAILED, "cancelled": Exit.CANCELLED}


@click.command(epilog=options.TASK)
@options.tasks_argument(required=True)
@click.option(
    "--for",
    "wanted",
    type=click.Choice(["completed", "input_required", "failed", "cancelled", "working"]),
    help="Wait for this status instead; a task that can no longer have it ends the wait.",
)
@click.option("--any", "first", is_flag=True, help="Wait for the first of the tasks only.")
@click.option(
    "--timeout", type=options.DURATION, help="How long to wait, such as 90s, 5m or 1h30m (code 124); 0 polls once."
)
@options.setting(reaches=True, names_server=True)
def command(setting: Setting, tasks: Sequence[str], wanted: Any, first: bool, timeout: float | None) -> Exit:
    """Wait for tasks in silence. The exit code tells how they ended.

    If a task asks a question, the command waits until somebody answers it, with `answer` for instance. The code is 0 if
    all tasks have completed, 1 if one failed, 3 if one was cancelled; `mcptasks --help` has all codes.

    \b
    mcptasks wait @last --timeout 20m
    mcptasks wait @last --for input_required
    mcptasks wait --any 3f2a91bc 77c0de12
    mcptasks list --quiet --label job=nightly | xargs -r mcptasks wait
    """
    watched: list[Named] = []
    ended: list[dict[str, Any]] = []

    def goodbye() -> list[str]:
        known = [each.shown for each in watched]
        return ["stopped; the work goes on", *(come_back(setting, known[0]) if len(known) == 1 else ())]

    def failed(named: Named, failure: Failure) -> None:
        note(named, failure.code, None)
        if not setting.manner.json:
            tell(setting.screen, failure)

    def note(named: Named, code: Exit, status: str | None) -> None:
        ended.append({"task": named, "code": int(code), "status": status})

    async def work(task: Task[Any], named: Named) -> Exit:
        status = await task.wait(state=wanted, timeout=timeout)
        if status.input_requests:
            await _keep_questions(task, await naming.refreshed(setting.open_store(), named))
        code = code_of(status, wanted)
        note(named, code, status.status)
        if first:
            raise _Enough
        return code

    async def body() -> Exit:
        from mcptasks import BY_HAND

        store = setting.open_store()
        watched.extend(await naming.find_all(store, tasks))
        try:
            codes = await with_tasks(
                *(setting, store, watched, work, failed), elicitation_handler=BY_HAND, sampling_handler=BY_HAND
            )
        except* _Enough:
            codes = []
        if setting.manner.json:
            found = [{**each, "task": (await naming.refreshed(store, each["task"])).json} for each in ended]
            setting.screen.print_json({"schema": 1, "tasks": found})
        if first and any(each["status"] is not None for each in ended):
            return Exit(next(each["code"] for each in ended if each["status"] is not None))
        return exits.worst(codes)

    return running.run(setting, body, running.Leaving(goodbye))


async def _keep_questions(task: Task[Any], named: Named) -> None:
    """Have the store keep what a task asks, so that `show` has it.

    The client that waits for the result tells the store. If another command does so, the store has the questions.
    """
    from mcptasks import TaskError

    if named.record is not None and any(each.is_open for each in named.record.questions):
        return
    try:
        await task.result(timeout=_PATIENCE)
    except TaskError:
        return


class _Enough(Exception):
    """The first of the tasks has reached what `--any` waits for."""


def code_of(status: TaskStatus, wanted: str | None) -> Exit:
    """Return the exit code for a status that ended the wait. Pure."""
    if wanted is not None and status.status == wanted:
        return Exit.OK
    return _OF_STATUS.get(status.status, Exit.OK)
