"""That a test runs on the backend it says it runs on: without this, half of the suite could be an illusion."""

from __future__ import annotations

from typing import Any

import pytest
import sniffio
import trio
import trio.testing


@pytest.mark.anyio
async def test_running_library_is_the_parameter(anyio_backend_name: str) -> None:
    """The event loop that runs a test is the one in the test's id."""
    assert sniffio.current_async_library() == anyio_backend_name


@pytest.mark.anyio
@pytest.mark.parametrize(
    "anyio_backend", [pytest.param(("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}), id="virtual")]
)
async def test_virtual_clock_as_a_backend_option(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    """A test can ask for trio with a virtual clock, on which an hour passes at once."""
    before = trio.current_time()
    with trio.fail_after(4000):
        await trio.sleep(3600)
    assert trio.current_time() - before == pytest.approx(3600)


@pytest.mark.trio
async def test_trio_mark_runs_on_trio() -> None:
    """A test that is marked `trio` runs once, on trio."""
    assert sniffio.current_async_library() == "trio"


def test_both_backends_are_parameters(request: pytest.FixtureRequest) -> None:
    """The suite is collected for asyncio and for trio, no more and no less; for one of them if tests take turns."""
    names = {
        item.callspec.id
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_running_library_is_the_parameter"
    }
    assert names <= {"asyncio", "trio"}
    if "-k" not in request.config.invocation_params.args and "::" not in " ".join(map(str, request.config.args)):
        assert len(names) == (1 if request.config.getoption("--turn", None) else 2)
