"""The interop server on fastmcp 4: tasks for tools only, by the tasks extension; input through InputRequiredResult."""

from datetime import timedelta

from catalogue import add_resources_and_prompts, add_tools
from fastmcp import Context, FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension
from mcp import MCPError
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from serving import run

OFTEN = timedelta(milliseconds=100)
"""How often clients may look: the default of five seconds would make every test slow."""

server = FastMCP("fastmcp4")
server.add_extension(TasksExtension())
optional = TaskConfig(mode="optional", poll_interval=OFTEN)
add_tools(server, optional=optional, required=TaskConfig(mode="required", poll_interval=OFTEN))
add_resources_and_prompts(server)

_NAME_SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
_SEAT_SCHEMA = {"properties": {"value": {"type": "string", "default": "window"}}, "required": ["value"]}


def _question(message: str, schema: dict[str, object] = _NAME_SCHEMA) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


@server.tool(task=optional)
async def ask_name(ctx: Context) -> str | InputRequiredResult:
    """Ask the user for a name: the first run returns the question, the second one reads the answer."""
    answer = (ctx.input_responses or {}).get("name")
    if not isinstance(answer, ElicitResult):
        return InputRequiredResult(input_requests={"name": _question("What is your name?")})
    return f"Hello, {answer.content['value']}!" if answer.action == "accept" else f"No name: {answer.action}"


@server.tool(task=optional)
async def ask_for(what: str, ctx: Context) -> str | InputRequiredResult:
    """Ask for something, in words that no other task uses."""
    answer = (ctx.input_responses or {}).get(what)
    if not isinstance(answer, ElicitResult):
        return InputRequiredResult(input_requests={what: _question(f"Which {what}?")})
    return f"{what}: {answer.content['value']}" if answer.action == "accept" else f"{what}: {answer.action}"


@server.tool(task=optional)
async def book_trip(ctx: Context) -> str | InputRequiredResult:
    """Ask in two rounds: two questions at once, then one that follows from the answers."""
    found = {key: answer for key, answer in (ctx.input_responses or {}).items() if isinstance(answer, ElicitResult)}
    if {"city", "seat"} <= found.keys():
        said = " ".join(str(found[key].content["value"]) for key in ("city", "seat") if found[key].content)
        return InputRequiredResult(input_requests={"sure": _question(f"Sure: {said}?")}, request_state=said)
    if "sure" in found:
        return f"{found['sure'].action}: {ctx.request_state}"
    questions = {"city": _question("Which city?"), "seat": _question("Which seat?", _SEAT_SCHEMA)}
    return InputRequiredResult(input_requests=questions)


@server.tool(task=optional)
async def complete(prompt: str, ctx: Context) -> str | InputRequiredResult:
    """Have the user's model complete a prompt."""
    answer = (ctx.input_responses or {}).get("text")
    if isinstance(answer, CreateMessageResult):
        return f"{prompt}: {answer.content.text}"
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    request = CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=9))
    return InputRequiredResult(input_requests={"text": request})


@server.tool(task=optional)
async def protocol_fault(message: str) -> str:
    """End as `failed`, which this generation keeps for errors of the protocol."""
    raise MCPError(code=-32050, message=message, data={"hint": "none"})


if __name__ == "__main__":
    run(server)
