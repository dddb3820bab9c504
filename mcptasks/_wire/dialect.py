"""What each task protocol can do, and how: one `Dialect` for each connection, chosen when the connection is made. Pure.

A dialect makes requests, reads answers, and says what a server of its protocol may do, so that the engine need not ask
which protocol is spoken. The requests and events themselves are in `legacy.py` and `modern.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from attrs import field, frozen
from mcp_types import INVALID_PARAMS, PaginatedRequestParams, Request, ServerCapabilities, ServerTasksCapability

from mcptasks._core import safe_text
from mcptasks._core.events import Failed, Fetched, FetchRefused, Seen
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_object
from mcptasks._core.models import Era, Kind, Status, TaskSupport
from mcptasks._wire import legacy, modern
from mcptasks._wire.versions import is_modern

NOTIFICATIONS = (modern.NOTIFICATION, legacy.NOTIFICATION)
"""The methods of pushes, in either protocol."""


@frozen(kw_only=True)
class Declared:
    """The capabilities that a server has declared, as far as the client knows them."""

    capabilities: ServerCapabilities | None
    """The server's capabilities as the SDK reads them; None if the server has declared nothing."""
    sent: Mapping[str, Any] = field(factory=dict[str, Any])
    """The capabilities as the server sent them in the handshake, with those that the SDK's models do not have."""
    rewritable: bool
    """Whether an interceptor can add a `task` field to requests; False if the SDK runs a server object without
    streams."""
    asked: bool = True
    """Whether the client asked the server for its capabilities; False if the program gives a version of 2026-07-28 or
    later as `mode`."""


class Dialect(ABC):
    """One task protocol."""

    era: ClassVar[Era]
    """The protocol's version, as programs see it."""
    client_asks: ClassVar[bool]
    """True: the client asks for a task with each call. False: the server decides when to make a task."""
    asks_by_requests: ClassVar[bool]
    """True: the server sends a task's input requests as requests of its own. False: they are in the task's status."""
    subscribes: ClassVar[bool]
    """True: pushes come on subscriptions that the client opens. False: the server pushes unasked."""
    lasting_progress: ClassVar[bool]
    """Whether a call's progress token stays valid until its task ends."""
    marks_wrapped: ClassVar[bool]
    """Whether a result itself says that fastmcp has wrapped the tool's value."""
    stateless: ClassVar[bool]
    """Whether each request repeats who the client is and what it can do."""

    # --- what a server offers -------------------------------------------------------------------------------------

    @abstractmethod
    def offers(self, kind: Kind, declared: Declared) -> bool:
        """Whether the server may make tasks of calls of this kind.

        Args:
            kind: The kind of call: tool, resource or prompt.
            declared: The server's capabilities.
        """

    @abstractmethod
    def support(self, declared: Declared, *, shown: Collection[Kind], push: bool | None) -> TaskSupport:
        """The features of tasks that a connection supports.

        Source: 2025-11-25 tasks, "Capabilities"; ext-tasks, "Capability Negotiation" and "Supported Methods".

        Args:
            declared: The server's capabilities.
            shown: The kinds of calls that became tasks on this connection.
            push: Whether the server pushes; None if the client does not know yet.
        """

    # --- events ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def created(self, task: Any) -> Seen:
        """The event in the task object of an answer that creates a task.

        Raises:
            TaskProtocolError: The object is not a valid task.
        """

    @abstractmethod
    def poll(self, task_id: str) -> Request[Any, Any]:
        """The request for a task's state (`tasks/get`)."""

    @abstractmethod
    def polled(self, answer: Any, task_id: str) -> Seen:
        """The event in the answer to `poll`.

        Raises:
            TaskProtocolError: The answer is not a valid state of that task.
        """

    @abstractmethod
    def result(self, task_id: str) -> Request[Any, Any]:
        """The request for a task's result."""

    @abstractmethod
    def finished(self, answer: Any, task_id: str, status: Status, /) -> Seen | Fetched | FetchRefused:
        """The event in the answer to `result`.

        Args:
            answer: The answer.
            task_id: The task.
            status: The terminal status that the client has seen.

        Raises:
            TaskProtocolError: The answer is not a valid result.
        """

    @abstractmethod
    def refused(self, error: Failed, status: Status, /) -> Fetched | FetchRefused | None:
        """The event in an error that answers `result`; None if the error tells nothing about the task's outcome.

        Args:
            error: The error.
            status: The terminal status that the client has seen.
        """

    # --- acts -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def cancel(self, task_id: str) -> Request[Any, Any]:
        """The request to cancel a task (`tasks/cancel`)."""

    def answer(self, task_id: str, answers: Mapping[str, Any]) -> Request[Any, Any]:
        """The request that answers the input requests in a task's status (`tasks/update`).

        A 2025-11-25 server refuses this request. The case occurs if such a server has taken the place of a 2026-07-28
        server.

        Args:
            task_id: The task.
            answers: The answers, by the keys of the input requests.
        """
        return modern.UpdateTask(params=modern.UpdateParams(task_id=task_id, input_responses=dict(answers)))

    def list_page(self, cursor: str | None) -> Request[Any, Any]:
        """The request for a page of the server's tasks (`tasks/list`); without a cursor, for the first page.

        A 2026-07-28 server refuses this request. The case occurs if such a server has taken the place of a 2025-11-25
        server.
        """
        return legacy.ListTasks(params=None if cursor is None else PaginatedRequestParams(cursor=cursor))

    def listen(self, task_ids: Sequence[str]) -> Request[Any, Any]:
        """The request that subscribes to pushes about these tasks (`subscriptions/listen`), if `subscribes`."""
        return modern.listen_request(list(task_ids))

    @abstractmethod
    def headers(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, str]:
        """The HTTP headers of a request about tasks, other than the protocol's version.

        Args:
            method: The request's method.
            params: The request's params.
        """


class Legacy(Dialect):
    """2025-11-25: the client asks for tasks, the server asks by requests, results are fetched (`tasks/result`)."""

    era = legacy.ERA
    client_asks = True
    asks_by_requests = True
    subscribes = False
    lasting_progress = True
    marks_wrapped = False
    stateless = False

    def offers(self, kind: Kind, declared: Declared) -> bool:
        tasks = _legacy_tasks(declared)
        if tasks is None or kind != "tool":
            return tasks is not None  # Servers make tasks of resources and prompts without declaring it.
        return tasks.requests is not None and tasks.requests.tools is not None and tasks.requests.tools.call is not None

    def support(self, declared: Declared, *, shown: Collection[Kind], push: bool | None) -> TaskSupport:
        tasks = _legacy_tasks(declared)
        if tasks is None:
            return TaskSupport(
                era=self.era, tools=False, resources=False, prompts=False, cancel=False, list=False, push=False
            )
        requests = as_object((as_object(declared.sent.get("tasks")) or {}).get("requests")) or {}

        def offers(kind: Kind, group: str, method: str) -> bool | None:
            # The specification names tools only. Servers make tasks of resources and prompts without declaring it.
            named = as_object((as_object(requests.get(group)) or {}).get(method)) is not None
            return True if named or kind in shown else None

        return TaskSupport(
            era=self.era,
            tools=self.offers("tool", declared),
            resources=offers("resource", "resources", "read"),
            prompts=offers("prompt", "prompts", "get"),
            cancel=tasks.cancel is not None,
            list=tasks.list is not None,
            push=push,
        )

    def created(self, task: Any) -> Seen:
        return legacy.seen(task, "created")

    def poll(self, task_id: str) -> Request[Any, Any]:
        return legacy.GetTask(params=modern.TaskParams(task_id=task_id))

    def polled(self, answer: Any, task_id: str) -> Seen:
        return legacy.seen(answer, "polled", expected_id=task_id)

    def result(self, task_id: str) -> Request[Any, Any]:
        return legacy.GetResult(params=modern.TaskParams(task_id=task_id))

    def finished(self, answer: Any, _task_id: str, _status: Status, /) -> Fetched:
        return Fetched(legacy.fetched(answer))

    def refused(self, error: Failed, status: Status, /) -> Fetched | FetchRefused | None:
        if status == "failed":
            return Fetched(error)  # `tasks/result` answers as the original request would have been: with an error.
        if error.code != INVALID_PARAMS:
            return None
        words = f"the task is {status}, but the server refuses its result: {safe_text.short(error.message, 200)}"
        return FetchRefused(TaskProtocolError(words))

    def cancel(self, task_id: str) -> Request[Any, Any]:
        return legacy.CancelTask(params=modern.TaskParams(task_id=task_id))

    def headers(self, _method: str, _params: Mapping[str, Any], /) -> Mapping[str, str]:
        return {}


class Modern(Dialect):
    """2026-07-28 with the extension: the server decides when to make a task; the status holds requests and result."""

    era = modern.ERA
    client_asks = False
    asks_by_requests = False
    subscribes = True
    lasting_progress = False
    marks_wrapped = True
    stateless = True

    def offers(self, kind: Kind, declared: Declared) -> bool:
        capabilities = declared.capabilities  # ext-tasks, "Tasks": only `tools/call` may be answered with a task.
        if kind != "tool" or capabilities is None or capabilities.tools is None:
            # A server that was not asked for its capabilities (a version given as `mode`) may have tasks.
            return kind == "tool"
        return _has_extension(declared)

    def support(self, declared: Declared, *, shown: Collection[Kind], push: bool | None) -> TaskSupport:
        offered = True if _has_extension(declared) or "tool" in shown else False if declared.asked else None
        return TaskSupport(
            era=self.era,
            tools=offered,
            resources=False,  # In the extension, only calls of tools become tasks.
            prompts=False,
            cancel=offered,
            list=False,
            push=False if offered is False else push,
        )

    def created(self, task: Any) -> Seen:
        return modern.seen(task, "created")

    def poll(self, task_id: str) -> Request[Any, Any]:
        return modern.GetTask(params=modern.TaskParams(task_id=task_id))

    def polled(self, answer: Any, task_id: str) -> Seen:
        return modern.seen(answer, "polled", expected_id=task_id)

    def result(self, task_id: str) -> Request[Any, Any]:
        return self.poll(task_id)  # The state holds the result.

    def finished(self, answer: Any, task_id: str, status: Status, /) -> Seen | FetchRefused:
        event = self.polled(answer, task_id)
        if event.outcome is None or event.status.status != status:
            words = f"the server called the task {status} and now calls it {event.status.status}"
            return FetchRefused(TaskProtocolError(words))
        return event

    def refused(self, _error: Failed, _status: Status, /) -> Fetched | FetchRefused | None:
        return None

    def cancel(self, task_id: str) -> Request[Any, Any]:
        return modern.CancelTask(params=modern.TaskParams(task_id=task_id))

    def headers(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, str]:
        task_id = params.get("taskId")  # ext-tasks, "Routing Headers"
        return {"mcp-method": method} if task_id is None else {"mcp-method": method, "mcp-name": task_id}


def dialect_of(version: str) -> Dialect:
    """The dialect of a connection that speaks this protocol version."""
    return Modern() if is_modern(version) else Legacy()


def pushed(method: str, params: Mapping[str, Any]) -> Seen:
    """The event in a push; the method tells the protocol.

    Raises:
        TaskProtocolError: The push does not hold a valid state of a task.
    """
    return modern.seen(params, "pushed") if method == modern.NOTIFICATION else legacy.seen(params, "pushed")


def _legacy_tasks(declared: Declared) -> ServerTasksCapability | None:
    """The server's capability `tasks` of 2025-11-25; None if there is none, or requests cannot get a `task` field."""
    capabilities = declared.capabilities
    return capabilities.tasks if capabilities is not None and declared.rewritable else None


def _has_extension(declared: Declared) -> bool:
    capabilities = declared.capabilities
    return capabilities is not None and modern.EXTENSION in (capabilities.extensions or {})
