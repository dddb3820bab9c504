"""Decides which task asks if the server's request does not say so (2025-11-25): facts in, tasks out. Pure.

A request should name its task in `_meta` (2025-11-25 tasks, "Associating Related Messages"), but most servers do not do
that. Then we go by these facts, in this order: a pushed status whose message is the question; a polled status whose
message is the question; a task that waits for input while we do not know its question. If none of them decides, and no
plain call is under way that may ask, any live task may be the one. `locating.py` collects the facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from mcptasks._core.json import as_object
from mcptasks._wire.hosted import RELATED_TASK_KEY

RELATED_TASK_KEYS = (RELATED_TASK_KEY, "modelcontextprotocol.io/related-task")
"""The keys in `_meta` that name a request's task: the specification's (2025-11-25 tasks, "Associating Related
Messages"), and that of fastmcp 2.14."""

_POLLS = 16
"""How many tasks are polled to find the one that asks: the newest 16. Each poll delays the question, and old tasks are
less likely to have just begun to ask."""


@frozen(kw_only=True)
class Suspect:
    """What is known of a task that may have asked."""

    task_id: str
    over: bool = False
    waits: bool = False
    """Whether the task waits for input, by its latest status."""
    message: str | None = None
    """The message of the task's latest status from the server."""
    announced: tuple[str, ...] = ()
    """Messages of pushed "input_required" statuses whose questions have not come yet."""
    asked: bool = False
    """Whether a question of this task is open here, so that we know why the task waits."""
    silent: bool = False
    """Whether the server did not send the task's question in time."""


def related_task(meta: Mapping[str, Any]) -> str | None:
    """Return the id of the task that a request names in its `_meta`; None if it names none."""
    for name in RELATED_TASK_KEYS:
        related = as_object(meta.get(name))
        task_id = None if related is None else related.get("taskId")
        if isinstance(task_id, str):
            return task_id
    return None


def announcers(suspects: Sequence[Suspect], question: object) -> list[str]:
    """Return the tasks with a pushed status whose message is this question. fastmcp 3 pushes such a status right before
    it asks, while a poll still says "working".

    Args:
        suspects: The tasks that are not over.
        question: The question's message; None if it has none.
    """
    return [each.task_id for each in suspects if question in each.announced]


def to_poll(suspects: Sequence[Suspect]) -> list[str]:
    """Return the tasks to poll before `askers` decides, since they may have begun to wait for input."""
    return [each.task_id for each in suspects if not each.waits][-_POLLS:]


def askers(suspects: Sequence[Suspect], question: object, *, calls: bool) -> list[str]:
    """Return the task that asks, or several of which one asks; empty if a plain call asks.

    Args:
        suspects: The tasks that were not over when the question came.
        question: The question's message; None if it has none.
        calls: Whether a plain call is under way, which may ask, too.
    """
    waiting = [each for each in suspects if each.waits]
    told = [each.task_id for each in waiting if question is not None and each.message == question]
    if len(told) == 1:
        return told
    unexplained = [each.task_id for each in waiting if not each.asked and not each.silent]
    if unexplained or calls:
        return unexplained
    return [each.task_id for each in suspects if not each.over]
