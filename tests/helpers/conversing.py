"""A correct server in as few lines as possible: the messages of both protocols, and the HTTP that carries them.

`Conversation` makes the answers; `Speaker` sends them, and a `Plan` spoils one of them on the way. Tools: `plain`
answers at once, `work` is a task that ends in a moment, and `endless` is a task that only `tasks/cancel` ends.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol, cast

import anyio
from attrs import define, field, frozen

from tests.helpers.raw_server import Line, Reply, Request
from tests.helpers.support import Era

JSON = dict[str, Any]
RIGHT = "right \u2713 \u00e4 \U0001f600"
"""The value of every call; in UTF-8 it has characters of two, three and four bytes."""
IN_LATIN = RIGHT.encode("latin-1", "replace").decode(errors="replace")
"""`RIGHT` from a server that writes Latin-1 instead of UTF-8: invalid bytes are read as U+FFFD."""
EXTENSION = "io.modelcontextprotocol/tasks"
PUSHES = {"modern": "subscriptions/listen", "legacy": "GET"}
"""The request that opens the stream of pushes, by era."""
WORK = 0.3
"""Seconds that a task of the tool `work` takes."""
MOST_REQUESTS = 600
"""How many HTTP requests the client may send in one case; with more, it counts as spinning. A usual case needs far
fewer."""
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_BORN = "2026-11-29T00:00:00Z"


@define
class Job:
    """A task of the server."""

    task_id: str
    over_at: float
    cancelled: bool = False
    announced: set[str] = field(factory=set[str])
    """The streams that were told of the task's end."""

    @property
    def status(self) -> str:
        """The task's status at this moment."""
        if self.cancelled:
            return "cancelled"
        return "completed" if anyio.current_time() >= self.over_at else "working"


class Conversation:
    """Makes answers by the letter of the specification."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self.jobs: dict[str, Job] = {}
        self.changed = anyio.Event()

    def answer(self, message: JSON) -> JSON:
        """The answer to a request."""
        outcome = self._outcome(message["method"], _params(message))
        if self.era == "modern" and "result" in outcome:
            outcome["result"].setdefault("resultType", "complete")
        return {"jsonrpc": "2.0", "id": message["id"], **outcome}

    def _outcome(self, method: str, params: JSON) -> JSON:
        modern = self.era == "modern"
        cached: JSON = {"ttlMs": 0, "cacheScope": "private"} if modern else {}
        match method:
            case "server/discover" if modern:
                capabilities: JSON = {"tools": {}, "extensions": {EXTENSION: {}}}
                named = {"name": "raw", "version": "1"}
                return _result(
                    supportedVersions=["2026-07-28"],
                    capabilities=capabilities,
                    serverInfo=named,
                    instructions="",
                    **cached,
                )
            case "initialize" if not modern:
                tasks: JSON = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
                return _result(
                    protocolVersion="2025-11-25",
                    capabilities={"tools": {}, "tasks": tasks},
                    serverInfo={"name": "raw", "version": "1"},
                )
            case "tools/list":
                return _result(tools=[self._tool(name) for name in ("plain", "work", "endless")], **cached)
            case "tools/call":
                return self._call(params)
            case "ping":
                return _result()
            case "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list":
                return self._about_tasks(method, params)
            case _:
                return _error(-32601, f"Method not found: {method}")

    def _tool(self, name: str) -> JSON:
        support = {} if self.era == "modern" or name == "plain" else {"execution": {"taskSupport": "optional"}}
        return {"name": name, "inputSchema": {"type": "object"}, **support}

    def _call(self, params: JSON) -> JSON:
        name = params["name"]
        if name == "plain" or (self.era == "legacy" and "task" not in params):
            return {"result": value()}
        job = Job(f"t-{len(self.jobs) + 1}", anyio.current_time() + (WORK if name == "work" else 1e9))
        self.jobs[job.task_id] = job
        self.ring()
        if self.era == "modern":
            return _result(resultType="task", **self.view(job))
        return _result(task=self.view(job))

    def _about_tasks(self, method: str, params: JSON) -> JSON:
        modern = self.era == "modern"
        if method == "tasks/list" and not modern:
            return _result(tasks=[self.view(job) for job in self.jobs.values()])
        job = self.jobs.get(params.get("taskId", ""))
        if job is None:
            return _error(-32602, "Task not found")
        if method == "tasks/get":
            return _result(**self.detailed(job))
        if method == "tasks/cancel":
            if job.status == "working":
                job.cancelled = True
                self.ring()
            return _result(**({} if modern else self.view(job)))
        if method == "tasks/result" and not modern:
            if job.cancelled:
                return _error(-32603, "The task was cancelled")
            return _result(**value(), _meta={"io.modelcontextprotocol/related-task": {"taskId": job.task_id}})
        return _error(-32601, f"Method not found: {method}")

    def view(self, job: Job) -> JSON:
        """A task as the server shows it."""
        ttl, interval = ("ttlMs", "pollIntervalMs") if self.era == "modern" else ("ttl", "pollInterval")
        shown: JSON = {"taskId": job.task_id, "status": job.status, "statusMessage": "at it"}
        return {**shown, "createdAt": _BORN, "lastUpdatedAt": _BORN, ttl: 600_000, interval: 500}

    def detailed(self, job: Job) -> JSON:
        """A task with its result, if the protocol shows results there."""
        inlined = self.era == "modern" and job.status == "completed"
        return {**self.view(job), **({"result": {**value(), "resultType": "complete"}} if inlined else {})}

    def ring(self) -> None:
        """Wake the streams: a task has come, or ended."""
        self.changed.set()
        self.changed = anyio.Event()

    async def over(self, task_id: str) -> None:
        """Wait for the end of a task, if there is such a task."""
        while (job := self.jobs.get(task_id)) and job.status == "working":
            await self._wait(job.over_at)

    async def _wait(self, until: float) -> None:
        changed = self.changed
        with anyio.move_on_after(max(until - anyio.current_time(), 0.0)):
            await changed.wait()

    async def pushed(self, stream: str, wanted: list[str] | None) -> JSON:
        """Wait for the next end of a task of which this stream was not told, and return the notification."""
        while True:
            mine = [job for job in self.jobs.values() if wanted is None or job.task_id in wanted]
            untold = [job for job in mine if stream not in job.announced]
            for job in untold:
                if job.status != "working":
                    job.announced.add(stream)
                    method = "notifications/tasks" if self.era == "modern" else "notifications/tasks/status"
                    return {"jsonrpc": "2.0", "method": method, "params": self.detailed(job)}
            await self._wait(min((job.over_at for job in untold), default=1e9))


def value(text: str = RIGHT) -> JSON:
    """The result of a call."""
    return {"content": [{"type": "text", "text": text}], "isError": False}


def _params(message: JSON) -> JSON:
    found: JSON = message.get("params", {})
    return found


def _result(**members: Any) -> JSON:
    return {"result": members}


def _error(code: int, message: str) -> JSON:
    return {"error": {"code": code, "message": message}}


class Spoiler(Protocol):
    """Spoils one answer, or all messages on one stream."""

    def reply(self, message: JSON, session: str | None) -> tuple[Reply, bytes | None]:
        """The answer to a POST, and the bytes for a GET that resumes its stream."""
        ...

    def head(self) -> Reply | None:
        """What to send in place of the head of a stream that stays open; None for a right head."""
        ...

    def event(self, message: JSON) -> tuple[bytes, bool]:
        """A message on a stream that stays open, and whether the stream ends with it."""
        ...


@frozen
class Plan:
    """Which answers are spoilt, and how."""

    target: str
    """A method, or GET."""
    nth: int
    """The number of the first answer to spoil, from 1."""
    always: bool
    """Whether to spoil all later answers, too."""
    spoiler: Spoiler

    def spoils(self, target: str, count: int) -> bool:
        """Whether to spoil this answer."""
        return target == self.target and (count == self.nth or (self.always and count > self.nth))


class Speaker:
    """Sends a conversation over HTTP; a handler for `raw_server.serving`."""

    def __init__(self, conversation: Conversation, plan: Plan | None) -> None:
        self.requests: Counter[str] = Counter()
        self._conversation = conversation
        self._plan = plan
        self._kept: bytes | None = None

    @property
    def spins(self) -> bool:
        """Whether the client has sent far more requests than it could need."""
        return self.requests.total() > MOST_REQUESTS

    async def __call__(self, request: Request, line: Line) -> Reply:
        """Answer one HTTP request."""
        message = request.message
        target: str = message.get("method", request.method)
        self.requests[target] += 1
        if self.spins:
            return Reply(end="reset")
        if request.method == "DELETE":
            return plainly(b"", "application/json")
        if request.method == "GET":
            return await self._get(request, line)
        if "id" not in message or "method" not in message:
            return Reply([b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"])
        if target == "subscriptions/listen" and self._conversation.era == "modern":
            return await self._listen(message, line)
        if target == "tasks/result":
            await self._conversation.over(_params(message).get("taskId", ""))
        answer = self._conversation.answer(message)
        session = "s-1" if target == "initialize" else None
        # A request that follows a redirect is not spoilt again.
        spoiler = None if request.path.endswith("/moved") else self._spoiler(target)
        if spoiler is None:
            return plainly(json.dumps(answer).encode(), "application/json", session)
        reply, self._kept = spoiler.reply(answer, session)
        return reply

    def _spoiler(self, target: str) -> Spoiler | None:
        plan = self._plan
        return plan.spoiler if plan is not None and plan.spoils(target, self.requests[target]) else None

    async def _get(self, request: Request, line: Line) -> Reply:
        if "last-event-id" in request.headers and self._kept is not None:
            kept, self._kept = self._kept, None
            return Reply([_STREAM_HEAD, kept], "close")
        if self._conversation.era == "modern":
            return Reply([b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"])
        return await self._stream(line, "GET", None)

    async def _listen(self, message: JSON, line: Line) -> Reply:
        wanted: list[str] = _params(message).get("notifications", {}).get("taskIds", [])
        meta: JSON = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        params: JSON = {"_meta": meta, "notifications": {"taskIds": wanted}}
        told: JSON = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params}
        return await self._stream(line, "subscriptions/listen", wanted, told, meta)

    async def _stream(
        self, line: Line, target: str, wanted: list[str] | None, first: JSON | None = None, meta: JSON | None = None
    ) -> Reply:
        name = f"{target} {self.requests[target]}"
        spoiler = self._spoiler(target)
        head = spoiler.head() if spoiler is not None else None
        if head is not None:
            return head
        await line.send(_STREAM_HEAD)
        message = first
        while True:
            if message is not None:
                event, ends = spoiler.event(message) if spoiler is not None else (as_event(message), False)
                await line.send(event)
                if ends:
                    return Reply(end="close")
            message = await self._conversation.pushed(name, wanted)
            if meta is not None:
                message["params"]["_meta"] = meta


def plainly(body: bytes, content_type: str, session: str | None = None) -> Reply:
    """A right answer in one piece."""
    named = "" if session is None else f"Mcp-Session-Id: {session}\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{named}Content-Length: {len(body)}\r\n\r\n"
    return Reply([head.encode() + body])


def as_event(message: JSON) -> bytes:
    """A message as an event of a stream."""
    return b"event: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n"


def places(message: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a message, outer ones first."""
    if here:
        yield here
    if isinstance(message, dict):
        for name, inner in cast("JSON", message).items():
            yield from places(inner, (*here, name))
    elif isinstance(message, list):
        for number, inner in enumerate(cast("list[Any]", message)):
            yield from places(inner, (*here, number))
