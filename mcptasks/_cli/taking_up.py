"""Tasks that were started earlier, taken up again: one client for each server, all tasks at once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from mcptasks._cli import connecting, records
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, of_exception
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting
from mcptasks._cli.targets import Target

if TYPE_CHECKING:
    from mcptasks import Client, Task
    from mcptasks.store import Store

Work = Callable[["Task[Any]", Named], Awaitable[Exit]]
"""What to do with one task."""
Fail = Callable[[Named, Failure], None]
"""Told of a task with which nothing could be done."""


async def with_tasks(
    setting: Setting, store: Store, names: Sequence[Named], work: Work, fail: Fail, **handlers: Any
) -> list[Exit]:
    """Connect to the servers of some tasks, and do something with each task, all at once.

    Args:
        setting: The options of the command.
        store: The store of the tasks.
        names: The tasks.
        work: Called with each task.
        fail: Called for each task whose server cannot be reached, and for each call without a task at a server.
        handlers: Further arguments of `Client`.

    Returns:
        How each task ended.
    """
    import anyio

    codes: list[Exit] = []
    groups: dict[str, tuple[Target, list[Named]]] = {}
    for named in names:
        try:
            group = server_key(setting, named), connecting.target_of_task(setting, _with_task(named))
        except Failure as exc:
            codes.append(exc.code)
            fail(named, exc)
            continue
        groups.setdefault(group[0], (group[1], []))[1].append(named)

    async def server(target: Target, members: list[Named]) -> None:
        codes.extend(await _at_server(setting, store, target, members, work, fail, handlers))

    async with anyio.create_task_group() as tg:
        for target, members in groups.values():
            tg.start_soon(server, target, members)
    return codes


async def _at_server(
    setting: Setting,
    store: Store,
    target: Target,
    members: Sequence[Named],
    work: Work,
    fail: Fail,
    handlers: dict[str, Any],
) -> list[Exit]:
    import anyio

    from mcptasks import TaskError

    codes: list[Exit] = []
    labels = members[0].labels

    async def one(client: Client, named: Named) -> None:
        try:
            codes.append(await work(client.resume(dict(named.reference or {})), named))
        except (Failure, TaskError, ValueError) as exc:
            failure = exc if isinstance(exc, Failure) else of_exception(exc, task=named.json)
            codes.append(failure.code)
            fail(named, failure)

    left = False
    try:
        async with connecting.client_of(setting, target, store, labels, **handlers) as client:
            async with anyio.create_task_group() as tg:
                for named in members:
                    tg.start_soon(one, client, named)
            left = True
    except (Failure, TaskError) as exc:
        if left:
            return codes
        for named in members:
            failure = of_exception(exc, task=named.json) if isinstance(exc, TaskError) else exc
            codes.append(failure.code)
            fail(named, failure)
    return codes


def _with_task(named: Named) -> Named:
    """Return the name, if its call has a task at a server.

    Raises:
        Failure: The server made no task of the call, or nobody knows whether it did.
    """
    if named.reference is not None:
        return named
    record = named.record
    if record is not None and record.phase == "uncertain":
        words = (
            f"nobody knows whether the server carried out the call {named.shown}: {record.error or 'no answer came'}"
        )
        raise Failure(Exit.UNCERTAIN, words, task=named.json)
    if record is not None and record.phase == "refused":
        raise Failure(Exit.FAILED, record.error or "the server refused the call", task=named.json)
    if record is not None and record.phase == "intended":
        raise Failure(Exit.RUNNING, f"the call {named.shown} is being sent", task=named.json)
    raise Failure(
        Exit.NO_TASK, f"the call {named.shown} was answered at once, so the server has no task", task=named.json
    )


def server_key(setting: Setting, named: Named) -> str:
    """Return a key that is the same for all tasks that one client can serve. Pure."""
    record = named.record
    labels = (
        {}
        if record is None
        else {name: record.labels.get(name) for name in (records.TARGET, records.AUTH, records.MODE)}
    )
    endpoint = (named.reference or {}).get("endpoint") if record is None else record.endpoint
    return json.dumps([setting.server, endpoint, labels], sort_keys=True)
