"""A scriptable MCP task server for tests: in process, over stdio and over HTTP, on asyncio and on trio.

`TaskServer` is the server; `serve_http` puts one on a loopback port, `serve_stdio` on stdin and stdout, and
`demo_server` makes one with a bit of everything. Scripts are made of `Working`, `Progress`, `NeedInput`,
`Complete`, `ToolFailure`, `ProtocolFailure`, `Cancelled` and `Forgotten`; faults are `Delay`, `RpcError`, `Drop`,
`Garbage`, `ForgetTask`, `Restart` and, over HTTP, `HttpStatus`, `HttpBody`, `Truncate`, `Disconnect` and
`NoHttpAnswer`. See docs/testing.md.

    __main__.py       `python -m mcptasks.testing`: the demonstration server
    pytest_plugin.py  fixtures for programs that are tested against a task server
    _server.py        `TaskServer`
    _answering.py     answers one request: in the request's protocol, with the planned faults of the protocol
    _engine.py        the server without the wire: its options, its books, its listeners
    _offers.py        the tools, resources and prompts that the server offers
    _script.py        the vocabulary of scripts
    _jobs.py          the work behind tasks: scripts played, tool functions run
    _tasks.py         a task as a handle that a test steers
    _questions.py     a task's input requests: asked, sent, listed again
    _endings.py       the steps that end a task, as states
    _taskbook.py      the tasks by id
    _callbook.py      calls of 2026-07-28 that wait for answers
    _state.py         a task's state, and its JSON in each protocol
    _results.py       from the plain values of a script to results on the wire
    _legacy.py        the 2025-11-25 side
    _modern.py        the 2026-07-28 side
    _wire.py          the parts that both sides share
    _asking.py        requests of the server to a 2025-11-25 client
    _declared.py      which input requests a client declares to support
    _faults.py        faults as values
    _asgi.py          the server as an ASGI app, with the planned faults of HTTP
    _http.py          serves over HTTP from a thread
    _stdio.py         serves over stdin and stdout, whole lines only
    _requests.py      the record of requests that clients sent
    _demo_server.py   a server with one of everything
    _bell.py          waiting that works between threads and event loops
    _deadline.py      a deadline that works on any event loop
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcptasks.testing._asgi import TaskServerApp
    from mcptasks.testing._demo_server import demo_server
    from mcptasks.testing._engine import Era, Options
    from mcptasks.testing._faults import (
        Delay,
        Disconnect,
        Drop,
        Fault,
        FaultBook,
        FaultRule,
        ForgetTask,
        Garbage,
        HttpBody,
        HttpStatus,
        NoHttpAnswer,
        Restart,
        RpcError,
        Truncate,
    )
    from mcptasks.testing._http import serve_http
    from mcptasks.testing._jobs import ToolContext
    from mcptasks.testing._requests import ReceivedRequest, RequestLog
    from mcptasks.testing._script import (
        ABSENT,
        Cancelled,
        Complete,
        Forgotten,
        NeedInput,
        Progress,
        ProtocolFailure,
        RawResult,
        ToolFailure,
        Working,
        elicit,
        elicit_url,
        list_roots,
        sample,
    )
    from mcptasks.testing._server import TaskServer
    from mcptasks.testing._state import TaskState
    from mcptasks.testing._stdio import serve_stdio
    from mcptasks.testing._taskbook import TaskBook
    from mcptasks.testing._tasks import ServerTask

__all__ = [
    "ABSENT",
    "Cancelled",
    "Complete",
    "Delay",
    "Disconnect",
    "Drop",
    "Era",
    "Fault",
    "FaultBook",
    "FaultRule",
    "ForgetTask",
    "Forgotten",
    "Garbage",
    "HttpBody",
    "HttpStatus",
    "NeedInput",
    "NoHttpAnswer",
    "Options",
    "Progress",
    "ProtocolFailure",
    "RawResult",
    "ReceivedRequest",
    "RequestLog",
    "Restart",
    "RpcError",
    "ServerTask",
    "TaskBook",
    "TaskServer",
    "TaskServerApp",
    "TaskState",
    "ToolContext",
    "ToolFailure",
    "Truncate",
    "Working",
    "demo_server",
    "elicit",
    "elicit_url",
    "list_roots",
    "sample",
    "serve_http",
    "serve_stdio",
]

# Loaded on first use, so that `python -m mcptasks.testing --help` does not wait for the SDK.
_HOMES = {
    "_asgi": ("TaskServerApp",),
    "_demo_server": ("demo_server",),
    "_engine": ("Era", "Options"),
    "_faults": (
        *("Delay", "Disconnect", "Drop", "Fault", "FaultBook", "FaultRule", "ForgetTask", "Garbage"),
        *("HttpBody", "HttpStatus", "NoHttpAnswer", "Restart", "RpcError", "Truncate"),
    ),
    "_http": ("serve_http",),
    "_jobs": ("ToolContext",),
    "_requests": ("ReceivedRequest", "RequestLog"),
    "_script": (
        *("ABSENT", "Cancelled", "Complete", "Forgotten", "NeedInput", "Progress", "ProtocolFailure"),
        *("RawResult", "ToolFailure", "Working", "elicit", "elicit_url", "list_roots", "sample"),
    ),
    "_server": ("TaskServer",),
    "_state": ("TaskState",),
    "_stdio": ("serve_stdio",),
    "_taskbook": ("TaskBook",),
    "_tasks": ("ServerTask",),
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it."""
    for home, names in _HOMES.items():
        if name in names:
            value: Any = getattr(importlib.import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
