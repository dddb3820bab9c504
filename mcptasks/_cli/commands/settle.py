"""`mcptasks settle`: records what became of an uncertain call."""

from __future__ import annotations

import click

from mcptasks._cli import naming, options, records, running
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting


@click.command(cls=options.IdCommand, epilog=options.TASK)
@options.task_argument()
@click.argument("reference", metavar="[ID|REFERENCE]", required=False)
@click.option("--none", "nothing", is_flag=True, help="The call had no effect.")
@options.setting()
def command(setting: Setting, task: str, reference: str | None, nothing: bool) -> Exit:
    """Record what became of an uncertain call, after you have checked at the server.

    Give the task's id at the server, or its reference as JSON, or --none if the call had no effect.
    """
    if nothing == (reference is not None):
        raise click.UsageError("give the task's id at the server, or --none")

    async def body() -> Exit:
        from mcptasks import TaskReference, TaskStateError

        store = setting.open_store()
        record = (await naming.find(store, task)).record
        if record is None:
            raise Failure(Exit.NO_TASK, "the store does not have this call")
        found = None
        if reference is not None:
            is_json = reference.lstrip().startswith("{")
            found = (
                TaskReference.from_json(reference)
                if is_json
                else TaskReference(
                    task_id=reference,
                    kind=record.kind,
                    name=record.name,
                    endpoint=record.endpoint or None,
                    era=record.era,
                )
            )
        try:
            await store.settle(record.id, found)
        except (TaskStateError, ValueError) as exc:
            raise Failure(Exit.USAGE, str(exc)) from None
        settled = await store.get(record.id)
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "task": records.as_json(settled)})
        elif found is not None:
            setting.screen.hint(f"watch it:   {setting.command('watch', records.short_id(record))}")
        return Exit.OK

    return running.run(setting, body)
