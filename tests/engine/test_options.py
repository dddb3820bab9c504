"""A client's options: what is checked, in which order, and what the checks make of it."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from mcp.server.mcpserver import MCPServer

from mcptasks import BY_HAND, Client, HostTasks, Patience, PollingPolicy, Telemetry
from mcptasks._async import parts
from mcptasks._async.store import access_of
from mcptasks._engine.options import GivenStore
from mcptasks._transport import targets
from mcptasks._transport.targets import Options, Target
from mcptasks._wire.versions import Terms
from mcptasks.store import Store

URL = "https://example.com/mcp"
OLD_VERSION = "2025-06-18"

FAULTS: list[tuple[str, Any, type[Exception], str]] = [
    ("server", "", ValueError, "server must not be empty"),
    ("polling", 5, TypeError, "polling must be a PollingPolicy, got an int"),
    ("roots", [7], TypeError, "roots[0] must be a path, a file:// URI or a Root object, not int"),
    ("max_answer_size", 0, ValueError, "max_answer_size must be 1 or more; got 0"),
    ("endpoint", "", ValueError, "endpoint must be a name that can be shown; it has no characters"),
    ("headers", {}, ValueError, "headers= has no meaning for a server object or a transport"),
    ("mode", 5, TypeError, "mode must be one of auto, legacy, "),
    ("mode", OLD_VERSION, ValueError, f"mode='{OLD_VERSION}' has no meaning for an MCPServer object"),
    ("elicitation_handler", 5, TypeError, "elicitation_handler must be callable, got an int"),
    ("sampling_handler", "x", TypeError, "sampling_handler must be callable, got a str"),
    ("log_handler", BY_HAND, TypeError, "log_handler must be callable, got a ByHand"),
    ("timeout", 0, ValueError, "timeout must be a finite number of seconds, more than 0; got 0"),
    ("reconnect_timeout", 0, ValueError, "reconnect_timeout must be a finite number of seconds, more than 0; got 0"),
    ("wait_for_server", -1, ValueError, "wait_for_server must be a finite number of seconds, 0 or more; got -1"),
    ("wait_for_server", 5, ValueError, "wait_for_server= is for URLs: it has no meaning for in-process:s"),
    ("host_tasks", 5, TypeError, "host_tasks must be True, False or HostTasks(...), got 5"),
    ("host_tasks", True, ValueError, "host_tasks needs a handler that answers: give elicitation_handler or "),
    ("store", 5, TypeError, "store must be a Store, a path or a postgresql:// URL, not int"),
    ("telemetry", True, TypeError, "telemetry must be a Telemetry, False or None, got a bool"),
    ("patience", 5, TypeError, "patience must be a Patience, got an int"),
]
"""An option, a value that cannot be right for an `MCPServer` object, and the error: in the order of the checks."""


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[f"{name}-{value}" for name, value, *_ in FAULTS])
def test_the_first_fault_is_raised(first: int) -> None:
    """Of several options that cannot be right, the error is about the one whose check comes first."""
    name, value, kind, words = FAULTS[first]
    options = {name: value for name, value, *_ in FAULTS[first:]} | {name: value}
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(MCPServer("s"), **options)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(words)


def answer(context: Any, params: Any) -> None:
    """Declines."""


def log(params: Any) -> None:
    """Drops the message."""


STORE = Store.memory()
FOR_TARGETS: dict[str, Any] = {
    "headers": {"x": "1"},
    "auth": "token",
    "http_client": object(),
    "env": {"X": "1"},
    "cwd": "/srv",
    "server": "a",
    "endpoint": "billing",
    "max_answer_size": 7,
}
FOR_CLIENTS: dict[str, Any] = {
    "mode": OLD_VERSION,
    "timeout": 3,
    "elicitation_handler": answer,
    "sampling_handler": BY_HAND,
    "roots": ["/srv"],
    "log_handler": log,
    "host_tasks": True,
    "polling": PollingPolicy(jitter=0.5),
    "reconnect_timeout": timedelta(minutes=2),
    "wait_for_server": timedelta(seconds=9),
    "store": STORE,
    "telemetry": Telemetry(polls=True),
    "patience": Patience(rounds=3, raises=True),
}


def test_each_option_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter of `Client` arrives under its own name: durations in seconds, a store as what works with it."""
    parameters = dict(inspect.signature(Client).parameters)
    assert {*FOR_TARGETS, *FOR_CLIENTS} == parameters.keys() - {"target"}
    resolved: list[tuple[Any, Options]] = []

    def resolve(target: Any, options: Options) -> Target:
        resolved.append((target, options))
        return targets.resolve(target, Options())  # No kind of target takes all options.

    monkeypatch.setattr(parts, "resolve", resolve, raising=False)
    options = Client(URL, **FOR_TARGETS, **FOR_CLIENTS)._options
    assert resolved == [(URL, Options(**FOR_TARGETS))]
    read = {"reconnect_timeout": 120.0, "wait_for_server": 9.0, "store": GivenStore(access_of(STORE), own=False)}
    assert {name: getattr(options, name) for name in FOR_CLIENTS} == {**FOR_CLIENTS, **read}


def test_what_the_checks_find() -> None:
    """What follows from several options is worked out once, where they are checked."""
    options = Client(URL, endpoint="billing", **FOR_CLIENTS)._options
    assert (options.target.endpoint, options.target.lasting) == ("billing", True)
    assert options.terms == Terms(mode="legacy", offered=OLD_VERSION)
    assert options.opening_wait == 9.0
    # What is answered by hand is not hosted: nobody is there who would answer.
    assert options.hosting == HostTasks(kinds=("elicitation",))
    assert options.log_callbacks.keys() == {"logging_callback", "log_level"}


def test_what_the_checks_find_by_default() -> None:
    """A client without options polls by the usual policy, waits for no server, and hosts and logs nothing."""
    options = Client(["server"])._options
    assert options.polling == PollingPolicy()
    assert (options.timeout, options.reconnect_timeout, options.opening_wait) == (None, 60.0, None)
    assert Client(URL, wait_for_server=0)._options.opening_wait is None
    assert (options.hosting, options.log_callbacks, options.store) == (None, {}, None)
    assert options.telemetry == Telemetry()
    assert Client(URL, telemetry=False)._options.telemetry is None


def test_a_path_is_a_store_of_the_clients_own(tmp_path: Path) -> None:
    """Whoever gives a path in place of a store has nothing to close: the client does."""
    for target in (tmp_path / "tasks.db", str(tmp_path / "tasks.db")):
        given = Client(URL, store=target)._options.store
        assert given is not None
        assert given.own
        assert given.access.backend.place == str(tmp_path / "tasks.db")


def test_options_are_frozen() -> None:
    """Nothing changes an option after its check."""
    options = Client(["server"])._options
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(options, "timeout", -1)  # noqa: B010 - type checkers know it too
