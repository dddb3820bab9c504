"""What every test shares: the backends, the marks that follow from a file's place, and hypothesis' settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest

INTEROP = Path(__file__).parent / "interop"
TESTING = Path(__file__).parent / "testing"
ALONE = tuple(
    Path(__file__).parent / place
    for place in (
        "interop/test_many.py",
        "notebooks",
        "portal/test_exit.py",
        "portal/test_interrupts.py",
    )
)
"""Where the processor is kept busy, or what matters is how soon something happens."""

Backend = tuple[str, dict[str, Any]]
ASYNCIO: Backend = ("asyncio", {"use_uvloop": False})
TRIO: Backend = ("trio", {})

# A slow machine is no bug, so hypothesis sets no deadline for an example.
hypothesis.settings.register_profile("mcptasks", deadline=None, print_blob=True)
hypothesis.settings.load_profile("mcptasks")


@pytest.fixture(scope="module", params=[pytest.param(ASYNCIO, id="asyncio"), pytest.param(TRIO, id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run each test that is marked `anyio` on asyncio and on trio."""
    backend: Backend = request.param
    return backend


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in certain places, before `-m` chooses."""
    for item in items:
        if INTEROP in item.path.parents:
            item.add_marker(pytest.mark.interop)
        if TESTING in item.path.parents:
            item.add_marker(pytest.mark.slow)
        if any(place in (item.path, *item.path.parents) for place in ALONE):
            item.add_marker(pytest.mark.alone)
