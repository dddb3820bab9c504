"""pytest fixtures for programs that are tested against a task server.

pytest does not find them by itself. To use them, write in the top-level `conftest.py`:

    pytest_plugins = ["mcptasks.testing.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcptasks.testing import Era, Options, TaskServer, serve_http


@pytest.fixture
def task_server_era() -> Era:
    """The protocols of `task_server`; override this fixture for one protocol only."""
    return "dual"


@pytest.fixture
def task_server_options() -> Options:
    """The options of `task_server`; override this fixture for other options."""
    return Options()


@pytest.fixture
def task_server(task_server_era: Era, task_server_options: Options) -> TaskServer:
    """A fresh `TaskServer` that offers nothing yet."""
    return TaskServer(era=task_server_era, options=task_server_options)


@pytest.fixture
def task_server_url(task_server: TaskServer) -> Iterator[str]:
    """The URL under which `task_server` is served over HTTP during the test."""
    with serve_http(task_server) as url:
        yield url
