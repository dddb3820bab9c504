"""The store's public names: the two worlds have the same, and nothing else imports what a store needs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mcptasks.store
import mcptasks.sync

METHODS = sorted(name for name in vars(mcptasks.store.Store) if not name.startswith("_"))


def test_both_worlds_have_the_same_names() -> None:
    """Every public name of the async store is in the blocking one, and the reverse."""
    found = {name for name in dir(mcptasks.sync.Store) if not name.startswith("_")}
    assert found == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_members_are_called_alike(name: str) -> None:
    """Parameters have the same names, kinds and defaults, and nothing in the blocking world is to be awaited."""
    ours, theirs = getattr(mcptasks.store.Store, name), getattr(mcptasks.sync.Store, name)
    if isinstance(ours, property):
        assert isinstance(theirs, property)
        return
    one, other = (
        [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]
        for function in (ours, theirs)
    )
    assert [each for each in other if each[0] != "backend"] == one
    assert (len(other) > len(one)) == (name == "memory")
    assert not inspect.iscoroutinefunction(inspect.unwrap(theirs))
    assert ours.__doc__
    assert theirs.__doc__


def test_public_names() -> None:
    """`mcptasks.store` has the names of the contract, and they live there."""
    names = ["Codec", "FernetCodec", "Keep", "Phase", "QuestionRecord", "Recovery", "Store", "TaskEvent", "TaskRecord"]
    assert mcptasks.store.__all__ == dir(mcptasks.store) == names
    for name in names:
        assert getattr(getattr(mcptasks.store, name), "__module__", "mcptasks.store") in ("mcptasks.store", "typing")
    assert mcptasks.sync.Store.__module__ == "mcptasks.sync"


MOST_EARLY = 35
"""Modules of ours behind `from mcptasks import Client`: the 29 of today, and some room."""


def modules(code: str) -> set[str]:
    """What is imported after some code has run."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return set(done.stdout.splitlines())


USED = "print(*('early ' + name for name in sys.modules), sep='\\n'); import mcptasks._engine.engine"


@pytest.mark.parametrize(
    "code", [f"import mcptasks; mcptasks.Client; {USED}", f"import mcptasks.sync; mcptasks.sync.Client; {USED}"]
)
def test_who_uses_no_store_imports_none(code: str) -> None:
    """Neither the store nor a database is imported with a client, nor with what the first call needs. The name `Client`
    alone imports the class and the values that it takes and returns; the rest comes when a client is made."""
    found = modules(code)
    assert "mcptasks._engine.engine" in found
    assert not {name for name in found if name.startswith(("mcptasks._store", "mcptasks.store", "sqlite3", "psycopg"))}
    if "sync" not in code:
        early = {name.removeprefix("early ") for name in found if name.startswith("early mcptasks.")}
        assert "mcptasks._async.client" in early
        rooms = {name.split(".")[1] for name in early}
        assert rooms == {"_exports", "_async", "_core"}
        # Each module costs a part of a millisecond, and most have classes that are generated.
        assert len(early) <= MOST_EARLY


def test_listing_tasks_starts_at_once(tmp_path: Path) -> None:
    """Listing the tasks of a store imports neither the SDK nor pydantic, nor what only encryption needs."""
    found = modules(
        "import anyio, datetime\n"
        "from mcptasks.store import Store\n"
        "async def main():\n"
        f"    store = Store({str(tmp_path / 'tasks.db')!r})\n"
        "    assert await store.tasks(phase='created', labels={'a': 'b'}) == []\n"
        "    assert await store.check() == []\n"
        "    assert await store.purge(10) == 0\n"
        "anyio.run(main)"
    )
    assert "mcptasks._store.sqlite.backend" in found
    heavy = ("mcp", "mcp_types", "pydantic", "pydantic_core", "httpx", "httpx2", "cryptography", "psycopg", "trio")
    assert not {name for name in found if name.split(".")[0] in heavy}


def test_a_database_without_its_package() -> None:
    """A URL of PostgreSQL without psycopg is an error that says what to install, and shows no password."""
    code = (
        "sys.modules['psycopg'] = None\n"
        "from mcptasks.store import Store\n"
        "try:\n"
        "    Store('postgresql://me:sentinel@host/db')\n"
        "except Exception as exc:\n"
        "    print('caught', type(exc).__name__, exc)\n"
    )
    (line,) = [each for each in modules(code) if each.startswith("caught")]
    assert line.startswith("caught StoreError a store in PostgreSQL needs the package psycopg: pip install")
    assert "mcptasks[postgres]" in line
    assert "sentinel" not in line
