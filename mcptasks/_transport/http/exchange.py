"""One JSON-RPC request over HTTP, and its answer.

A server answers with one JSON body, or with an event stream, in which its own messages may come before the answer. The
exchange resumes a stream that ends early if the server gave ids to its events (2025-11-25, basic/transports,
"Resumability and Redelivery"). An answer in the response to a POST must have the id of that POST's request.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import httpx2
from attrs import define, evolve, field
from mcp import MCPError

from mcptasks._core import safe_text
from mcptasks._core.faults import Fault, broken, nonsense, too_large
from mcptasks._core.json import as_list, as_object
from mcptasks._core.retries import retry_delay
from mcptasks._transport.http.advice import usual_path
from mcptasks._transport.http.bodies import Body, TooLarge
from mcptasks._transport.http.endpoint import Endpoint
from mcptasks._transport.http.events import Event, EventParser
from mcptasks._transport.http.faults import failure, is_fault
from mcptasks._transport.http.older import ENDPOINT_EVENT, OLDER
from mcptasks._wire.decoding import Undecodable, decode, fault_in

EVENT_STREAM = "text/event-stream"
POST_HEADERS = {"accept": f"application/json, {EVENT_STREAM}", "content-type": "application/json"}
GET_HEADERS = {"accept": EVENT_STREAM, "cache-control": "no-store"}

PROTOCOL_PREFIX = "mcp-"
"""How the names of the protocol's own headers begin, in lower case."""

_RESUMPTIONS = 5
"""How many attempts in a row to resume a stream may fail; then the answer counts as lost. With the growing pauses, an
outage of some seconds is survived."""
_SHORTEST_SECONDS, _USUAL_SECONDS, _LONGEST_SECONDS = 0.1, 1.0, 60.0
"""Seconds to pause before a stream is resumed: at least, without the server's `retry`, and at most. The bounds keep a
`retry` of 0 from flooding the server, and a huge one from losing the answer."""

Deliver = Callable[[Any], Awaitable[None]]
"""Takes a JSON value that the server sent beside the answer."""

Leave = Callable[[Body], Awaitable[None]]
"""Takes a body whose rest nobody needs."""


@define(eq=False)
class Exchange:
    """One request and its answer. Call `run` once."""

    endpoint: Endpoint
    request_id: int | str
    deliver: Deliver
    leave: Leave
    progressed: Callable[[], None] | None = None
    """Called whenever bytes of the answer have come."""
    opens_session: bool = False
    """Whether the response may carry the session's id: true for `initialize`."""
    _own: Mapping[str, str] = field(factory=dict[str, str], init=False, repr=False)
    """The program's own headers for this request, which its resumption needs too: those that are not the protocol's."""
    _last_id: str | None = field(default=None, init=False)
    _pause: float = field(default=_USUAL_SECONDS, init=False)

    async def run(self, headers: Mapping[str, str], content: bytes) -> Mapping[str, Any]:
        """Send the request and return the answer, which has a "result" or an "error".

        Raises:
            MCPError: There is no answer, and the error's data is a `Fault`; or the server's own error came with an HTTP
                status that refuses the request.
        """
        self._own = {name: value for name, value in headers.items() if not name.startswith(PROTOCOL_PREFIX)}
        response = await self.endpoint.open("POST", POST_HEADERS | dict(headers), content, request_id=self.request_id)
        if self.opens_session:
            self.endpoint.begin_session(response)
        while True:
            answer = await self._answer(response)
            if answer is not None:
                self.endpoint.known = True
                return answer
            response = await self._resume()

    async def _answer(self, response: httpx2.Response) -> Mapping[str, Any] | None:
        """The answer in a response; None if an event stream ended without the answer and can be resumed."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = self.endpoint.max_size
        if kind == EVENT_STREAM and response.status_code == 200:
            return await self._in_events(Body(response, limit=None, progressed=self.progressed))
        body = Body(response, limit=limit, progressed=self.progressed)
        if kind not in ("", "application/json") and not kind.endswith("+json"):
            # A page of a gateway, for example, is no answer of the server.
            await body.finish()
            raise failure(self._page(response.status_code, kind))
        try:
            content = await body.read()
        except TooLarge:
            raise failure(too_large("the answer", limit)) from None
        except Exception as exc:
            if not is_fault(exc):
                raise
            words = f"the answer broke off after {body.received} bytes: {str(exc) or type(exc).__name__}"
            raise failure(broken(safe_text.cut(words, 300))) from exc
        finally:
            await body.drop()
        if not content.strip():
            raise failure(broken(f"the server sent an empty answer (HTTP {response.status_code})"))
        return await self._in_json(content)

    def _page(self, status: int, kind: str) -> Fault:
        """The fault of a page of HTML or the like. Instead of a first answer, such a page means a wrong path."""
        advice = "" if self.endpoint.known else usual_path(self.endpoint.url)
        words = f"the server sent content of type {safe_text.short(kind, 60)}, not an answer{advice}"
        return evolve(broken(words), status=status if advice else None)

    async def _in_json(self, content: bytes) -> Mapping[str, Any]:
        value = _decoded(content)
        answer = None
        # 2025-03-26 allows several messages in one array.
        for item in as_list(value) or [value]:
            found = self._mine(item)
            if found is None and answer is None and item is not value:
                await self.deliver(item)
            answer = answer or found
        if answer is None:
            raise failure(
                nonsense(f"the server's answer is not one: {fault_in(value) or 'it is a message of another kind'}")
            )
        return answer

    async def _in_events(self, body: Body) -> Mapping[str, Any] | None:
        parser = EventParser(self.endpoint.max_size)
        answer = None
        try:
            async for chunk in body:
                for event in parser.feed(chunk):
                    answer = await self._in_event(event)
                    if answer is not None:
                        await self.leave(body)
                        return answer
                if parser.first_kind == ENDPOINT_EVENT and not self.endpoint.known:
                    raise failure(OLDER)  # The stream of an HTTP+SSE server has no end to wait for.
        except TooLarge:
            raise failure(too_large("an event of the answer", self.endpoint.max_size)) from None
        except Exception as exc:
            if not is_fault(exc):
                raise
            if self._last_id is None:
                words = f"the event stream broke off: {str(exc) or type(exc).__name__}"
                raise failure(broken(safe_text.cut(words, 300))) from exc
        finally:
            if answer is None:
                await body.drop()
        if self._last_id is None:
            raise failure(broken("the event stream ended without the answer"))
        return None

    async def _in_event(self, event: Event) -> Mapping[str, Any] | None:
        if event.last_id is not None:
            self._last_id = event.last_id
        if event.retry is not None:
            self._pause = min(max(event.retry / 1000, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        if not event.data:
            return None
        value = _decoded(event.data)
        answer = self._mine(value)
        if answer is None:
            await self.deliver(value)
        return answer

    def _mine(self, value: Any) -> Mapping[str, Any] | None:
        """The message itself if it answers this request; None if the message is not an answer.

        Raises:
            MCPError: The message is an invalid answer, or the answer to another request.
        """
        message = as_object(value)
        if message is None or "method" in message or not ("result" in message or "error" in message):
            return None
        given = message.get("id")
        # Some servers return a number as a string, or a string of digits as a number.
        own = not isinstance(given, bool) and isinstance(given, str | int) and str(given) == str(self.request_id)
        if not own and (given is not None or "result" in message):
            what = "no id" if given is None else "the id of another request"
            raise failure(nonsense(f"the server's answer carries {what}"))
        problem = fault_in({**message, "id": self.request_id})
        if problem is not None:
            raise failure(nonsense(f"the server's answer makes no sense: {problem}"))
        return message

    async def _resume(self) -> httpx2.Response:
        """Request the rest of the event stream, after the last event that came.

        Raises:
            MCPError: Too many attempts have failed.
        """
        failures = 0
        while True:
            spread = random.random()
            backoff = retry_delay(failures, retry_after=None, spread=spread) if failures else 0.0
            await anyio.sleep(max(self._pause, backoff))
            try:
                resuming = {**self._own, **GET_HEADERS, "last-event-id": self._last_id or ""}
                return await self.endpoint.open("GET", resuming)
            except MCPError as exc:
                failures += 1
                if failures >= _RESUMPTIONS:
                    reason = f"the event stream broke off and cannot be resumed: {exc.message}"
                    raise failure(broken(reason)) from exc


def _decoded(content: bytes) -> Any:
    try:
        return decode(content)
    except Undecodable as exc:
        raise failure(nonsense(f"the server's answer cannot be read: {exc}")) from None
