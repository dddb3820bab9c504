"""`mcptasks store`: inspects and maintains the store itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcptasks._cli import options, records, running, untrusted
from mcptasks._cli.exits import Exit
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks.store import Phase

_SETTLED: tuple[Phase, ...] = ("over", "immediate", "forgotten", "refused")


@click.group()
def command() -> None:
    """Inspect and maintain the store, which keeps the tasks of this and of other programs."""


@command.command()
@options.setting()
def info(setting: Setting) -> Exit:
    """Print where the store is, and how many tasks it has in each phase."""

    async def body() -> Exit:
        store = setting.open_store()
        counts = Counter(record.phase for record in await store.tasks(limit=records.ALL))
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "store": store.place, "tasks": dict(counts)})
            return Exit.OK
        setting.screen.print(untrusted.line(store.place))
        for phase, count in sorted(counts.items()):
            setting.screen.print(f"{count:>8,}  {phase}")
        return Exit.OK

    return running.run(setting, body)


@command.command()
@options.setting()
def check(setting: Setting) -> Exit:
    """Examine the store for damage, for files that others can read, and for clients that have died.

    The exit code is 1 if a problem was found.
    """

    async def body() -> Exit:
        found = await setting.open_store(migrate=False).check()
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "problems": found})
        for each in () if setting.manner.json else found:
            setting.screen.print(untrusted.line(each, 2000))
        if not found:
            setting.screen.hint("the store is sound")
        return Exit.FAILED if found else Exit.OK

    return running.run(setting, body)


@command.command()
@options.setting()
def migrate(setting: Setting) -> Exit:
    """Bring the store up to date with this version of the program."""

    async def body() -> Exit:
        store = setting.open_store()
        await store.tasks(limit=1)
        setting.screen.hint(f"{untrusted.line(store.place)} is up to date")
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "store": store.place})
        return Exit.OK

    return running.run(setting, body)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.setting()
def backup(setting: Setting, file: Path) -> Exit:
    """Write a consistent copy of the store to a new FILE. Programs may use the store meanwhile."""
    path = file.absolute()

    async def body() -> Exit:
        await setting.open_store().backup(path)
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "file": str(path)})
        return Exit.OK

    return running.run(setting, body)


@command.command()
@click.option(
    "--older-than",
    type=options.DURATION,
    required=True,
    help="Only tasks that have not changed for so long, such as 30d.",
)
@options.setting()
def purge(setting: Setting, older_than: float) -> Exit:
    """Delete tasks that are over. Uncertain calls, and tasks that run, stay."""

    async def body() -> Exit:
        count = await setting.open_store().purge(older_than, phase=_SETTLED)
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "purged": count})
        else:
            setting.screen.hint(f"{count:,} tasks were deleted")
        return Exit.OK

    return running.run(setting, body)
