"""Where pickles made by version 0.1.0 say that errors live. Nothing else uses this module."""

from __future__ import annotations

from typing import Any

from mcptasks._core import exceptions


def __getattr__(name: str) -> Any:
    return getattr(exceptions, name)
