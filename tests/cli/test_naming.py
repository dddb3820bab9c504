"""Names of tasks: which task a word leads to, and what is said if there is none or more than one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from mcptasks._cli import naming
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks.store import Store
from tests.cli.storing import filled


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two tasks whose ids begin with the same twelve digits."""
    path = tmp_path / "tasks.db"
    filled(Store(path), count=2)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE task SET id = '0123456789ab' || rowid || '0000000000000000000'")
        raw.commit()
    return Store(path)


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("0123", Exit.USAGE, "'0123' may mean several tasks: 0123456789ab2 (report), 0123456789ab1 (report); give"),
        ("012", Exit.USAGE, "give at least 4 digits of the task's id; got '012'"),
        ("4567", Exit.NO_TASK, "has no task '4567'"),
        ("key:k", Exit.NO_TASK, "has no task with the key 'k'"),
        ("", Exit.USAGE, "give at least 4 digits"),
        ("-", Exit.USAGE, "standard input has no reference of a task"),
        ("{", Exit.USAGE, ""),
    ],
)
def test_no_single_task(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, code: Exit, said: str
) -> None:
    """A name that can be made right on the command line is a usage error (2), a task that is not there is 5."""
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(Failure) as caught:
            anyio.run(naming.find, store, word)
    assert caught.value.code is code
    assert said in caught.value.message


def test_one_task(store: Store) -> None:
    """A beginning that one task has leads to the task, and several names of a task lead to it once."""
    named = anyio.run(naming.find, store, "0123456789ab1")
    assert named.record is not None
    both = anyio.run(naming.find_all, store, ["0123456789ab1", named.record.id, "0123456789ab2"])
    assert [each.shown for each in both] == ["01234567", "01234567"]
