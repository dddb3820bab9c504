"""Makes the `mcp.Client` that an `mcptasks.Client` uses, with its claims, callbacks and notifications.

No other module makes an `mcp.Client`. `TasksExtension` works with the session of a client that the program has made
(`lent.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import mcp
import mcp_types
from mcp.client import ClaimContext, ClientExtension, NotificationBinding, ResultClaim
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mcptasks._version import __version__
from mcptasks._wire import envelope, modern
from mcptasks._wire.dialect import NOTIFICATIONS
from mcptasks._wire.versions import Terms

RAW: TypeAdapter[Any] = TypeAdapter(dict[str, Any])
"""Validates nothing but that an answer is a JSON object: `_wire` reads answers about tasks itself."""

CreatedT = TypeVar("CreatedT", bound=modern.CreatedTask)


def make_client(
    source: Any,
    terms: Terms,
    *,
    notify: Callable[[str, dict[str, Any]], None],
    on_message: Any,
    callbacks: Mapping[str, Any],
) -> mcp.Client:
    """Makes an SDK client, not yet entered.

    Args:
        source: A transport, or a server object.
        terms: How to negotiate the protocol version.
        notify: Called with the method and params of each task notification that no interceptor has taken out before.
        on_message: Called with the server's other messages; the SDK's `message_handler`.
        callbacks: The SDK client's other callbacks, by its parameter names.
    """
    return mcp.Client(
        source,
        mode=terms.mode,
        prior_discover=terms.prior,
        message_handler=on_message,
        extensions=[ClientTasksExtension(notify)],
        client_info=mcp_types.Implementation(name="mcptasks", version=__version__),
        **callbacks,
    )


def claim(
    resolve: Callable[[CreatedT, ClaimContext], Awaitable[mcp_types.CallToolResult]], model: type[CreatedT]
) -> Sequence[ResultClaim[Any]]:
    """The claims of an extension that handles the answers that create tasks (2026-07-28).

    Args:
        resolve: Turns such an answer into the result of the SDK's `call_tool`.
        model: What the SDK reads the answer into.
    """
    return (ResultClaim(result_type=modern.RESULT_TYPE, model=model, resolve=resolve),)


def bind(notify: Callable[[str, dict[str, Any]], None]) -> Sequence[NotificationBinding[Any]]:
    """The bindings of an extension that hears of tasks; `notify` gets method and params."""
    return [NotificationBinding(method=m, params_type=_Params, handler=_handler(m, notify)) for m in NOTIFICATIONS]


async def stash_created(created: modern.CreatedTask, _: ClaimContext) -> mcp_types.CallToolResult:
    """Carry an answer that created a task through `mcp.Client.call_tool`.

    `is_error` keeps the SDK from checking the result against the tool's output schema.
    """
    return mcp_types.CallToolResult(content=[], is_error=True, _meta=envelope.carry(created.wire()))


class _Params(BaseModel):
    """The params of a task notification, unchecked."""

    model_config = ConfigDict(extra="allow")


class ClientTasksExtension(ClientExtension):
    """The extension of the `mcp.Client` that an `mcptasks.Client` uses.

    Carries the answers that create tasks out of `call_tool`. Hands on task notifications if the SDK runs a server
    object itself, so that there is no transport to intercept.

    Args:
        notify: Called with the method and params of each task notification.
    """

    identifier = modern.EXTENSION

    def __init__(self, notify: Callable[[str, dict[str, Any]], None]) -> None:
        self._notify = notify

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The claim to the `resultType` of answers that create tasks."""
        return claim(stash_created, modern.CreatedTask)

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        """The task notifications of both protocols."""
        return bind(self._notify)


def _handler(method: str, notify: Callable[[str, dict[str, Any]], None]) -> Callable[[_Params], Awaitable[None]]:
    async def handler(params: _Params) -> None:
        notify(method, dict(params.model_extra or {}))

    return handler
