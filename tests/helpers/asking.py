"""Servers whose plain tools ask the client during the call, in both eras: for elicitation, sampling and roots. They
also log.

Legacy servers send requests of their own during the call. Modern servers answer with `InputRequiredResult`, and the
client calls again with the answers.
"""

from __future__ import annotations

from typing import Annotated, Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from mcptasks.testing import TaskServer
from tests.helpers.support import Era, make_server

PROMPT = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="A word?"))
LOG = types.LoggingMessageNotification(
    params=types.LoggingMessageNotificationParams(level="info", logger="tests", data={"n": 1})
)


class Form(BaseModel):
    """The form that the user fills in."""

    name: str


def _who() -> Elicit[Form]:
    return Elicit("Who?", Form)


def _word() -> Sample:
    return Sample([PROMPT], max_tokens=5)


def _folders() -> ListRoots:
    return ListRoots()


async def _elicit(answer: Annotated[ElicitationResult[Form], Resolve(_who)]) -> dict[str, Any]:
    return {"action": answer.action, "content": answer.data.model_dump() if answer.action == "accept" else None}


async def _sample(answer: Annotated[types.CreateMessageResult, Resolve(_word)]) -> dict[str, Any]:
    return _sampled(answer)


async def _roots(answer: Annotated[types.ListRootsResult, Resolve(_folders)]) -> dict[str, Any]:
    return _listed(answer)


async def _log(ctx: Context) -> dict[str, Any]:
    request = ctx.request_context
    await request.session.send_notification(LOG, related_request_id=request.request_id)
    return {"logged": 1}


def sdk_server() -> MCPServer:
    """An `MCPServer` whose tools ask. The SDK asks in the way of the connection's protocol."""
    server = MCPServer("asking")
    for name, tool in (("elicit", _elicit), ("sample", _sample), ("roots", _roots), ("log", _log)):
        server.add_tool(tool, name=name)
    return server


Answer = types.ElicitResult | types.CreateMessageResult | types.ListRootsResult
ASKS: dict[str, tuple[types.InputRequest, type[Answer]]] = {
    "elicit": (
        types.ElicitRequest(
            params=types.ElicitRequestFormParams(
                message="Who?", requested_schema={"type": "object", "properties": {"name": {"type": "string"}}}
            )
        ),
        types.ElicitResult,
    ),
    "sample": (
        types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[PROMPT], max_tokens=5)),
        types.CreateMessageResult,
    ),
    "roots": (types.ListRootsRequest(), types.ListRootsResult),
}


def own_server(era: Era) -> TaskServer:
    """A server with the same tools, in the protocol of one era."""
    server = make_server(era)
    for name in (*ASKS, "log"):
        server.add_tool(name, support="none", result={})
    server.middleware.insert(0, _ask)
    return server


async def _ask(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    params = ctx.params or {}
    if ctx.method != "tools/call" or params.get("name") not in (*ASKS, "log"):
        return await call_next(ctx)
    if "requestState" not in params:  # the server would take a foreign state for its own
        await call_next(ctx)  # for the server's log of requests
    if params["name"] == "log":
        await ctx.session.send_notification(LOG, related_request_id=ctx.request_id)
        return _complete({"logged": 1})
    request, result_type = ASKS[params["name"]]
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        related = ServerMessageMetadata(related_request_id=ctx.request_id)
        return _complete(_told(await ctx.session.send_request(request, result_type, metadata=related)))
    if "inputResponses" not in params:
        return types.InputRequiredResult(input_requests={"key": request}, request_state="to and fro")
    assert params["requestState"] == "to and fro"
    return _complete(_told(result_type.model_validate(params["inputResponses"]["key"])))


def _complete(value: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[], structured_content=value)


def _told(answer: Answer) -> dict[str, Any]:
    match answer:
        case types.ElicitResult(action=action, content=content):
            return {"action": action, "content": content if action == "accept" else None}
        case types.CreateMessageResult():
            return _sampled(answer)
        case _:
            return _listed(answer)


def _sampled(answer: types.CreateMessageResult) -> dict[str, Any]:
    text = answer.content.text if isinstance(answer.content, types.TextContent) else None
    return {"role": answer.role, "text": text, "model": answer.model}


def _listed(answer: types.ListRootsResult) -> dict[str, Any]:
    return {"roots": [[str(root.uri), root.name] for root in answer.roots]}
