"""A server on the SDK that fastmcp 3 brings along (mcp 1.x), whose tools ask the client by tasks that they poll.

It runs over stdio, or with `--http` on a free port of loopback, which it then says on stdout.
"""

import asyncio
import socket
import sys

import mcp.types as types
import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.shared.exceptions import McpError

server = FastMCP("hosting3", log_level="ERROR")

FORM = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}


@server.tool()
async def choose(ctx: Context) -> str:
    """Ask the user for an account."""
    answer = await ctx.session.experimental.elicit_as_task("Which account?", FORM, ttl=60_000)
    return f"{answer.action}: {answer.content}"


@server.tool()
async def complete(ctx: Context, prompts: list[str]) -> list[str]:
    """Have the user's model complete prompts, all at once."""

    async def one(prompt: str) -> str:
        message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=prompt))
        answer = await ctx.session.experimental.create_message_as_task([message], max_tokens=9)
        assert isinstance(answer.content, types.TextContent)
        return answer.content.text

    return list(await asyncio.gather(*map(one, prompts)))


@server.tool()
async def give_up(ctx: Context) -> list[str]:
    """Ask, and cancel the question; then look how it stands, in all the ways that there are."""
    session = ctx.session
    params = types.ElicitRequestFormParams(
        message="Which account?", requestedSchema=FORM, task=types.TaskMetadata(ttl=999_999_999)
    )
    request = types.ServerRequest(types.ElicitRequest(params=params))
    created = (await session.send_request(request, types.CreateTaskResult)).task
    by_id = {"taskId": created.taskId}
    cancel = types.CancelTaskRequest(params=types.CancelTaskRequestParams(**by_id))
    cancelled = await session.send_request(types.ServerRequest(cancel), types.CancelTaskResult)
    listed = await session.send_request(types.ServerRequest(types.ListTasksRequest()), types.ListTasksResult)
    seen = [created.status, cancelled.status, *(task.status for task in listed.tasks), str(created.ttl)]
    try:
        await session.experimental.get_task_result(created.taskId, types.ElicitResult)
    except McpError as exc:
        seen.append(exc.error.message)
    return seen


def listen() -> None:
    """Serve over HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    if "--http" in sys.argv:
        listen()
    else:
        server.run()
