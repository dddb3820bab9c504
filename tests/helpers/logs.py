"""What the package has logged in a test."""

from __future__ import annotations

import logging

import pytest


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of the package. What an earlier test has left may be collected, and others log of that, at any
    time."""
    return [record for record in caplog.records if record.name.partition(".")[0] == "mcptasks"]
