"""The interop server on fastmcp 3: tasks for tools, resources and prompts; elicitation and sampling in mid-task."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from catalogue import add_resources_and_prompts, add_tools
from fastmcp import Context, FastMCP
from fastmcp.server.tasks import TaskConfig
from mcp.types import SamplingMessage, TextContent
from pydantic import Field
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


@server.tool(task=optional)
async def ask_for(what: str, ctx: Context) -> str:
    """Ask for something, in words that no other task uses."""
    answer = await ctx.elicit(f"Which {what}?", response_type=str)
    return f"{what}: {answer.data}" if answer.action == "accept" else f"{what}: {answer.action}"


@dataclass
class Trip:
    """A form of which most may be left out. The last default stands in the form only: who answers must fill it in."""

    city: str
    nights: int = 2
    breakfast: bool = True
    seat: Annotated[str, Field(json_schema_extra={"default": "window"})] = Field()


@server.tool(task=optional)
async def book_trip(ctx: Context) -> str:
    """Have a form filled in."""
    answer = await ctx.elicit("Where to?", response_type=Trip)
    return repr(answer.data) if answer.action == "accept" else answer.action


@server.tool(task=optional)
async def complete(prompt: str, ctx: Context, by_context: bool = False) -> str:
    """Have the user's model complete a prompt. The request says nothing of the task and comes while it is `working`.

    `ctx.sample` ties the request to the call that made the task. Over HTTP that call's stream is over by then, so the
    request never leaves the server; fastmcp's own advice is to use the session. Over stdio there is one stream only.
    """
    if by_context:
        return f"{prompt}: {(await ctx.sample(prompt)).text}"
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([message], max_tokens=9)
    return f"{prompt}: {answer.content.text}"


if __name__ == "__main__":
    run(server)
