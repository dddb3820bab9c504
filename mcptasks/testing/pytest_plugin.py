"""pytest fixtures for programs that are tested against a task server.

Nothing registers them by itself. To have them, write in the top `conftest.py`:

    pytest_plugins = ["mcptasks.testing.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcptasks.testing import Era, Options, TaskServer, serve_http


@pytest.fixture
def task_server_era() -> Era:
    """The era of `task_server`; override it to have another than both."""
    return "dual"


@pytest.fixture
def task_server_options() -> Options:
    """The options of `task_server`; override it to have others."""
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
