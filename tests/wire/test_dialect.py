"""The two dialects: what each can do, which requests it makes, and which events it finds in answers."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from mcp_types import INVALID_PARAMS

from mcptasks import TaskProtocolError
from mcptasks._core.events import Failed, Fetched, FetchRefused, Finished, Seen
from mcptasks._core.models import ERAS, Status
from mcptasks._wire import legacy, modern
from mcptasks._wire.dialect import NOTIFICATIONS, Dialect, Legacy, Modern, dialect_of, pushed
from tests.helpers.samples import modern_task, wire_task

TERMINAL: list[Status] = ["completed", "failed", "cancelled"]
RESULT: dict[str, Any] = {"content": []}


def wire(request: Any) -> dict[str, Any]:
    """A request as it stands on the wire."""
    found: dict[str, Any] = request.model_dump(by_alias=True, mode="json", exclude_none=True)
    return found


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("2024-11-05", Legacy),
        ("2025-03-26", Legacy),
        ("2025-06-18", Legacy),
        ("2025-11-25", Legacy),
        ("2026-07-28", Modern),
    ],
)
def test_the_version_chooses(version: str, kind: type[Dialect]) -> None:
    """Each protocol version has one dialect, and each era is the one of a dialect."""
    assert type(dialect_of(version)) is kind
    assert [Legacy.era, Modern.era] == list(ERAS)


@pytest.mark.parametrize(
    ("dialect", "result", "name"), [(Legacy(), "tasks/result", None), (Modern(), "tasks/get", "taskId")]
)
def test_requests(dialect: Dialect, result: str, name: str | None) -> None:
    """Each request is the method of its protocol, names the task, and where headers name it too says which field."""
    params = {"taskId": "t-1"}
    for request, method in [
        (dialect.poll("t-1"), "tasks/get"),
        (dialect.result("t-1"), result),
        (dialect.cancel("t-1"), "tasks/cancel"),
    ]:
        assert wire(request) == {"method": method, "params": params}
        assert request.name_param == name


@pytest.mark.parametrize("dialect", [Legacy(), Modern()])
def test_requests_of_one_protocol(dialect: Dialect) -> None:
    """What only one protocol has is asked for in its words, whoever may have taken the server's place meanwhile."""
    assert wire(dialect.answer("t-1", {"a": RESULT})) == {
        "method": "tasks/update",
        "params": {"taskId": "t-1", "inputResponses": {"a": RESULT}},
    }
    assert wire(dialect.list_page(None)) == {"method": "tasks/list"}
    assert wire(dialect.list_page("c")) == {"method": "tasks/list", "params": {"cursor": "c"}}
    assert wire(dialect.listen(["t-1", "t-2"])) == {
        "method": "subscriptions/listen",
        "params": {"notifications": {"taskIds": ["t-1", "t-2"]}},
    }


def test_headers() -> None:
    """2026-07-28 says in headers what a request is about, the task included where there is one."""
    assert Legacy().headers("tasks/get", {"taskId": "t-1"}) == {}
    assert Modern().headers("tasks/get", {"taskId": "t-1"}) == {"mcp-method": "tasks/get", "mcp-name": "t-1"}
    assert Modern().headers("tasks/list", {}) == {"mcp-method": "tasks/list"}


@pytest.mark.parametrize(("dialect", "task"), [(Legacy(), wire_task), (Modern(), modern_task)])
def test_statuses(dialect: Dialect, task: Any) -> None:
    """A creating answer and an answer to a poll are read as such; another task's answer is nonsense."""
    for event, origin in [(dialect.created(task()), "created"), (dialect.polled(task(), "t-1"), "polled")]:
        assert (event.status.task_id, event.status.status, event.origin) == ("t-1", "working", origin)
    with pytest.raises(TaskProtocolError, match="another task"):
        dialect.polled(task(), "t-2")
    values: list[Any] = [None, [], "x", {}]
    for odd in values:
        with pytest.raises(TaskProtocolError):
            dialect.created(odd)


@pytest.mark.parametrize("status", TERMINAL)
def test_legacy_results(status: Status) -> None:
    """The answer to `tasks/result` is the outcome; a failed task's may be an error, which another's is not."""
    dialect = Legacy()
    assert dialect.finished(RESULT, "t-1", status) == Fetched(Finished(RESULT))
    error = Failed(INVALID_PARAMS, "not yet", 1)
    found = dialect.refused(error, status)
    if status == "failed":
        assert found == Fetched(error)
    else:
        assert isinstance(found, FetchRefused)
        assert str(found.error) == f"the task is {status}, but the server refuses its result: 'not yet'"
        assert dialect.refused(Failed(-32603, "boom", None), status) is None


@pytest.mark.parametrize("told", get_args(Status))
@pytest.mark.parametrize("status", TERMINAL)
def test_modern_results(status: Status, told: Status) -> None:
    """The outcome stands in the status, if that is still the one that was seen and has one; errors are no outcome."""
    dialect = Modern()
    raw = modern_task(told, result=RESULT, error={"code": 1, "message": "boom"}, inputRequests={})
    found = dialect.finished(raw, "t-1", status)
    if told == status and told != "cancelled":
        assert isinstance(found, Seen)
        assert found.outcome == (Finished(RESULT) if told == "completed" else Failed(1, "boom", None))
    else:
        assert isinstance(found, FetchRefused)
        assert str(found.error) == f"the server called the task {status} and now calls it {told}"
    assert dialect.refused(Failed(INVALID_PARAMS, "no such task", None), status) is None


def test_pushes() -> None:
    """A push is read by the protocol that its method is of, whatever the connection speaks."""
    assert set(NOTIFICATIONS) == {legacy.NOTIFICATION, modern.NOTIFICATION}
    raw = modern_task("completed", result=RESULT)
    assert pushed(modern.NOTIFICATION, raw).outcome == Finished(RESULT)
    assert pushed(legacy.NOTIFICATION, raw).outcome is None
