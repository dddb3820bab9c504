# Generated from mcptasks/_async/client.py by `nox -s generate`. Do not edit: change the source and run that again.
"""The client: connects to one server, calls, and hands out tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp
import mcp_types

from mcptasks._async.client import Client as AsyncClient
from mcptasks._async.handlers import ElicitationHandler, LogHandler, Roots, SamplingHandler
from mcptasks._hosting import HostTasks
from mcptasks._models import TaskReference, TaskSupport
from mcptasks._portal.facade import Backend, blocking
from mcptasks._schedule import PollingPolicy
from mcptasks._sync.calls import Calls
from mcptasks._sync.task import Task


class Client(Calls):
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
        mode: How to negotiate the protocol: "auto", "legacy" (the 2025-11-25 handshake) or a version.
        headers: Sent with every HTTP request.
        auth: A bearer token, or an auth object of httpx2.
        http_client: Your own `httpx2.AsyncClient` or `httpx.AsyncClient`; it is left open.
        env: More environment variables for a subprocess.
        cwd: Where a subprocess runs.
        server: Which entry of `mcpServers` to use.
        timeout: Seconds for each request on the wire, never for the work; None for no limit (reads are then given up
            after 30 s and sent again).
        elicitation_handler: Answers the server's questions; sync (on the thread that waits) or async (on the background
            thread), called with an `InputContext` and the request's params. Returns the answer's fields (a mapping, or
            a dataclass, attrs or pydantic object), an `ElicitResult`, or None to decline. What it raises leaves a
            task's question open.
        sampling_handler: Completes prompts for the server; the same, returns text or a `CreateMessageResult`.
        roots: Folders that the server may know of, or a function that returns them.
        log_handler: Gets the server's log messages.
        host_tasks: Offer to do what the server asks as tasks, for it to poll (2025-11-25); `HostTasks` for options.
        polling: How to space the looks at tasks.
        reconnect_timeout: Seconds for which an unreachable server is tried again, and for which the first connection
            may take; None for ever. After that waiters get `TaskConnectionError`.
        backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".

    Raises:
        TypeError: A target or handler of a kind that is not known; the message lists what is.
        ValueError: An argument whose value cannot be right.
        FileNotFoundError: A path to a file that is not there.
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
        timeout: float | None = None,
        elicitation_handler: ElicitationHandler[Task[Any]] | None = None,
        sampling_handler: SamplingHandler[Task[Any]] | None = None,
        roots: Roots | None = None,
        log_handler: LogHandler | None = None,
        host_tasks: bool | HostTasks = False,
        polling: PollingPolicy | None = None,
        reconnect_timeout: float | None = 60.0,
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
            timeout=timeout,
            elicitation_handler=self._waiting(Task, elicitation_handler),
            sampling_handler=self._waiting(Task, sampling_handler),
            roots=self._background(roots),
            log_handler=self._background(log_handler),
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
        )

    def __repr__(self) -> str:
        return repr(self._inner)

    @blocking
    def list_tools(self) -> list[mcp_types.Tool]:
        """All tools of the server, every page.

        Raises:
            TaskFailedError: The server's own error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        return self._call(self._inner.list_tools)

    @blocking
    def list_resources(self) -> list[mcp_types.Resource]:
        """All resources of the server, every page; see `list_tools` for the errors."""
        return self._call(self._inner.list_resources)

    @blocking
    def list_resource_templates(self) -> list[mcp_types.ResourceTemplate]:
        """All resource templates of the server, every page; see `list_tools` for the errors."""
        return self._call(self._inner.list_resource_templates)

    @blocking
    def list_prompts(self) -> list[mcp_types.Prompt]:
        """All prompts of the server, every page; see `list_tools` for the errors."""
        return self._call(self._inner.list_prompts)

    @blocking
    def list_tasks(self) -> list[Task[Any]]:
        """The tasks that the server lists where it can (2025-11-25), and those that this client knows.

        Raises:
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        return self._handles(Task, self._call(self._inner.list_tasks))

    @blocking
    def task(self, task_id: str) -> Task[Any]:
        """A handle on a task that exists already, by its id. Asks nobody; the first look shows whether it exists."""
        return self._handle(Task, self._run(lambda: self._inner.task(task_id)))

    @blocking
    def resume(self, reference: TaskReference | str | Mapping[str, Any]) -> Task[Any]:
        """A handle on a task of an earlier time or another process. Asks nobody; the first look shows how it stands.

        Args:
            reference: A `TaskReference`, its JSON text, or the mapping that this holds.

        Raises:
            ValueError: Not a reference.
            TaskNotFoundError: The reference is of a call that was answered at once, so that there never was a task.
        """
        return self._handle(Task, self._run(lambda: self._inner.resume(reference)))

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol version."""
        return self._inner.protocol_version

    @property
    def server_info(self) -> mcp_types.Implementation | None:
        """The server's name and version, where it gives them."""
        return self._inner.server_info

    @property
    def server_capabilities(self) -> mcp_types.ServerCapabilities:
        """What the server declares."""
        return self._inner.server_capabilities

    @property
    def instructions(self) -> str | None:
        """The server's words on how to use it, if any."""
        return self._inner.instructions

    @property
    def task_support(self) -> TaskSupport:
        """What this connection can do with tasks."""
        return self._inner.task_support

    @property
    def mcp(self) -> mcp.Client:
        """The `mcp.Client` underneath, for all that is not about tasks. It is replaced when the connection is lost.

        Raises:
            TaskConnectionError: The connection is being made again.
        """
        return self._inner.mcp
