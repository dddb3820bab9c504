"""An open client from inside: its parts, their life time, and the tasks it knows."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import anyio
import mcp
import mcp_types
from anyio.abc import TaskGroup
from attrs import define, field, frozen
from mcp.client import IncomingMessage

from mcptasks._async.answers import ELICITATION, SAMPLING, Answerer, meta_of
from mcptasks._async.callbacks import Callbacks
from mcptasks._async.connection import CLOSE_SECONDS, Connection, Link
from mcptasks._async.core import Core
from mcptasks._async.create import Call, Created
from mcptasks._async.extension import ClientTasksExtension
from mcptasks._async.handlers import InputContext
from mcptasks._async.hosting import Hosting
from mcptasks._async.monitor import Monitor
from mcptasks._async.pulse import pulse
from mcptasks._async.push import PushStreams
from mcptasks._async.questions import Questions
from mcptasks._async.requests import Requests
from mcptasks._async.result_streams import ResultStreams
from mcptasks._async.task import Task
from mcptasks._async.tools import ToolBook
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskConnectionError
from mcptasks._hosting import HostTasks
from mcptasks._json import as_object
from mcptasks._models import Era, TaskReference, TaskStatus, TaskSupport
from mcptasks._outcome import Decoding
from mcptasks._schedule import PollingPolicy
from mcptasks._state import Finished, TaskState
from mcptasks._transport.targets import Target
from mcptasks._version import __version__
from mcptasks._wire import modern
from mcptasks._wire.hosted import RELATED_TASK_KEY

IMMEDIATE_PREFIX = "immediate:"
"""Begins the ids of handles that have no task at a server."""

_REMEMBERED = 10_000
"""How many unfinished tasks a client remembers for `list_tasks` when the program has let go of them."""


@frozen(kw_only=True)
class Config:
    """What a client was given, checked."""

    target: Target
    mode: str
    callbacks: dict[str, Any] = field(repr=False)
    """The SDK client's callbacks by its parameter names."""
    timeout: float | None
    polling: PollingPolicy
    patience: float | None
    answerer: Answerer
    hosting: HostTasks | None
    """How tasks are hosted for the server; None for not at all."""


@frozen
class Facts:
    """What the latest connection said of the server; stays readable while a connection is made again."""

    era: Era
    protocol_version: str
    server_info: mcp_types.Implementation | None
    capabilities: mcp_types.ServerCapabilities
    instructions: str | None
    rewritable: bool


@define(eq=False)
class Session:
    """Opened and closed by a `Client`, in one task."""

    config: Config
    core: Core = field(init=False)
    facts: Facts | None = field(default=None, init=False)
    _group: TaskGroup = field(init=False)
    _cause: BaseException | None = field(default=None, init=False)
    _done: anyio.Event = field(factory=anyio.Event, init=False)
    _handles: WeakValueDictionary[str, Task[Any]] = field(factory=WeakValueDictionary[str, "Task[Any]"], init=False)
    _unfinished: OrderedDict[str, Task[Any]] = field(factory=OrderedDict[str, "Task[Any]"], init=False)

    # --- life time ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect.

        Raises:
            TaskConnectionError: The server cannot be reached.
        """
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(pulse)
        try:
            self._build()
            await self._group.start(self._supervise)
            self._group.start_soon(self.core.monitor.run)
            self._group.start_soon(self.core.push.run)
        except BaseException as exc:
            # Left without the exception, which the group would wrap.
            self._group.cancel_scope.cancel()
            await self._group.__aexit__(None, None, None)
            if exc.__cause__ is None:
                exc.__cause__ = self._cause  # trio before 0.33 takes it away when a task does not start
            raise

    async def close(self, *, clean: bool) -> None:
        """Disconnect; remote tasks go on. Bounded.

        Args:
            clean: Whether callbacks that are still to be called get their time.
        """
        connection = self.core.connection
        link = connection.current
        if link is not None and any(not task.done for task in self._handles.values()):
            link.guard.keep_session = True
        if clean:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await self.core.callbacks.idle()
        self.core.callbacks.close()
        self.core.monitor.close(TaskConnectionError("the client was closed; the task goes on at the server"))
        connection.close()
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._done.wait()
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)

    async def _supervise(self, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        try:
            await self.core.connection.run(task_status=task_status)
        except TaskConnectionError as exc:
            self._cause = exc.__cause__
            raise
        finally:
            self._done.set()

    def _build(self) -> None:
        config = self.config
        monitor: Monitor

        def client(source: Any, mode: str, prior: Any) -> mcp.Client:
            callbacks = questions.callbacks(all_kinds=not config.target.bare)
            return make_client(
                config, source, mode, prior, extension=extension, on_message=self._message, callbacks=callbacks
            )

        def interest(watch: Watch, interested: bool) -> None:
            push.interest(watch, interested)
            streams.consider(watch)
            if watch.state.terminal or watch.gone:
                self._unfinished.pop(watch.task_id, None)

        def news(watch: Watch) -> None:
            streams.consider(watch)
            questions.looked(watch)

        def notified(method: str, params: Mapping[str, Any]) -> None:
            monitor.notified(method, params)

        extension = ClientTasksExtension(notified)
        connection = Connection(
            config.target,
            client,
            mode=config.mode,
            notify=notified,
            wire_timeout=config.timeout,
            patience=config.patience,
            on_link=self._linked,
            declare=self._declare,
            host=self._task_host(),
        )
        requests = Requests(connection)
        push = PushStreams(connection, lambda: monitor)
        streams = ResultStreams(connection, lambda: monitor, self._group)
        monitor = Monitor(
            requests,
            config.polling,
            config.timeout,
            config.target.endpoint if config.target.lasting else None,
            on_interest=interest,
            on_news=news,
            expects_push=lambda crowded: push.well(crowded=crowded),
        )
        questions = Questions(config.answerer, requests, monitor, lambda: connection.latest, self._group)
        callbacks = Callbacks(self._group)
        tools = ToolBook(connection)
        self.core = Core(connection, requests, monitor, push, callbacks, tools, questions, self._handle_of)

    def _declare(self, capabilities: dict[str, Any]) -> dict[str, Any]:
        """What the client says that it can do: to answer what the program has a handler for."""
        answerer = self.config.answerer
        kinds = {"elicitation": ELICITATION, "sampling": SAMPLING}
        return {
            name: capability
            for name, capability in capabilities.items()
            if name not in kinds or answerer.handles(kinds[name])
        }

    def _task_host(self) -> Callable[[], Hosting] | None:
        options = self.config.hosting
        return None if options is None else lambda: Hosting(options, self._group, self._answer_hosted)

    async def _answer_hosted(self, request: Mapping[str, Any], _task_id: str) -> dict[str, Any]:
        """Answer what the server asks as a task that this client hosts; it may be on behalf of a task of its own."""
        meta = meta_of(request)
        related = as_object(meta.get(RELATED_TASK_KEY)) or {}
        task = self._handles.get(str(related.get("taskId")))
        return await self.config.answerer.answer(request, InputContext(task=task, meta=meta))

    def _handle_of(self, watch: Watch) -> Task[Any]:
        known = self._handles.get(watch.task_id)
        return known or self.handle(watch.reference or TaskReference(task_id=watch.task_id))

    def _linked(self, link: Link) -> None:
        client = link.client
        self.facts = Facts(
            link.era,
            client.protocol_version,
            client.server_info,
            client.server_capabilities,
            client.instructions,
            link.interceptor is not None,
        )
        # Opened before now is early enough: no task was made on this connection, and `reconnected` looks at the others.
        link.guard.stream_opened = self.core.monitor.stream_opened
        link.guard.stream_ended = self.core.monitor.pushes_lost
        self.core.tools.forget()
        self.core.push.linked(link)
        if link.number > 1:
            self.core.monitor.reconnected()

    async def _message(self, message: IncomingMessage) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self.core.tools.forget()
        elif isinstance(message, mcp_types.SubscriptionsAcknowledgedNotification):
            self.core.push.acknowledged(message.params.notifications.model_extra)

    # --- what the server can do -----------------------------------------------------------------------------------

    def support(self) -> TaskSupport:
        """What the present connection can do with tasks."""
        facts = self.facts
        assert facts is not None
        if facts.era == "2026-07-28":
            offered = modern.EXTENSION in (facts.capabilities.extensions or {})
            push = False if self.core.push.refused else True if self.core.push.works else None
            return TaskSupport(
                era=facts.era, tools=offered, resources=False, prompts=False, cancel=offered, list=False, push=push
            )
        tasks = facts.capabilities.tasks if facts.rewritable else None
        requests = tasks.requests if tasks is not None else None
        tools = requests is not None and requests.tools is not None and requests.tools.call is not None
        return TaskSupport(
            era=facts.era,
            tools=tools,
            # Servers run these too, whether or not they say so; one that does not answers plainly.
            resources=tasks is not None,
            prompts=tasks is not None,
            cancel=tasks is not None and tasks.cancel is not None,
            list=tasks is not None and tasks.list is not None,
            push=True if self.core.monitor.pushes else None,
        )

    # --- tasks ----------------------------------------------------------------------------------------------------

    def adopt(self, created: Created, call: Call, decoding: Decoding) -> Task[Any]:
        """A handle on what a call came to."""
        now = anyio.current_time()
        if created.seen is None:
            task_id = f"{IMMEDIATE_PREFIX}{uuid.uuid4().hex}"
            reference = self._reference(task_id, call)
            status = TaskStatus(task_id=task_id, status="completed")
            watch = Watch(task_id, now, state=TaskState(status=status, outcome=Finished(created.result)))
            return Task(self.core, watch, reference, decoding=decoding, returned_immediately=True)
        status = created.seen.status
        expires = None if status.ttl is None else datetime.now(UTC) + status.ttl
        reference = self._reference(status.task_id, call, expires)
        watch = Watch(status.task_id, now, reference=reference, ended=created.release, timed=True)
        self.core.monitor.feed(watch, created.seen)
        self.core.monitor.register(watch)
        task: Task[Any] = Task(
            self.core, watch, reference, decoding=decoding, immediate_response=created.immediate_response
        )
        self._remember(task)
        return task

    def handle(self, reference: TaskReference) -> Task[Any]:
        """A handle on a task that exists already; the same one where this client has one that knows no less of it."""
        known = self._handles.get(reference.task_id)
        if known is not None and (known.kind is not None or reference.kind is None):
            return known
        watch = self.core.monitor.find(reference.task_id)
        if watch is None:
            watch = Watch(reference.task_id, anyio.current_time())
            self.core.monitor.register(watch)
        watch.reference = reference
        task: Task[Any] = Task(self.core, watch, reference, decoding=Decoding(kind=reference.kind))
        self._remember(task)
        return task

    def known(self) -> list[Task[Any]]:
        """The tasks that this client knows."""
        return list(self._handles.values())

    def _remember(self, task: Task[Any]) -> None:
        self._handles[task.task_id] = task
        if not task.done:
            self._unfinished[task.task_id] = task
            if len(self._unfinished) > _REMEMBERED:
                self._unfinished.popitem(last=False)

    def _reference(self, task_id: str, call: Call, expires_at: datetime | None = None) -> TaskReference:
        assert self.facts is not None
        return TaskReference(
            task_id=task_id,
            kind=call.kind,
            name=call.name,
            endpoint=self.config.target.endpoint,
            era=self.facts.era,
            expires_at=expires_at,
        )


def make_client(
    config: Config,
    source: Any,
    mode: str,
    prior: Any = None,
    *,
    extension: ClientTasksExtension,
    on_message: Any,
    callbacks: Mapping[str, Any] | None = None,
) -> mcp.Client:
    """The SDK client for a transport or server object."""
    return mcp.Client(
        source,
        mode=mode,
        prior_discover=prior if mode not in ("auto", "legacy") else None,
        message_handler=on_message,
        extensions=[extension],
        client_info=mcp_types.Implementation(name="mcptasks", version=__version__),
        **config.callbacks,
        **(callbacks or {}),
    )
