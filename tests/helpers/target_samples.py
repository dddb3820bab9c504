"""Two kinds of targets: a configuration of several servers, and a transport."""

from __future__ import annotations

from typing import Any

SEVERAL = {"mcpServers": {"web": {"url": "https://example.com"}, "local": {"command": "server"}}}


class Wire:
    """A transport as the SDK defines it."""

    async def __aenter__(self) -> Any:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None
