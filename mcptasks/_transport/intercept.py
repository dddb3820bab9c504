"""Rewrites the messages that pass through a transport's two streams, on both sides of the SDK.

Outgoing:

- A request that carries the marker gets its `task` field (2025-11-25; see `_wire/envelope.py`), or says that the client
  knows no tasks (2026-07-28).
- A request with HTTP headers of its own gets them, and so does what belongs to the request: its cancellation, and
  answers to what the server asks.
- The capabilities that the client declares are replaced.

Incoming:

- The answer to a marked request becomes an ordinary result, which the SDK lets through (`_wire/envelope.py`).
- Bad entries of lists, and results that the SDK would refuse, are carried past the SDK (`_wire/pages.py`,
  `_wire/unfit.py`).
- A 2026-07-28 result without `resultType` counts as complete, as the specification says.
- Task notifications, and progress of augmented requests, go to their handlers in the order of the wire, and not to the
  SDK, which would run each in a task of its own and so lose the order.
- A server's requests about tasks that the client hosts (2025-11-25) go to their host: the SDK has no such tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, cast

from attrs import define, field, frozen
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptasks._core.carried import NO_HEADERS
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.json import as_number, as_object
from mcptasks._wire import envelope, hosted, modern, pages, unfit
from mcptasks._wire.dialect import NOTIFICATIONS
from mcptasks._wire.versions import unspeakable

Notify = Callable[[str, Mapping[str, Any]], None]
"""Takes a task notification's method and params, in the order of the wire."""

Progress = Callable[[float, float | None, str | None], None]
"""Takes progress, total and message of a progress notification."""

Declare = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the capabilities that the SDK would declare, and returns the capabilities to declare."""

Send = Callable[[SessionMessage], Awaitable[None]]
"""Sends a message to the server, past the interceptor."""

logger = logging.getLogger("mcptasks")

_TOKEN_PREFIX = "mcptasks-"

_REQUEST_META = (PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, LOG_LEVEL_META_KEY)
"""The entries of `_meta` that describe the client in each request (2026-07-28, basic, "Request Metadata")."""
_BITS = 1024
"""Ids with more bits become keys in hexadecimal: Python refuses to write integers of thousands of digits in decimal."""
_SERVING = 10_000
"""How many of a server's requests may be open at once; further requests are dropped. Most are elicitations of tasks
that wait for a person, so there may be thousands."""

_ASKING = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests during which a 2025-11-25 server may send requests of its own (elicitation, sampling)."""


class TaskHost(Protocol):
    """Answers a server's requests about tasks that the client hosts, on one connection."""

    @property
    def capability(self) -> dict[str, Any]:
        """What the client declares under `tasks`."""
        ...

    def open(self, send: Send) -> None:
        """Begin: the connection is made, and answers go out through `send`."""
        ...

    def close(self) -> None:
        """Stop: the connection ends."""
        ...

    def takes(self, message: JSONRPCRequest) -> bool:
        """Whether a request is for the host."""
        ...

    def request(self, message: JSONRPCRequest) -> None:
        """Serve a request for which `takes` is true."""
        ...

    def give_up(self, request_id: object) -> bool:
        """Stop answering a request that the server has cancelled; returns whether the host was serving that request."""
        ...


@frozen
class _Asked:
    method: str
    modern: bool
    marks: envelope.Marks
    headers: Mapping[str, str] = field(default=NO_HEADERS, repr=False)


@define
class Interceptor:
    """Rewrites the messages of one connection. Does no I/O; remembers the open requests."""

    notify: Notify
    """Called with each task notification."""
    ended: Callable[[], None]
    """Called when the server's stream ends."""
    declare: Declare | None = None
    """Makes the capabilities that the client declares, in either protocol; None to declare the SDK's."""
    host: TaskHost | None = None
    """Hosts tasks for the server; None if the client hosts no tasks."""
    give_up: Callable[[str], None] | None = None
    """Called with the id of a request whose answer nobody waits for any more; the server is not told."""
    offered: str | None = None
    """The protocol version to offer in the handshake; None for the version that the SDK offers."""
    request_meta: Mapping[str, Any] | None = field(default=None, init=False)
    """The `_meta` that the SDK puts into each 2026-07-28 request to describe this client; None before the first."""
    answered: Mapping[str, Any] = field(factory=dict[str, Any], init=False)
    """All capabilities that the server declares in the handshake; the SDK drops those that its models do not have."""
    ending: Callable[[], None] | None = None
    """Called when the stream is about to end. A transport may deliver a `TaskConnectionError` before it fails the open
    requests, so that whoever repeats a request uses another connection."""
    _declared: tuple[Mapping[str, Any], dict[str, Any]] | None = None
    _hosting: bool = False
    _introduction: object = None
    _asked: dict[str, _Asked] = field(factory=dict[str, _Asked])
    _plain: set[str] = field(factory=set[str])
    _progress: dict[str, Progress] = field(factory=dict[str, Progress])
    _tokens: int = 0
    _serving: set[str] = field(factory=set[str])
    """Ids of the server's requests that are not answered yet."""
    _headers: dict[str, Mapping[str, str]] = field(factory=dict[str, Mapping[str, str]], repr=False)
    """The HTTP headers of requests that have their own, by the mark that leads to them."""
    _answer_headers: dict[str, Mapping[str, str]] = field(factory=dict[str, Mapping[str, str]], repr=False)
    """The HTTP headers for answers to the server's requests, by the ids of the server's requests."""

    def keep_headers(self, headers: Mapping[str, str]) -> str:
        """Makes a mark for requests that are to be sent with these HTTP headers, until `forget_headers`."""
        self._tokens += 1
        mark = f"{_TOKEN_PREFIX}{self._tokens}"
        self._headers[mark] = headers
        return mark

    def forget_headers(self, mark: str) -> None:
        """Drop the headers of a mark."""
        self._headers.pop(mark, None)

    def answer_with(self, request_id: object, headers: Mapping[str, str]) -> None:
        """Send the answer to a request of the server with these HTTP headers."""
        if headers and _key(request_id) in self._serving:
            self._answer_headers[_key(request_id)] = headers

    def follow_progress(self, handler: Progress) -> str:
        """Makes a progress token whose notifications go to `handler` until `forget_progress`."""
        self._tokens += 1
        token = f"{_TOKEN_PREFIX}{self._tokens}"
        self._progress[token] = handler
        return token

    def forget_progress(self, token: str) -> None:
        """Drop a token; late notifications with that token are ignored."""
        self._progress.pop(token, None)

    @property
    def calls(self) -> int:
        """How many requests are under way during which a 2025-11-25 server may send requests of its own. Requests that
        ask for a task are not counted."""
        return len(self._plain)

    def outbound(self, item: SessionMessage) -> SessionMessage | None:
        """Rewrite a message on its way to the server; None if the message is not to be sent."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            params = message.params if isinstance(message.params, dict) else {}
            meta: Any = params.get("_meta")
            is_modern = isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta
            if isinstance(meta, dict):
                self._restate(cast("dict[str, Any]", meta), CLIENT_CAPABILITIES_META_KEY)
            if is_modern and self.request_meta is None and message.method != "server/discover":
                self.request_meta = {key: meta[key] for key in _REQUEST_META if key in meta}
            if message.method == "initialize":
                self._introduction = message.id
                self._introduce(params)
            marks = envelope.unmark(params)
            headers = NO_HEADERS if marks.headers is None else self._headers.get(marks.headers, NO_HEADERS)
            if marks.forbidden and is_modern:
                known = cast("dict[str, Any]", meta)
                known[CLIENT_CAPABILITIES_META_KEY] = modern.without_tasks(known.get(CLIENT_CAPABILITIES_META_KEY))
            mended = message.method in pages.LISTS or message.method in unfit.CHECKED
            if is_modern or marks or mended or message.method.startswith("tasks/"):
                self._asked[_key(message.id)] = _Asked(message.method, is_modern, marks, headers)
            if message.method in _ASKING and not (is_modern or marks.augmented):
                self._plain.add(_key(message.id))
            return _with_headers(item, headers)
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            request_id = _key((message.params or {}).get("requestId"))
            asked = self._asked.pop(request_id, None)
            self._plain.discard(request_id)
            if asked is not None and not asked.modern and (asked.marks.augmented or asked.method.startswith("tasks/")):
                # On 2025-11-25, a poll or creating call that is given up must not stop the task, so the server is not
                # told. Besides, fastmcp 2.14 and 3 drop the whole session if this notification crosses with the answer.
                if self.give_up is not None and not asked.marks.augmented:
                    self.give_up(request_id)
                return None
            return item if asked is None else _with_headers(item, asked.headers)
        if isinstance(message, JSONRPCError) and message.error.code == CONNECTION_CLOSED:
            # At the end of a connection, the SDK answers each open request of the server with this error. The server
            # notices the end anyway.
            return None
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            return _with_headers(item, self._answer_headers.pop(_key(message.id), NO_HEADERS))
        return item

    def inbound(self, item: SessionMessage | Exception) -> SessionMessage | Exception | None:
        """Rewrite a message on its way from the server; None if the SDK is not to see the message."""
        if isinstance(item, TaskConnectionError):
            if self.ending is not None:
                self.ending()
            return None
        if isinstance(item, Exception):
            return item
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._plain.discard(_key(message.id))
        if isinstance(message, JSONRPCResponse):
            refused = self._introduced(message.result) if message.id == self._introduction else None
            if refused is not None:
                return SessionMessage(JSONRPCError(jsonrpc="2.0", id=message.id, error=refused), item.metadata)
            asked = self._asked.pop(_key(message.id), None)
            if asked is not None:
                message.result = envelope.wrap(asked.method, message.result, asked.marks)
                if asked.modern:
                    message.result.setdefault("resultType", "complete")
                return _mended(item, message, asked)
        elif isinstance(message, JSONRPCError):
            self._asked.pop(_key(message.id), None)
        elif isinstance(message, JSONRPCNotification):
            return self._notification(item, message)
        else:
            return self._asked_by_server(item, message)
        return item

    def _introduce(self, params: dict[str, Any]) -> None:
        self._restate(params, "capabilities")
        if self.offered is not None:
            params["protocolVersion"] = self.offered
        # Only this handshake can offer to host tasks: 2026-07-28 has neither `initialize` nor tasks at the client.
        self._hosting = self.host is not None
        if self.host is not None:
            params["capabilities"] = {**(as_object(params.get("capabilities")) or {}), "tasks": self.host.capability}

    def _introduced(self, result: dict[str, Any]) -> ErrorData | None:
        self.answered = as_object(result.get("capabilities")) or {}
        return unspeakable(result)

    def _restate(self, place: dict[str, Any], key: str) -> None:
        """Replace the capabilities under `key`. The SDK shares one object among all requests, so we never change it."""
        found = as_object(place.get(key))
        if self.declare is None or found is None:
            return
        if self._declared is None or self._declared[0] is not found:
            self._declared = found, self.declare(deepcopy(dict(found)))
        place[key] = self._declared[1]

    def served(self, item: SessionMessage) -> None:
        """Note that a message was sent: if it is an answer, the server's request is no longer open."""
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._serving.discard(_key(item.message.id))

    def _asked_by_server(self, item: SessionMessage, message: JSONRPCRequest) -> SessionMessage | None:
        if len(self._serving) >= _SERVING:
            # An error would not help: a server with so many open requests does not read answers.
            logger.debug(
                "dropped a request %r of a server that has %d requests open", message.method, len(self._serving)
            )
            return None
        if self.host is not None and self._hosting and self.host.takes(message):
            self.host.request(message)
            return None
        if message.method in hosted.AUGMENTABLE and message.params is not None and "task" in message.params:
            # A client that does not host tasks for a kind of request ignores `task` (2025-11-25, basic/utilities/tasks,
            # "Task Support and Handling").
            message.params = {key: value for key, value in message.params.items() if key != "task"}
        self._serving.add(_key(message.id))
        return item

    def _cancelled(
        self, item: SessionMessage, message: JSONRPCNotification, request_id: object
    ) -> SessionMessage | None:
        """Handle the server's cancellation of a request that it had sent."""
        if not _is_token(request_id):
            return None
        self._serving.discard(_key(request_id))
        self._answer_headers.pop(_key(request_id), None)
        if self.host is not None and self.host.give_up(request_id):
            return None
        message.params = {"requestId": request_id}  # The reason may be any JSON value, and nobody reads it.
        return item

    def _notification(self, item: SessionMessage, message: JSONRPCNotification) -> SessionMessage | None:
        params: Mapping[str, Any] = message.params or {}
        if message.method in NOTIFICATIONS:
            self.notify(message.method, params)
            return None
        if message.method == "notifications/cancelled":
            return self._cancelled(item, message, params.get("requestId"))
        if message.method != "notifications/progress":
            return item
        token, total, text = params.get("progressToken"), params.get("total"), params.get("message")
        # The SDK would log each invalid notification with a traceback.
        odd = (total is not None and as_number(total) is None) or not (text is None or isinstance(text, str))
        if not isinstance(token, str) or not token.startswith(_TOKEN_PREFIX):
            return None if odd or not _is_token(token) or as_number(params.get("progress")) is None else item
        handler, progress = self._progress.get(token), as_number(params.get("progress"))
        if handler is not None and progress is not None:
            handler(progress, as_number(total), text if isinstance(text, str) else None)
        return None


def _with_headers(item: SessionMessage, headers: Mapping[str, str]) -> SessionMessage:
    """A message that is sent with HTTP headers of its own, beside those that the SDK gives it."""
    if not headers:
        return item
    known = item.metadata if isinstance(item.metadata, ClientMessageMetadata) else ClientMessageMetadata()
    return replace(item, metadata=replace(known, headers={**headers, **(known.headers or {})}))


def _is_token(value: object) -> bool:
    """Whether a value has a valid type for a request's id or a progress token."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _key(value: object) -> str:
    """An id as a key for dicts. Always a string, since some servers return the number 1 as "1"."""
    return hex(value) if isinstance(value, int) and value.bit_length() > _BITS else str(value)


def _mended(item: SessionMessage, message: JSONRPCResponse, asked: _Asked) -> SessionMessage:
    """Make an answer that the SDK accepts: a list without bad entries, or an error that carries an odd result."""
    if asked.method in pages.LISTS:
        message.result = pages.mend(asked.method, message.result, modern=asked.modern)
    elif asked.method in unfit.CHECKED:
        error = unfit.refusal(asked.method, message.result, modern=asked.modern)
        if error is not None:
            return replace(item, message=JSONRPCError(jsonrpc="2.0", id=message.id, error=error))
    return item
