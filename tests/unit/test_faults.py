"""What a failed request means: the action and the meaning of each error that was seen."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptasks._faults import GUARD_KEY, Fault, broke_off, judge
from tests.unit.samples import json_values

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
@pytest.mark.parametrize("data", [None, {}, [], "x", {"requiredCapabilities": {}}, {GUARD_KEY: None}, {GUARD_KEY: 1}])
def test_json_rpc_errors(code: str, action: str, meaning: str, patient: bool, data: Any) -> None:
    """An error of JSON-RPC is judged by its code, whatever the server attached."""
    fault = judge(CODES[code], "words", data)
    assert (fault.action, fault.meaning, fault.patient, fault.reason) == (action, meaning, patient, "words")
    assert (fault.retry_after, fault.sent) == (None, True)


@pytest.mark.parametrize(("code", "reason"), [(-32000, "connection closed"), (-32001, "no answer in time")])
def test_errors_without_words(code: int, reason: str) -> None:
    """An outage has words even where the error has none."""
    assert judge(code, "", None).reason == reason


@pytest.mark.parametrize(
    ("guard", "action", "patient"),
    [
        ({"status": None}, "retry", False),
        ({"status": 408}, "retry", False),
        ({"status": 425}, "retry", False),
        ({"status": 429}, "retry", False),
        ({"status": 500}, "retry", False),
        ({"status": 502}, "retry", False),
        ({"status": 503}, "retry", False),
        ({"status": 504}, "retry", False),
        ({"status": 404, "session": True}, "reopen", False),
        ({"status": 404}, "retry", True),
        ({"status": 410}, "retry", True),
        ({"status": 400}, "raise", False),
        ({"status": 401}, "raise", False),
        ({"status": 403}, "raise", False),
        ({"status": 405}, "raise", False),
        ({"status": 501}, "raise", False),
        ({"status": 503, "session": True}, "retry", False),
    ],
)
@pytest.mark.parametrize("code", [-32603, -32602, -32601])
def test_http_statuses(guard: dict[str, Any], action: str, patient: bool, code: int) -> None:
    """Where the HTTP status is known it decides, not the code: outages are waited for, a lost session is made
    again, a refusal is told."""
    fault = judge(code, "HTTP", {GUARD_KEY: guard})
    assert (fault.action, fault.patient, fault.meaning, fault.reason) == (action, patient, "connection", "HTTP")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), (3, 3.0), (0.5, 0.5), (0, 0.0), ("3", None), ([3], None), ({}, None)]
)
@pytest.mark.parametrize("status", [503, 404])
def test_retry_after(value: Any, expected: float | None, status: int) -> None:
    """The server's wish to wait is handed on where it is a number."""
    assert judge(-32603, "HTTP", {GUARD_KEY: {"status": status, "retry_after": value}}).retry_after == expected


@pytest.mark.parametrize(("guard", "sent"), [({}, True), ({"sent": True}, True), ({"sent": False}, False)])
def test_never_sent(guard: dict[str, Any], sent: bool) -> None:
    """A request counts as sent unless it certainly was not; an HTTP status proves that it was."""
    assert judge(-32603, "x", {GUARD_KEY: {"status": None, **guard}}).sent is sent
    assert judge(-32603, "x", {GUARD_KEY: {"status": 503, **guard}}).sent is True


@pytest.mark.parametrize(
    ("code", "message", "data", "expected"),
    [
        (-32001, "Timed out", None, True),
        (-32700, "Failed to parse", None, True),
        (-32000, "Connection closed", None, True),
        (-32000, "SSE stream ended without a response", None, True),
        (-32000, "the tool is on holiday", None, False),
        (-32000, "", None, False),
        (-32603, "boom", None, False),
        (-32602, "unknown task", {"x": 1}, False),
        (-32603, "HTTP 503", {GUARD_KEY: {"status": 503}}, True),
        (-32602, "HTTP 404", {GUARD_KEY: {}}, True),
    ],
)
def test_broke_off(code: int, message: str, data: Any, expected: bool) -> None:
    """A server's own error is told from an answer that is missing; -32000 is both, so its words count."""
    assert broke_off(code, message, data) is expected


FORGED: list[Any] = [
    {"status": 503, "retry_after": 60},
    {"status": 404, "session": True},
    {"status": None, "sent": False},
    {"status": None},
    {},
]


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("code", [-32603, -32602, -32601, -32050, -32000])
def test_servers_cannot_forge_the_guard(code: int, forged: dict[str, Any]) -> None:
    """What a server writes under a name like our HTTP client's is data of an ordinary error: it makes nothing be sent
    again, waited for or reopened."""
    data = {"mcptasks/http": forged}
    assert judge(code, "busy", data) == judge(code, "busy", None)
    assert judge(code, "busy", data).sent
    assert not broke_off(code, "busy", data)


def test_guard_differs_from_process_to_process() -> None:
    """The name that our HTTP client writes under is made anew in each process, so that none learns another's."""
    spec = importlib.util.find_spec("mcptasks._faults")
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    assert other.GUARD_KEY != GUARD_KEY
    assert judge(-32050, "busy", {other.GUARD_KEY: {"status": None, "sent": False}}).sent


@pytest.mark.parametrize(
    "guard",
    [
        {"status": []},
        {"status": {}},
        {"status": "503"},
        {"status": 10**400},
        {"status": 503, "retry_after": 10**400},
        {"status": 503, "retry_after": []},
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_odd_guards(guard: dict[str, Any]) -> None:
    """A status or a wait that is no number counts as not known."""
    fault = judge(-32603, "x", {GUARD_KEY: guard})
    assert (fault.action, fault.meaning, fault.retry_after, fault.sent) == ("retry", "connection", None, True)


@settings(max_examples=40)
@given(st.integers(), st.text(), json_values)
def test_any_error_is_judged(code: int, message: str, data: Any) -> None:
    """Whatever a server sends as an error has a meaning."""
    assert isinstance(judge(code, message, data), Fault)
    assert isinstance(broke_off(code, message, data), bool)
