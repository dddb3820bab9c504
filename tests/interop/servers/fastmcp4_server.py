"""The interop server on fastmcp 4: tasks for tools only, by the tasks extension; input through InputRequiredResult."""

from datetime import timedelta

from catalogue import add_resources_and_prompts, add_tools
from fastmcp import Context, FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension
from mcp import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from serving import run

OFTEN = timedelta(milliseconds=100)
"""How often clients may look: the default of five seconds would make every test slow."""

server = FastMCP("fastmcp4")
server.add_extension(TasksExtension())
optional = TaskConfig(mode="optional", poll_interval=OFTEN)
add_tools(server, optional=optional, required=TaskConfig(mode="required", poll_interval=OFTEN))
add_resources_and_prompts(server)

_NAME_SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}


@server.tool(task=optional)
async def ask_name(ctx: Context) -> str | InputRequiredResult:
    """Ask the user for a name: the first run returns the question, the second one reads the answer."""
    answer = (ctx.input_responses or {}).get("name")
    if not isinstance(answer, ElicitResult):
        question = ElicitRequest(
            params=ElicitRequestFormParams(message="What is your name?", requested_schema=_NAME_SCHEMA)
        )
        return InputRequiredResult(input_requests={"name": question})
    return f"Hello, {answer.content['value']}!" if answer.action == "accept" else f"No name: {answer.action}"


@server.tool(task=optional)
async def protocol_fault(message: str) -> str:
    """End as `failed`, which this generation keeps for errors of the protocol."""
    raise MCPError(code=-32050, message=message, data={"hint": "none"})


if __name__ == "__main__":
    run(server)
