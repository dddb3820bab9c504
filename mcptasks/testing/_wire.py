"""What both eras' message handlers share: reading requests, sending notifications of one's own, listing offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, Notification, ServerNotification
from pydantic import ValidationError

from mcptasks.testing._engine import Engine
from mcptasks.testing._jobs import Host
from mcptasks.testing._offers import Offer
from mcptasks.testing._results import Kind
from mcptasks.testing._script import JSON
from mcptasks.testing._tasks import ServerTask

EXTENSION = "io.modelcontextprotocol/tasks"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"

LISTINGS: dict[str, tuple[Kind, str]] = {
    "tools/list": ("tool", "tools"),
    "resources/list": ("resource", "resources"),
    "prompts/list": ("prompt", "prompts"),
}
CALLS: dict[str, tuple[Kind, str]] = {
    "tools/call": ("tool", "name"),
    "resources/read": ("resource", "uri"),
    "prompts/get": ("prompt", "name"),
}

Context: TypeAlias = ServerRequestContext[Host, Any]


class Notice(Notification[dict[str, Any], str]):
    """A notification of any method."""


async def notify(ctx: Context, method: str, params: JSON, *, on_request: bool) -> None:
    """Send a notification on the stream of this request, or on the connection's own."""
    # The SDK names the notifications that it knows; it only dumps what it is given.
    notice = cast("ServerNotification", Notice(method=method, params=params))
    await ctx.session.send_notification(notice, related_request_id=ctx.request_id if on_request else None)


def params_of(ctx: Context) -> Mapping[str, Any]:
    """The raw params, as they came."""
    return ctx.params or {}


def not_served(ctx: Context) -> MCPError:
    """-32601 for this request."""
    return MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=ctx.method)


def find_task(engine: Engine, ctx: Context, doing: str) -> ServerTask:
    """The task that a request names, or -32602."""
    task = engine.find(params_of(ctx).get("taskId"))
    if task is None:
        raise MCPError(code=INVALID_PARAMS, message=f"Failed to {doing} task: Task not found")
    return task


def find_offer(engine: Engine, ctx: Context) -> Offer:
    """The tool, resource or prompt that a request names, or -32602."""
    kind, key = CALLS[ctx.method]
    name = params_of(ctx).get(key)
    offer = engine.offers.find(kind, name)
    if offer is None:
        raise MCPError(code=INVALID_PARAMS, message=f"Unknown {kind}: {name}")
    return offer


def read_arguments(offer: Offer, ctx: Context) -> JSON:
    """The arguments of a call, checked where a function declares them."""
    given: Any = params_of(ctx).get("arguments")
    arguments: JSON = cast("JSON", given) if isinstance(given, dict) else {}
    try:
        offer.read_arguments(arguments)
    except ValidationError as error:
        raise MCPError(code=INVALID_PARAMS, message=f"Invalid arguments for {offer.name}: {error}") from None
    return arguments


def outcome(task_result: JSON | None, error: JSON | None) -> JSON:
    """The answer that a finished piece of work stands for; raises where that is an error."""
    if error is not None:
        raise MCPError(code=error["code"], message=error["message"], data=error.get("data"))
    return dict(task_result or {})


def listing(engine: Engine, method: str, *, legacy: bool) -> JSON:
    """The answer to one of the list requests, as 2025-11-25 has it."""
    kind, key = LISTINGS[method]
    declares = engine.options.tasks
    return {key: [offer.listing(legacy=legacy, declares_tasks=declares) for offer in engine.offers.all(kind)]}


def offer_capabilities(engine: Engine) -> JSON:
    """The capabilities that follow from what is offered."""
    return {f"{kind}s": {} for kind in ("tool", "resource", "prompt") if engine.offers.all(kind)}
