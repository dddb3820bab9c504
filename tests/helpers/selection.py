"""How tests are taken out of those that pytest has collected, and what tests of such a choice need."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import pytest


def take_out(config: pytest.Config, items: list[pytest.Item], out: Collection[pytest.Item]) -> None:
    """Take tests out of the collected ones.

    Args:
        config: What the run is configured with; it is told what is taken out.
        items: The collected tests, of which this removes some.
        out: The tests to remove.
    """
    if out:
        config.hook.pytest_deselected(items=[item for item in items if item in out])
        items[:] = [item for item in items if item not in out]


class Told:
    """A configuration that keeps what was deselected."""

    def __init__(self) -> None:
        self.hook = self
        self.out: list[pytest.Item] = []

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Keep it."""
        self.out += items


def collected(session: pytest.Session, path: Path) -> list[pytest.Item]:
    """What pytest collects of a module."""
    module = cast(Any, pytest.Module).from_parent(session, path=path)
    return [item for item in module.collect() if isinstance(item, pytest.Item)]
