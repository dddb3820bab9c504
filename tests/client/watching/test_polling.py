"""The looks that a client really makes at a server that does not push: exact times, and who learns from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import anyio
import pytest
from mcp.server.context import CallNext, HandlerResult

from mcptasks import PollingPolicy, TaskInputRequiredError
from mcptasks._core.polling.policy import LookContext
from mcptasks.testing import Complete, Options, ServerTask, TaskServer, elicit
from tests.helpers.support import POLLED, Era, connected, http, modern_only, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

EXACT = PollingPolicy(first=0.2, growth=1.58, jitter=0)
USUAL = [0.2, 0.4, 0.632, 0.999, 1.578, 2.493, 3.939, 6.223, 9.832, 14.832, 19.832]
"""The looks at a tool that was never seen, where the server wants five seconds between two."""


class Looks:
    """Notes how old a task was whenever the server was asked about it, by the event loop's clock."""

    def __init__(self, server: TaskServer) -> None:
        self._made: dict[str, float] = {}
        self.ages: dict[str, list[float]] = {}
        server.middleware.insert(0, self._note)

    async def _note(self, ctx: Any, call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        now = anyio.current_time()
        if ctx.method == "tools/call":
            answer: Any = result
            task = answer.get("task", answer)
            self._made[task["taskId"]] = now
            self.ages[task["taskId"]] = []
        elif ctx.method == "tasks/get":
            task_id = ctx.params["taskId"]
            self.ages[task_id].append(round(now - self._made[task_id], 3))
        return result


def timed_server(era: Era = "modern", *, interval: int = 5000) -> tuple[TaskServer, Looks]:
    """A server that only answers, whose tools `work` and `other` take as many seconds as they are told to."""
    server = TaskServer(era=era, options=Options(poll_interval_ms=interval, **POLLED))

    def script(arguments: Mapping[str, Any]) -> Sequence[Complete]:
        return [Complete("done", after=arguments["seconds"])]

    server.add_tool("work", script)
    server.add_tool("other", script)
    return server, Looks(server)


async def run(client: Any, looks: Looks, seconds: float, name: str = "work") -> list[float]:
    """The looks at one run of a tool, watched from its creation to its end."""
    task = await client.call_tool(name, {"seconds": seconds}, task=True)
    assert (await task.result()).data == "done"
    return looks.ages[task.task_id]


# --- one client ---------------------------------------------------------------------------------------------------


@virtual_clock()
async def test_a_tool_never_seen(era: Era) -> None:
    """Early looks become rarer until the server's interval is reached, which is kept from then on."""
    server, looks = timed_server(era)
    async with connected(server, limit=100, polling=EXACT) as client:
        assert await run(client, looks, 17.0) == USUAL
        assert await run(client, looks, 0.1, "other") == USUAL[:1]


@virtual_clock()
async def test_looks_close_in(era: Era) -> None:
    """From run to run of a steady tool, looks come where it may have ended, until it is known well enough."""
    server, looks = timed_server(era)
    async with connected(server, limit=1000, polling=EXACT) as client:
        found = [await run(client, looks, 7.0) for _ in range(7)]
        assert found == [
            USUAL[:9],
            [0.734, 1.405, 2.568, 3.698, 5.154, 6.39, 8.047],
            [0.878, 1.84, 3.698, 5.325, 7.236],
            [0.842, 1.727, 3.542, 5.325, 6.828, 7.828],
            [0.842, 1.727, 3.542, 5.325, 7.048],
            [0.833, 1.7, 3.469, 6.954, 7.954],
            [0.833, 1.7, 3.469, 7.016],
        ]
        # What was learned of one tool says nothing of another.
        assert await run(client, looks, 7.0, "other") == USUAL[:9]


@virtual_clock()
async def test_the_interval_counts() -> None:
    """What was learned is applied at the interval that a task names, whichever the runs before had."""
    server, looks = timed_server()
    async with connected(server, limit=1000, polling=EXACT) as client:
        for _ in range(10):
            await run(client, looks, 7.0)
        server.options = Options(poll_interval_ms=2000, **POLLED)
        ages = await run(client, looks, 7.0)
        assert ages[-1] == pytest.approx(7.05, abs=0.06)
        # A fifth of two seconds.
        assert all(after - before >= 0.4 for before, after in pairwise(ages))


@virtual_clock()
async def test_strict_looks_at_the_interval_alone() -> None:
    """The strict policy never looks ahead of the server's interval, however many runs it saw."""
    server, looks = timed_server()
    strict = PollingPolicy(early=False, learn=False, jitter=0)
    async with connected(server, limit=1000, polling=strict) as client:
        for _ in range(5):
            assert await run(client, looks, 7.0) == [5.0, 10.0]
    async with connected(server, limit=1000, polling=PollingPolicy.strict()) as client:
        for _ in range(5):
            first, second = await run(client, looks, 7.0)
            # Times are given to a millisecond.
            assert 4.999 <= first <= 5.101
            assert 4.999 <= second - first <= 5.101


@virtual_clock()
async def test_learned_without_early_looks() -> None:
    """Where no early looks are made, those that were learned come no sooner than the interval either."""
    server, looks = timed_server()
    async with connected(server, limit=1000, polling=PollingPolicy(early=False, jitter=0)) as client:
        found = [await run(client, looks, 11.5) for _ in range(4)]
        assert found == [[5.0, 10.0, 15.0], [6.0, 12.527], [6.0, 11.288, 16.288], [6.0, 11.931]]


@virtual_clock()
async def test_a_sister_ends() -> None:
    """When a run of a tool ends, those under way are looked at where that one was over, not in the usual rhythm."""
    server, looks = timed_server()
    found: dict[float, list[float]] = {}
    async with connected(server, limit=100, polling=EXACT) as client, anyio.create_task_group() as group:

        async def one(after: float) -> None:
            await anyio.sleep(after)
            found[after] = await run(client, looks, 4.0)

        for after in (0.0, 2.0, 4.0):
            group.start_soon(one, after)
    # The first is found at 6.223, which is told when the second is 4.223 s old, and the third 2.223 s.
    assert found[0.0] == USUAL[:8]
    assert found[2.0] == [*USUAL[:7], 5.095]
    # At 7.095 the second tells that the tool takes between 3.939 and 5.095: a poll in the middle, then one a second on.
    assert found[4.0] == [*USUAL[:5], 2.568, 3.568, 4.568]


@virtual_clock()
async def test_a_sister_ends_while_one_is_old() -> None:
    """A task that is older than the interval is not looked at sooner for what was learned than the interval after the
    look before."""
    server, looks = timed_server()
    async with connected(server, limit=100, polling=EXACT) as client:
        old = await client.call_tool("work", {"seconds": 30.0}, task=True)
        async with anyio.create_task_group() as group:
            group.start_soon(old.result)
            await anyio.sleep(7.8)
            await run(client, looks, 2.0)
        ages = looks.ages[old.task_id]
        assert ages[:9] == USUAL[:9]
        assert all(after - before >= 4.5 for before, after in pairwise(ages[8:]))


async def watch_many(client: Any, looks: Looks, count: int) -> list[list[float]]:
    """The looks at so many runs of three seconds that begin at the same moment."""
    tasks = [await client.call_tool("work", {"seconds": 3.0}, task=True) for _ in range(count)]
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(task.result)
    return [looks.ages[task.task_id] for task in tasks]


@virtual_clock()
async def test_a_crowd_is_not_looked_at_early() -> None:
    """Of more than a hundred tasks that are watched none is looked at ahead of the interval, but for those that were
    about to be before there were as many; fewer are all looked at early."""
    server, looks = timed_server()
    async with connected(
        server, limit=100, polling=PollingPolicy(first=0.2, growth=1.58, jitter=0, learn=False)
    ) as client:
        found = await watch_many(client, looks, 150)
        assert sorted(found) == [[0.2, 5.2]] * 100 + [[5.0]] * 50
        assert await watch_many(client, looks, 100) == [USUAL[:7]] * 100


@virtual_clock()
async def test_a_crowd_is_spread() -> None:
    """Tasks of a crowd that were made at the same moment are looked at at moments of their own."""
    server, looks = timed_server()
    async with connected(server, limit=100, polling=PollingPolicy(first=0.2, growth=1.58, learn=False)) as client:
        found = await watch_many(client, looks, 300)
    ages = sorted(ages[0] for ages in found if len(ages) == 1)
    assert len(ages) == 200
    assert 5.0 <= ages[0] < 5.1
    assert 5.4 < ages[-1] <= 5.501
    assert max(after - before for before, after in pairwise(ages)) < 0.1


@virtual_clock()
async def test_a_rule_of_its_own() -> None:
    """A rule of the program's own says when each look is made, and is told what was learned."""
    server, looks = timed_server()
    told: list[LookContext] = []

    def rule(context: LookContext) -> float:
        told.append(context)
        return 1.5

    async with connected(
        server, limit=100, polling=PollingPolicy(first=0.2, growth=1.58, jitter=0, custom=rule)
    ) as client:
        assert await run(client, looks, 4.0) == [1.5, 3.0, 4.5]
        await run(client, looks, 4.0)
    assert {context.name for context in told} == {"work"}
    assert [context.age for context in told[:3]] == pytest.approx([0.0, 1.5, 3.0])
    assert told[0].runs == ()
    assert told[-1].runs == pytest.approx((4.5,))


@virtual_clock()
async def test_what_somebody_answered_is_not_learned(era: Era) -> None:
    """A run that waited for input, and one that was cancelled, tell nothing of the tool."""
    server, looks = timed_server(era)
    server.add_tool("steered")
    told: list[tuple[float, ...]] = []

    def rule(context: LookContext) -> float:
        told.append(context.runs)
        return 0.5

    async with connected(
        server, limit=100, polling=PollingPolicy(first=0.2, growth=1.58, jitter=0, custom=rule)
    ) as client:

        async def begin() -> tuple[Any, ServerTask]:
            task = await client.call_tool("steered", task=True)
            looks.ages.setdefault(task.task_id, [])
            return task, await server.next_task()

        task, steered = await begin()
        steered.need_input({"q": elicit("Which?")})
        with pytest.raises(TaskInputRequiredError):
            await task.result()
        steered.withdraw()
        steered.complete("done")
        await task.wait()
        task, steered = await begin()
        await task.cancel()
        await task.wait()
        seen = len(told)
        task, steered = await begin()
        with pytest.raises(TimeoutError):
            await task.wait(timeout=2)
        assert set(told[seen:]) == {()}


# --- clients together ---------------------------------------------------------------------------------------------


@virtual_clock()
async def test_clients_in_process_learn_for_themselves() -> None:
    """What one client learned of a server in this process, another client of it does not know."""
    server, looks = timed_server()
    for _ in range(2):
        async with connected(server, limit=1000, polling=EXACT) as client:
            assert await run(client, looks, 7.0) == USUAL[:9]
            assert await run(client, looks, 7.0) != USUAL[:9]


@modern_only
@pytest.mark.slow
async def test_clients_of_a_url_learn_together(era: Era) -> None:
    """Clients of one URL on one event loop share what they learn, whether they are open at the same time or not; of
    another URL they know nothing."""
    told: list[tuple[float, ...]] = []

    def rule(context: LookContext) -> float:
        told.append(context.runs)
        return 0.01

    policy = PollingPolicy(floor=0.01, custom=rule)
    (server, _), (another, _) = timed_server(era), timed_server(era)
    with http(server) as url, http(another) as other_url:
        # Open all the time, so that blocking clients have one event loop.
        async with connected(url, polling=policy) as client, connected(other_url, polling=policy) as other:
            for n in range(3):
                async with connected(url, polling=policy) as beside:
                    for number, each in enumerate((client, beside)):
                        told.clear()
                        await (await each.call_tool("work", {"seconds": 0.02}, task=True)).result()
                        assert {len(runs) for runs in told} == {2 * n + number}
            told.clear()
            await (await other.call_tool("work", {"seconds": 0.02}, task=True)).result()
            assert set(told) == {()}
