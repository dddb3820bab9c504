"""Secrets are in no byte of a store: arguments, results, answers, headers, tokens, credentials in URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from mcptasks.store import Keep, Store
from mcptasks.testing import elicit
from tests.helpers.people import Oracle
from tests.helpers.stores import file_backend
from tests.helpers.support import ERAS, Era, begin, connected, http, make_server

pytestmark = pytest.mark.anyio

SECRET = "sentinel-5b0c7e"
USER = "sentinel-91aa02"
"""For the credentials in a URL, which cannot go together with a token."""

Contents = Callable[[], list[bytes]]
"""Every byte that a store has now. In PostgreSQL: of the tables' rows."""


def rows(dsn: str) -> list[bytes]:
    """All rows of a database's tables, as text."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'mcptasks'").fetchall()
        assert ("task",) in names
        tables = [sql.Identifier("mcptasks", name) for (name,) in names]
        # `bytea` columns as the bytes that they have, not as hexadecimal digits.
        connection.execute("SET bytea_output = 'escape'")
        found = [connection.execute(sql.SQL("SELECT t::text FROM {} t").format(table)).fetchall() for table in tables]
    return [line.encode() for table in found for (line,) in table]


@pytest.fixture(params=["truncate", "wal", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Contents]]:
    """An empty store of each kind, and what lies in it."""
    if request.param == "postgres":
        dsn: str = request.getfixturevalue("dsn")
        yield dsn, lambda: rows(dsn)
        return
    with closing(file_backend(tmp_path / "tasks.db", journal=request.param)) as backend:
        backend.owners()
        # It stays open, so that the write-ahead log stays too.
        yield str(tmp_path / "tasks.db"), lambda: [each.read_bytes() for each in tmp_path.iterdir()]


def has(contents: Contents, secret: str = SECRET) -> bool:
    """Whether a secret is there."""
    found = contents()
    assert any(b"work" in each for each in found), "what is looked at has the name of the tool"
    return any(secret.encode() in each for each in found)


@pytest.mark.parametrize("era", ERAS)
async def test_by_default(era: Era, kept: tuple[str, Contents]) -> None:
    """The store never has arguments, results, headers and tokens, and an answer only until the server has it. A backup
    has no more."""
    place, contents = kept
    server, oracle = make_server(era), Oracle(**{"Who?": {"value": SECRET}})
    server.add_tool("quick", result=SECRET)
    store = Store(place)
    options: dict[str, Any] = {"store": store, "elicitation_handler": oracle}
    with http(server) as url:
        async with connected(f"{url}?token={SECRET}", headers={"X-Key": SECRET}, auth=SECRET, **options) as client:
            task, steered = await begin(client, server, arguments={SECRET: SECRET, "n": [SECRET]}, key="k")
            assert steered.arguments["n"] == [SECRET]
            assert not has(contents)
            steered.need_input({"q": elicit("Who?")})
            steered.complete({"value": SECRET})
            assert SECRET in str(await task.result())
            plain = await client.call_tool("quick", {"n": SECRET})
            assert plain.data == SECRET
        # The acknowledgement may be written at the end of the client.
        assert not has(contents)
        async with connected(url.replace("://", f"://{USER}:{USER}@"), **options) as client:
            await begin(client, server)
            assert not has(contents, USER)
    assert server.requests[0].headers["x-key"] == SECRET
    assert (await store.get("k")).phase == "over"
    if "://" not in place:
        backup = Path(place).with_name("backup")
        await store.backup(backup)
        assert SECRET.encode() not in backup.read_bytes()


async def test_what_is_kept_is_there(kept: tuple[str, Contents]) -> None:
    """What the other test looks for would be found: `Keep` stores all payloads."""
    place, contents = kept
    server = make_server("modern")
    store = Store(place, keep=Keep(arguments=True))
    async with connected(server, store=store) as client:
        await begin(client, server, arguments={"n": SECRET})
    assert has(contents)
