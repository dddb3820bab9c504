"""Servers for workers: over HTTP, since a worker is in another process."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mcptasks.remote import Connect
from mcptasks.testing import TaskServer, serve_http
from tests.helpers.eras import era, server

__all__ = ["era", "server"]


@pytest.fixture
def connect(server: TaskServer) -> Generator[Connect]:
    """The way to that server."""
    with serve_http(server) as url:
        yield Connect(url, reconnect_timeout=30.0)
