"""The tasks of a server that an uncertain call may have created.

Only servers of 2025-11-25 list tasks, and not all of them do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mcptasks._cli import connecting, naming, records, taking_up, untrusted
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting

if TYPE_CHECKING:
    from mcptasks import TaskStatus
    from mcptasks.store import Store, TaskRecord

_PATIENCE = 10.0
"""Seconds for a server to list its tasks. Nothing depends on the list, so the command does not wait longer."""
_SKEW = timedelta(seconds=60)
"""How far a server's clock may be behind this machine's: generous for machines with a time service."""
_MODERN = "2026-07-28"
"""The protocol in which servers list no tasks."""
_SHOWN = 10


async def of_calls(setting: Setting, store: Store, calls: Sequence[TaskRecord]) -> dict[str, list[TaskStatus]]:
    """Ask the servers of some calls for the tasks that the calls may have created.

    A server that the command would have to start is not asked: its tasks have ended with it.

    Args:
        setting: The options of the command.
        store: Tasks that are in this store belong to other calls.
        calls: The calls.

    Returns:
        The tasks by the id of the call in the store.
    """
    import anyio

    found: dict[str, list[TaskStatus]] = {}
    groups: dict[str, list[TaskRecord]] = {}
    for each in calls:
        if each.era != _MODERN:
            groups.setdefault(taking_up.server_key(setting, naming.of_record(each)), []).append(each)

    async def server(members: Sequence[TaskRecord]) -> None:
        known = {each.task_id for each in await store.tasks(endpoint=members[0].endpoint, limit=records.ALL)}
        listed = [each for each in await _listed(setting, members[0]) if each.task_id not in known]
        for call in members:
            found[call.id] = [each for each in listed if may_be_of(each.created_at, call.created_at)]

    async with anyio.create_task_group() as group:
        for members in groups.values():
            group.start_soon(server, members)
    return {call: tasks for call, tasks in found.items() if tasks}


async def _listed(setting: Setting, call: TaskRecord) -> list[TaskStatus]:
    """The tasks that the server of a call lists; none, with a message, if the server cannot be asked."""
    import anyio

    from mcptasks import TaskError

    named = naming.of_record(call)
    try:
        target = connecting.target_of_task(setting, named)
        if not target.is_lasting:
            return []
        with anyio.fail_after(_PATIENCE):
            async with connecting.client_of(setting, target, None, named.labels) as client:
                tasks = await client.list_tasks()
                return [each.last_status for each in tasks if each.last_status is not None]
    except (Failure, TaskError, TimeoutError) as exc:
        words = getattr(exc, "message", "no answer came")
        setting.screen.hint(f"the server of {named.shown} was not asked for its tasks: {untrusted.line(words)}")
        return []


def may_be_of(created: datetime | None, called: datetime) -> bool:
    """Whether a call may have created a task. Pure.

    Args:
        created: When the server created the task, by its clock; None if it does not say.
        called: When the call was made, by the clock of this machine.
    """
    return created is None or created >= called - _SKEW


def words(setting: Setting, call: str, tasks: Sequence[TaskStatus]) -> Iterable[str]:
    """Yield the lines about the tasks that a call may have created, the newest first. Pure."""
    yield f"{call} may be one of these tasks of the server:"
    ordered = sorted(tasks, key=lambda each: each.created_at.timestamp() if each.created_at else 0.0, reverse=True)
    for each in ordered[:_SHOWN]:
        message = untrusted.line(each.status_message or "", 80)
        shown = untrusted.line(each.task_id, 200)
        yield f"  {setting.command('settle', call, shown)}    {each.status}  {message}".rstrip()
    if len(ordered) > _SHOWN:
        yield f"  and {len(ordered) - _SHOWN} more (--json lists all)"


def as_json(found: Mapping[str, Sequence[TaskStatus]]) -> dict[str, Any]:
    """Return the tasks as `recover --json` has them. Pure."""
    return {
        call: [
            {
                "task_id": each.task_id,
                "status": each.status,
                "message": each.status_message,
                "created_at": None if each.created_at is None else each.created_at.isoformat(),
            }
            for each in tasks
        ]
        for call, tasks in found.items()
    }
