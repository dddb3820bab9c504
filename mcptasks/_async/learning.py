"""What the clients of one event loop learn of how long tools take, and when to look at a task next by that.

What is known ends with the event loop: a variable of the loop holds it, and no module does. Clients of the same URL
share it; what runs in a subprocess or in this process is known to its own client only.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from anyio.lowlevel import RunVar

from mcptasks._async.watch import Watch
from mcptasks._placing import Places
from mcptasks._runtimes import RunTimes, Tool
from mcptasks._schedule import PollingPolicy, next_look
from mcptasks._state import Seen

_SERVERS = 64
"""Servers that are remembered."""

_TOLD_AT = frozenset({1, 2, 4, 8, 16})
"""After so many runs of a tool, tasks that are under way are planned anew."""

_known: RunVar[OrderedDict[str, RunTimes]] = RunVar("mcptasks_run_times")


class Learning:
    """One client's part in it.

    Args:
        endpoint: The server, for clients to share what they learn of it; None where each learns for itself.
        policy: How looks are spaced.
    """

    def __init__(self, endpoint: str | None, policy: PollingPolicy) -> None:
        self._times = RunTimes() if endpoint is None else _shared(endpoint)
        self._policy = policy

    def seen(self, watch: Watch, event: Seen, *, asked: float, over: bool) -> bool:
        """Take in a status of a task; whether tasks of the same tool should be planned anew.

        Args:
            watch: The task.
            event: The status.
            asked: When the server was asked, or the push came, by the event loop's clock.
            over: Whether this status ended it.
        """
        tool, age = _tool(watch), asked - watch.since
        if tool is None:
            return False
        if event.status.status == "input_required":
            # From here on it takes as long as somebody takes to answer.
            watch.timed = False
        elif over and event.status.status != "cancelled" and event.origin != "created":
            return self._times.add(tool, event.status, low=min(watch.ran, age), high=age) in _TOLD_AT
        elif not over and event.origin == "polled":
            watch.ran = max(watch.ran, age)
        return False

    def alike(self, watch: Watch, others: Iterable[Watch]) -> Iterator[Watch]:
        """The tasks of the same tool."""
        tool = _tool(watch)
        return (other for other in others if tool is not None and _tool(other) == tool)

    def delay(self, watch: Watch, *, crowded: bool, awaited: bool) -> float:
        """Seconds from the latest look at a task, which there was, to the next one."""
        policy, tool = self._policy, _tool(watch)
        assert watch.looked is not None
        return next_look(
            policy,
            age=watch.looked - watch.since,
            interval=watch.interval,
            remaining=watch.remaining(watch.looked),
            pushed=watch.pushed,
            spread=random.random(),
            places=None if tool is None or not policy.learn else self._places(tool, watch.interval),
            crowded=crowded,
            awaited=awaited,
            name=None if watch.reference is None else watch.reference.name,
            runs=() if tool is None or policy.custom is None else self._times.runs(tool),
        )

    def _places(self, tool: Tool, interval: float | None) -> Places | None:
        policy = self._policy
        return self._times.places(
            tool, interval=policy.spacing(interval), soonest=policy.soonest(interval), growth=policy.growth
        )


def _tool(watch: Watch) -> Tool | None:
    """What a task runs, if its age tells anything of how long that takes."""
    reference = watch.reference
    if not watch.timed or reference is None or reference.kind is None or reference.name is None:
        return None
    return reference.kind, reference.name


def _shared(endpoint: str) -> RunTimes:
    try:
        servers = _known.get()
    except LookupError:
        servers = OrderedDict[str, RunTimes]()
        _known.set(servers)
    times = servers.setdefault(endpoint, RunTimes())
    servers.move_to_end(endpoint)
    if len(servers) > _SERVERS:
        servers.popitem(last=False)
    return times
