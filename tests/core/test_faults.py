"""What a failed request means: the action and the meaning of each error that was seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptasks._core.faults import Fault, broke_off, broken, judge, no_connection, nonsense, of_status, too_large
from tests.helpers.samples import json_values

CODES = {
    "connection closed": -32000,
    "request timeout": -32001,
    "capability": -32021,
    "parse": -32700,
    "invalid params": -32602,
    "method": -32601,
    "internal": -32603,
    "own": -32050,
    "zero": 0,
}


@pytest.mark.parametrize(
    ("code", "action", "meaning", "patient"),
    [
        ("connection closed", "retry", "connection", False),
        ("request timeout", "retry", "connection", False),
        ("parse", "retry", "protocol", True),
        ("internal", "retry", "server_error", True),
        ("invalid params", "raise", "unknown_task", False),
        ("method", "raise", "protocol", False),
        ("capability", "raise", "protocol", False),
        ("own", "raise", "server_error", False),
        ("zero", "raise", "server_error", False),
    ],
)
@pytest.mark.parametrize("data", [None, {}, [], "x", {"requiredCapabilities": {}}])
def test_json_rpc_errors(code: str, action: str, meaning: str, patient: bool, data: Any) -> None:
    """An error of JSON-RPC is judged by its code, whatever the server attached."""
    fault = judge(CODES[code], "words", data)
    assert (fault.action, fault.meaning, fault.patient) == (action, meaning, patient)
    # -32000 and -32001 are an outage only in the words of an SDK.
    prefix = "the server answered with an error: " if CODES[code] in (-32000, -32001) else ""
    assert fault.reason == f"{prefix}words"
    assert (fault.retry_after, fault.sent) == (None, True)


@pytest.mark.parametrize("code", [-32000, -32001, -32002])
@pytest.mark.parametrize(
    "words",
    [
        *("Task not found", "Failed to retrieve task: Task not found", "not found", "Unknown task: session-7"),
        *("no such task", "Task t-1 does not exist", "task has expired", "Expired", "The tool's task was purged"),
        *("unknown task id", "No task with this id", "TASK NOT FOUND", "Task id is no longer valid"),
    ],
)
def test_words_for_an_unknown_task(code: int, words: str) -> None:
    """Servers have several codes for a task that they do not know; the words say that this is meant."""
    fault = judge(code, words, None)
    assert (fault.action, fault.meaning, fault.reason) == ("raise", "unknown_task", words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        *((code, words) for code in (-32000, -32001) for words in ("Session not found", "unknown session", "busy")),
        *((-32000, words) for words in ("token expired", "Unknown method", "host not found", "Connection closed")),
        (-32603, "file not found"),
        (-32601, "Unknown task"),
        (-32700, "Unknown task"),
    ],
)
def test_words_for_something_else(code: int, words: str) -> None:
    """What is said of a session, a method or a token is not said of a task, and some codes mean one thing only."""
    assert judge(code, words, None).meaning != "unknown_task"


@given(st.text(max_size=200_000), st.sampled_from([-32000, -32001, -32002, -32603]))
@settings(max_examples=50)
def test_words_of_any_length(words: str, code: int) -> None:
    """However long the words are, the reason ends with them."""
    assert judge(code, words, None).reason.endswith(words)


@pytest.mark.parametrize(("code", "reason"), [(-32000, "connection closed"), (-32001, "no answer in time")])
def test_errors_without_words(code: int, reason: str) -> None:
    """An outage has words even where the error has none."""
    assert judge(code, "", None).reason == reason


@pytest.mark.parametrize("fault", [no_connection("x"), broken("x"), nonsense("x"), too_large("x", 5)])
@pytest.mark.parametrize("code", [-32603, -32602, -32601, -32000])
def test_faults_of_our_own(fault: Fault, code: int) -> None:
    """A fault that our own transport has found decides, not the code that it travels under."""
    assert judge(code, "words", fault) is fault
    assert broke_off(code, "words", fault)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (broken("x"), "the request may or may not have reached the server"),
        (no_connection("x"), "the request did not reach the server"),
        (
            Fault(action="raise", meaning="connection", reason="x", sent=False, status=401),
            "the server refused the request before the work began",
        ),
    ],
)
def test_what_became_of_a_request(fault: Fault, words: str) -> None:
    """A fault says whether the work can have begun."""
    assert fault.whereabouts == words


@pytest.mark.parametrize(
    ("status", "words", "code", "action"),
    [
        *((status, "", None, "reopen") for status in (401, 403, 404)),
        *((status, "no valid Session ID", None, "reopen") for status in (400, 409, 410, 422)),
        (400, "server not initialized", None, "reopen"),
        *((400, "", code, "reopen") for code in (-32000, -32001)),
        (400, "", -32600, "raise"),
        (400, "bad request", None, "raise"),
        (402, "session", -32000, "raise"),
        (410, "", None, "retry"),
        (503, "session", None, "retry"),
    ],
)
def test_status_for_an_unknown_session(status: int, words: str, code: int | None, action: str) -> None:
    """A response in a session that may mean that the server does not know the session leads to a new one; outside of a
    session it does not."""
    assert of_status(status, "x", in_session=True, words=words, code=code).action == action
    assert of_status(status, "x", in_session=False, words=words, code=code).action != "reopen"


@pytest.mark.parametrize(
    ("code", "message", "data", "expected"),
    [
        (-32001, "Timed out", None, True),
        (-32001, "Request 'tasks/get' timed out", None, True),
        (-32001, "", None, True),
        (-32001, "Task not found", None, False),
        (-32700, "Failed to parse", None, True),
        (-32000, "Connection closed", None, True),
        (-32000, "SSE stream ended without a response", None, True),
        (-32000, "the tool is on holiday", None, False),
        (-32000, "", None, False),
        (-32603, "boom", None, False),
        (-32602, "unknown task", {"x": 1}, False),
    ],
)
def test_broke_off(code: int, message: str, data: Any, expected: bool) -> None:
    """A server's own error is told from an answer that is missing; -32000 is both, so its words count."""
    assert broke_off(code, message, data) is expected


@settings(max_examples=40)
@given(st.integers(), st.text(), json_values)
def test_any_error_is_judged(code: int, message: str, data: Any) -> None:
    """Whatever a server sends as an error has a meaning."""
    assert isinstance(judge(code, message, data), Fault)
    assert isinstance(broke_off(code, message, data), bool)


@pytest.mark.parametrize(
    ("status", "session", "words", "code", "action", "sent", "patient"),
    [
        (503, False, "", None, "retry", True, False),
        (429, True, "", None, "retry", True, False),
        (500, False, "", None, "retry", True, False),
        (404, False, "", None, "retry", False, True),
        (410, False, "", None, "retry", True, True),
        (400, False, "", None, "raise", True, False),
        (401, False, "", None, "raise", False, False),
        (403, False, "", None, "raise", False, False),
        (413, False, "", None, "raise", False, False),
        (501, False, "", None, "raise", True, False),
        (404, True, "", None, "reopen", True, False),
        (404, True, "Session not found", -32001, "reopen", False, False),
        (400, True, "Bad Request: No valid session ID provided", -32000, "reopen", False, False),
        (400, True, "Bad Request: Server not initialized", -32000, "reopen", False, False),
        (400, True, "Missing session ID", -32600, "reopen", False, False),
        (400, True, "Session expired", None, "reopen", True, False),
        (400, True, "Parse error", -32700, "raise", True, False),
        (401, True, "", None, "reopen", True, False),
        (503, True, "", None, "retry", True, False),
    ],
)
def test_statuses(
    status: int, session: bool, words: str, code: int | None, action: str, sent: bool, patient: bool
) -> None:
    """An outage is waited for; a session that the server does not know, in whichever words, is made again; a refusal
    is told, with whether the work can have begun."""
    fault = of_status(status, f"HTTP {status}", in_session=session, words=words, code=code, wait=3.0)
    assert (fault.action, fault.sent, fault.patient) == (action, sent, patient)
    assert (fault.status, fault.retry_after, fault.meaning) == (status, 3.0, "connection")
    assert fault.reason == (f"HTTP {status}: {words}" if words else f"HTTP {status}")
