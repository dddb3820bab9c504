"""Requests of the server to a 2025-11-25 client: any request, and the input requests of tasks and calls.

The server withdraws an input request (`notifications/cancelled`) as soon as its task no longer asks it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

import anyio
from attrs import define, field, frozen
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import CONNECTION_CLOSED, ServerRequest, methods
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcptasks.testing._bell import Bell
from mcptasks.testing._script import JSON, ToolFailure
from mcptasks.testing._tasks import ServerTask
from mcptasks.testing._wire import Context


class RawRequest(BaseModel):
    """A request with any method. The SDK checks answers by the attribute `method`, and knows none called "any"."""

    wire_method: str = Field(serialization_alias="method")
    params: dict[str, Any] | None
    method: str = Field(default="any", exclude=True)


class RawAnswer(BaseModel):
    """Any answer of a client."""

    model_config = ConfigDict(extra="allow")


@frozen
class Link:
    """The way to the client of one request, on the stream of that request or on the connection's own."""

    ctx: Context
    on_stream: bool = False

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send a request and return the raw result. For any thread. Cancelling the wait withdraws the request."""
        host = self.ctx.lifespan_context
        if host.thread == threading.get_ident():
            return await self._send(method, params)
        if host.ended:
            raise MCPError(code=CONNECTION_CLOSED, message="Connection closed")
        errand = Errand(self, method, params)
        host.post(errand.begin)
        try:
            return await errand.outcome()
        finally:
            errand.give_up()

    async def _send(self, method: str, params: Mapping[str, Any] | None) -> JSON:
        fields = None if params is None else dict(params)
        # The SDK's type names only known requests, but the SDK serializes any model.
        message = cast("ServerRequest", RawRequest(wire_method=method, params=fields))
        metadata = ServerMessageMetadata(related_request_id=self.ctx.request_id) if self.on_stream else None
        answer = await self.ctx.session.send_request(message, RawAnswer, metadata=metadata)
        return answer.model_dump(mode="json")


@define(eq=False)
class Errand:
    """A request to a client that a test makes from another thread than the server's."""

    _link: Link
    _method: str
    _params: Mapping[str, Any] | None
    _found: JSON | MCPError | None = None
    _given_up: bool = False
    _bell: Bell = field(factory=Bell, init=False)
    resumable: bool = field(default=False, init=False)

    async def begin(self) -> None:
        """Start the request on the server's event loop."""
        self._link.ctx.lifespan_context.start(self)

    async def run(self) -> None:
        """Send the request, and withdraw it if nobody waits for the answer any more."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            try:
                self._found = await self._link.request(self._method, self._params)
            except MCPError as error:
                self._found = error
            finally:
                if self._found is None:
                    self._found = MCPError(code=CONNECTION_CLOSED, message="Connection closed")
                self._bell.ring()
            group.cancel_scope.cancel()

    async def _watch(self, scope: anyio.CancelScope) -> None:
        await self._bell.until(lambda: True if self._given_up else None)
        scope.cancel()

    async def outcome(self) -> JSON:
        """Wait for the answer."""
        found: JSON | MCPError = await self._bell.until(lambda: self._found)
        if isinstance(found, MCPError):
            raise found
        return found

    def give_up(self) -> None:
        """Stop waiting for the answer."""
        self._given_up = True
        self._bell.ring()


@frozen
class Question:
    """One input request of a task, on its way to a client."""

    link: Link
    task: ServerTask
    key: str
    request: JSON
    meta: JSON
    """The entries to add to the `_meta` of the request's params."""

    async def ask(self) -> None:
        """Ask, and hand the answer to the task, unless the task stops asking first.

        Raises:
            MCPError: The connection has closed.
        """
        lost: list[MCPError] = []
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._withdraw, group.cancel_scope)
                await self._exchange(lost)
                group.cancel_scope.cancel()
        finally:
            # If this stream has ended without an answer, another stream may ask.
            self.task.release_input(self.key, self.request)
        if lost:
            raise lost[0]

    async def _withdraw(self, scope: anyio.CancelScope) -> None:
        await self.task.wait_for(
            lambda task: task.done or task.state.input_requests.get(self.key) is not self.request,
        )
        scope.cancel()

    async def _exchange(self, lost: list[MCPError]) -> None:
        request: Any = self.request
        method: Any = cast("JSON", request).get("method") if isinstance(request, dict) else None
        params: Any = cast("JSON", request).get("params", {}) if isinstance(request, dict) else None
        if not isinstance(method, str) or not isinstance(params, dict):
            self.task.apply(ToolFailure(f"Not a request that can be sent: {request!r}"))
            return
        fields = dict(cast("JSON", params))
        if self.meta:
            fields["_meta"] = {**fields.get("_meta", {}), **self.meta}
        try:
            answer = await self.link.request(method, fields)
        except MCPError as error:
            if error.error.code == CONNECTION_CLOSED:
                lost.append(error)
                return
            told: JSON = {"code": error.error.code, "message": error.error.message}
            self.task.refuse(self.key, {"error": told}, error.error.message)
        else:
            self._accept(method, answer)

    def _accept(self, method: str, answer: JSON) -> None:
        try:
            methods.validate_client_result(method, self.link.ctx.protocol_version, answer)
        except KeyError:
            self.task.answer({self.key: answer})  # The method is the test's own, with answers of any form.
        except ValidationError as error:
            self.task.refuse(self.key, answer, str(error))
        else:
            self.task.answer({self.key: answer})


class QuestionJob:
    """Asks one question without waiting for `tasks/result`."""

    resumable = False

    def __init__(self, question: Question) -> None:
        self._question = question

    async def run(self) -> None:
        """Ask once; if the connection closes, the tool fails."""
        try:
            await self._question.ask()
        except MCPError as error:
            self._question.task.apply(ToolFailure(f"The client gave no input: {error.error.message}"))


async def carry_questions(link: Link, task: ServerTask, meta: JSON) -> None:
    """Send a task's input requests to a client, all at once, until the task ends. Requests that another stream already
    sends are left to that stream."""
    lost: list[MCPError] = []
    mine: dict[str, JSON] = {}

    def look(task: ServerTask) -> bool:
        if not task.done:
            mine.update(task.claim_input())
        return task.done or bool(mine)

    async def ask(question: Question) -> None:
        try:
            await question.ask()
        except MCPError as error:
            lost.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        while not task.done:
            await task.wait_for(look)
            questions = [Question(link, task, key, request, meta) for key, request in mine.items()]
            mine.clear()
            for question in questions:
                group.start_soon(ask, question)
        group.cancel_scope.cancel()
    if lost:
        raise lost[0]
