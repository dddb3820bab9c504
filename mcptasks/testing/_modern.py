"""The 2026-07-28 side: discovery, calls that may become tasks, the tasks extension, and listen streams."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INTERNAL_ERROR, INVALID_PARAMS, SERVER_INFO_META_KEY
from mcp_types.jsonrpc import HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks.testing._asking import Link
from mcptasks.testing._bell import Bell
from mcptasks.testing._declared import declared
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
"""The key in the ASGI scope of a function that cuts the request's connection."""


def declares_extension(ctx: Context) -> bool:
    """Whether the client declares the tasks extension with this request."""
    node: Any = params_of(ctx)
    for key in ("_meta", CLIENT_CAPABILITIES_META_KEY, "extensions"):
        node = cast("JSON", node).get(key) if isinstance(node, dict) else None
    return isinstance(node, dict) and EXTENSION in node


def missing_capability() -> MCPError:
    """The error -32021, which names the extension."""
    return MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message="Missing required client capability",
        data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
    )


def check_name_header(ctx: Context) -> None:
    """Raise -32020 if a request over HTTP about a task does not name the task in `Mcp-Name`.

    The SDK checks the names of tools, resources and prompts, but does not know the extension's requests.
    """
    if ctx.request is None:
        return
    told = decode_header_value(ctx.request.headers.get(MCP_NAME_HEADER))
    if told != params_of(ctx).get("taskId"):
        raise MCPError(code=HEADER_MISMATCH, message=f"{MCP_NAME_HEADER} header does not match the request's taskId")


class ListenStream:
    """One open `subscriptions/listen`, with the notifications still to be sent."""

    def __init__(self, task_ids: frozenset[str]) -> None:
        self._task_ids = task_ids
        self._queue: deque[JSON] = deque()
        self._bell = Bell()

    def announce(self, task: ServerTask, state: TaskState) -> None:
        """Queue the state if the stream covers the task."""
        if task.task_id in self._task_ids:
            self._queue.append(modern_detailed_task(state))
            self._bell.ring()

    def progress(self, task: ServerTask, step: Progress) -> None:
        """Does nothing: 2026-07-28 has no progress notifications for tasks."""

    def input_needed(self, task: ServerTask) -> None:
        """Does nothing: in 2026-07-28 the input requests are part of the state."""

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
        """The result for a request; None to leave the request to the SDK."""
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
                return self._become_task(ctx, offer, arguments)
            if offer.support == "required":
                raise missing_capability()
        result = await self._call_plainly(ctx, offer, arguments)
        if offer.kind == "resource" and "resultType" not in result:
            result = {"ttlMs": 0, "cacheScope": "private", **result}
        return result

    def _become_task(self, ctx: Context, offer: Offer, arguments: JSON) -> JSON:
        """The task that a call becomes; `input_required` while the offer asks for input before there is a task."""
        answers: JSON = {}
        first = offer.options.get("asks_first")
        if first:
            call = self._repeated(ctx, offer)
            if call is None:
                call = self._engine.make_call(offer, arguments, declared(ctx))
                call.need_input(first)
            if call.done or call.status == "input_required":
                return self._answer_to(call)
            answers = call.answers
            call.forget()
        task = self._engine.make_task(offer, arguments, declared(ctx))
        task.answers.update(answers)
        created = modern_task(task.state)
        self._engine.start_work(offer, task, ctx.lifespan_context)
        return {"resultType": "task", **created}

    async def _call_plainly(self, ctx: Context, offer: Offer, arguments: JSON) -> JSON:
        """The result of a call, or `input_required` if the work asks for input; the client then repeats the call."""
        call = self._repeated(ctx, offer)
        if call is None:
            call = self._engine.make_call(offer, arguments, declared(ctx))
            call.client = Link(ctx, on_stream=True)
            self._engine.start_work(offer, call, ctx.lifespan_context)
        with given_up_with_its_caller(call):
            await call.wait_for(lambda call: call.done or call.status == "input_required")
        return self._answer_to(call)

    def _repeated(self, ctx: Context, offer: Offer) -> ServerTask | None:
        """The call that a client makes again, with the answers that the client sends; None if the call is new."""
        request_state = params_of(ctx).get("requestState")
        if request_state is None:
            return None
        call = self._engine.calls.take(request_state, (offer.kind, offer.name))
        if call is None:
            raise MCPError(code=INVALID_PARAMS, message="Unknown request state")
        responses: Any = params_of(ctx).get("inputResponses", {})
        if not isinstance(responses, dict):
            raise MCPError(code=INVALID_PARAMS, message="inputResponses must be an object")
        call.answer(cast("JSON", responses))
        return call

    def _answer_to(self, call: ServerTask) -> JSON:
        """The answer to a call that has ended or asks for input."""
        if call.done:
            return outcome(call.state.result, call.state.error)
        asked = dict(call.state.input_requests)
        return {"resultType": "input_required", "inputRequests": asked, "requestState": self._engine.calls.park(call)}

    def _about_task(self, ctx: Context) -> JSON:
        options = self._engine.options
        if not options.tasks or (ctx.method == "tasks/cancel" and options.cancel == "unsupported"):
            raise not_served(ctx)
        if options.name_header == "required":
            check_name_header(ctx)
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
