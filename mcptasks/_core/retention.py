"""How long a server keeps a task, compared with the `ttl` that the program asks for. Pure.

Source: 2025-11-25 tasks, "TTL and Resource Management" (the client asks, the server has the last word); ext-tasks,
"Task" (2026-07-28: the client cannot ask, and `ttlMs` may change).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mcptasks._core.models import Era, Kind, TaskStatus
from mcptasks._core.safe_text import short


def says_time(status: TaskStatus) -> bool:
    """Whether a status says how long the task is kept; null means for ever."""
    raw = status.raw
    return status.ttl is not None or any(name in raw and raw[name] is None for name in ("ttl", "ttlMs"))


def kept_until(
    status: TaskStatus | None, *, era: Era | None, created: datetime | None, expires: datetime | None
) -> datetime | None:
    """When the server may forget a task; None for never, or if the time is not known.

    Args:
        status: The latest status.
        era: The task's protocol.
        created: When this client created the task; None if it did not.
        expires: The time according to the answer that created the task.
    """
    if status is None or not says_time(status):
        return expires
    if era == "2025-11-25" and expires is not None:
        return expires  # Later answers do not count: in all of them, fastmcp 3 names another time.
    if status.ttl is None:
        return None
    since = created or status.created_at
    if since is None:
        return expires
    try:
        return since + status.ttl
    except OverflowError:
        return None  # The time is later than Python's last date.


def too_short(asked: timedelta, status: TaskStatus) -> str | None:
    """The warning for a server that grants less than the program asks for; None if it grants enough."""
    if status.ttl is None or status.ttl >= asked:
        return None
    return f"the server keeps the task for {status.ttl}, not for the ttl of {asked}; `task.kept_until` says until when"


def not_sent(*, era: Era, kind: Kind, name: str, task: bool, tasks: bool, offered: bool, support: str | None) -> str:
    """The warning that says why no `ttl` is sent with a call.

    Args:
        era: The connection's task protocol.
        kind: The kind of call.
        name: The name of the tool or prompt, or the resource's URI.
        task: Whether the program asks for a task.
        tasks: Whether the server has tasks at all.
        offered: Whether the server makes tasks of this kind of call.
        support: The tool's `taskSupport`; None if not known.
    """
    what = f"{kind} {short(name, 80)}"
    if not tasks:
        why = "the server has no tasks, so nothing is kept"
    elif not offered:
        why = f"the server makes no task of a {kind}, so nothing is kept"
    elif era == "2026-07-28":
        why = "a 2026-07-28 server alone decides how long it keeps a task; `task.kept_until` says until when"
    elif kind == "tool" and support != "optional":
        why = f"{what} does not become a task (its taskSupport is {support or 'not known'}), so nothing is kept"
    elif not task:
        why = f"{what} is called without task=True, so nothing is kept"
    else:
        why = f"{what} does not become a task, so nothing is kept"
    return f"ttl was not sent: {why}"


def at_once(kind: Kind, name: str) -> str:
    """The warning for a server that makes no task of a call although the call asked for one."""
    return f"ttl has no effect: the server answered {kind} {short(name, 80)} at once, so nothing is kept"
