"""`mcptasks forget`: deletes tasks from the store. Servers go on with them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mcptasks._cli import naming, options, running
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting


@click.command(epilog=options.TASK)
@options.tasks_argument(required=True)
@options.setting()
def command(setting: Setting, tasks: Sequence[str]) -> Exit:
    """Delete tasks from the store. Servers go on with the work; `cancel` stops it."""

    async def body() -> Exit:
        store = setting.open_store()
        found = [each.record for each in await naming.find_all(store, tasks) if each.record is not None]
        count = await store.forget(*(record.id for record in found))
        if setting.manner.json:
            screen_json = {"schema": 1, "forgotten": [record.id for record in found]}
            setting.screen.print_json(screen_json)
        elif count < len(tasks):
            raise Failure(
                Exit.NO_TASK, f"the store forgot {count} of {len(tasks)} tasks: a call that is under way stays"
            )
        return Exit.OK

    return running.run(setting, body)
