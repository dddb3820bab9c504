"""A recording of what a client makes for OpenTelemetry."""

from __future__ import annotations

import pytest

from tests.helpers.tracing import Recording


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Records the SDK's spans and, given to a client (`telemetry=recording.telemetry()`), those of `mcptasks`."""
    recording = Recording()
    recording.record_sdk(monkeypatch)
    return recording
