"""The event loops on which tests run, as options of anyio's plugin."""

from __future__ import annotations

from typing import Any

Backend = tuple[str, dict[str, Any]]
ASYNCIO: Backend = ("asyncio", {"use_uvloop": False})
TRIO: Backend = ("trio", {})
