"""Reads that nobody waits for any more: they hold nothing, and they harm nothing."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks.testing import Drop, Fault, NoHttpAnswer
from tests.benchmarks.soak_server import CuttableServer
from tests.helpers.pairs import pairwise
from tests.helpers.pushing import until
from tests.helpers.support import LIMIT, POLLED, Era, begin, connected, make_server
from tests.helpers.worlds import ASYNC, World, both_worlds

# Whether a read ends on the wire hangs on how its answer stays away and on the event loop. Which read it is, and in
# which world somebody gave up, are tried with each of both.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

READS: list[tuple[Era, str]] = [("modern", "tasks/get"), ("legacy", "tasks/get"), ("legacy", "tasks/result")]
TASKS = 40
"""More than there are requests under way at once."""


@pytest.mark.parametrize(("era", "method"), READS)
@pytest.mark.parametrize("fault", [pytest.param(NoHttpAnswer(), id="silence"), pytest.param(Drop(), id="no-answer")])
async def test_what_was_given_up_ends(
    world: World, era: Era, method: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that the server leaves without an answer ends on the wire as well when it is given up: while 40 tasks are
    read three times in vain, far fewer connections are taken than reads were sent, and afterwards none."""

    limit = 0.3

    def soon(**_: Any) -> float:
        return limit

    monkeypatch.setattr("mcptasks._engine.connection.time_limits.attempt_limit", soon)
    server = make_server(era, **POLLED)
    silent = server.faults.add(method, fault, times=None)
    web = CuttableServer(server)
    with web as url:
        async with connected(url, limit=4 * LIMIT, reconnect_timeout=None) as client:
            begun = [await begin(client, server) for _ in range(TASKS if world is ASYNC else 4)]
            for number, (_, steered) in enumerate(begun):
                steered.complete(number)
            async with anyio.create_task_group() as group:
                for task, _ in begun:
                    group.start_soon(task.result)
                await server.faults.wait_fired(silent, 3 * len(begun))
                # The server takes a moment to see that a read has ended; on a busy machine, longer than a read lasts.
                while web.under_way >= 2 * len(begun):
                    limit *= 2
                    await anyio.sleep(limit)
                server.faults.clear()
                # Answers to so many reads at once take their time there, too.
                limit = LIMIT
            assert [(await task).data for task, _ in begun] == list(range(len(begun)))
            await until(lambda: web.under_way <= 1)  # One is the stream of pushes.
