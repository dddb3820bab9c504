"""The newest tasks at a glance: the same tasks as the store lists, or none, and never an error."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks._store.sqlite import glance
from mcptasks.store import Phase, Store
from tests.cli.storing import filled


def test_it_agrees_with_the_store(tmp_path: Path) -> None:
    """The newest tasks come first, with what the store says of them."""
    path = tmp_path / "tasks.db"
    filled(Store(path), count=3, target="mine")
    records = anyio.run(lambda: Store(path).tasks(limit=2))
    seen = glance.newest(path, among=2)
    assert [each._asdict() for each in seen] == [
        {
            "id": record.id,
            "endpoint": record.endpoint,
            "kind": record.kind,
            "name": record.name,
            "labels": record.labels,
            "phase": record.phase,
            "status": record.status,
            "has_error": False,
        }
        for record in records
    ]


def test_ids_that_begin_alike(tmp_path: Path) -> None:
    """Ids are compared sign by sign, among that many of the newest tasks, and no more than `limit` are returned."""
    path = tmp_path / "tasks.db"
    filled(Store(path), count=3)
    newest, second, oldest = (each.id for each in glance.newest(path, among=9))
    assert [each.id for each in glance.newest(path, among=9, prefix=oldest)] == [oldest]
    assert glance.newest(path, among=2, prefix=oldest) == []
    assert glance.newest(path, among=9, prefix="%") == glance.newest(path, among=9, prefix="_") == []
    assert [each.id for each in glance.newest(path, among=9, limit=2)] == [newest, second]


def spoil(path: Path, *statements: str) -> None:
    """Change a store behind its back."""
    with closing(sqlite3.connect(path)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE task RENAME COLUMN phase TO step", "DROP TABLE task", "PRAGMA application_id = 1"]
)
def test_other_files(tmp_path: Path, statement: str) -> None:
    """A store with other columns and a database of another program have nothing to show."""
    path = tmp_path / "tasks.db"
    filled(Store(path))
    assert len(glance.newest(path, among=9)) == 1
    spoil(path, "PRAGMA foreign_keys = OFF", statement)
    assert glance.newest(path, among=9) == []


def test_no_file(tmp_path: Path) -> None:
    """Without a file there is nothing, and no file is made; nor is text a store."""
    path = tmp_path / "tasks.db"
    assert glance.newest(path, among=9) == []
    assert not path.exists()
    path.write_text("no database" * 1000)
    assert glance.newest(path, among=9) == []


def test_locked(tmp_path: Path) -> None:
    """A file that another process has locked is not waited for."""
    path = tmp_path / "tasks.db"
    filled(Store(path))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA locking_mode = EXCLUSIVE")
        raw.execute("BEGIN EXCLUSIVE")
        assert glance.newest(path, among=9) == []


def test_a_list_agrees_with_the_store(tmp_path: Path) -> None:
    """A list read at a glance is that of the store, for each of its conditions, also of a call whose owner has died."""
    path = tmp_path / "tasks.db"
    filled(Store(path), count=3, target="mine")
    (newest, *_) = anyio.run(lambda: Store(path).tasks())
    spoil(path, f"UPDATE task SET phase = 'intended' WHERE id = '{newest.id}'", "DELETE FROM owner")
    spoil(path, f"INSERT INTO question (task, key, request, asked_at) VALUES ('{newest.id}', 'q', x'7b7d', 5)")
    under_way: tuple[Phase, ...] = ("intended", "created", "uncertain")
    lost: tuple[Phase, ...] = ("uncertain",)
    for phases, given in (
        (None, {"limit": 9}),
        (under_way, {"limit": 2, "labels": {"number": "1"}}),
        (lost, {"limit": 9}),
        (None, {"limit": 9, "name": "no"}),
        (None, {"limit": 9, "since": datetime.now(UTC) + timedelta(hours=1)}),
    ):
        asked: Any = {"labels": {}, **given}
        seen = glance.tasks(path, phases=phases, **asked)
        assert seen == anyio.run(partial(Store(path).tasks, phase=phases, **asked))
    assert [each.id for each in glance.tasks(path, phases=lost, labels={}, limit=9) or ()] == [newest.id]


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA application_id = 1",
        "UPDATE meta SET value = '99' WHERE name = 'version'",
        "UPDATE meta SET value = '0a' WHERE name = 'codec'",
        "UPDATE task SET message = x'01ff'",
        "UPDATE task SET labels = 'no JSON'",
        "DROP TABLE meta",
    ],
)
def test_a_list_that_takes_a_store(tmp_path: Path, statement: str) -> None:
    """What cannot be read at a glance is left to the store, which makes a file, brings one up to date, or complains."""
    path = tmp_path / "tasks.db"
    assert glance.tasks(path, labels={}, limit=9) is None
    assert not path.exists()
    filled(Store(path))
    assert len(glance.tasks(path, labels={}, limit=9) or ()) == 1
    spoil(path, statement)
    assert glance.tasks(path, labels={}, limit=9) is None
