"""Fixtures for tests in a real kernel: one for all of them, a server for each test, and both styles of cells."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.testing import Options, TaskServer, serve_http
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.helpers.warm import Warm
from tests.notebooks.kernel import Kernel
from tests.notebooks.styles import STYLES, Notebook, Style

__all__ = ["stand_ins", "warm"]

SILENT = 3_600_000
"""Milliseconds between two looks at a task, so that a wait is as idle as it can be."""


@pytest.fixture(scope="session")
def kernel(warm: Warm) -> Iterator[Kernel]:
    """A kernel that all tests share. What a test leaves in it is cleared away."""
    # Not in pytest's folder: the paths of Unix sockets must be short.
    with (
        StandIns(warm) as stand_ins,
        tempfile.TemporaryDirectory(prefix="kernel-") as place,
        Kernel(Path(place), stand_ins) as kernel,
    ):
        yield kernel


@pytest.fixture
def server() -> TaskServer:
    """A server whose tool `work` waits to be steered, and which has little to say."""
    server = TaskServer(options=Options(poll_interval_ms=SILENT))
    server.add_tool("work")
    return server


@pytest.fixture
def url(server: TaskServer) -> Iterator[str]:
    """Where that server listens."""
    with serve_http(server) as url:
        yield url


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> Style:
    """Run the test in both styles."""
    style: Style = request.param
    return style


@pytest.fixture
def notebook(kernel: Kernel, style: Style, url: str) -> Notebook:
    """A notebook without variables, but for the server's address."""
    kernel.run("%reset -f")
    notebook = Notebook(kernel, style)
    notebook.run(f"import mcptasks\nurl = {url!r}")
    return notebook
