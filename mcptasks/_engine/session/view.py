"""An open client with the method names, signatures and result types of the SDK's `ClientSession`.

If a call becomes a task, the session waits for the task's end. Only the caller knows of such a task, so the session
asks the server to cancel the task whenever the call ends without a result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

import mcp_types
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import RequestParamsMeta
from pydantic import AnyUrl

from mcptasks._core import argument_checks
from mcptasks._core.models import Kind
from mcptasks._core.outcome import Decoding
from mcptasks._engine.connection.list_pages import every_prompt, every_resource, every_template
from mcptasks._engine.creating_calls import Call, prepared
from mcptasks._engine.session.requests import SendsRequests
from mcptasks._transport.checks import kind_of

_Page: TypeAlias = "mcp_types.PaginatedRequestParams | None"


class TaskSession(SendsRequests):
    """A view of an open client. `mcp.ClientSession` is a base class for the sake of `isinstance` and of type
    checkers."""

    # --- calls, which may become tasks ------------------------------------------------------------------------------

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        read_timeout_seconds: float | None = None,
        progress_callback: ProgressFnT | None = None,
        *,
        input_responses: mcp_types.InputResponses | None = None,
        request_state: str | None = None,
        meta: RequestParamsMeta | None = None,
        allow_input_required: bool = False,
        allow_claimed: bool = False,
    ) -> mcp_types.CallToolResult:
        """Call a tool, as a task if the server and the tool allow it, and wait for its result.

        Args:
            name: The tool.
            arguments: The tool's arguments.
            read_timeout_seconds: Limits the whole call, including the work.
            progress_callback: Called with the progress that the server reports.
            input_responses: Must be None: the client's handlers answer input requests.
            request_state: Must be None, for the same reason.
            meta: The request's `_meta`.
            allow_input_required: Has no effect: the result is always the finished one.
            allow_claimed: Has no effect, for the same reason.

        Raises:
            mcp.MCPError: The server's own error, or an error with the SDK's code for a timeout or a lost connection.
                Its `__cause__` is the error that `mcptasks.Client` raises.
            ValueError: An argument cannot be sent.
        """
        del allow_input_required, allow_claimed
        _own_input(input_responses, request_state)
        limit = argument_checks.seconds(read_timeout_seconds, "read_timeout_seconds", zero=False)
        call = _prepared("tool", name, arguments, meta)
        if progress_callback is not None:
            if not callable(cast("object", progress_callback)):
                raise TypeError(f"progress_callback must be callable, got {kind_of(progress_callback)}")
            call.follow(self._engine().core.callbacks, _reporter(progress_callback))
        return cast("mcp_types.CallToolResult", await self._finished(call, limit))

    async def read_resource(
        self,
        uri: str,
        *,
        input_responses: mcp_types.InputResponses | None = None,
        request_state: str | None = None,
        meta: RequestParamsMeta | None = None,
        allow_input_required: bool = False,
    ) -> mcp_types.ReadResourceResult:
        """Read a resource; see `call_tool`. The server decides whether the call becomes a task."""
        del allow_input_required
        _own_input(input_responses, request_state)
        # Programs for the first version of the SDK have a URL object.
        sent = str(uri) if isinstance(cast("object", uri), AnyUrl) else uri
        return cast("mcp_types.ReadResourceResult", await self._finished(_prepared("resource", sent, None, meta)))

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, str] | None = None,
        *,
        input_responses: mcp_types.InputResponses | None = None,
        request_state: str | None = None,
        meta: RequestParamsMeta | None = None,
        allow_input_required: bool = False,
    ) -> mcp_types.GetPromptResult:
        """Get a prompt; see `read_resource`."""
        del allow_input_required
        _own_input(input_responses, request_state)
        return cast("mcp_types.GetPromptResult", await self._finished(_prepared("prompt", name, arguments, meta)))

    async def _finished(self, call: Call, limit: float | None = None) -> Any:
        """Make a call, and return its finished result in the SDK's type."""
        decoding = Decoding(kind=call.kind, raise_on_error=False, sdk=True)
        async with self._limited(None) as engine:
            return await engine.calling.finish(call, decoding, limit, owned=True)

    # --- lists: every page at once, unless a page is asked for ------------------------------------------------------

    async def list_tools(self, *, params: _Page = None) -> mcp_types.ListToolsResult:
        """List the server's tools: every page if `params` has no cursor, and the page of the cursor otherwise.

        A malformed entry is left out of the list and named in the log.
        """
        if _wants_page(params):
            page = await self.send_request(mcp_types.ListToolsRequest(params=params), mcp_types.ListToolsResult)
            return cast("mcp_types.ListToolsResult", page)
        async with self._limited(None) as engine:
            tools = await engine.core.tools.every()
        # fastmcp's client reads them from here to tell the type of a result.
        self._tool_output_schemas = {tool.name: tool.output_schema for tool in tools}
        return mcp_types.ListToolsResult(tools=tools)

    async def list_resources(self, *, params: _Page = None) -> mcp_types.ListResourcesResult:
        """List the server's resources; see `list_tools`."""
        if _wants_page(params):
            return await super().list_resources(params=params)
        async with self._limited(None) as engine:
            return mcp_types.ListResourcesResult(resources=await every_resource(engine.core.connection))

    async def list_resource_templates(self, *, params: _Page = None) -> mcp_types.ListResourceTemplatesResult:
        """List the server's resource templates; see `list_tools`."""
        if _wants_page(params):
            return await super().list_resource_templates(params=params)
        async with self._limited(None) as engine:
            templates = await every_template(engine.core.connection)
            return mcp_types.ListResourceTemplatesResult(resource_templates=templates)

    async def list_prompts(self, *, params: _Page = None) -> mcp_types.ListPromptsResult:
        """List the server's prompts; see `list_tools`."""
        if _wants_page(params):
            return await super().list_prompts(params=params)
        async with self._limited(None) as engine:
            return mcp_types.ListPromptsResult(prompts=await every_prompt(engine.core.connection))


def _wants_page(params: _Page) -> bool:
    return params is not None and params.cursor is not None


def _own_input(responses: object, state: object) -> None:
    if responses is not None or state is not None:
        name = "input_responses" if responses is not None else "request_state"
        raise ValueError(f"{name} must be None: the client's handlers answer input requests, and no result asks for it")


def _prepared(kind: Kind, name: str, arguments: Mapping[str, Any] | None, meta: Any) -> Call:
    # The SDK leaves out an entry that is None.
    sent = meta
    if isinstance(meta, Mapping):
        sent = {key: value for key, value in cast("Mapping[Any, Any]", meta).items() if value is not None} or None
    return prepared(kind, name, arguments, kind == "tool", None, sent)


def _reporter(callback: ProgressFnT) -> Callable[[float | None, float | None, str | None], Awaitable[None]]:
    """Return a function that passes reports to a callback of the SDK's kind, which needs a number in each report."""

    async def report(progress: float | None, total: float | None, message: str | None) -> None:
        if progress is not None:
            await callback(progress, total, message)

    return report
