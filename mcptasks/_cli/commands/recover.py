"""`mcptasks recover`: lists the tasks and calls that a crash has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mcptasks._cli import candidates, options, records, running
from mcptasks._cli.commands import list as listing
from mcptasks._cli.commands.watch import Watch
from mcptasks._cli.exits import Exit
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks.store import Store, TaskRecord


@click.command()
@click.option("--watch", "follow", is_flag=True, help="Follow each listed task until it is over.")
@options.setting(reaches=True, answers=True)
def command(setting: Setting, follow: bool) -> Exit:
    """List what a crash has left: tasks that no running program holds, and uncertain calls, which may or may not have
    arrived.

    The exit code is 9 if there are uncertain calls. `settle` records what became of such a call. Servers that can list
    their tasks (2025-11-25) are asked which tasks such a call may have created.
    """
    left: list[str] = []

    async def body() -> Exit:
        store = setting.open_store()
        # Without this, a program that was just killed would hold its tasks until its lease ends.
        await store.release_dead()
        found = await store.tasks(phase=records.OPEN, limit=records.ALL)
        free, uncertain = chosen(found)
        left.extend(each.id for each in free)
        if setting.manner.json:
            tasks = await candidates.of_calls(setting, store, uncertain)
            listed = [records.as_json(each) for each in (*free, *uncertain)]
            setting.screen.print_json({"schema": 1, "tasks": listed, "candidates": candidates.as_json(tasks)})
        else:
            listing.show(setting, [*free, *uncertain], "nothing is left of a crash")
            await _tell(setting, store, uncertain)
        if free and not follow:
            setting.screen.hint(f"go on:      {setting.command('recover', '--watch')}")
        held = sum(each.phase in ("created", "intended") for each in found) - len(free)
        if held:
            setting.screen.hint(f"open tasks of programs that run: {held:,}; {setting.command('list')} has them, too")
        return Exit.UNCERTAIN if uncertain else Exit.OK

    code = running.run(setting, body)
    if code not in (Exit.OK, Exit.UNCERTAIN) or not follow or not left:
        return code
    return Watch(setting, None).run(left) or code


async def _tell(setting: Setting, store: Store, uncertain: Sequence[TaskRecord]) -> None:
    """Print what to do about uncertain calls."""
    if setting.manner.quiet:
        return
    tasks = await candidates.of_calls(setting, store, uncertain)
    for each in uncertain:
        known = records.short_id(each)
        for line in candidates.words(setting, known, tasks[each.id]) if each.id in tasks else ():
            setting.screen.hint(line)
        setting.screen.hint(
            f"{known} may exist; look at the server, then: {setting.command('settle', known)} --none|ID"
        )


def chosen(found: Sequence[TaskRecord]) -> tuple[list[TaskRecord], list[TaskRecord]]:
    """Return the tasks that nobody holds, and the uncertain calls. Pure."""
    free = [each for each in found if each.phase == "created" and each.is_free]
    return free, [each for each in found if each.phase == "uncertain"]
