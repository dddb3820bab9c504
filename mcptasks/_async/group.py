"""Several servers as one: `Group`, built of a `Client` for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import mcp_types

from mcptasks._async.client import Client, endpoint_of
from mcptasks._async.group_claims import GroupClaims
from mcptasks._async.group_maps import GroupMaps
from mcptasks._async.input import ElicitationHandler, SamplingHandler
from mcptasks._async.several import Member, Members, has_task
from mcptasks._async.storing import AnyStore
from mcptasks._async.task import Task
from mcptasks._core import argument_checks
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._core.exceptions import TaskError, TaskNotFoundError, TaskStateError
from mcptasks._core.hosted_tasks import HostTasks
from mcptasks._core.iterators import Results
from mcptasks._core.models import TaskReference, checked
from mcptasks._core.patience import Patience
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.server_names import ServerNames, one_by_endpoint
from mcptasks._core.stats import ClientStats
from mcptasks._engine.input.handlers import ByHand, LogHandler, Roots
from mcptasks._engine.notebook.task_list import TaskList
from mcptasks._telemetry.options import Telemetry
from mcptasks._transport.config_files import read_config
from mcptasks._transport.configs import targets_of

if TYPE_CHECKING:
    # Whoever uses no store does not wait for its import.
    from mcptasks._store.recovery import Recovery


class Group(GroupMaps):
    """Several MCP servers as one, for `async with`, on asyncio or trio.

    ```python
    async with Group("mcp.json") as group:
        print([tool.name for tool in await group.list_tools()])
        result = await group.call_tool("github_search", {"query": "tasks"})
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

    Raises:
        TypeError: `servers` is neither a mapping nor a path, or an option has a wrong type. An error about one server
            names that server.
        ValueError: There is no server, a server or an option is invalid, or two servers could have tools of the same
            prefixed name.
        FileNotFoundError: A path leads to no file.
    """

    __module__ = "mcptasks"

    _entered = False

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
    ) -> None:
        targets = targets_of(servers if isinstance(servers, Mapping) else read_config(servers))
        make = partial(
            Client,
            mode=mode,
            timeout=timeout,
            elicitation_handler=elicitation_handler,
            sampling_handler=sampling_handler,
            roots=roots,
            log_handler=log_handler,
            host_tasks=host_tasks,
            polling=polling,
            reconnect_timeout=reconnect_timeout,
            store=store,
            max_answer_size=max_answer_size,
            telemetry=telemetry,
            patience=patience,
        )
        limit = argument_checks.seconds(open_timeout, "open_timeout", zero=False)
        self._names = ServerNames(tuple(targets), separator)
        self._members = Members({name: _member(name, partial(make, **given)) for name, given in targets.items()}, limit)

    def __repr__(self) -> str:
        down = self._members.down
        shown = ", ".join(f"{name} (down)" if name in down else name for name in self._names.names)
        state = "closed" if self._members.is_over else "open" if self._members.is_open else "new"
        return f"<Group of {shown} {state}>"

    async def __aenter__(self) -> Self:
        if self._entered or self._members.is_over:
            raise TaskStateError("a group is entered once; make a new one")
        if not self._members.is_open:
            await self.open()
        self._entered = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._members.close()

    async def open(self) -> Self:
        """Open all servers at once, without a block. The group stays open until `close()`.

        Raises:
            TaskStateError: The group is or was open already.
            TaskConnectionError: No server can be reached. The message names each server.
        """
        await self._members.open()
        return self

    async def close(self) -> None:
        """Disconnect from all servers. A second call does nothing. Tasks go on at their servers.

        Raises:
            TaskStateError: The group is in an `async with` block, whose end closes it.
        """
        if self._entered and not self._members.is_over:
            raise TaskStateError("the end of its `async with` block closes this group")
        await self._members.close()

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers."""
        return tuple(self._names.names)

    @property
    def down(self) -> Mapping[str, TaskError]:
        """The error of each server that could not be reached when it was last needed, by the server's name. Sends
        nothing."""
        return self._members.down

    async def list_tools(self) -> list[mcp_types.Tool]:
        """Fetch the tools of all servers, with prefixed names. Servers that are down are tried again; those that still
        are down are left out, and are in `down`.

        Raises:
            TaskConnectionError: No server can be reached.
            TaskError: A server answered with an error, or its answer is invalid. The message names the server.
        """
        found = await self._members.ask_each(Client.list_tools)
        return [
            tool.model_copy(update={"name": self._names.prefixed(server, tool.name)})
            for server, tools in found.items()
            for tool in tools
        ]

    async def list_prompts(self) -> list[mcp_types.Prompt]:
        """Fetch the prompts of all servers, with prefixed names; see `list_tools` for servers that are down and for the
        errors."""
        found = await self._members.ask_each(Client.list_prompts)
        return [
            prompt.model_copy(update={"name": self._names.prefixed(server, prompt.name)})
            for server, prompts in found.items()
            for prompt in prompts
        ]

    async def list_resources(self) -> dict[str, list[mcp_types.Resource]]:
        """Fetch the resources of all servers, by the servers' names; see `list_tools` for servers that are down and for
        the errors."""
        return await self._members.ask_each(Client.list_resources)

    async def list_resource_templates(self) -> dict[str, list[mcp_types.ResourceTemplate]]:
        """Fetch the resource templates of all servers, by the servers' names; see `list_tools` for servers that are
        down and for the errors."""
        return await self._members.ask_each(Client.list_resource_templates)

    async def list_tasks(self) -> list[Task[Any]]:
        """List the tasks of all servers; see `Client.list_tasks`, and `list_tools` for servers that are down and for
        the errors."""
        found = await self._members.ask_each(Client.list_tasks)
        return TaskList(task for tasks in found.values() for task in tasks)

    async def resume(
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
        found = checked(reference) if isinstance(reference, TaskReference) else TaskReference.from_json(reference)
        name = self._home_of(found) if server is None else self._names.known(server)
        async with self._members.at(name) as client:
            return client.resume(found, trace_context=trace_context, headers=headers, context=context)

    async def recover(
        self, *, labels: Mapping[str, str] | None = None, limit: int | None = None
    ) -> Recovery[Task[Any]]:
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
        from mcptasks._store.recovery import Recovery

        found = list((await self._members.ask_each(partial(Client.recover, labels=labels, limit=limit))).values())
        return Recovery(
            tasks=tuple(task for each in found for task in each.tasks),
            uncertain=tuple(record for each in found for record in each.uncertain),
            elsewhere=sum(each.elsewhere for each in found),
            candidates=tuple(reference for each in found for reference in each.candidates),
        )

    def claims(self, *, labels: Mapping[str, str] | None = None, limit: int | None = None) -> Results[Task[Any]]:
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
        return GroupClaims(self._members, labels, limit)

    async def release(self, task: Task[Any]) -> None:
        """Give a task back to the store, so that another client may take it; see `Client.release`.

        Args:
            task: A task of one of these servers, from this group.

        Raises:
            TypeError: `task` is not a task.
            ValueError: The group has no store, or the task is not from this group.
            StoreError: The store cannot be written.
        """
        if not isinstance(cast("object", task), Task):
            raise TypeError(f"release() takes a task, not {type(task).__name__}")
        for name, client in self._members.up.items():
            if has_task(client, task):
                async with self._members.at(name):
                    await client.release(task)
                return
        raise ValueError(f"the task {task.task_id!r} is not from this group; release it where it was taken")

    def stats(self) -> dict[str, ClientStats]:
        """Return what the client of each server has done so far, in numbers, by the servers' names. A server that was
        never up is left out. Sends nothing."""
        return {name: client.stats() for name, client in self._members.up.items()}

    def _home_of(self, reference: TaskReference) -> str:
        endpoints = {name: member.endpoint for name, member in self._members.all.items()}
        name = None if reference.endpoint is None else one_by_endpoint(endpoints, reference.endpoint)
        if name is None:
            there = ", ".join(f"{server} ({endpoint})" for server, endpoint in endpoints.items())
            place = reference.endpoint or "a server that the reference does not name"
            raise TaskNotFoundError(f"the task is at {place}, and the group has {there}", reference=reference)
        return name


def _member(name: str, make: partial[Client]) -> Member:
    """One server. Its client is made once at the beginning, so that an invalid argument raises an error at once."""
    try:
        endpoint = endpoint_of(make())
    except (TypeError, ValueError) as exc:
        words, kind = f"server {name!r}: {exc}", TypeError if isinstance(exc, TypeError) else ValueError
        raise (exc if f"server {name!r}" in str(exc) else kind(words)) from None
    return Member(name, endpoint, cast("Any", make))
