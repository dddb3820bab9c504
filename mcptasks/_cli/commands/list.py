"""`mcptasks list`: the tasks of the store, as a table. Reads the store only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import options, questions, records, running, tables, untrusted
from mcptasks._cli.completing import complete_targets
from mcptasks._cli.exits import Exit
from mcptasks._cli.setting import Setting
from mcptasks._store.sqlite import glance

if TYPE_CHECKING:
    from mcptasks.store import TaskRecord

_STATUSES = ("working", "input_required", "completed", "failed", "cancelled", "uncertain", "refused", "forgotten")
_HEAD = ("ID", "TOOL", "STATUS", "AGE", "SERVER", "MESSAGE")
_NOTHING = "no tasks; -a lists those that are over, too"


@click.command()
@click.option("-a", "--all", "everything", is_flag=True, help="List tasks that are over, too.")
@click.option("--server", metavar="TARGET", shell_complete=complete_targets, help="Only tasks of this server.")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only tasks with this status; repeatable.")
@click.option("--tool", help="Only tasks of this tool.")
@click.option("--label", "labels", type=options.LABEL, multiple=True, help="Only tasks with this label; repeatable.")
@click.option("--uncertain", is_flag=True, help="Only uncertain calls: nobody knows whether they arrived.")
@click.option("--since", type=options.DURATION, help="Only tasks that were called in this time, such as 1d.")
@click.option(
    "-n", "--limit", type=click.IntRange(1), metavar="N", default=1000, help="At most so many tasks; 1000 if not given."
)
@options.setting()
def command(
    setting: Setting,
    everything: bool,
    server: str | None,
    status: Sequence[str],
    tool: str | None,
    labels: Sequence[tuple[str, str]],
    uncertain: bool,
    since: float | None,
    limit: int,
) -> Exit:
    """List the tasks of the store, newest first. No server is asked.

    Without options, the list has the tasks that are not over, as far as the store knows.
    """
    wanted = {*status, *(("uncertain",) if uncertain else ())}
    phases = None if everything or wanted else records.OPEN
    given: dict[str, Any] = {
        "name": tool,
        "labels": dict(labels),
        "since": None if since is None else datetime.now(UTC) - timedelta(seconds=since),
        "limit": limit,
    }

    def tell(found: Sequence[TaskRecord]) -> Exit:
        show(setting, [each for each in found if fits(each, wanted, server)])
        return Exit.OK

    async def body() -> Exit:
        return tell(await setting.open_store().tasks(phase=phases, **given))

    at_a_glance = glance.tasks(setting.place, phases=phases, **given)
    return running.run(setting, body) if at_a_glance is None else tell(at_a_glance)


def fits(record: TaskRecord, statuses: set[str], server: str | None) -> bool:
    """Whether a task is of one of these statuses, and of this server. Pure."""
    if statuses and not statuses & {record.phase, record.status or "", records.status(record)}:
        return False
    return server is None or server in (record.endpoint, records.server(record))


def show(setting: Setting, found: Sequence[TaskRecord], nothing: str = _NOTHING) -> None:
    """Print tasks: a table, ids only, or JSON; words for people if there are none."""
    screen = setting.screen
    if setting.manner.json:
        screen.print_json({"schema": 1, "tasks": [records.as_json(each) for each in found]})
        return
    if setting.manner.quiet:
        for each in found:
            screen.print(each.id)
        return
    if not found:
        screen.hint(nothing)
        return
    now = datetime.now(UTC)
    width = screen.width if screen.out_is_terminal else None
    head, *rows = tables.table(_HEAD, [row(each, now) for each in found], width)
    screen.print(screen.styled(head, "bold"))
    for line in rows:
        screen.print(line)


def row(record: TaskRecord, now: datetime) -> list[str]:
    """Return the cells of one task, legible. Pure."""
    question = next((each.request for each in record.questions if each.is_open), None)
    message = record.error or record.message or ""
    if question is not None:
        asked = questions.params(question).get("message")
        message = asked if isinstance(asked, str) else message
    cells = (record.name or "", records.status(record), records.age(record, now), records.server(record), message)
    return [records.short_id(record), *(untrusted.line(cell, 200) for cell in cells)]
