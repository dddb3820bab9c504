"""The client under test: the conformance suite starts this program for one scenario, with its server's URL.

    MCP_CONFORMANCE_SCENARIO=tools_call python -m tests.conformance.client http://localhost:1234/mcp

The suite says the rest in the environment: `MCP_CONFORMANCE_PROTOCOL_VERSION` names the revision that its server
speaks, `MCP_CONFORMANCE_CONTEXT` is a JSON object with what a scenario hands out, such as credentials. The runner says
in `CONFORMANCE_BACKEND` on which event loop the client runs. The exit code is 0 if the client came to its end without
an error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks import Client, ElicitRequestParams, InputContext, TaskError
from tests.conformance.authorization import provider

SAMPLES: dict[str, object] = {"string": "x", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": []}
"""A value of each type, for arguments that a tool requires."""


def handed_out() -> dict[str, Any]:
    """What the scenario hands out."""
    found: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    return found


def mode() -> str:
    """How the client opens the connection: the revision of the suite's server decides."""
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION")
    return "auto" if version is None or version in MODERN_PROTOCOL_VERSIONS else "legacy"


def fill_in(context: InputContext, params: ElicitRequestParams) -> Mapping[str, Any]:
    """Fill in a form: the default of each field that has one, and yes for a bare question."""
    schema: Mapping[str, Any] = getattr(params, "requested_schema", {})
    fields: Mapping[str, Any] = schema.get("properties", {})
    values = {name: field["default"] for name, field in fields.items() if "default" in field}
    required = {name: True for name in schema.get("required", ()) if fields.get(name, {}).get("type") == "boolean"}
    return {**required, **values}


def connect(url: str, **options: Any) -> Client:
    """A client as a program would make it."""
    return Client(
        url,
        mode=mode(),
        elicitation_handler=fill_in,
        sampling_handler=lambda context, params: "nothing to say",
        roots=["."],
        timeout=60,
        reconnect_timeout=60,
        **options,
    )


def required_arguments(schema: Mapping[str, Any]) -> dict[str, object]:
    """Arguments that a tool accepts: a value of its type for each field that must be there."""
    fields: Mapping[str, Any] = schema.get("properties", {})
    return {name: SAMPLES.get(fields.get(name, {}).get("type"), "x") for name in schema.get("required", ())}


async def list_tools(url: str) -> None:
    """Open a connection and list the tools."""
    async with connect(url) as client:
        await client.list_tools()


async def call_each_tool(url: str) -> None:
    """List the tools, and call every one; a call that fails does not keep the others from being made."""
    async with connect(url) as client:
        for tool in await client.list_tools():
            try:
                await client.call_tool(tool.name, required_arguments(tool.input_schema))
            except TaskError as exc:
                print(f"{tool.name}: {exc}", file=sys.stderr)


async def call_as_told(url: str) -> None:
    """List the tools, and make the calls that the scenario lists."""
    async with connect(url) as client:
        await client.list_tools()
        for call in handed_out()["toolCalls"]:
            try:
                await client.call_tool(call["name"], call.get("arguments"))
            except TaskError as exc:
                print(f"{call['name']}: {exc}", file=sys.stderr)


async def answer_in_turn(url: str) -> None:
    """Call tools that ask for input by `input_required`, and others between them."""
    async with connect(url) as client:
        for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"):
            await client.call_tool(name)


async def send_a_schema_back(url: str) -> None:
    """Send the input schema of a tool back to the server, as the client hands it to its program."""
    async with connect(url) as client:
        (tool,) = (tool for tool in await client.list_tools() if tool.name == "json_schema_2020_12_tool")
        await client.call_tool("json_schema_echo", {"schema": tool.input_schema})


async def log_in(url: str) -> None:
    """List the tools and call the first one, on a server that asks for a token."""
    async with connect(url, auth=provider(url, handed_out())) as client:
        for tool in (await client.list_tools())[:1]:
            await client.call_tool(tool.name, raise_on_error=False)


PROGRAMS: dict[str, Callable[[str], Awaitable[None]]] = {
    "initialize": list_tools,
    "json-schema-ref-no-deref": list_tools,
    "json-schema-2020-12-preservation": send_a_schema_back,
    "http-custom-headers": call_as_told,
    "sep-2322-client-request-state": answer_in_turn,
}
"""What the client does in scenarios in which calling every tool is not what they are about."""


def main() -> None:
    """Run the scenario that the suite asks for."""
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    program = log_in if scenario.startswith("auth/") else PROGRAMS.get(scenario, call_each_tool)
    anyio.run(program, sys.argv[1], backend=os.environ.get("CONFORMANCE_BACKEND", "asyncio"))


if __name__ == "__main__":
    main()
