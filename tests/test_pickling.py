"""Every public exception and value goes to another process and comes back with all that it carries.

tests/core/test_exceptions.py has the attributes of each error, tests/remote and tests/store more about their values.
This is the list of all: a public name that is new fails here until it has a sample, or a reason to have none.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import mcp_types
import pytest

import mcptasks
import mcptasks.remote
import mcptasks.store
from mcptasks import TaskConnectionError, TaskError, TaskFailedError
from mcptasks._async.several import named
from mcptasks._exports import BLOCKING_HOMES, HOMES
from tests.helpers.error_samples import ERRORS
from tests.helpers.samples import REFERENCE, status_of

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TEXT = mcp_types.TextContent(type="text", text="words")
QUESTION = mcptasks.store.QuestionRecord(key="q", request={"method": "elicitation/create"}, asked_at=NOW)
RECORD = mcptasks.store.TaskRecord(
    id="0" * 32,
    endpoint="https://example.com/mcp",
    phase="created",
    labels={"a": "b"},
    error="no such city",
    questions=(QUESTION,),
    created_at=NOW,
    updated_at=NOW,
)
VALUES: dict[str, Any] = {
    "BY_HAND": mcptasks.BY_HAND,
    "ClientStats": mcptasks.ClientStats(calls=3, input_wait=timedelta(seconds=2)),
    "CreateMessageRequestParams": mcp_types.CreateMessageRequestParams(messages=[], max_tokens=3),
    "CreateMessageResult": mcp_types.CreateMessageResult(role="user", content=TEXT, model="m"),
    "ElicitRequestParams": mcp_types.ElicitRequestFormParams(message="?", requested_schema={"type": "object"}),
    "ElicitResult": mcp_types.ElicitResult(action="accept", content={"seat": "3A"}),
    "Expectation": mcptasks.Expectation(soonest=timedelta(seconds=1), latest=timedelta(seconds=9)),
    "GetPromptResult": mcp_types.GetPromptResult(messages=[]),
    "HostTasks": mcptasks.HostTasks(limit=3),
    "InputContext": mcptasks.InputContext(key="q", meta={"a": 1}, context="mine"),
    "LookContext": mcptasks.LookContext(
        name="work", age=1.0, interval=None, remaining=None, pushed=False, runs=(1.0,), default=2.0
    ),
    "Patience": mcptasks.Patience(stalled_after=3.0, on_stall=repr),
    "PollingPolicy": mcptasks.PollingPolicy(floor=0.5),
    "ResourceContents": mcp_types.TextResourceContents(uri="file:///a", text="words"),
    "TaskOutcome": "succeeded",
    "TaskProgress": mcptasks.TaskProgress(progress=1.0, total=2.0, message="half", at=NOW),
    "TaskReference": REFERENCE,
    "TaskStatus": status_of("failed", "x", input_requests={"k": {}}, raw={"a": 1}),
    "TaskSupport": mcptasks.TaskSupport(
        era="2026-07-28", tools=True, resources=None, prompts=None, cancel=True, list=False, push=None
    ),
    "Telemetry": mcptasks.Telemetry(polls=True),
    "ToolResult": mcptasks.ToolResult(content=(TEXT,), structured_content={"n": 1}, data=1, meta={"a": 1}),
    "remote.Beat": mcptasks.remote.Beat(reference=REFERENCE, status=status_of(), progress=None),
    "remote.Connect": mcptasks.remote.Connect("https://example.com/mcp", auth=mcptasks.remote.FromEnv("TOKEN")),
    "remote.FromEnv": mcptasks.remote.FromEnv("TOKEN"),
    "store.Keep": mcptasks.store.Keep(results=True),
    "store.QuestionRecord": QUESTION,
    "store.Recovery": mcptasks.store.Recovery[Any](uncertain=(RECORD,), elsewhere=2, candidates=(REFERENCE,)),
    "store.TaskEvent": mcptasks.store.TaskEvent(kind="question", record=RECORD, question=QUESTION),
    "store.TaskRecord": RECORD,
}
"""A sample of each public value."""
OTHERS: Mapping[str, str] = {
    **dict.fromkeys(("Client", "Group", "Task", "TasksExtension", "Store", "store.Store"), "is tied to this process"),
    "store.FernetCodec": "holds keys",
    **dict.fromkeys(("store.Codec", "store.Phase", "remote.Heartbeat"), "is a type"),
    "TtlIgnoredWarning": "is a warning",
    "__version__": "is a string",
    **dict.fromkeys(("as_completed", "gather", "progress", "wait"), "is a function"),
    **dict.fromkeys(("remote.afollow", "remote.arun", "remote.follow", "remote.run"), "is a function"),
}
"""The other public names, and why they have no sample."""


def carried(value: Any) -> dict[str, Any]:
    """All that a value carries, also what its `==` leaves out."""
    fields: Any = getattr(value, "__attrs_attrs__", ())
    if fields:
        return {each.name: getattr(value, each.name) for each in fields}
    held: dict[str, Any] = getattr(value, "__dict__", {})
    return dict(held)


def test_no_public_name_is_left_out() -> None:
    """Each public name of the package is an error, a value with a sample, or has a reason to have none."""
    public = {*HOMES, *BLOCKING_HOMES}
    public |= {f"remote.{name}" for name in mcptasks.remote.__all__}
    public |= {f"store.{name}" for name in mcptasks.store.__all__}
    assert public == {*ERRORS, *VALUES, *OTHERS}


@pytest.mark.parametrize("name", VALUES)
def test_values_travel(name: str) -> None:
    """A value that was pickled or copied is equal, unless its kind compares by identity, and so is each attribute."""
    value = VALUES[name]
    for arrived in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):
        assert type(arrived) is type(value)
        assert arrived == value or type(value).__dict__.get("__eq__") is None
        assert carried(arrived) == carried(value)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_of_a_group_travel(name: str) -> None:
    """An error in whose words a group has named the server keeps these words, its notes and its reference."""
    error = named("search", ERRORS[name]("it went wrong", reference=REFERENCE))
    error.add_note("at the server 'search' of the group")
    arrived: TaskError = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert arrived.message == str(arrived) == "server 'search': it went wrong"
    assert arrived.__notes__ == error.__notes__
    assert arrived.reference == REFERENCE


def test_a_cause_stays_behind() -> None:
    """An error travels without its cause, which may hold whatever another library has put there."""
    error = TaskConnectionError("no answer")
    error.__cause__ = TaskFailedError("why", data=lambda: None)
    arrived = pickle.loads(pickle.dumps(error))
    assert (arrived.message, arrived.__cause__) == ("no answer", None)


def test_functions_for_workers_travel() -> None:
    """The functions that engines send to workers go by their public names."""
    for name in ("afollow", "arun", "follow", "run"):
        function = getattr(mcptasks.remote, name)
        assert pickle.loads(pickle.dumps(function)) is function
        assert b"mcptasks._" not in pickle.dumps(function, 4)
