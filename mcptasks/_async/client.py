"""The client: connects to one server, calls, and hands out tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import mcp
import mcp_types

from mcptasks import _arguments
from mcptasks._async.calls import Calls
from mcptasks._async.configure import configure
from mcptasks._async.handlers import ElicitationHandler, LogHandler, Roots, SamplingHandler
from mcptasks._async.host import Host
from mcptasks._async.listing import TaskList
from mcptasks._async.requests import every_page
from mcptasks._async.session import IMMEDIATE_PREFIX, Facts, Session
from mcptasks._async.task import Task
from mcptasks._exceptions import TaskConnectionError, TaskNotFoundError, TaskStateError
from mcptasks._hosting import HostTasks
from mcptasks._models import TaskReference, TaskSupport
from mcptasks._schedule import PollingPolicy
from mcptasks._state import Seen


class Client(Calls):
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
        mode: How to negotiate the protocol: "auto", "legacy" (the 2025-11-25 handshake) or a version.
        headers: Sent with every HTTP request.
        auth: A bearer token, or an auth object of httpx2.
        http_client: Your own `httpx2.AsyncClient` or `httpx.AsyncClient`; it is left open.
        env: More environment variables for a subprocess.
        cwd: Where a subprocess runs.
        server: Which entry of `mcpServers` to use.
        timeout: Seconds for each request on the wire, never for the work; None for no limit (reads are then given up
            after 30 s and sent again).
        elicitation_handler: Answers the server's questions; sync (in a worker thread) or async, called with an
            `InputContext` and the request's params. Returns the answer's fields (a mapping, or a dataclass, attrs or
            pydantic object), an `ElicitResult`, or None to decline. What it raises leaves a task's question open.
        sampling_handler: Completes prompts for the server; the same, returns text or a `CreateMessageResult`.
        roots: Folders that the server may know of, or a function that returns them.
        log_handler: Gets the server's log messages.
        host_tasks: Offer to do what the server asks as tasks, for it to poll (2025-11-25); `HostTasks` for options.
        polling: How to space the looks at tasks.
        reconnect_timeout: Seconds for which an unreachable server is tried again, and for which the first connection
            may take; None for ever. After that waiters get `TaskConnectionError`.

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
    ) -> None:
        self._config = configure(
            target,
            mode=mode,
            headers=headers,
            auth=auth,
            http_client=http_client,
            env=env,
            cwd=cwd,
            server=server,
            timeout=timeout,
            elicitation_handler=elicitation_handler,
            sampling_handler=sampling_handler,
            roots=roots,
            log_handler=log_handler,
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
        )
        self._session: Session | None = None
        self._host: Host | None = None
        self._entered = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "new" if self._session is None else "open"
        return f"<Client {self._config.target.endpoint} {state}>"

    async def __aenter__(self) -> Self:
        if self._entered or self._closed or (self._session is not None and self._host is None):
            raise TaskStateError("a client is entered once; make a new one")
        if self._host is None:
            session = Session(self._config)
            await session.open()
            self._session = session
        self._entered = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._host is not None:
            await self._shut(clean=exc_type is None)
            return
        session = self._open()
        self._closed = True
        await session.close(clean=exc_type is None)

    async def open(self) -> Self:
        """Connect, where `async with` does not fit: in a notebook, in a fixture. The client stays open until `close()`.

        It lives in a task of its own, so that any task may close it; on trio that is a system task, which ends with
        `trio.run`.

        Raises:
            TaskStateError: The client is or was open already.
            TaskConnectionError: The server cannot be reached.
        """
        if self._session is not None or self._host is not None or self._closed:
            raise TaskStateError("a client is opened once; make a new one")
        session = Session(self._config)
        self._host = Host(session)
        try:
            await self._host.open()
        except BaseException:
            self._closed = True
            raise
        self._session = session
        return self

    async def close(self) -> None:
        """Disconnect what `open()` connected; may be called again. Remote tasks go on.

        Raises:
            TaskStateError: The client is in an `async with` block, whose end closes it.
        """
        if self._session is not None and self._host is None and not self._closed:
            raise TaskStateError("the end of its `async with` block closes this client")
        await self._shut(clean=True)

    async def _shut(self, *, clean: bool) -> None:
        self._closed = True
        if self._host is not None:
            await self._host.close(clean=clean)

    # --- lists ----------------------------------------------------------------------------------------------------

    async def list_tools(self) -> list[mcp_types.Tool]:
        """All tools of the server, every page.

        Raises:
            TaskFailedError: The server's own error.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        return await self._open().core.tools.every()

    async def list_resources(self) -> list[mcp_types.Resource]:
        """All resources of the server, every page; see `list_tools` for the errors."""
        connection = self._open().core.connection

        async def page(cursor: str | None) -> tuple[list[mcp_types.Resource], str | None]:
            found = await connection.read(lambda link: link.client.list_resources(cursor=cursor), about_task=False)
            return list(found.resources), found.next_cursor

        return await every_page(page, "resources/list")

    async def list_resource_templates(self) -> list[mcp_types.ResourceTemplate]:
        """All resource templates of the server, every page; see `list_tools` for the errors."""
        connection = self._open().core.connection

        async def page(cursor: str | None) -> tuple[list[mcp_types.ResourceTemplate], str | None]:
            found = await connection.read(
                lambda link: link.client.list_resource_templates(cursor=cursor), about_task=False
            )
            return list(found.resource_templates), found.next_cursor

        return await every_page(page, "resources/templates/list")

    async def list_prompts(self) -> list[mcp_types.Prompt]:
        """All prompts of the server, every page; see `list_tools` for the errors."""
        connection = self._open().core.connection

        async def page(cursor: str | None) -> tuple[list[mcp_types.Prompt], str | None]:
            found = await connection.read(lambda link: link.client.list_prompts(cursor=cursor), about_task=False)
            return list(found.prompts), found.next_cursor

        return await every_page(page, "prompts/list")

    # --- tasks ----------------------------------------------------------------------------------------------------

    async def list_tasks(self) -> list[Task[Any]]:
        """The tasks that the server lists where it can (2025-11-25), and those that this client knows.

        Raises:
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        session = self._open()
        if not session.support().list:
            return TaskList(session.known())
        tasks: dict[str, Task[Any]] = {}
        for status in await session.core.requests.listed():
            tasks[status.task_id] = session.handle(self._reference(status.task_id))
            session.core.monitor.observe(Seen(status, "polled"))
        # Some servers list nothing at all (fastmcp 2.14 and 3).
        return TaskList({**tasks, **{task.task_id: task for task in session.known()}}.values())

    def task(self, task_id: str) -> Task[Any]:
        """A handle on a task that exists already, by its id. Asks nobody; the first look shows whether it exists."""
        return self._open().handle(self._reference(_arguments.text(task_id, "task_id")))

    def resume(self, reference: TaskReference | str | Mapping[str, Any]) -> Task[Any]:
        """A handle on a task of an earlier time or another process. Asks nobody; the first look shows how it stands.

        Args:
            reference: A `TaskReference`, its JSON text, or the mapping that this holds.

        Raises:
            ValueError: Not a reference.
            TaskNotFoundError: The reference is of a call that was answered at once, so that there never was a task.
        """
        if not isinstance(reference, TaskReference):
            reference = TaskReference.from_json(reference)
        if reference.task_id.startswith(IMMEDIATE_PREFIX):
            raise TaskNotFoundError("the call was answered at once; there is no task to resume", reference=reference)
        return self._open().handle(reference)

    def _reference(self, task_id: str) -> TaskReference:
        return TaskReference(task_id=task_id, endpoint=self._config.target.endpoint, era=self._facts().era)

    # --- the server -----------------------------------------------------------------------------------------------

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol version."""
        return self._facts().protocol_version

    @property
    def server_info(self) -> mcp_types.Implementation | None:
        """The server's name and version, where it gives them."""
        return self._facts().server_info

    @property
    def server_capabilities(self) -> mcp_types.ServerCapabilities:
        """What the server declares."""
        return self._facts().capabilities

    @property
    def instructions(self) -> str | None:
        """The server's words on how to use it, if any."""
        return self._facts().instructions

    @property
    def task_support(self) -> TaskSupport:
        """What this connection can do with tasks."""
        return self._open().support()

    @property
    def mcp(self) -> mcp.Client:
        """The `mcp.Client` underneath, for all that is not about tasks. It is replaced when the connection is lost.

        Raises:
            TaskConnectionError: The connection is being made again.
        """
        link = self._open().core.connection.current
        if link is None:
            raise TaskConnectionError("the connection is being made again; try a little later")
        return link.client

    def _facts(self) -> Facts:
        facts = self._open().facts
        assert facts is not None
        return facts

    def _open(self) -> Session:
        if self._closed:
            raise TaskConnectionError("the client is closed; make a new one")
        if self._session is None:
            raise TaskConnectionError("the client is not open; enter it first, or call its open()")
        return self._session
