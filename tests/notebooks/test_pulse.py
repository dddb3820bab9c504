"""The pulse beats where the cells of a notebook run, and nowhere else."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client
from mcptasks._engine.notebook import stop_button as module
from mcptasks._engine.notebook.stop_button import in_kernel, pulse
from mcptasks.testing import TaskServer

pytestmark = pytest.mark.anyio


def _ipython(shell: object) -> ModuleType:
    ipython = ModuleType("IPython")
    vars(ipython)["get_ipython"] = lambda: shell
    return ipython


@pytest.fixture
def a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process pass for a kernel."""
    monkeypatch.setitem(sys.modules, "IPython", _ipython(SimpleNamespace(kernel=object())))


async def test_it_beats_in_a_kernel(a_kernel: None) -> None:
    """In a kernel's main thread something happens on the loop until the client closes."""
    with anyio.move_on_after(3 * module.PULSE) as scope:
        await pulse()
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    "ipython",
    [None, ModuleType("IPython"), _ipython(None), _ipython(SimpleNamespace()), _ipython(SimpleNamespace(kernel=None))],
    ids=["absent", "half imported", "no shell", "a terminal", "no kernel"],
)
async def test_it_ends_elsewhere(monkeypatch: pytest.MonkeyPatch, ipython: ModuleType | None) -> None:
    """A program, a terminal and a test have no pulse."""
    if ipython is None:
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_kernel()
    with anyio.fail_after(60):
        await pulse()


async def test_it_ends_in_other_threads(a_kernel: None, anyio_backend_name: str) -> None:
    """The background loop of the blocking client has no pulse: signals do not come there."""
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(lambda: anyio.run(pulse, backend=anyio_backend_name))


async def test_every_open_client_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pulse begins before the connection is there and ends with the client."""
    beats: list[str] = []

    async def beat() -> None:
        beats.append("began")
        try:
            await anyio.sleep_forever()
        finally:
            beats.append("ended")

    monkeypatch.setattr("mcptasks._engine.engine.pulse", beat)
    async with Client(TaskServer()):
        assert beats == ["began"]
    assert beats == ["began", "ended"]
