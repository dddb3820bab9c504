"""Builds the parts of one client, opens and closes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio
import mcp_types
from anyio.abc import TaskGroup
from attrs import Factory, define, field
from mcp.client import IncomingMessage

from mcptasks import _eventloop
from mcptasks._core.carried import NO_HEADERS, NOTHING, Carried
from mcptasks._core.exceptions import TaskConnectionError, TaskError, TaskStateError
from mcptasks._core.hosted_tasks import HostTasks
from mcptasks._core.json import as_object
from mcptasks._core.patience import Patience
from mcptasks._core.stats import ClientStats
from mcptasks._core.trace import CallingBack, Closed, Linked, Trace
from mcptasks._engine.abilities import Abilities
from mcptasks._engine.background import Background
from mcptasks._engine.callbacks import Callbacks, belong_to
from mcptasks._engine.calling import Calling
from mcptasks._engine.connection.connection import CLOSE_SECONDS, Connection
from mcptasks._engine.connection.incoming import Incoming
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.retention import Keeping
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.connection.tool_list import ToolBook
from mcptasks._engine.core import Core
from mcptasks._engine.handles import Handles, MakeHandle
from mcptasks._engine.home import Home
from mcptasks._engine.input.answers import Answerer, meta_of
from mcptasks._engine.input.hosting import Hosting
from mcptasks._engine.input.inbox import Questions
from mcptasks._engine.input.result_streams import ResultStreams
from mcptasks._engine.leaving import Leaving
from mcptasks._engine.notebook.stop_button import pulse
from mcptasks._engine.observing import Observing
from mcptasks._engine.options import ClientOptions
from mcptasks._engine.recording.journal import Journal
from mcptasks._engine.recording.nowhere import NO_JOURNAL
from mcptasks._engine.recovering import Recovering
from mcptasks._engine.sdk_clients import sdk_client
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.push_streams import PushStreams
from mcptasks._engine.watching.stalls import Stalls
from mcptasks._engine.watching.taking import Taking
from mcptasks._engine.watching.telling import Telling
from mcptasks._engine.watching.watch import Watch
from mcptasks._telemetry.names import server_of
from mcptasks._wire.hosted import RELATED_TASK_KEY
from mcptasks._wire.versions import Terms, believed

_CLOSED = TaskConnectionError("the client is closed")
_LOOP_ENDED = TaskStateError("the event loop of the client has ended")
_BROKEN = TaskConnectionError("the client broke down after an internal error")


def _answerer(engine: Engine) -> Answerer:
    """Make the part that calls the program's handlers."""
    given = engine.options
    return Answerer(given.elicitation_handler, given.sampling_handler, given.roots, make_context=engine.make_context)


def _journal(engine: Engine) -> Journal:
    """Make the journal, which writes to the client's store if it has one."""
    given = engine.options.store
    if given is None:
        return NO_JOURNAL
    # Imported here, so that programs without a store do not wait for the import.
    from mcptasks._engine.recording.stored import StoredJournal

    return StoredJournal(given.access, engine.options.target.endpoint, own=given.own, trace=engine.trace)


def _observing(engine: Engine) -> Observing:
    """Make the part that counts and logs, and that makes spans and metrics unless the program switched them off."""
    options, target, stored = engine.options.telemetry, engine.options.target, engine.options.store is not None
    if options is None:
        return Observing(None, stored)
    from mcptasks._telemetry.recorder import Recorder  # Not at the top: this is slow to import.

    server = server_of(target.endpoint, in_process=target.bare)
    return Observing(Recorder(options, server, lambda: engine.abilities.facts.protocol_version), stored)


@define(eq=False)
class Engine:
    """The parts of one client. A `Host` runs it, in a task of its own."""

    options: ClientOptions
    home: Home
    """The process and event loop to which the client belongs."""
    make_handle: MakeHandle
    make_context: Callable[..., Any]
    """Makes the `InputContext` that handlers get beside the question."""
    trace: Observing = field(init=False, default=Factory(_observing, takes_self=True))
    """Gets the moments of `_core/trace.py`."""
    _answerer: Answerer = field(init=False, default=Factory(_answerer, takes_self=True))
    journal: Journal = field(init=False, default=Factory(_journal, takes_self=True))
    """Writes to the client's store; keeps nothing if there is none."""
    core: Core = field(init=False)
    handles: Handles = field(init=False)
    abilities: Abilities = field(init=False)
    calling: Calling = field(init=False)
    recovering: Recovering = field(init=False)
    _incoming: Incoming = field(factory=Incoming, init=False)
    """Hands on what comes in."""
    _background: Background = field(init=False)
    """Runs the calls that cannot become tasks."""
    _group: TaskGroup = field(init=False)
    _settled: anyio.Event = field(factory=anyio.Event, init=False)
    """Set when the first connection was made, or could not be made."""
    _connected: bool = field(default=False, init=False)
    """Whether the first connection was made. If the event loop ends first, `_settled` is set without a connection."""
    _failure: TaskError | None = field(default=None, init=False)
    _done: anyio.Event = field(factory=anyio.Event, init=False)

    # --- life time ------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The server's name, for messages."""
        return self.options.target.endpoint

    def stats(self) -> ClientStats:
        """Return what the client has done so far, in numbers."""
        return self.trace.counters.now()

    def carried(self, headers: Any, context: Any) -> Carried:
        """What a program gives to a call, checked.

        Raises:
            TypeError: The headers are no mapping of strings to strings.
            ValueError: A header cannot be sent, or belongs to the client, or requests to this server have no headers.
        """
        if headers is None:
            return NOTHING if context is None else Carried(context=context)
        check = self.options.target.check_headers
        if check is None:
            raise ValueError(f"headers= of a call go over HTTP: they have no meaning for {self.endpoint}")
        return Carried(check(headers), context)

    def notified(self, method: str, params: Mapping[str, Any], *, believed: bool) -> None:
        """Take in a notification about a task, which came to the program's own session.

        Args:
            method: The notification's method.
            params: Its params.
            believed: Whether it came to this engine's session for certain. Otherwise the task is polled.
        """
        watch = self.core.monitor.find(str(params.get("taskId")))
        if watch is not None and believed:
            self._incoming.notified(method, params)
        elif watch is not None:
            self.core.monitor.hinted(watch)

    @property
    def callbacks(self) -> Callbacks:
        """The program's callbacks. Only after `run` has begun."""
        return self.core.callbacks

    async def run(self, opened: Callable[[], None], left: Callable[[], Awaitable[bool]]) -> None:
        """Connect, stay connected until `left` returns, and disconnect. Tasks go on at the server. The end takes a
        bounded time.

        Args:
            opened: Called once the connection is made.
            left: Waits until the engine should end, and returns whether waiting callbacks should still be called.

        Raises:
            TaskConnectionError: The server cannot be reached.
            StoreError: The client's store cannot be opened or written.
        """
        # The store is opened first and closed last, so that every part can write to it.
        async with self.journal.open():
            await self._run(opened, left)

    async def _run(self, opened: Callable[[], None], left: Callable[[], Awaitable[bool]]) -> None:
        async with anyio.create_task_group() as self._group:
            await self._build_up()
            belong_to(self.core.callbacks)
            self._group.start_soon(pulse)
            self._group.start_soon(self._supervise)
            self._group.start_soon(self.core.connection.turns.run)
            await self._settled.wait()
            if self._connected:
                self._group.start_soon(self.core.monitor.run)
                self._group.start_soon(self.core.push.run)
                opened()
                await self._stay(left)
            self._group.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def _stay(self, left: Callable[[], Awaitable[bool]]) -> None:
        clean = False
        why: TaskError = _LOOP_ENDED
        try:
            clean, why = await left(), _CLOSED
        finally:
            # On trio, when the event loop ends, a cancelled part cancels the others, just as a failed part does.
            if self._group.cancel_scope.cancel_called and not _eventloop.is_ending():
                why = _BROKEN
            await self._close(clean=clean, why=why)

    async def _close(self, *, clean: bool, why: TaskError) -> None:
        connection = self.core.connection
        link = connection.current
        if link is not None and link.http is not None and self.handles.any_unfinished:
            link.http.keep_session = True
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self.core.leaving.over()
            if clean:
                await self.core.callbacks.idle()
        self.core.callbacks.close()
        await self._background.close(type(why)(f"{why}; the call was cancelled with it"), CLOSE_SECONDS)
        connection.trace.note(Closed())
        self.core.monitor.close(type(why)(f"{why}; the task goes on at the server"))
        connection.close(type(why)(f"{why}; open a new one and resume the task by its reference"))
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._done.wait()

    async def _supervise(self) -> None:
        try:
            await self.core.connection.run(self._began)
        except TaskError as exc:
            self._failure = exc
        finally:
            self._done.set()
            self._settled.set()

    def _began(self) -> None:
        self._connected = True
        self._settled.set()

    async def _build_up(self) -> None:
        """Build the parts, with what the store knows of the server. Nothing is known of a server object: its name may
        stand for any server."""
        if self.options.target.bare:
            self._build(None)
            return
        self._build(believed(self.options.terms, await self.journal.era()))
        self.core.monitor.learn(await self.journal.timings())

    def _connection(self, incoming: Incoming, believed: Terms | None) -> Connection:
        """Make the connection.

        Args:
            incoming: Hands on what comes in.
            believed: The terms that an earlier client found, to be tried first; None if none are known.
        """
        options, trace = self.options, self.trace
        return Connection(
            options.target,
            partial(sdk_client, options, incoming, trace),
            mode=options.terms,
            believed=believed,
            notify=incoming.notified,
            wire_timeout=options.timeout,
            patience=options.reconnect_timeout,
            wait=options.opening_wait,
            on_link=incoming.linked,
            on_lost=incoming.lost,
            declare=self._answerer.declared,
            host=incoming.host,
            home=self.home,
            trace=trace,
        )

    def _build(self, believed: Terms | None) -> None:
        """Build the parts bottom-up: each part after those that it uses. Upper parts subscribe to lower ones."""
        options, group, incoming = self.options, self._group, self._incoming
        connection = self._connection(incoming, believed)
        requests, tools, callbacks = Requests(connection), ToolBook(connection), Callbacks(group, self.trace)
        target = options.target
        endpoint = target.endpoint if target.lasting else target.learned_as
        learning = NO_JOURNAL if options.target.bare else self.journal
        monitor = Monitor(
            requests, connection.turns, group, options.polling, endpoint, home=self.home, journal=learning
        )
        requests.headers_of = partial(_headers_of, monitor)
        push, streams = PushStreams(connection, monitor), ResultStreams(connection, monitor, group)
        questions = Questions(self._answerer, requests, monitor, lambda: connection.latest, group)
        abilities = Abilities(options.terms.mode, monitor, push)
        keeping, leaving = Keeping(abilities.support, tools), Leaving(callbacks)
        core = Core(connection, requests, monitor, push, callbacks, tools, questions, keeping, leaving, self.journal)
        handles = Handles(core, monitor, self.make_handle, self.journal.resumed)
        self.core, self.handles, self.abilities = core, handles, abilities
        self._background = Background(callbacks, self.home)
        name = None if target.anonymous else target.endpoint
        self.calling = Calling(core, handles, abilities, self._background, name)
        self.recovering = Recovering(core, handles, abilities, options.target.endpoint)

        def considered(watch: Watch, _interested: bool) -> None:
            streams.consider(watch)
            handles.consider(watch)

        monitor.on_interest += (push.interest, considered)
        monitor.on_news += (streams.consider, questions.looked, keeping.look)
        if self.journal.keeps:
            _keep(core, abilities, self.trace)
            monitor.on_news.append(self.recovering.looked)
        _be_patient(options.patience, monitor, callbacks, group)
        monitor.expect_pushes(lambda crowded: push.well(crowded=crowded))
        incoming.callbacks = questions.callbacks(all_kinds=not options.target.bare)
        incoming.on_notification += (push.notified, monitor.notified)
        incoming.on_message.append(partial(_told, core))
        incoming.on_link += (abilities.linked, partial(_linked, core))
        if not options.target.bare:
            incoming.on_link.append(partial(_met, core))
        incoming.on_lost.append(monitor.lost)
        incoming.make_host = _hosting(options.hosting, self._answerer, handles, group)


def _headers_of(monitor: Monitor, task_id: str) -> Mapping[str, str]:
    """The HTTP headers that go with requests about a task."""
    watch = monitor.find(task_id)
    return NO_HEADERS if watch is None else watch.carried.headers


def _keep(core: Core, abilities: Abilities, trace: Trace) -> None:
    """Connect the store: it is told of tasks, and leases are taken from it."""
    monitor = core.monitor

    def holding() -> None:
        for watch in monitor.live():
            watch.wake()  # From now on, waiters may have questions answered again.

    telling = Telling(lambda: not abilities.facts.dialect.asks_by_requests, trace)
    taking = Taking(core.callbacks, telling.look, trace, core.leaving.busy)
    monitor.on_news += (telling.look, taking.ended)
    monitor.on_interest.append(taking.consider)
    core.journal.on_holding.append(holding)


def _met(core: Core, link: Link) -> None:
    """Tell the store which protocol the server speaks."""
    if link.negotiated:
        core.journal.speaks(link.dialect.era)


def _hosting(
    options: HostTasks | None, answerer: Answerer, handles: Handles, group: TaskGroup
) -> Callable[[], Hosting] | None:
    """Return a function that makes the host for a link; None if the program hosts no tasks."""
    if options is None:
        return None
    return partial(Hosting, options, group, partial(_answer_hosted, answerer, handles))


async def _answer_hosted(
    answerer: Answerer, handles: Handles, request: Mapping[str, Any], _task_id: str
) -> dict[str, Any]:
    """Answer a question that the server asks as a hosted task. The question may belong to a task of the server."""
    meta = meta_of(request)
    related = as_object(meta.get(RELATED_TASK_KEY)) or {}
    task = handles.known(str(related.get("taskId")))
    with handles.trace.around(CallingBack()):
        return await answerer.answer(request, answerer.context(task=task, meta=meta))


def _be_patient(policy: Patience | None, monitor: Monitor, callbacks: Callbacks, group: TaskGroup) -> None:
    """Apply the program's `Patience`, if it gave one."""
    if policy is None:
        return
    stalls = Stalls(policy, callbacks)
    monitor.on_interest.append(stalls.interest)
    monitor.on_news.append(stalls.news)
    monitor.on_failed.append(stalls.look_failed)
    group.start_soon(stalls.run)


def _linked(core: Core, link: Link) -> None:
    """Take in a new connection."""
    # A stream that opened before now has missed nothing: no task was made on this connection yet, and `reconnected` has
    # the others polled.
    if link.http is not None:
        link.http.stream_opened = core.monitor.stream_opened
        link.http.stream_ended = core.monitor.pushes_lost
    core.connection.trace.note(Linked(link.number))
    core.tools.forget()
    core.push.linked(link)
    if link.number > 1:
        core.monitor.reconnected()


def _told(core: Core, message: IncomingMessage) -> None:
    """Take in a message of the server that is not about one task."""
    if isinstance(message, mcp_types.ToolListChangedNotification):
        core.tools.changed()
    elif isinstance(message, mcp_types.SubscriptionsAcknowledgedNotification):
        core.push.acknowledged(message.params.notifications.model_extra)
