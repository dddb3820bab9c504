"""Which input requests a client declares to support, and the error of a strict server for others.

The TypeScript SDK's server is strict: it sends an elicitation, for example, only to a client that declares its mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from mcp.server.context import ServerRequestContext

from mcptasks.testing._script import JSON

_FEATURES = {"sampling/createMessage": "sampling", "roots/list": "roots"}


def declared(ctx: ServerRequestContext[Any, Any]) -> JSON:
    """The capabilities that a client declares, with the request or for the connection."""
    found = ctx.session.client_capabilities
    return {} if found is None else found.model_dump(mode="json", by_alias=True, exclude_none=True)


def undeclared(capabilities: JSON, requests: Iterable[object]) -> str | None:
    """The error of a strict server for the first request that the client does not declare; None if it declares all."""
    for request in requests:
        found = cast("JSON", request) if isinstance(request, dict) else {}
        method, params = found.get("method"), found.get("params")
        if method == "elicitation/create":
            mode = cast("JSON", params).get("mode", "form") if isinstance(params, dict) else "form"
            modes = capabilities.get("elicitation")
            # An empty object means forms only (2025-11-25, client/elicitation, "Capabilities").
            if modes is None or (mode not in modes and (modes or mode != "form")):
                return f"Client does not support {mode} elicitation"
        elif method in _FEATURES and _FEATURES[method] not in capabilities:
            return f"Client does not support {_FEATURES[method]}"
    return None
