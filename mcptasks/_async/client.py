"""The client: connects to one server, calls, and hands out tasks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import mcp_types
from attrs import evolve

from mcptasks._async import parts
from mcptasks._async.about import About
from mcptasks._async.input import ElicitationHandler, InputContext, SamplingHandler
from mcptasks._async.task import Task
from mcptasks._core import argument_checks, safe_text
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._core.carried import NOTHING, Carried
from mcptasks._core.exceptions import TaskConnectionError, TaskError, TaskNotFoundError, TaskStateError
from mcptasks._core.models import TaskReference, checked

if TYPE_CHECKING:
    # Only for type checkers: `parts` imports the rest of the client when it is first used.
    from mcptasks._async.storing import AnyStore
    from mcptasks._core.hosted_tasks import HostTasks
    from mcptasks._core.patience import Patience
    from mcptasks._core.polling.policy import PollingPolicy
    from mcptasks._core.trace import SpanPlace
    from mcptasks._engine.engine import Engine
    from mcptasks._engine.input.handlers import ByHand, LogHandler, Roots
    from mcptasks._engine.lifetime import Host
    from mcptasks._telemetry.options import Telemetry


class Client(About):
    """A client of one MCP server, for `async with`, on asyncio or trio.

    ```python
    async with Client("https://example.com/mcp") as client:
        task = await client.call_tool("slow_computation", {"duration": 10}, task=True)
        print((await task.result(timeout=60)).data)
    ```

    Args:
        target: The server: an `http(s)://` URL; a path to a `.py` or `.js` file, a list of strings or
            `mcp.StdioServerParameters` (a subprocess); a mapping with `mcpServers` or a path to a `.json` file that
            holds one; a server object of this process; or any `mcp` transport.
        mode: How to negotiate the protocol: "auto", "legacy" (the handshake of 2025-11-25 and before) or a version.
        headers: Sent with every HTTP request.
        auth: A bearer token, or an auth object of httpx2. Credentials in the URL work too.
        http_client: Your own `httpx2.AsyncClient` or `httpx.AsyncClient`. The client does not close it.
        env: Environment variables for a subprocess, added to the few that every subprocess gets (PATH, HOME and the
            like).
        cwd: The folder in which a subprocess runs.
        server: Which entry of `mcpServers` to use.
        endpoint: A name of your own for the server. Errors, logs and references show this name instead of the URL. Give
            one if the URL's path holds a token.
        timeout: Seconds or a `timedelta` for each request on the wire and for making a connection, not for the work of
            a task. None for no limit; a read without a byte for 30 s is then given up and sent again.
        elicitation_handler: Answers the server's elicitation requests; sync (in a worker thread) or async, called with
            an `InputContext` and the request's params. Returns the form's fields (a mapping, or a dataclass, attrs or
            pydantic object), an `ElicitResult`, or None to decline. An exception leaves a task's request open. With
            `BY_HAND` the client declares to the server that somebody answers, and your program answers with
            `Task.answer`.
        sampling_handler: Answers the server's sampling requests, in the same way; returns text or a
            `CreateMessageResult`. Or `BY_HAND`.
        roots: Folders to offer to the server, or a function that returns them.
        log_handler: Gets the server's log messages.
        host_tasks: Let the server send its requests to this client as tasks, which the server then polls (2025-11-25).
            True, or `HostTasks` for options.
        polling: How often to poll tasks.
        reconnect_timeout: Seconds or a `timedelta`: how long to retry an unreachable server, and how long making a
            connection may take. After that, waiters get `TaskConnectionError`. None for no limit.
        wait_for_server: Seconds or a `timedelta`: how long opening retries a server that is not up yet; for URLs only.
            With None, opening fails at once if nothing listens there.
        store: Keeps the client's tasks, so that none is lost if the program dies: a `mcptasks.store.Store`, a path, or
            a `postgresql://` URL. A call is written to the store before it is sent. If the store is away, the call
            raises `StoreError`, and nothing is sent.
        max_answer_size: The largest answer, in bytes after decompression, that the client reads over HTTP or from a
            subprocess. A larger answer raises `TaskProtocolError` as soon as that many bytes have come.
        telemetry: How to make OpenTelemetry spans and metrics, if the program has configured an OpenTelemetry SDK;
            False for none.
        patience: When a task counts as stalled. With None, only a timeout ends a wait.

    Raises:
        TypeError: A target or handler is of an unknown kind; the message lists the known kinds.
        ValueError: An argument has a value that is invalid or that cannot be sent. No message shows a secret.
        FileNotFoundError: A path leads to no file.
    """

    __module__ = "mcptasks"

    _host: Host | None = None
    _opened = False
    _entered = False
    _closed = False

    def __init__(
        self,
        target: Any,
        *,
        mode: str = "auto",
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
        http_client: Any = None,
        env: Mapping[str, str] | None = None,
        cwd: Any = None,
        server: str | None = None,
        endpoint: str | None = None,
        timeout: float | timedelta | None = None,
        elicitation_handler: ElicitationHandler[Task[Any]] | ByHand | None = None,
        sampling_handler: SamplingHandler[Task[Any]] | ByHand | None = None,
        roots: Roots | None = None,
        log_handler: LogHandler | None = None,
        host_tasks: bool | HostTasks = False,
        polling: PollingPolicy | None = None,
        reconnect_timeout: float | timedelta | None = 60.0,
        wait_for_server: float | timedelta | None = None,
        store: AnyStore | str | os.PathLike[str] | None = None,
        max_answer_size: int = ANSWER_SIZE,
        telemetry: Telemetry | Literal[False] | None = None,
        patience: Patience | None = None,
    ) -> None:
        target_options = parts.Options(
            headers=headers, auth=auth, http_client=http_client, env=env, cwd=cwd, server=server, endpoint=endpoint
        )
        self._options = parts.ClientOptions(
            target=partial(parts.resolve, target, evolve(target_options, max_answer_size=max_answer_size)),
            mode=mode,
            timeout=timeout,
            elicitation_handler=elicitation_handler,
            sampling_handler=sampling_handler,
            roots=roots,
            log_handler=log_handler,
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
            wait_for_server=wait_for_server,
            store=partial(parts.find_store, store),
            telemetry=telemetry,
            patience=patience,
        )

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        host = getattr(self, "_host", None)
        if host is not None and host.is_left_open():
            words = f"unclosed {self!r}: use `async with`, or call close(); it stays open until its event loop ends"
            _warn(words, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._opened else "new"
        return f"<Client {safe_text.line(self._options.target.endpoint)} {state}>"

    async def __aenter__(self) -> Self:
        if self._entered or self._closed:
            raise TaskStateError("a client is entered once; make a new one")
        if self._host is None:
            self._entered = True
            try:
                return await self.open()
            except TaskError as exc:
                exc.__traceback__ = None  # See `open`.
                raise
        self._open()
        self._entered = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._shut(clean=exc_type is None)

    async def open(self) -> Self:
        """Connect without a block, as in a notebook or a fixture. The client stays open until `close()`.

        An open client lives in a task of its own (on trio a system task), so any task of the event loop may close the
        client. The client ends with the event loop at the latest.

        Raises:
            TaskStateError: The client is or was open already.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's first answer is invalid.
        """
        if self._host is not None or self._closed:
            raise TaskStateError("a client is opened once; make a new one")
        self._host = parts.Host(parts.Engine(self._options, parts.Home(), Task, InputContext))
        try:
            await self._host.open()
        except BaseException as exc:
            self._closed = True
            if isinstance(exc, TaskError):
                # The message says all that our own traceback lines could. A bare `raise` adds no entry for this frame.
                exc.__traceback__ = None
            raise
        self._opened = True
        return self

    async def close(self) -> None:
        """Disconnect a client that `open()` connected. A second call does nothing. Tasks go on at the server.

        Raises:
            TaskStateError: The client is in an `async with` block, whose end closes it, or this is another event loop.
        """
        if self._entered and not self._closed:
            raise TaskStateError("the end of its `async with` block closes this client")
        await self._shut(clean=True)

    async def _shut(self, *, clean: bool) -> None:
        if self._host is not None:
            self._host.check()
        self._closed = True
        if self._host is not None:
            await self._host.close(clean=clean)

    # --- lists ----------------------------------------------------------------------------------------------------

    async def list_tools(self) -> list[mcp_types.Tool]:
        """Fetch the server's tools, every page. A malformed entry is left out of the list and named in the log.

        Raises:
            TaskFailedError: The server answered with an error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        return await self._open().core.tools.every()

    async def list_resources(self) -> list[mcp_types.Resource]:
        """Fetch the server's resources, every page; see `list_tools` for the errors and for malformed entries."""
        return await parts.every_resource(self._open().core.connection)

    async def list_resource_templates(self) -> list[mcp_types.ResourceTemplate]:
        """Fetch the server's resource templates, every page; see `list_tools` for the errors and for malformed
        entries."""
        return await parts.every_template(self._open().core.connection)

    async def list_prompts(self) -> list[mcp_types.Prompt]:
        """Fetch the server's prompts, every page; see `list_tools` for the errors and for malformed entries."""
        return await parts.every_prompt(self._open().core.connection)

    # --- tasks ----------------------------------------------------------------------------------------------------

    async def list_tasks(self) -> list[Task[Any]]:
        """List the tasks that this client knows, and those that the server lists if it can (2025-11-25).

        An entry without an id, or with an unknown status, is left out of the list and named in the log.

        Raises:
            TaskFailedError: The server answered with an error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        engine = self._open()
        if not engine.abilities.support().list:
            return parts.TaskList(engine.handles.all())
        tasks: dict[str, Task[Any]] = {}
        for status in await engine.core.requests.listed():
            tasks[status.task_id] = engine.handles.find(self._reference(status.task_id)).handle
            engine.core.monitor.observe(parts.Seen(status, "polled"))
        # Some servers list nothing (fastmcp 2.14 and 3), so add the tasks that this client knows.
        return parts.TaskList({**tasks, **{task.task_id: task for task in engine.handles.all()}}.values())

    def task(self, task_id: str) -> Task[Any]:
        """Make a handle on an existing task, by its id. Sends nothing; the first poll tells whether the task exists.

        Raises:
            TypeError: The id is not a string. For a reference, use `resume`.
            ValueError: The id is empty, cannot be sent, or is the JSON text of a reference.
        """
        return self._handle(self._reference(argument_checks.task_id(task_id)))

    def resume(
        self,
        reference: TaskReference | str | Mapping[str, Any],
        *,
        trace_context: str | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> Task[Any]:
        """Make a handle on a task that was started earlier, also by another process.

        Sends nothing; the first poll tells the task's status.

        Args:
            reference: A `TaskReference`, its JSON text, or the mapping in that text.
            trace_context: The value of `Task.trace_context` in the process that created the task. The task's spans then
                go on in the same trace. A text that is no valid `traceparent` is ignored, as the W3C standard asks.
                A client with a store finds the context there.
            headers: HTTP headers for each request about the task from now on, in place of those that this client knew
                for the task; see `call_tool`. None leaves them unchanged.
            context: What input handlers get for the task from now on; see `call_tool`. None leaves it unchanged.

        Raises:
            TypeError: The headers are not a mapping of strings to strings.
            ValueError: The argument is not a reference, or the headers cannot be sent.
            TaskNotFoundError: The reference belongs to a call without a task at the server: the call was answered at
                once, or it ran in the client that made it.
        """
        found = checked(reference) if isinstance(reference, TaskReference) else TaskReference.from_json(reference)
        if found.returned_immediately:
            words = "the call was answered at once, or in the client that made it; there is no task to resume"
            raise TaskNotFoundError(words, reference=found)
        carried = self._open().carried(headers, context)
        return self._handle(found, parts.read_traceparent(trace_context), carried)

    def _handle(
        self, reference: TaskReference, place: SpanPlace | None = None, carried: Carried = NOTHING
    ) -> Task[Any]:
        waiter = self._open().handles.find(reference, place=place)
        waiter.watch.carry(carried)
        handle: Task[Any] = waiter.handle
        return handle

    def _reference(self, task_id: str) -> TaskReference:
        return TaskReference(task_id=task_id, endpoint=self._options.target.endpoint, era=self._facts().era)

    def _open(self) -> Engine:
        """The open engine, for use on its event loop."""
        engine = self._engine()
        engine.home.check()
        return engine

    def _engine(self) -> Engine:
        """The engine, for reading on any thread."""
        if self._closed:
            raise TaskConnectionError("the client is closed; make a new one")
        if self._host is None or not self._opened:
            raise TaskConnectionError("the client is not open; enter it first, or call its open()")
        return self._host.engine


endpoint_of: Callable[[Client], str] = attrgetter("_options.target.endpoint")
"""The name of a client's server in references, for a group."""
