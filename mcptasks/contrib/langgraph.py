"""A task's question as an interrupt of a LangGraph graph: a person may answer hours later, and in another process.

The graph's checkpointer keeps the graph, and the client's store keeps the task. When the graph continues, LangGraph
runs the node again from the start. The call is then found in the store by its key, and is not made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import anyio

from mcptasks import Client, Task, ToolError, ToolResult
from mcptasks.contrib._packages import need
from mcptasks.contrib._starting import cancel, start

need(__name__, "langgraph", least=(1, 2), below=2, extra="langgraph")

from langchain_core.tools import BaseTool, StructuredTool, ToolException  # noqa: E402 - the version is checked before
from langgraph.config import get_config  # noqa: E402
from langgraph.types import interrupt  # noqa: E402

INTERRUPT_TYPE = "mcp_task_input"
"""The `type` in the value of an interrupt that asks a task's questions."""


async def call_tool(
    client: Client, name: str, arguments: Mapping[str, Any] | None = None, *, key: str | None = None
) -> ToolResult:
    """Call a tool as a task, inside a node or a tool of a graph, and interrupt the graph if the task asks a question.

    The value of the interrupt is `{"type": "mcp_task_input", "tool", "task_id", "requests": {key: request}}`. It also
    has "problem" if an answer did not match its form. Resume with the answers by key, in the form that `Task.answer`
    takes: `Command(resume={"q": {"name": "Ada"}})`. If the run is cancelled, the server is asked to cancel the task; an
    interrupt leaves the task waiting.

    Args:
        client: An open client with a store and `elicitation_handler=BY_HAND`.
        name: The tool.
        arguments: Its arguments.
        key: The idempotency key of the call. None makes one from the thread, the node's run, the tool and the
            arguments; if a node makes the same call twice, give two keys.

    Raises:
        ValueError: The client has no store, or `key` is None and the graph has no checkpointer and thread id.
        Exception: What `Task.result` raises.
    """
    task = await start(client, name, arguments, key or _key(name, arguments))
    try:
        async for status in task.updates():
            if status.is_terminal:
                break
            await _answered(task)
        return await task.result()
    except anyio.get_cancelled_exc_class():
        await cancel(task)
        raise


async def load_tools(client: Client) -> list[BaseTool]:
    """Make LangChain tools of the server's tools, for `create_agent` or a `ToolNode`; see `call_tool`.

    Args:
        client: An open client with a store and `elicitation_handler=BY_HAND`.
    """
    return [
        _tool(client, found.name, found.description or "", found.input_schema) for found in await client.list_tools()
    ]


def _tool(client: Client, name: str, description: str, schema: dict[str, Any]) -> BaseTool:
    async def call(**arguments: Any) -> tuple[str, Any]:
        try:
            result = await call_tool(client, name, arguments)
        except ToolError as exc:
            raise ToolException(str(exc)) from exc
        structured = result.structured_content
        return result.text or json.dumps(structured, ensure_ascii=False), structured

    return StructuredTool(
        name=name,
        description=description,
        args_schema=schema,
        coroutine=call,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


async def _answered(task: Task[ToolResult]) -> None:
    """Have a person answer the task's questions until there are no more. The first question ends the run, since
    `interrupt` raises. When the graph continues, `interrupt` returns the earlier answers again, in their order; answers
    that the task has already are skipped."""
    problem: str | None = None
    while requests := task.input_requests:
        value = {"type": INTERRUPT_TYPE, "tool": task.name, "task_id": task.task_id, "requests": dict(requests)}
        answers = interrupt(value if problem is None else {**value, "problem": problem})
        problem = None
        if not isinstance(answers, Mapping):
            problem = f"the answers must be a mapping by key, such as {{{min(requests)!r}: ...}}"
            continue
        for key in requests.keys() & answers.keys():
            try:
                await task.answer(key, answers[key])
            except ValueError as exc:  # The answer does not match the form; the person may try again.
                problem = str(exc)


def _key(name: str, arguments: Mapping[str, Any] | None) -> str:
    """The idempotency key of a call in this run of a node: the same whenever LangGraph runs it again."""
    configurable = get_config().get("configurable", {})
    thread, place = configurable.get("thread_id"), configurable.get("checkpoint_ns")
    if thread is None or place is None:
        raise ValueError(
            "the graph needs a checkpointer and a thread_id, so that the call is found again; or give key="
        )
    sent = json.dumps(arguments or {}, sort_keys=True, default=str)
    digest = hashlib.sha256(sent.encode()).hexdigest()[:16]
    return f"langgraph:{thread}:{place}:{name}:{digest}"
