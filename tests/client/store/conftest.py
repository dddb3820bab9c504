"""The stores that clients write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.store import Keep, Store


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store in memory, and one in a file. They keep results."""
    keep = Keep(results=True)
    return Store.memory(keep=keep) if request.param == "memory" else Store(tmp_path / "tasks.db", keep=keep)
