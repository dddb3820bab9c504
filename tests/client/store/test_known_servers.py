"""What a store knows of servers: the protocol that they speak, and how long their tools take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mcptasks import Client
from mcptasks._async.store import access_of
from mcptasks._core.polling.call_key import call_key
from mcptasks._store.records import LearnedRun
from mcptasks._store.upkeep import EraKnown, Learned
from mcptasks.store import Store
from mcptasks.testing import TaskServer
from tests.helpers.bridge import BridgedClient
from tests.helpers.support import LIMIT, Era, begin, connected, http, legacy_only, make_server, modern_only
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

NAME = "billing"
"""The endpoint, so that another server can take its place."""
PROBE = "server/discover"


@legacy_only
async def test_a_known_server_is_not_probed(server: TaskServer, store: Store) -> None:
    """The second client speaks to a 2025-11-25 server as that wants it, without asking for 2026-07-28 first."""
    with http(server) as url:
        async with connected(url, endpoint=NAME, store=store):
            assert server.requests.count(PROBE) == 1
        async with connected(url, endpoint=NAME, store=store) as client:
            await begin(client, server)
            assert client.protocol_version == "2025-11-25"
    assert server.requests.count(PROBE) == 1


@modern_only
async def test_a_known_server_still_says_what_it_can_do(server: TaskServer, store: Store) -> None:
    """A 2026-07-28 server is asked each time: its answer is what the client knows of it."""
    with http(server) as url:
        for _ in range(2):
            async with connected(url, endpoint=NAME, store=store) as client:
                assert client.server_info is not None
    assert server.requests.count(PROBE) == 2


async def test_a_server_that_has_changed(store: Store, era: Era) -> None:
    """A server that speaks the other protocol by now is found out."""
    before, after = make_server("modern" if era == "legacy" else "legacy"), make_server(era)
    for server in (before, after):
        with http(server) as url:
            async with connected(url, endpoint=NAME, store=store) as client:
                await begin(client, server)
    seen = access_of(store).backend.era(NAME)
    assert seen == {"legacy": "2025-11-25", "modern": "2026-07-28"}[era]


@legacy_only
@pytest.mark.parametrize(("age", "probes"), [(timedelta(hours=23), 0), (timedelta(hours=25), 1)])
async def test_a_server_is_asked_again_in_time(server: TaskServer, store: Store, age: timedelta, probes: int) -> None:
    """What a server said is believed for a day: it may have learned the newer protocol since."""
    access_of(store).backend.apply([EraKnown(endpoint=NAME, era="2025-11-25", at=datetime.now(UTC) - age)])
    with http(server) as url:
        async with connected(url, endpoint=NAME, store=store):
            pass
    assert server.requests.count(PROBE) == probes


@legacy_only
async def test_the_programs_own_mode_holds(server: TaskServer, store: Store) -> None:
    """Who says how to negotiate is not overruled by what the store knows."""
    access_of(store).backend.apply([EraKnown(endpoint=NAME, era="2026-07-28", at=datetime.now(UTC))])
    with http(server) as url:
        async with connected(url, endpoint=NAME, mode="legacy", store=store) as client:
            assert client.protocol_version == "2025-11-25"


async def test_durations_are_kept(era: Era, store: Store) -> None:
    """How long a tool took is known to the next client, also on another event loop."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, endpoint=NAME, store=store) as client:
            task, steered = await begin(client, server)
            await task.status()
            steered.complete("done")
            await task
    (run,) = access_of(store).backend.runs(NAME)
    assert (run.kind, run.name) == ("tool", "work")
    assert 0 <= run.low <= run.high < LIMIT


async def test_durations_are_kept_for_the_same_arguments(era: Era, store: Store) -> None:
    """The store has a hash of the arguments that nobody can guess them from without its key, the same each time."""
    server = make_server(era)
    with http(server) as url:
        for _ in range(2):
            async with connected(url, endpoint=NAME, store=store) as client:
                task, steered = await begin(client, server)
                await task.status()
                steered.complete("done")
                await task
    one, two = access_of(store).backend.runs(NAME)
    plain = call_key(("tool", "work"), {})
    assert one.arguments == two.arguments
    assert one.arguments is not None
    assert one.arguments != plain.arguments
    assert len(one.arguments) == len(plain.arguments)
    assert one.size == plain.size


async def test_durations_are_loaded(server: TaskServer, tmp_path: Path) -> None:
    """A client begins with what clients before it have learned."""
    store = Store(tmp_path / "tasks.db")
    now = datetime.now(UTC)
    access_of(store).backend.apply(
        [
            Learned(
                LearnedRun(
                    endpoint=NAME, kind="tool", name="work", low=9, high=high, least=9, at=now + n * now.resolution
                )
            )
            for n, high in enumerate((10.0, 10.5, 11.0))
        ]
    )
    with http(server) as url:
        async with connected(url, endpoint=NAME, store=store) as client:
            assert learned(client) == (10.0, 10.5, 11.0)


def learned(client: Client) -> tuple[float, ...]:
    """Seconds that the runs of the tool took, as the client knows them."""
    loose: Any = client
    inner: Any = loose._blocking._inner if isinstance(loose, BridgedClient) else loose
    runs: tuple[float, ...] = inner._engine().core.monitor._learning._times.runs(("tool", "work"))
    return runs
