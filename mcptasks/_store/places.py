"""From the program's target to a backend: a file, a database of PostgreSQL, memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from attrs import frozen

from mcptasks._core.exceptions import StoreError
from mcptasks._store.backend import Backend

_SCHEMES = ("postgresql://", "postgres://")


@frozen(kw_only=True)
class PlaceOptions:
    """The options of a store that depend on its place; see `Store`."""

    migrate: Literal["auto", "check"] = "auto"
    network: bool = False
    schema: str = "mcptasks"


def is_database(target: str) -> bool:
    """Whether a target is the URL of a database; otherwise it is a path. Pure.

    Raises:
        ValueError: The target is a URL, but not one of PostgreSQL.
    """
    if target.startswith(_SCHEMES):
        return True
    scheme, is_url, _ = target.partition("://")
    if is_url:
        raise ValueError(f"a store is a path or a postgresql:// URL; got one that begins with {scheme}://")
    return False


def backend_of(target: str | os.PathLike[str] | None, options: PlaceOptions) -> Backend:
    """The backend of a store. Nothing is opened yet.

    Raises:
        StoreError: The package for the database is not installed, or a postgresql:// URL cannot be read.
        TypeError: The target is neither a path nor a URL.
        ValueError: The target is a URL, but not one of PostgreSQL.
    """
    if isinstance(target, str) and is_database(target):
        return _postgres(target, options)
    from mcptasks._store.sqlite import files
    from mcptasks._store.sqlite.backend import FileBackend
    from mcptasks._store.sqlite.opening import Options

    # Absolute, since the program may change its folder.
    path = files.default_place() if target is None else Path(os.path.abspath(os.fspath(target)))  # noqa: PTH100
    return FileBackend(Options(path=path, migrate=options.migrate == "auto", network=options.network))


def memory() -> Backend:
    """A backend without a file. Leases are measured by the clock of the event loop, which tests can turn."""
    from mcptasks._store.sqlite.memory import LoopClock, MemoryBackend

    return MemoryBackend(LoopClock())


def _postgres(dsn: str, options: PlaceOptions) -> Backend:
    try:
        import psycopg
    except ImportError as exc:
        # psycopg without a libpq says so in this way too.
        raise StoreError(
            f"a store in PostgreSQL needs the package psycopg: pip install 'mcptasks[postgres]' ({exc})"
        ) from exc
    del psycopg
    from mcptasks._store.postgres.backend import PostgresBackend

    return PostgresBackend(dsn, schema=options.schema, migrate=options.migrate == "auto")
