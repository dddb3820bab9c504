"""Turns `store=` into the store that a client writes to, and recovered tasks into the program's `Recovery`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from mcptasks._engine.options import GivenStore
from mcptasks._engine.recovering import Recovered

if TYPE_CHECKING:
    # Only for type checkers, so that programs without a store do not wait for the import.
    from mcptasks._store.recovery import Recovery


class AnyStore(Protocol):
    """A `mcptasks.store.Store`, or the blocking one, `mcptasks.sync.Store`."""

    @property
    def place(self) -> str:
        """Where the store is, for people."""
        ...


def find_store(store: AnyStore | str | os.PathLike[str] | None) -> GivenStore | None:
    """Return the store that a client writes to; None if the program has none.

    Args:
        store: A store, a path, or a `postgresql://` URL.

    Raises:
        TypeError: The argument is none of these.
        ValueError: The path or URL cannot name a store.
        StoreError: The package for the database is not installed.
    """
    if store is None:
        return None
    from mcptasks._async.store import Store, access_of
    from mcptasks._store.access import Access

    found: Any = Store(store) if isinstance(store, str | os.PathLike) else store
    access: object = access_of(found) if hasattr(found, "_access") else None
    if not isinstance(access, Access):
        raise TypeError(f"store must be a Store, a path or a postgresql:// URL, not {type(store).__name__}")
    return GivenStore(access, own=found is not store)


def recovery_of(found: Recovered) -> Recovery[Any]:
    """Turn what a client has recovered into the program's `Recovery`."""
    from mcptasks._store.recovery import Recovery

    return Recovery(
        tasks=tuple(each.handle for each in found.waiters),
        uncertain=found.rest.uncertain,
        elsewhere=found.rest.elsewhere,
        candidates=tuple(found.candidates),
    )
