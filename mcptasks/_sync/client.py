# Generated from mcptasks/_async/client.py by `nox -s generate`. Do not edit: change the source and run that again.
"""The client: connects to one server, calls, and hands out tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import mcp_types

from mcptasks._async.client import Client as AsyncClient
from mcptasks._async.input import ElicitationHandler, SamplingHandler
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._core.models import TaskReference
from mcptasks._portal.facade import Backend, blocking
from mcptasks._sync.about import About
from mcptasks._sync.task import Task

if TYPE_CHECKING:
    from mcptasks._async.storing import AnyStore
    from mcptasks._core.hosted_tasks import HostTasks
    from mcptasks._core.patience import Patience
    from mcptasks._core.polling.policy import PollingPolicy
    from mcptasks._engine.input.handlers import ByHand, LogHandler, Roots
    from mcptasks._telemetry.options import Telemetry


class Client(About):
    """A client of one MCP server, for `with` or `open()`; it blocks, and needs no event loop.

    ```python
    with Client("https://example.com/mcp") as client:
        task = client.call_tool("slow_computation", {"duration": 10}, task=True)
        print(task.result(timeout=60).data)
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
        elicitation_handler: Answers the server's elicitation requests; sync (on the thread that waits) or async (on the
            background thread), called with an `InputContext` and the request's params. Returns the form's fields (a
            mapping, or a dataclass, attrs or pydantic object), an `ElicitResult`, or None to decline. An exception
            leaves a task's request open. With `BY_HAND` the client declares to the server that somebody answers, and
            your program answers with `Task.answer`.
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
        backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".

    Raises:
        TypeError: A target or handler is of an unknown kind; the message lists the known kinds.
        ValueError: An argument has a value that is invalid or that cannot be sent. No message shows a secret.
        FileNotFoundError: A path leads to no file.
    """

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
        backend: Backend = "asyncio",
    ) -> None:
        super().__init__(backend)
        self._inner = AsyncClient(
            target,
            mode=mode,
            headers=headers,
            auth=auth,
            http_client=http_client,
            env=env,
            cwd=cwd,
            server=server,
            endpoint=endpoint,
            timeout=timeout,
            elicitation_handler=self._waiting(Task, elicitation_handler),
            sampling_handler=self._waiting(Task, sampling_handler),
            roots=self._background(roots),
            log_handler=self._background(log_handler),
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
            wait_for_server=wait_for_server,
            store=store,
            max_answer_size=max_answer_size,
            telemetry=telemetry,
            patience=self._background(patience),
        )

    def __repr__(self) -> str:
        return repr(self._inner)

    @blocking
    def list_tools(self) -> list[mcp_types.Tool]:
        """Fetch the server's tools, every page. A malformed entry is left out of the list and named in the log.

        Raises:
            TaskFailedError: The server answered with an error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        return self._call(self._inner.list_tools)

    @blocking
    def list_resources(self) -> list[mcp_types.Resource]:
        """Fetch the server's resources, every page; see `list_tools` for the errors and for malformed entries."""
        return self._call(self._inner.list_resources)

    @blocking
    def list_resource_templates(self) -> list[mcp_types.ResourceTemplate]:
        """Fetch the server's resource templates, every page; see `list_tools` for the errors and for malformed
        entries.
        """
        return self._call(self._inner.list_resource_templates)

    @blocking
    def list_prompts(self) -> list[mcp_types.Prompt]:
        """Fetch the server's prompts, every page; see `list_tools` for the errors and for malformed entries."""
        return self._call(self._inner.list_prompts)

    @blocking
    def list_tasks(self) -> list[Task[Any]]:
        """List the tasks that this client knows, and those that the server lists if it can (2025-11-25).

        An entry without an id, or with an unknown status, is left out of the list and named in the log.

        Raises:
            TaskFailedError: The server answered with an error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        return self._handles(Task, self._call(self._inner.list_tasks))

    @blocking
    def task(self, task_id: str) -> Task[Any]:
        """Make a handle on an existing task, by its id. Sends nothing; the first poll tells whether the task exists.

        Raises:
            TypeError: The id is not a string. For a reference, use `resume`.
            ValueError: The id is empty, cannot be sent, or is the JSON text of a reference.
        """
        return self._handle(Task, self._run(lambda: self._inner.task(task_id)))

    @blocking
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
        return self._handle(
            Task,
            self._run(
                lambda: self._inner.resume(reference, trace_context=trace_context, headers=headers, context=context)
            ),
        )
