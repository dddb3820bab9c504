"""Homes of users, and servers for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from mcptasks.testing import (
    Complete,
    NeedInput,
    Options,
    Progress,
    ProtocolFailure,
    TaskServer,
    ToolFailure,
    Working,
    elicit,
    elicit_url,
    serve_http,
)
from tests.helpers.command_line import home, stand_ins, warm

__all__ = ["home", "stand_ins", "warm"]

Era = Literal["modern", "legacy"]

FORM: dict[str, dict[str, Any]] = {
    "month": {"type": "integer", "minimum": 1, "maximum": 12, "title": "Month", "description": "Which month to report"},
    "format": {"type": "string", "enum": ["pdf", "html"], "default": "pdf"},
    "sure": {"type": "boolean"},
}
EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\\x1b[2J\x1b[1;1H\x9b2J\u202eevil\u200b\u2066"
"""Writes a clipboard, makes a link, clears the screen, turns the direction of text, and hides."""


@pytest.fixture(params=["modern", "legacy"])
def era(request: pytest.FixtureRequest) -> Era:
    """The protocol of the server."""
    found: Era = request.param
    return found


@pytest.fixture
def server(era: Era) -> TaskServer:
    """A server whose tools behave in every way that matters to a person."""
    server = TaskServer("mine", era=era, options=Options(poll_interval_ms=50))
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}},
        "required": ["n"],
    }
    server.add_tool(
        "typed", lambda given: [Complete(given, after=0.01)], input_schema=schema, description="Says it again."
    )
    server.add_tool("long", [Working("on its way")])
    server.add_tool("short", [Progress(1, 2, "half"), Working("nearly there"), Complete("done", after=0.2)])
    server.add_tool("add", support="none", result=3)
    server.add_tool("fails", [ToolFailure("no such month", after=0.01)])
    server.add_tool("breaks", [ProtocolFailure(-32000, "out of order", after=0.01)])
    question = elicit("Which month?", FORM, ["month"])
    server.add_tool("ask", [NeedInput({"q": question}, "Which month?"), Complete({"ok": True})])
    server.add_tool("page", [NeedInput({"q": elicit_url("Sign in", "https://login.example/x", "e1")}), Complete("in")])
    server.add_tool("evil", [Working(EVIL), Complete(EVIL, after=0.1)], description=EVIL)
    server.add_tool("evilly", [ToolFailure(EVIL, after=0.01)])
    server.add_tool("evilask", [NeedInput({EVIL: elicit(EVIL, {EVIL: {"type": "string", "title": EVIL}})}, EVIL)])
    return server


@pytest.fixture
def url(server: TaskServer) -> Iterator[str]:
    """Where the server is."""
    with serve_http(server) as found:
        yield found
