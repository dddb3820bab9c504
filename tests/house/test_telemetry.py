"""OpenTelemetry is imported by one module, and by nobody before a client is opened; its names are what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext

from opentelemetry.sdk.trace import TracerProvider

from mcptasks._telemetry import names
from tests.helpers.orphans import Orphans
from tests.helpers.source_tree import MODULES, ROOT, imports_of, parse, top

# The names of the conventions for MCP that are used here: semantic-conventions-genai, docs/gen-ai/mcp.md.
CONVENTIONS = {
    "mcp.method.name",
    "mcp.protocol.version",
    "gen_ai.operation.name",
    "gen_ai.tool.name",
    "gen_ai.prompt.name",
    "rpc.response.status_code",
    "error.type",
    "server.address",
    "server.port",
    "network.transport",
    "mcp.client.operation.duration",
}

LOADED = """
import sys
import {package}
{more}
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def loaded(package: str, more: str = "") -> str:
    """The modules of OpenTelemetry that a fresh Python has loaded."""
    program = LOADED.format(package=package, more=more)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    ).stdout


def test_one_module_imports_it() -> None:
    """Only the recorder knows OpenTelemetry, and only its API."""
    found = {
        (name, each.target)
        for name, path in MODULES.items()
        for each in imports_of(parse(path))
        if top(each.target) == "opentelemetry"
    }
    assert {name for name, _ in found} == {"_telemetry.recorder"}
    assert not [target for _, target in found if target.startswith("opentelemetry.sdk")]


def test_imports_bring_nothing_new() -> None:
    """`import mcptasks` loads nothing of OpenTelemetry, and an engine only what `mcp` loads itself."""
    assert loaded("mcptasks").strip() == "[]"
    assert loaded("mcptasks", "mcptasks.Client, mcptasks.Telemetry; import mcptasks._engine.engine") == loaded("mcp")


def test_names_are_of_the_conventions_or_ours() -> None:
    """Each name that is not of the conventions has our prefix, so that it means nothing else to anybody."""
    told = {
        value
        for name, value in vars(names).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", value)
    }
    assert {value for value in told if not value.startswith("mcptasks.")} == CONVENTIONS


def started(name: str, *, by_server: bool = False, below: bool = False) -> list[str]:
    """What `nox -s traces` finds wrong with a span that starts."""
    found = Orphans()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(found)
    tracer = provider.get_tracer("x")
    with tracer.start_as_current_span("program") if below else nullcontext():
        start = {"__name__": "mcptasks.testing.x"} if by_server else {"__name__": "mcptasks._engine"}
        exec("start(name)", {**start, "start": tracer.start_span, "name": name})
    return found.found


def test_orphans_are_found() -> None:
    """`nox -s traces` fails if a request of a client's own starts a trace, or a handler does. What a program asks for
    may start one, and so may what a test's server sends."""
    for name in ("MCP send tasks/get", "MCP send subscriptions/listen", "MCP send initialize", "elicitation ask"):
        assert len(started(name)) == 1, name
        assert not started(name, below=True)
    assert not started("MCP send tasks/get", by_server=True)
    asked = ("MCP send tools/call report", "MCP send tasks/list", "MCP send ping")
    for name in (*asked, "tools/call report", "tasks/get", "task.result"):
        assert not started(name), name
