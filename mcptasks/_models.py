"""Where pickles made by version 0.1.0 say that values live. Nothing else uses this module."""

from __future__ import annotations

from typing import Any

from mcptasks._core import models


def __getattr__(name: str) -> Any:
    return getattr(models, name)
