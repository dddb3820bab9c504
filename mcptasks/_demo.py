"""The demonstration: one tool, in the background, from its start to its result."""

from __future__ import annotations

import sys
from typing import Any

import anyio

from mcptasks._async.client import Client
from mcptasks._exceptions import TaskError
from mcptasks._models import TaskStatus


def run(words: list[str], tool: str, arguments: dict[str, Any], *, backend: str, mode: str) -> int:
    """Call a tool as a task and print what happens.

    Args:
        words: The target: none for the embedded server, a URL or path, or a command and its arguments.
        tool: The tool.
        arguments: Its arguments.
        backend: "asyncio" or "trio".
        mode: How to negotiate.

    Returns:
        The exit status: 0, or 1 where it failed.
    """
    target: Any = [sys.executable, "-m", "mcptasks.testing", "--transport", "stdio"]
    if words:
        target = words if len(words) > 1 or not _is_place(words[0]) else words[0]
    try:
        anyio.run(_demo, target, tool, arguments, mode, backend=backend)
    except (TaskError, ValueError, TypeError, OSError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the work goes on at the server", file=sys.stderr)
        return 130
    return 0


def _is_place(word: str) -> bool:
    return "://" in word or word.endswith((".py", ".js", ".json"))


async def _demo(target: Any, tool: str, arguments: dict[str, Any], mode: str) -> None:
    def show(status: TaskStatus) -> None:
        print(f"  {status.status:<14} {status.status_message or ''}".rstrip())

    async with Client(target, mode=mode) as client:
        server = client.server_info.name if client.server_info else "a server without a name"
        print(f"connected to {server}, MCP {client.protocol_version}")
        task = await client.call_tool(tool, arguments, task=True)
        if task.returned_immediately:
            print(f"{tool} was answered at once: the server has no task for it")
        else:
            print(f"{tool} runs in the background as task {task.task_id}")
            task.on_status_change(show)
        print("meanwhile this program is free to do something else")
        result = await task.result()
        print(f"result: {result.data!r}")
