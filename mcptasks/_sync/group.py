# Generated from mcptasks/_async/group.py by `nox -s generate`. Do not edit: change the source and run that again.
"""Several servers as one: `Group`, built of a `Client` for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import mcp_types

from mcptasks._async.group import Group as AsyncGroup
from mcptasks._async.input import ElicitationHandler, SamplingHandler
from mcptasks._async.storing import AnyStore
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._core.exceptions import TaskError
from mcptasks._core.hosted_tasks import HostTasks
from mcptasks._core.iterators import BlockingResults
from mcptasks._core.models import TaskReference
from mcptasks._core.patience import Patience
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.stats import ClientStats
from mcptasks._engine.input.handlers import ByHand, LogHandler, Roots
from mcptasks._portal.facade import Backend, blocking
from mcptasks._sync.group_maps import GroupMaps
from mcptasks._sync.task import Task
from mcptasks._telemetry.options import Telemetry

if TYPE_CHECKING:
    from mcptasks._store.recovery import Recovery


class Group(GroupMaps):
    """Several MCP servers as one, for `with` or `open()`; it blocks, and needs no event loop.

    ```python
    with Group("mcp.json") as group:
        print([tool.name for tool in group.list_tools()])
        result = group.call_tool("github_search", {"query": "tasks"})
    ```

    All servers are opened at the same time. A server that is down does not affect the others: `down` has the reason,
    and the group tries to open the server again whenever it is needed. If the connection to an open server is lost, the
    group connects again, as a `Client` does.

    Args:
        servers: A mapping with `mcpServers`, or a path to a `.json` file that holds one: every entry is used. Or a
            mapping of names to targets, each one that a `Client` takes.
        separator: The text between the name of a server and the name of its tool or prompt.
        open_timeout: Seconds or a `timedelta` for opening one server; a slower server counts as down. None to use
            `reconnect_timeout`.
        mode: See `Client`. Each server's client gets this option and all that follow.
        timeout: See `Client`.
        elicitation_handler: See `Client`.
        sampling_handler: See `Client`.
        roots: See `Client`.
        log_handler: See `Client`.
        host_tasks: See `Client`.
        polling: See `Client`.
        reconnect_timeout: See `Client`.
        store: See `Client`.
        max_answer_size: See `Client`.
        telemetry: See `Client`.
        patience: See `Client`.
        backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".

    Raises:
        TypeError: `servers` is neither a mapping nor a path, or an option has a wrong type. An error about one server
            names that server.
        ValueError: There is no server, a server or an option is invalid, or two servers could have tools of the same
            prefixed name.
        FileNotFoundError: A path leads to no file.
    """

    def __init__(
        self,
        servers: Mapping[str, Any] | str | os.PathLike[str],
        *,
        separator: str = "_",
        open_timeout: float | timedelta | None = 30.0,
        mode: str = "auto",
        timeout: float | timedelta | None = None,
        elicitation_handler: ElicitationHandler[Task[Any]] | ByHand | None = None,
        sampling_handler: SamplingHandler[Task[Any]] | ByHand | None = None,
        roots: Roots | None = None,
        log_handler: LogHandler | None = None,
        host_tasks: bool | HostTasks = False,
        polling: PollingPolicy | None = None,
        reconnect_timeout: float | timedelta | None = 60.0,
        store: AnyStore | str | os.PathLike[str] | None = None,
        max_answer_size: int = ANSWER_SIZE,
        telemetry: Telemetry | Literal[False] | None = None,
        patience: Patience | None = None,
        backend: Backend = "asyncio",
    ) -> None:
        super().__init__(backend)
        self._inner = AsyncGroup(
            servers,
            separator=separator,
            open_timeout=open_timeout,
            mode=mode,
            timeout=timeout,
            elicitation_handler=self._waiting(Task, elicitation_handler),
            sampling_handler=self._waiting(Task, sampling_handler),
            roots=self._background(roots),
            log_handler=self._background(log_handler),
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
            store=store,
            max_answer_size=max_answer_size,
            telemetry=telemetry,
            patience=self._background(patience),
        )

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers."""
        return self._inner.servers

    @property
    def down(self) -> Mapping[str, TaskError]:
        """The error of each server that could not be reached when it was last needed, by the server's name. Sends
        nothing.
        """
        return self._inner.down

    @blocking
    def list_tools(self) -> list[mcp_types.Tool]:
        """Fetch the tools of all servers, with prefixed names. Servers that are down are tried again; those that still
        are down are left out, and are in `down`.

        Raises:
            TaskConnectionError: No server can be reached.
            TaskError: A server answered with an error, or its answer is invalid. The message names the server.
        """
        return self._call(self._inner.list_tools)

    @blocking
    def list_prompts(self) -> list[mcp_types.Prompt]:
        """Fetch the prompts of all servers, with prefixed names; see `list_tools` for servers that are down and for the
        errors.
        """
        return self._call(self._inner.list_prompts)

    @blocking
    def list_resources(self) -> dict[str, list[mcp_types.Resource]]:
        """Fetch the resources of all servers, by the servers' names; see `list_tools` for servers that are down and for
        the errors.
        """
        return self._call(self._inner.list_resources)

    @blocking
    def list_resource_templates(self) -> dict[str, list[mcp_types.ResourceTemplate]]:
        """Fetch the resource templates of all servers, by the servers' names; see `list_tools` for servers that are
        down and for the errors.
        """
        return self._call(self._inner.list_resource_templates)

    @blocking
    def list_tasks(self) -> list[Task[Any]]:
        """List the tasks of all servers; see `Client.list_tasks`, and `list_tools` for servers that are down and for
        the errors.
        """
        return self._handles(Task, self._call(self._inner.list_tasks))

    @blocking
    def resume(
        self,
        reference: TaskReference | str | Mapping[str, Any],
        *,
        server: str | None = None,
        trace_context: str | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> Task[Any]:
        """Make a handle on a task that was started earlier, at the server whose endpoint the reference names.

        Args:
            reference: A `TaskReference`, its JSON text, or the mapping in that text.
            server: The name of the server, if several have the same endpoint.
            trace_context: See `Client.resume`.
            headers: See `Client.resume`.
            context: See `Client.resume`.

        Raises:
            ValueError: The argument is not a reference, or several servers have its endpoint.
            TaskNotFoundError: No server of the group has the reference's endpoint; or see `Client.resume`.
            TaskConnectionError: The server is down. The message names the server.
        """
        return self._handle(
            Task,
            self._call(
                lambda: self._inner.resume(
                    reference, server=server, trace_context=trace_context, headers=headers, context=context
                ),
            ),
        )

    @blocking
    def recover(self, *, labels: Mapping[str, str] | None = None, limit: int | None = None) -> Recovery[Task[Any]]:
        """Take over the tasks of these servers that earlier clients of the store have left; see `Client.recover`.
        Servers that are down are tried again; the tasks of a server that still is down stay in the store.

        Args:
            labels: Only tasks and calls that have all of these labels.
            limit: How many tasks to take of each server at most, the oldest first; None for all.

        Raises:
            ValueError: The group has no store, or `limit` is not positive.
            TypeError: `labels` is not a mapping of strings, or `limit` is not a number.
            TaskConnectionError: No server can be reached.
            TaskError: See `Client.recover`. The message names the server.
        """
        return self._recovered(Task, self._call(lambda: self._inner.recover(labels=labels, limit=limit)))

    @blocking
    def claims(
        self, *, labels: Mapping[str, str] | None = None, limit: int | None = None
    ) -> BlockingResults[Task[Any]]:
        """Iterate over tasks of these servers as they become free; see `Client.claims`. The tasks of a server that is
        down stay in the store; while the iteration waits, it tries such a server again every 5 s.

        Args:
            labels: Only tasks that have all of these labels.
            limit: How many handed out tasks may be unfinished at the same time, at all servers together. At the limit,
                the iteration waits. None for no limit.

        Raises:
            ValueError: The group has no store, or `limit` is not positive.
            TypeError: `labels` is not a mapping of strings, or `limit` is not a number.
            StoreError: The store cannot be read or written; a later step may succeed.
        """
        return self._iterate_handles(Task, lambda: self._inner.claims(labels=labels, limit=limit))

    @blocking
    def release(self, task: Task[Any]) -> None:
        """Give a task back to the store, so that another client may take it; see `Client.release`.

        Args:
            task: A task of one of these servers, from this group.

        Raises:
            TypeError: `task` is not a task.
            ValueError: The group has no store, or the task is not from this group.
            StoreError: The store cannot be written.
        """
        self._call(lambda: self._inner.release(self._inner_of(task)))

    @blocking
    def stats(self) -> dict[str, ClientStats]:
        """Return what the client of each server has done so far, in numbers, by the servers' names. A server that was
        never up is left out. Sends nothing.
        """
        return self._run(self._inner.stats)
