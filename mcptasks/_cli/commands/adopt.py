"""`mcptasks adopt`: takes a task of another program or machine into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import connecting, naming, options, records, running
from mcptasks._cli.completing import complete_targets
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, of_exception
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks import Client, Task
    from mcptasks.store import Store, TaskRecord

_PATIENCE = 5.0
"""Seconds for the store to take the task, which is one write."""
_PAUSE = 0.05
"""Seconds between two reads of the store."""


@click.command(cls=options.IdCommand)
@click.argument("reference", metavar="ID|REFERENCE")
@click.option("--server", metavar="TARGET", shell_complete=complete_targets, help="The server of the task.")
@options.setting(reaches=True)
def command(setting: Setting, reference: str, server: str | None) -> Exit:
    """Take a task into the store: by its id at the server, or by its reference as JSON (- for standard input).

    The server is asked whether it has the task.
    """
    setting.server = server

    async def body() -> Exit:
        from mcptasks import TaskError

        store = setting.open_store()
        found = await _named(setting, reference)
        target = connecting.target_of_task(setting, found)
        async with connecting.client_of(setting, target, store, {}) as client:
            try:
                task = _handle(client, found)
                status = await task.status()
            except TaskError as exc:
                raise of_exception(exc, task=found.json) from None
            if status.is_terminal:
                words = f"the task is over ({status.status}); `mcptasks result` has its end"
                raise Failure(Exit.NO_TASK, words, task=found.json)
            record = await _taken(store, task)
        if record is None:
            raise Failure(Exit.FAILED, "the store did not take the task", task=found.json)
        screen = setting.screen
        if setting.manner.json:
            screen.print_json({"schema": 1, "task": records.as_json(record)})
            return Exit.OK
        screen.print(record.id)
        screen.hint(f"watch it:   {setting.command('watch', records.short_id(record))}")
        return Exit.OK

    return running.run(setting, body)


async def _named(setting: Setting, word: str) -> naming.Named:
    if word == "-" or word.lstrip().startswith("{"):
        return await naming.find(setting.open_store(), word)
    return naming.Named(word, None, {"task_id": word})


async def _taken(store: Store, task: Task[Any]) -> TaskRecord | None:
    """The record of a task that the client takes into the store as soon as somebody is interested in the task."""
    import anyio

    forget = task.on_status_change(lambda _: None)
    with anyio.move_on_after(_PATIENCE):
        while True:
            try:
                return await store.get(task.reference)
            except LookupError:
                await anyio.sleep(_PAUSE)
    forget()
    return None


def _handle(client: Client, named: naming.Named) -> Task[Any]:
    fields = dict(named.reference or {})
    return client.task(fields["task_id"]) if len(fields) == 1 else client.resume(fields)
