"""`mcptasks cancel`: asks servers to cancel tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import connecting, exits, naming, options, running
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, tell
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting
from mcptasks._cli.taking_up import with_tasks

if TYPE_CHECKING:
    from mcptasks import Task

_PATIENCE = 2.0
"""Seconds to wait for the end of the task after the server has accepted the request. The task may take longer, or
complete."""


@click.command(epilog=options.TASK)
@options.tasks_argument(required=True)
@options.setting(reaches=True, names_server=True)
def command(setting: Setting, tasks: Sequence[str]) -> Exit:
    """Ask servers to cancel tasks. A task may still complete; `watch` tells how it ended.

    \b
    mcptasks cancel @last
    mcptasks list --quiet --label job=nightly | xargs -r mcptasks cancel
    """
    ended: list[dict[str, Any]] = []

    async def work(task: Task[Any], named: Named) -> Exit:
        from mcptasks import TaskStateError, TaskTimeoutError

        try:
            await task.cancel()
        except TaskStateError:
            await _cancel_aside(setting, named)
        try:
            status: str = (await task.wait(timeout=_PATIENCE)).status
        except TaskTimeoutError:
            status = "asked"
        ended.append({"task": named, "status": status})
        if not setting.manner.json:
            words = "the server was asked to cancel it" if status == "asked" else status
            setting.screen.hint(f"{named.shown}  {words}")
        return Exit.OK

    def failed(named: Named, failure: Failure) -> None:
        ended.append({"task": named, "error": {"type": failure.kind, "message": failure.message}})
        if not setting.manner.json:
            tell(setting.screen, failure)

    async def body() -> Exit:
        store = setting.open_store()
        codes = await with_tasks(setting, store, await naming.find_all(store, tasks), work, failed)
        if setting.manner.json:
            found = [{**each, "task": (await naming.refreshed(store, each["task"])).json} for each in ended]
            setting.screen.print_json({"schema": 1, "tasks": found})
        return exits.worst(codes)

    return running.run(setting, body)


async def _cancel_aside(setting: Setting, named: Named) -> None:
    """Cancel a task that another client of the store holds, such as a `watch` at another terminal. A person who cancels
    wants that in any case, and a second request to cancel does no harm."""
    target = connecting.target_of_task(setting, named)
    async with connecting.client_of(setting, target, None, named.labels) as client:
        await client.resume(dict(named.reference or {})).cancel()
