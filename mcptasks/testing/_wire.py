"""The parts that both protocols' message handlers share: reading requests, sending notifications, listing offers."""

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
    """A notification with any method."""


async def notify(ctx: Context, method: str, params: JSON, *, on_request: bool) -> None:
    """Send a notification on the stream of this request, or on the connection's own."""
    # The SDK's type names only known notifications, but the SDK serializes any model.
    notice = cast("ServerNotification", Notice(method=method, params=params))
    await ctx.session.send_notification(notice, related_request_id=ctx.request_id if on_request else None)


def params_of(ctx: Context) -> Mapping[str, Any]:
    """The params of a request, unchecked."""
    return ctx.params or {}


def not_served(ctx: Context) -> MCPError:
    """The error -32601 for a request."""
    return MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=ctx.method)


def find_task(engine: Engine, ctx: Context, doing: str) -> ServerTask:
    """The task that a request names; raises -32602 if there is none."""
    task = engine.find(params_of(ctx).get("taskId"))
    if task is None:
        raise MCPError(code=INVALID_PARAMS, message=f"Failed to {doing} task: Task not found")
    return task


def find_offer(engine: Engine, ctx: Context) -> Offer:
    """The tool, resource or prompt that a request names; raises -32602 if there is none."""
    kind, key = CALLS[ctx.method]
    name = params_of(ctx).get(key)
    offer = engine.offers.find(kind, name)
    if offer is None:
        raise MCPError(code=INVALID_PARAMS, message=f"Unknown {kind}: {name}")
    return offer


def read_arguments(offer: Offer, ctx: Context) -> JSON:
    """The arguments of a call; raises -32602 if they do not fit the tool's function."""
    given: Any = params_of(ctx).get("arguments")
    arguments: JSON = cast("JSON", given) if isinstance(given, dict) else {}
    try:
        offer.read_arguments(arguments)
    except ValidationError as error:
        raise MCPError(code=INVALID_PARAMS, message=f"Invalid arguments for {offer.name}: {error}") from None
    return arguments


def outcome(task_result: JSON | None, error: JSON | None) -> JSON:
    """The answer to a call whose work has ended; raises the `MCPError` if the work failed."""
    if error is not None:
        raise MCPError(code=error["code"], message=error["message"], data=error.get("data"))
    return dict(task_result or {})


def listing(engine: Engine, method: str, *, legacy: bool) -> JSON:
    """The answer to a list request, without the fields that only 2026-07-28 has."""
    kind, key = LISTINGS[method]
    declares = engine.options.tasks
    return {key: [offer.listing(legacy=legacy, declares_tasks=declares) for offer in engine.offers.all(kind)]}


def offer_capabilities(engine: Engine) -> JSON:
    """The capabilities that follow from the server's offers."""
    return {f"{kind}s": {} for kind in ("tool", "resource", "prompt") if engine.offers.all(kind)}
