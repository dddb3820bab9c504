"""The 2026-07-28 side: discovery, calls that may become tasks, the tasks extension, and listen streams."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INTERNAL_ERROR, INVALID_PARAMS, SERVER_INFO_META_KEY
from mcp_types.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks.testing._asking import Link
from mcptasks.testing._bell import Bell
from mcptasks.testing._engine import Engine, given_up_with_its_caller
from mcptasks.testing._offers import Offer
from mcptasks.testing._script import JSON, Progress
from mcptasks.testing._state import TaskState, modern_detailed_task, modern_task
from mcptasks.testing._tasks import ServerTask
from mcptasks.testing._wire import (
    CALLS,
    EXTENSION,
    LISTINGS,
    SUBSCRIPTION_ID,
    Context,
    find_offer,
    find_task,
    listing,
    not_served,
    notify,
    offer_capabilities,
    outcome,
    params_of,
    read_arguments,
)

CUT_KEY = "mcptasks.cut"
"""In the ASGI scope: a function that cuts the connection of this request."""


def declares_extension(ctx: Context) -> bool:
    """Whether the client says on this very request that it knows tasks."""
    node: Any = params_of(ctx)
    for key in ("_meta", CLIENT_CAPABILITIES_META_KEY, "extensions"):
        node = cast("JSON", node).get(key) if isinstance(node, dict) else None
    return isinstance(node, dict) and EXTENSION in node


def missing_capability() -> MCPError:
    """-32021, naming the extension."""
    return MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message="Missing required client capability",
        data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
    )


class ListenStream:
    """One open `subscriptions/listen`: what is still to be sent on it."""

    def __init__(self, task_ids: frozenset[str]) -> None:
        self._task_ids = task_ids
        self._queue: deque[JSON] = deque()
        self._bell = Bell()

    def announce(self, task: ServerTask, state: TaskState) -> None:
        """Queue the state of a task that this stream is about."""
        if task.task_id in self._task_ids:
            self._queue.append(modern_detailed_task(state))
            self._bell.ring()

    def progress(self, task: ServerTask, step: Progress) -> None:
        """Nothing: this era has no progress notifications for tasks."""

    def input_needed(self, task: ServerTask) -> None:
        """Nothing: this era's input requests are part of the state."""

    async def next(self) -> JSON:
        """Wait for the next params to send."""
        return await self._bell.until(lambda: self._queue.popleft() if self._queue else None)


class Modern:
    """Answers the requests of 2026-07-28 connections."""

    def __init__(self, engine: Engine, server_info: JSON, instructions: str | None) -> None:
        self._engine = engine
        self._server_info = server_info
        self._instructions = instructions

    async def answer(self, ctx: Context) -> JSON | None:
        """The result for this request; None where it is not one of ours."""
        result = await self._dispatch(ctx)
        if result is None:
            return None
        result.setdefault("resultType", "complete")
        result["_meta"] = {SERVER_INFO_META_KEY: dict(self._server_info), **result.get("_meta", {})}
        return result

    async def _dispatch(self, ctx: Context) -> JSON | None:
        if ctx.method == "server/discover":
            return self._discover()
        if ctx.method in LISTINGS:
            return {**listing(self._engine, ctx.method, legacy=False), "ttlMs": 0, "cacheScope": "private"}
        if ctx.method == "resources/templates/list":
            return {"resourceTemplates": [], "ttlMs": 0, "cacheScope": "private"}
        if ctx.method in CALLS:
            return await self._call(ctx)
        if ctx.method == "subscriptions/listen":
            return await self._listen(ctx)
        if ctx.method in ("tasks/get", "tasks/update", "tasks/cancel"):
            return self._about_task(ctx)
        return None

    def _discover(self) -> JSON:
        capabilities = offer_capabilities(self._engine)
        if self._engine.options.tasks:
            capabilities["extensions"] = {EXTENSION: {}}
        result: JSON = {
            "supportedVersions": list(MODERN_PROTOCOL_VERSIONS),
            "capabilities": capabilities,
            "ttlMs": 0,
            "cacheScope": "private",
        }
        if self._instructions is not None:
            result["instructions"] = self._instructions
        return result

    async def _call(self, ctx: Context) -> JSON:
        offer = find_offer(self._engine, ctx)
        arguments = read_arguments(offer, ctx)
        can_be_task = offer.kind == "tool" and self._engine.options.tasks
        if can_be_task and offer.support in ("required", "optional"):
            if declares_extension(ctx):
                task = self._engine.make_task(offer, arguments)
                created = modern_task(task.state)
                self._engine.start_work(offer, task, ctx.lifespan_context)
                return {"resultType": "task", **created}
            if offer.support == "required":
                raise missing_capability()
        result = await self._call_plainly(ctx, offer, arguments)
        if offer.kind == "resource" and "resultType" not in result:
            result = {"ttlMs": 0, "cacheScope": "private", **result}
        return result

    async def _call_plainly(self, ctx: Context, offer: Offer, arguments: JSON) -> JSON:
        """The result, or `input_required` where the work asks for input; the call goes on when it is made again."""
        calls = self._engine.calls
        request_state = params_of(ctx).get("requestState")
        if request_state is None:
            call = self._engine.make_call(offer, arguments)
            call.client = Link(ctx, on_stream=True)
            self._engine.start_work(offer, call, ctx.lifespan_context)
        else:
            found = calls.take(request_state, (offer.kind, offer.name))
            if found is None:
                raise MCPError(code=INVALID_PARAMS, message="Unknown request state")
            call = found
            responses: Any = params_of(ctx).get("inputResponses", {})
            if not isinstance(responses, dict):
                raise MCPError(code=INVALID_PARAMS, message="inputResponses must be an object")
            call.answer(cast("JSON", responses))
        with given_up_with_its_caller(call):
            await call.wait_for(lambda call: call.done or call.status == "input_required")
        if call.done:
            return outcome(call.state.result, call.state.error)
        asked = dict(call.state.input_requests)
        return {"resultType": "input_required", "inputRequests": asked, "requestState": calls.park(call)}

    def _about_task(self, ctx: Context) -> JSON:
        options = self._engine.options
        if not options.tasks or (ctx.method == "tasks/cancel" and options.cancel == "unsupported"):
            raise not_served(ctx)
        if not declares_extension(ctx):
            raise missing_capability()
        if ctx.method == "tasks/get":
            return modern_detailed_task(find_task(self._engine, ctx, "retrieve").look())
        if ctx.method == "tasks/cancel":
            task = find_task(self._engine, ctx, "cancel")
            task.request_cancel(honour=self._engine.honours_cancel(task))
            return {}
        task = find_task(self._engine, ctx, "update")
        responses: Any = params_of(ctx).get("inputResponses")
        if isinstance(responses, dict):
            task.answer(cast("JSON", responses), shown_again=options.answers_shown_again)
        return {}

    # -- push --------------------------------------------------------------------

    async def _listen(self, ctx: Context) -> JSON:
        if self._engine.options.listen == "unsupported":
            raise not_served(ctx)
        filters: Any = params_of(ctx).get("notifications")
        wanted: Any = cast("JSON", filters).get("taskIds") if isinstance(filters, dict) else None
        task_ids = [task_id for task_id in cast("list[Any]", wanted or []) if self._engine.find(task_id)]
        if wanted and not declares_extension(ctx):
            raise missing_capability()
        agreed: JSON = {}
        if wanted is not None and self._engine.options.listen == "on" and self._engine.options.tasks:
            agreed = {"taskIds": task_ids}
        stream = ListenStream(frozenset(agreed.get("taskIds", ())))
        self._engine.add_listener(stream)
        try:
            return await self._serve_stream(ctx, stream, agreed)
        finally:
            self._engine.remove_listener(stream)

    async def _serve_stream(self, ctx: Context, stream: ListenStream, agreed: JSON) -> JSON:
        meta: JSON = {SUBSCRIPTION_ID: ctx.request_id}
        ack: JSON = {"_meta": meta, "notifications": agreed}
        await notify(ctx, "notifications/subscriptions/acknowledged", ack, on_request=True)
        sent = 0
        while sent != self._engine.options.listen_drop_after:
            params = await stream.next()
            await notify(ctx, "notifications/tasks", {"_meta": meta, **params}, on_request=True)
            sent += 1
        cut: Any = ctx.request.scope.get(CUT_KEY) if ctx.request is not None else None
        if cut is not None:
            cut()
            await anyio.sleep_forever()
        raise MCPError(code=INTERNAL_ERROR, message="The stream was dropped")
