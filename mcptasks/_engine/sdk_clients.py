"""Makes the SDK's client for one connection of an engine."""

from __future__ import annotations

from typing import Any, cast

import mcp

from mcptasks._core.trace import CallingBack, Trace
from mcptasks._engine.connection.incoming import Incoming
from mcptasks._engine.options import ClientOptions
from mcptasks._transport.lent import LentClient
from mcptasks._transport.sdk_client import make_client
from mcptasks._wire.versions import Terms


def sdk_client(options: ClientOptions, incoming: Incoming, trace: Trace, source: Any, terms: Terms) -> mcp.Client:
    """Make the SDK's client for one connection. A session that the program lends comes with a stand-in for it."""
    if isinstance(source, LentClient):
        return cast("mcp.Client", source)
    callbacks = {**_log_callbacks(options, trace), **incoming.callbacks}
    return make_client(source, terms, notify=incoming.notified, on_message=incoming.message, callbacks=callbacks)


def _log_callbacks(options: ClientOptions, trace: Trace) -> dict[str, Any]:
    """Return the callbacks for log messages, which the SDK calls in a task of its own."""
    callbacks = options.log_callbacks
    told = callbacks.get("logging_callback")
    if told is None:
        return callbacks

    async def logged(params: Any) -> None:
        with trace.around(CallingBack()):
            await told(params)

    return {**callbacks, "logging_callback": logged}
