"""The writes about owners and leases, the writes that people ask for, and the writes about run times and protocols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from mcptasks._store.records import LearnedRun, Owner, Query, Row
from mcptasks._store.sql import reading
from mcptasks._store.sql.calls import OWNER_LIVES, TAKEN
from mcptasks._store.sql.dialect import Connection, Values
from mcptasks._store.sql.values import AT_ONCE, beyond, fits, indexed, listed, micros, most, text
from mcptasks._store.upkeep import Beat, Claim, Claimed, EraKnown, Forget, Learned, Purge, Release, Retire, Settle
from mcptasks._store.writes import Held

_RUNS = 8
"""How many runs of one tool stay, the newest. `RunTimes` remembers 16 in memory."""
_TOOLS = 256
"""How many tools of one endpoint stay: as many as `RunTimes` remembers."""
_OLD = 3600
"""Seconds from the end of an owner's lease to the deletion of its row. Until then `Store.check` names the owner.
"""


def beat(connection: Connection, write: Beat) -> None:
    """Record a sign of life of an owner."""
    alive(connection, write.owner, write.lease)


def alive(connection: Connection, owner: Owner, lease: float) -> None:
    """Begin an owner's lease anew."""
    values = {"owner": owner.owner, "lease": lease}
    again = "UPDATE owner SET boot = {boot}, alive_until = {now} + {margin} + :lease WHERE owner = :owner"
    if connection.run(again, values):
        return
    connection.run(
        "INSERT INTO owner (owner, host, scene, process, boot, alive_until) VALUES (:owner, :host, :scene, :process, "
        "{boot}, {now} + {margin} + :lease) ON CONFLICT (owner) DO NOTHING",
        {**values, "host": text(owner.host), "scene": owner.scene, "process": owner.process},
    )
    connection.run("DELETE FROM owner WHERE boot <> {boot} OR alive_until < {now} - :old", {"old": _OLD})


def retire(connection: Connection, write: Retire) -> int:
    """Delete an owner, and free its tasks; returns how many tasks and calls these were."""
    values = {"owner": write.owner}
    connection.run("DELETE FROM owner WHERE owner = :owner", values)
    calls = connection.run(
        "UPDATE task SET phase = 'uncertain', owner = NULL WHERE owner = :owner AND phase = 'intended'", values
    )
    # A task is free if its owner is not on record. That a task became free is news, even if nothing in its row changes.
    name = "owner" if write.dead else "NULL"
    return calls + connection.run(
        f"UPDATE task SET owner = {name} WHERE owner = :owner AND {reading.IS_OPEN}", {**values, **reading.OPEN_VALUES}
    )


def claim(connection: Connection, write: Claim) -> list[Claimed]:
    """Take tasks that are free, oldest first."""
    query = Query(endpoint=write.endpoint, phases=write.phases, name=write.name, labels=write.labels)
    where, values = reading.condition(query)
    where += f" AND NOT {reading.ALIVE}"
    if write.ids is not None:
        names, ids = listed("id", write.ids)
        where, values = f"{where} AND t.id IN ({names})", {**values, **ids}
    limit = "" if write.limit is None else " LIMIT :limit"
    found = connection.all(
        f"SELECT {reading.COLUMNS} {reading.TASKS} WHERE {where} ORDER BY t.created_at, t.id{limit} {{claim}}",
        {**values, "limit": None if write.limit is None else most(write.limit)},
    )
    taken = {row.id: row for row in _taken(connection, [reading.row(each) for each in found], write)}
    waiting = reading.questions(connection, taken, all_of_them=False)
    return [
        Claimed(Held(row.id, write.owner, row.fence + 1), row, tuple(each for each in waiting if each.task == row.id))
        for row in taken.values()
    ]


def _taken(connection: Connection, found: list[Row], write: Claim) -> list[Row]:
    """Take tasks that a query found free; returns the tasks that were still free. In PostgreSQL, another process may
    have taken a task while the query ran. The query has locked the row, so the next statement sees the right owner."""
    taken: list[Row] = []
    for start in range(0, len(found), AT_ONCE):
        rows = found[start : start + AT_ONCE]
        names, values = listed("id", [row.id for row in rows])
        values["owner"] = write.owner
        done = connection.run(
            f"UPDATE task SET {TAKEN} WHERE id IN ({names}) AND NOT {OWNER_LIVES}",
            {**values, "at": micros(write.at)},
        )
        if done == len(rows):
            taken += rows
            continue
        ours = connection.all(f"SELECT id FROM task WHERE id IN ({names}) AND owner = :owner", values)
        taken += [row for row in rows if (row.id,) in ours]
    return taken


def release(connection: Connection, write: Release) -> bool:
    """Give a task back."""
    held = write.held
    return bool(
        connection.run(
            "UPDATE task SET owner = NULL, updated_at = :at WHERE id = :id AND owner = :owner AND fence = :fence",
            {"id": held.id, "owner": held.owner, "fence": held.fence, "at": micros(write.at)},
        )
    )


def settle(connection: Connection, write: Settle) -> Literal["settled", "certain", "taken"]:
    """Record what a person has found out about an uncertain call."""
    values = {
        "id": write.id,
        "at": micros(write.at),
        "task_id": indexed(write.task_id),
        "whole_task_id": beyond(write.task_id),
        "kind": write.kind,
        "name": text(write.name),
        "era": write.era,
        "expires_at": micros(write.expires_at),
    }
    if write.task_id is not None and connection.all(
        "SELECT 1 FROM task WHERE phase = 'created' AND id <> :id AND task_id = :task_id AND "
        "endpoint = (SELECT e.endpoint FROM task e WHERE e.id = :id)",
        values,
    ):
        return "taken"
    came = (
        "phase = 'refused', over_at = :at"
        if write.task_id is None
        else "phase = 'created', task_id = :task_id, whole_task_id = :whole_task_id, "
        "kind = COALESCE(:kind, kind), name = COALESCE(:name, name), era = COALESCE(:era, era), "
        "expires_at = :expires_at, error = NULL"
    )
    done = connection.run(
        f"UPDATE task SET {came}, updated_at = :at, owner = NULL, fence = fence + 1 WHERE id = :id AND "
        f"(phase = 'uncertain' OR (phase = 'intended' AND NOT {OWNER_LIVES}))",
        values,
    )
    return "settled" if done else "certain"


_NOT_BEING_MADE = f"NOT (phase = 'intended' AND {OWNER_LIVES})"


def forget(connection: Connection, write: Forget) -> int:
    """Delete records."""
    done = 0
    for each in write.ids:
        done += connection.run(f"DELETE FROM task WHERE id = :id AND {_NOT_BEING_MADE}", {"id": each})
    if done:
        connection.wiped()
    return done


def purge(connection: Connection, write: Purge) -> int:
    """Delete old records of some phases."""
    where, values = reading.condition(Query(phases=write.phases))
    old = f"SELECT t.id {reading.TASKS} WHERE {where} AND t.updated_at < :before"
    done = connection.run(f"DELETE FROM task WHERE id IN ({old})", {**values, "before": micros(write.before)})
    if done:
        connection.wiped()
    return done


def learned(connection: Connection, writes: Sequence[Learned]) -> list[None]:
    """Record runs of tools, and delete runs above the bounds. Only the newest runs of each tool are written, since no
    others would stay."""
    tools = dict[tuple[str, str, str], dict[datetime, LearnedRun]]()
    for write in writes:
        run = write.run
        # A name that is too long for an index is not learned.
        if fits(run.name) and all(map(math.isfinite, (run.low, run.high, run.least))):
            tools.setdefault((run.endpoint, run.kind, run.name), {}).setdefault(run.at, run)
    newest = [[runs[at] for at in sorted(runs)[-_RUNS:]] for runs in tools.values()]
    if newest:
        _learn(connection, [[_run_values(run) for run in runs] for runs in newest])
    return [None] * len(writes)


def _run_values(run: LearnedRun) -> dict[str, Any]:
    return {
        "endpoint": indexed(run.endpoint),
        "kind": run.kind,
        "name": text(run.name),
        "at": micros(run.at),
        "low": run.low,
        "high": run.high,
        "least": run.least,
        "arguments": run.arguments,
        "size": run.size,
    }


def _learn(connection: Connection, tools: Sequence[Sequence[Values]]) -> None:
    """Insert runs, several of each tool, and delete runs above the bounds."""
    connection.each(
        "INSERT INTO run (endpoint, kind, name, at, low, high, least, arguments, size) VALUES (:endpoint, :kind, "
        ":name, :at, :low, :high, :least, :arguments, :size) ON CONFLICT (endpoint, kind, name, at) DO NOTHING",
        [run for runs in tools for run in runs],
    )
    each_tool = [runs[0] for runs in tools]
    same = "endpoint = :endpoint AND kind = :kind AND name = :name"
    connection.each(
        f"DELETE FROM run WHERE {same} AND at NOT IN (SELECT at FROM run WHERE {same} ORDER BY at DESC LIMIT {_RUNS})",
        each_tool,
    )
    connection.each(
        "DELETE FROM run WHERE endpoint = :endpoint AND (kind, name) NOT IN (SELECT kind, name FROM run WHERE "
        f"endpoint = :endpoint GROUP BY kind, name ORDER BY max(at) DESC, kind, name LIMIT {_TOOLS})",
        list({tool["endpoint"]: tool for tool in each_tool}.values()),
    )


def era_known(connection: Connection, write: EraKnown) -> None:
    """Record which protocol an endpoint speaks."""
    connection.run(
        "INSERT INTO endpoint (endpoint, era, at) VALUES (:endpoint, :era, :at) ON CONFLICT (endpoint) DO UPDATE SET "
        "era = excluded.era, at = excluded.at",
        {"endpoint": indexed(write.endpoint), "era": write.era, "at": micros(write.at)},
    )
