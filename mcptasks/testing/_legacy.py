"""The 2025-11-25 side: the handshake, calls with a `task` field, and `tasks/*`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from mcptasks.testing._asking import Link, Question, QuestionJob, carry_questions
from mcptasks.testing._declared import declared
from mcptasks.testing._engine import FASTMCP2_RELATED_TASK, Engine, given_up_with_its_caller
from mcptasks.testing._jobs import Host
from mcptasks.testing._offers import Offer
from mcptasks.testing._results import EMPTY_RESULT_KEY, tool_error
from mcptasks.testing._script import JSON, Progress
from mcptasks.testing._state import TaskState, legacy_status, legacy_task
from mcptasks.testing._tasks import ServerTask
from mcptasks.testing._wire import (
    CALLS,
    LISTINGS,
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

IMMEDIATE_RESPONSE = "io.modelcontextprotocol/model-immediate-response"
FASTMCP2_TASK = "modelcontextprotocol.io/task"


def related_task(engine: Engine, task: ServerTask) -> JSON:
    """The metadata that relates a message to a task."""
    return {engine.options.related_key: {"taskId": task.task_id}}


class Connections:
    """The connections to which the notifications about tasks go: for each task the connection that last named it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._contexts: dict[str, tuple[Host, Context]] = {}
        self._tokens: dict[str, str | int] = {}

    def follow(self, task: ServerTask, ctx: Context) -> None:
        """Send notifications about a task to the connection of this request from now on."""
        self._contexts[task.task_id] = (ctx.lifespan_context, ctx)
        task.client = Link(ctx)

    def remember_token(self, task: ServerTask, ctx: Context) -> None:
        """Keep the progress token of the request that created a task: it is valid for the task's life."""
        token = (ctx.meta or {}).get("progress_token")
        if token is not None:
            self._tokens[task.task_id] = token

    def announce(self, task: ServerTask, state: TaskState) -> None:
        """Push a status."""
        self._post(task, "notifications/tasks/status", legacy_task(state))

    def _post(self, task: ServerTask, method: str, params: JSON) -> None:
        if task.task_id not in self._contexts:
            return
        host, ctx = self._contexts[task.task_id]
        # On the SDK's streamless in-process connection, notifications can go only with a request.
        streamless = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        host.post(partial(notify, ctx, method, params, on_request=streamless))

    def input_needed(self, task: ServerTask) -> None:
        """Send input requests to the client at once, if `input_mode` says so."""
        if self._engine.options.input_mode != "result" and task.task_id in self._contexts:
            host, ctx = self._contexts[task.task_id]
            host.post(partial(self._push_input, host, Link(ctx), task))

    async def _push_input(self, host: Host, link: Link, task: ServerTask) -> None:
        related = self._engine.options.input_mode == "push-related"
        meta = related_task(self._engine, task) if related else {}
        for key, request in task.claim_input().items():
            host.start(QuestionJob(Question(link, task, key, request, meta)))

    def progress(self, task: ServerTask, step: Progress) -> None:
        """Send progress for the token of the request that created the task."""
        if task.task_id not in self._tokens:
            return
        params: JSON = {"progressToken": self._tokens[task.task_id], "progress": step.progress}
        if step.total is not None:
            params["total"] = step.total
        if step.message is not None:
            params["message"] = step.message
        params["_meta"] = related_task(self._engine, task)
        self._post(task, "notifications/progress", params)


class Legacy:
    """Answers the requests of 2025-11-25 connections."""

    def __init__(self, engine: Engine, server_info: JSON, instructions: str | None) -> None:
        self._engine = engine
        self._server_info = server_info
        self._instructions = instructions
        self._connections = Connections(engine)
        engine.add_listener(self._connections)

    async def answer(self, ctx: Context) -> JSON | None:
        """The result for a request; None to leave the request to the SDK."""
        if ctx.method == "initialize":
            return self._initialize(params_of(ctx))
        if ctx.method == "ping":
            return {}
        if ctx.method in LISTINGS:
            return listing(self._engine, ctx.method, legacy=True)
        if ctx.method == "resources/templates/list":
            return {"resourceTemplates": []}
        if ctx.method in CALLS:
            return await self._call(ctx)
        if ctx.method in ("tasks/get", "tasks/result", "tasks/list", "tasks/cancel"):
            return await self._about_tasks(ctx)
        return None

    def _initialize(self, params: Mapping[str, Any]) -> JSON:
        options = self._engine.options
        capabilities = offer_capabilities(self._engine)
        if options.tasks:
            tasks: JSON = {"requests": {"tools": {"call": {}}}}
            if options.list_tasks:
                tasks["list"] = {}
            if options.cancel != "unsupported":
                tasks["cancel"] = {}
            capabilities["tasks"] = tasks
        result: JSON = {
            "protocolVersion": self._negotiated(params.get("protocolVersion")),
            "capabilities": capabilities,
            "serverInfo": dict(self._server_info),
        }
        if self._instructions is not None:
            result["instructions"] = self._instructions
        return result

    def _negotiated(self, asked: Any) -> str:
        versions = self._engine.options.versions
        if versions is None:
            return asked if asked in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
        if asked in versions:
            return str(asked)
        if self._engine.options.version_refusal == "other":
            return versions[0]
        raise MCPError(
            code=INVALID_PARAMS,
            message=f"Unsupported protocol version: {asked}",
            data={"supported": list(versions), "requested": asked},
        )

    # -- calls ---------------------------------------------------------------------

    async def _call(self, ctx: Context) -> JSON:
        offer = find_offer(self._engine, ctx)
        arguments = read_arguments(offer, ctx)
        augmentation: Any = params_of(ctx).get("task")
        if self._engine.options.tasks and offer.support != "none":
            if isinstance(augmentation, dict):
                return self._call_as_task(ctx, offer, arguments, cast("JSON", augmentation))
            if offer.support == "required":
                raise MCPError(code=METHOD_NOT_FOUND, message=f"{offer.name} can only be called as a task")
        task = self._engine.make_call(offer, arguments, declared(ctx))
        task.client = link = Link(ctx, on_stream=True)
        self._engine.start_work(offer, task, ctx.lifespan_context)
        with given_up_with_its_caller(task):
            await carry_questions(link, task, {})
        return outcome(task.state.result, task.state.error)

    def _call_as_task(self, ctx: Context, offer: Offer, arguments: JSON, augmentation: JSON) -> JSON:
        fastmcp2 = self._engine.options.creation == "fastmcp2"
        if offer.support == "forbidden":
            message = f"{offer.name} cannot be called as a task"
            if fastmcp2 and offer.kind == "tool":
                return {**tool_error(message), "_meta": {FASTMCP2_TASK: {"returned_immediately": True}}}
            raise MCPError(code=METHOD_NOT_FOUND, message=message)
        task = self._engine.make_task(offer, arguments, declared(ctx), augmentation.get("ttl"))
        self._connections.follow(task, ctx)
        self._connections.remember_token(task, ctx)
        created = legacy_task(task.state)
        self._engine.start_work(offer, task, ctx.lifespan_context)
        if task.state.input_requests:
            self._connections.input_needed(task)
        if fastmcp2:
            short = {"taskId": task.task_id, "status": created["status"]}
            return {EMPTY_RESULT_KEY[offer.kind]: [], "_meta": {FASTMCP2_TASK: short}}
        result: JSON = {"task": created}
        if "immediate_response" in offer.options:
            result["_meta"] = {IMMEDIATE_RESPONSE: offer.options["immediate_response"]}
        return result

    # -- tasks/* -------------------------------------------------------------------

    async def _about_tasks(self, ctx: Context) -> JSON:
        options = self._engine.options
        unserved = {"tasks/list": not options.list_tasks, "tasks/cancel": options.cancel == "unsupported"}
        if not options.tasks or unserved.get(ctx.method, False):
            raise not_served(ctx)
        if ctx.method == "tasks/list":
            return self._list(params_of(ctx).get("cursor"))
        if ctx.method == "tasks/cancel":
            return self._cancel(find_task(self._engine, ctx, "cancel"))
        task = find_task(self._engine, ctx, "retrieve")
        self._connections.follow(task, ctx)
        if ctx.method == "tasks/get":
            return legacy_task(task.state)
        return await self._result(ctx, task)

    def _list(self, cursor: object) -> JSON:
        tasks = [task for task in list(self._engine.tasks.values()) if self._engine.find(task.task_id)]
        start = 0
        if cursor is not None:
            if not isinstance(cursor, str) or not cursor.startswith("after-") or not cursor[6:].isdecimal():
                raise MCPError(code=INVALID_PARAMS, message="Invalid cursor")
            start = int(cursor[6:])
        end = start + self._engine.options.page_size
        page: JSON = {"tasks": [legacy_task(task.state) for task in tasks[start:end]]}
        if end < len(tasks):
            page["nextCursor"] = f"after-{end}"
        return page

    def _cancel(self, task: ServerTask) -> JSON:
        if task.state.terminal and self._engine.options.creation == "standard":
            status = legacy_status(task.state)
            raise MCPError(code=INVALID_PARAMS, message=f"Cannot cancel task: already in terminal status '{status}'")
        task.request_cancel(honour=self._engine.honours_cancel(task))
        return legacy_task(task.state)

    async def _result(self, ctx: Context, task: ServerTask) -> JSON:
        options = self._engine.options
        if options.result_mode == "refuse" and (not task.done or task.status == "cancelled"):
            message = f"Task not completed yet (current status: {task.status})"
            raise MCPError(code=INVALID_PARAMS, message=message)
        if options.input_mode == "result":
            await carry_questions(Link(ctx, on_stream=True), task, related_task(self._engine, task))
        await task.wait_for(lambda task: task.done)
        if not task.known and not task.state.terminal:
            raise MCPError(code=INVALID_PARAMS, message="Failed to retrieve task: Task not found")
        if task.status == "cancelled":
            raise MCPError(code=-32603, message=task.state.status_message or "The task was cancelled")
        result = outcome(task.state.result, task.state.error)
        related = related_task(self._engine, task)
        if options.creation == "fastmcp2":
            related = {FASTMCP2_RELATED_TASK: {"taskId": task.task_id}}
        result["_meta"] = {**result.get("_meta", {}), **related}
        return result
