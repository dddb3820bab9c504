"""Who shares what is learned of how long tools take, and how much of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from mcptasks import PollingPolicy, TaskReference, TaskStatus
from mcptasks._core.events import Origin, Seen
from mcptasks._core.models import Status
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.watch import Watch
from tests.helpers.backends import ASYNCIO, TRIO, Backend

POLICY = PollingPolicy(jitter=0)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def over(learning: Learning, name: str = "work", seconds: float = 7.0) -> bool:
    """A run ended after so many seconds; whether others are to be planned anew."""
    watch = Watch("a", 0.0, reference=TaskReference(task_id="a", kind="tool", name=name), created=NOW)
    watch.polling.ran = seconds - 0.1
    status = TaskStatus(task_id="a", status="completed")
    return learning.seen(watch, Seen(status, "polled"), asked=seconds, over=True)


def knows(learning: Learning, name: str = "work") -> bool:
    """Whether a new task of this tool is looked at otherwise than in the usual rhythm."""
    watch = Watch("b", 0.0, reference=TaskReference(task_id="b", kind="tool", name=name), created=NOW)
    watch.polling.looked = 0.8
    return learning.delay(watch, awaited=False, watched=101) != POLICY.default_interval


@pytest.mark.anyio
async def test_shared_by_endpoint() -> None:
    """What one client learned of a server, all others of the same endpoint know; those of another one, or of none, do
    not."""
    one, two = Learning("https://a/mcp", POLICY), Learning("https://a/mcp", POLICY)
    other, own, another = Learning("https://b/mcp", POLICY), Learning(None, POLICY), Learning(None, POLICY)
    over(one)
    over(own, "mine")
    assert knows(one)
    assert knows(two)
    assert knows(Learning("https://a/mcp", POLICY))
    assert not knows(other)
    assert knows(own, "mine")
    assert not any(knows(learning, "mine") for learning in (one, two, other, another))


@pytest.mark.parametrize("backend", [ASYNCIO, TRIO], ids=["asyncio", "trio"])
def test_forgotten_with_the_event_loop(backend: Backend) -> None:
    """Another event loop knows nothing of what was learned in one that ended."""

    async def learn() -> bool:
        learning = Learning("https://a/mcp", POLICY)
        known = knows(learning)
        over(learning)
        assert knows(learning)
        return known

    name, options = backend
    assert [anyio.run(learn, backend=name, backend_options=options) for _ in range(2)] == [False, False]


@pytest.mark.anyio
async def test_servers_that_are_kept() -> None:
    """The 64 servers that were used latest are remembered; a client that is open keeps what it learned."""
    first = Learning("https://0/mcp", POLICY)
    over(first)
    for number in range(1, 64):
        over(Learning(f"https://{number}/mcp", POLICY))
    assert knows(Learning("https://0/mcp", POLICY))
    for number in range(64, 120):
        Learning(f"https://{number}/mcp", POLICY)
    assert not knows(Learning("https://20/mcp", POLICY))
    assert knows(first)


@pytest.mark.anyio
async def test_when_a_run_was_last_seen_to_run() -> None:
    """A run is longer than its age at the latest poll that found it running. A push tells that for no run, since it may
    be late, and a poll that finds the run over tells nothing that is older than itself."""
    learning = Learning(None, POLICY)
    reference = TaskReference(task_id="a", kind="tool", name="work")
    running, ended = (TaskStatus(task_id="a", status=status) for status in ("working", "completed"))
    watch = Watch("a", 0.0, reference=reference, created=NOW)
    statuses: list[tuple[float, Origin]] = [(2.0, "polled"), (4.0, "polled"), (5.0, "pushed"), (3.0, "polled")]
    for asked, origin in statuses:
        learning.seen(watch, Seen(running, origin), asked=asked, over=False)
    assert (watch.polling.ran, watch.polling.polls) == (4.0, 3)
    learning.seen(watch, Seen(ended, "polled"), asked=7.0, over=True)
    latest = learning._times.latest(("tool", "work"))
    assert latest is not None
    assert (latest.run.low, latest.run.high) == (4.0, 7.0)


@pytest.mark.anyio
@pytest.mark.parametrize(("watched", "early"), [(100, True), (101, False)])
async def test_without_learning_a_crowd_has_no_scouts(watched: int, early: bool) -> None:
    """A client that does not learn polls every task of a crowd at the interval: no task is a scout."""
    learning = Learning(None, PollingPolicy(jitter=0, learn=False))
    watches = [Watch(str(number), 0.0, created=NOW) for number in range(8)]
    for watch in watches:
        watch.polling.looked = 0.0
        learning.delay(watch, awaited=False, watched=watched)
    assert [watch.polling.early for watch in watches] == [early] * 8


@pytest.mark.anyio
async def test_when_tasks_are_planned_anew() -> None:
    """Tasks under way are planned anew after the first run of their tool, and after 2, 4, 8 and 16, not after each."""
    learning = Learning(None, POLICY)
    assert [number for number in range(1, 100) if over(learning)] == [1, 2, 4, 8, 16]


@pytest.mark.anyio
async def test_what_says_nothing() -> None:
    """A task that was resumed, one whose tool is not known, and one that was cancelled teach nothing."""
    learning = Learning(None, POLICY)
    work = TaskReference(task_id="a", kind="tool", name="work")
    cases: list[tuple[TaskReference | None, datetime | None, Status]] = [
        (work, None, "completed"),
        (TaskReference(task_id="a"), NOW, "completed"),
        (None, NOW, "completed"),
        (work, NOW, "cancelled"),
    ]
    for reference, created, status in cases:
        watch = Watch("a", 0.0, reference=reference, created=created)
        seen = Seen(TaskStatus(task_id="a", status=status), "polled")
        assert not learning.seen(watch, seen, asked=7.0, over=True)
    assert not knows(learning)
