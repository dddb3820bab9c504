"""`mcptasks show`: everything that the store knows of a task. Reads the store only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import durations, naming, options, questions, records, running, untrusted
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks.store import TaskRecord


@click.command(epilog=options.TASK)
@options.task_argument()
@click.option("--reference", is_flag=True, help="Print the task's reference as JSON, for another program or machine.")
@options.setting()
def command(setting: Setting, task: str, reference: bool) -> Exit:
    """Print everything that the store knows of a task: times, questions, the program that holds it, its reference.

    The server is not asked; `watch` asks it.
    """

    async def body() -> Exit:
        named = await naming.find(setting.open_store(), task)
        screen = setting.screen
        if reference:
            if named.reference is None:
                raise Failure(Exit.NO_TASK, "the server made no task of this call, so there is no reference")
            screen.print_json(named.reference)
        elif setting.manner.json:
            screen.print_json({"schema": 1, "task": named.json})
        elif named.record is None:
            raise Failure(Exit.NO_TASK, "the store does not have this task; `mcptasks adopt` takes it in")
        else:
            for name, text in facts(named.record, datetime.now(UTC)):
                screen.print(f"{screen.styled(f'{name:<10}', 'bold')} {text}")
            for line in hints(setting, named.record):
                screen.hint(line)
        return Exit.OK

    return running.run(setting, body)


def facts(record: TaskRecord, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield the facts about a task, as names and legible texts. Pure."""
    fields: tuple[tuple[str, Any], ...] = (
        ("id", record.id),
        ("tool", record.name),
        ("server", records.server(record)),
        ("status", records.status(record)),
        ("message", record.message),
        ("error", record.error),
        ("label", record.label),
        ("key", record.key),
        ("labels", ", ".join(f"{name}={value}" for name, value in records.labels(record).items())),
        ("task id", record.task_id),
        ("protocol", record.era),
        ("called", _when(record.created_at, now)),
        ("changed", _when(record.updated_at, now)),
        ("over", _when(record.over_at, now)),
        ("kept until", _when(record.expires_at, now)),
        ("cancel", _when(record.cancel_asked_at, now)),
        ("owner", record.owner if record.owner and record.lease_until else None),
    )
    for name, value in fields:
        if value:
            yield name, untrusted.line(str(value), 2000)
    asked = {each.key: each.request for each in record.questions if each.is_open}
    for key, shown in questions.short_keys(asked).items():
        yield "asks", f"{untrusted.line(shown, 80)}: {questions.summary(asked[key])}"


def hints(setting: Setting, record: TaskRecord) -> Iterator[str]:
    """Yield the commands that come next."""
    known = records.short_id(record)
    if record.phase == "uncertain":
        yield f"look at the server, then: {setting.command('settle', known)} --none, or the task's id there"
    elif record.phase == "created":
        if any(each.is_open for each in record.questions):
            yield f"answer it:  {setting.command('answer', known)}"
        yield f"watch it:   {setting.command('watch', known)}"
        yield f"cancel it:  {setting.command('cancel', known)}"
    elif record.phase == "over" and record.status == "completed":
        yield f"its result: {setting.command('result', known)}"


def _when(time: datetime | None, now: datetime) -> str | None:
    if time is None:
        return None
    passed = (now - time).total_seconds()
    words = f"{durations.words(passed)} ago" if passed >= 0 else f"in {durations.words(-passed)}"
    try:
        local = time.astimezone()
    except (OverflowError, ValueError):  # The time may be later than Python's last date.
        local = time
    return f"{local:%Y-%m-%d %H:%M:%S} ({words})"
