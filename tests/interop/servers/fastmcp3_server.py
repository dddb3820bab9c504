"""The interop server on fastmcp 3: tasks for tools, resources and prompts; elicitation in mid-task."""

from datetime import timedelta

from catalogue import add_resources_and_prompts, add_tools
from fastmcp import Context, FastMCP
from fastmcp.server.tasks import TaskConfig
from serving import run

OFTEN = timedelta(milliseconds=100)
"""How often clients may look: the default of five seconds would make every test slow."""

server = FastMCP("fastmcp3")
optional = TaskConfig(mode="optional", poll_interval=OFTEN)
add_tools(server, optional=optional, required=TaskConfig(mode="required", poll_interval=OFTEN))
add_resources_and_prompts(server, task=optional)


@server.tool(task=optional)
async def ask_name(ctx: Context) -> str:
    """Ask the user for a name in the middle of the work."""
    answer = await ctx.elicit("What is your name?", response_type=str)
    return f"Hello, {answer.data}!" if answer.action == "accept" else f"No name: {answer.action}"


if __name__ == "__main__":
    run(server)
