"""The names of spans, attributes and metrics.

Names without the prefix `mcptasks.` are those of the OpenTelemetry conventions for MCP (semantic-conventions-genai,
docs/gen-ai/mcp.md, status Development). The conventions say nothing of tasks, so names for tasks are our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import frozen

from mcptasks._core.models import Kind

SCOPE = "mcptasks"

METHODS: Mapping[Kind, str] = {"tool": "tools/call", "resource": "resources/read", "prompt": "prompts/get"}

# --- attributes of the conventions
METHOD = "mcp.method.name"
PROTOCOL = "mcp.protocol.version"
OPERATION = "gen_ai.operation.name"
TOOL = "gen_ai.tool.name"
PROMPT = "gen_ai.prompt.name"
STATUS_CODE = "rpc.response.status_code"
ERROR = "error.type"
ADDRESS = "server.address"
PORT = "server.port"
TRANSPORT = "network.transport"

# --- attributes of ours
TASK_ID = "mcptasks.task.id"
STATUS = "mcptasks.task.status"
INPUT_WAIT = "mcptasks.task.input_wait_s"
POLLS = "mcptasks.task.polls"
PUSHES = "mcptasks.task.pushes"
ROUNDS = "mcptasks.task.rounds"
TAKEOVERS = "mcptasks.task.takeovers"
KIND = "mcptasks.look.kind"
OUTCOME = "mcptasks.outcome"
LEASE_EVENT = "mcptasks.lease.event"

# --- attributes of measurements
POLLED = ((KIND, "poll"), (OUTCOME, "answered"))
POLL_FAILED = ((KIND, "poll"), (OUTCOME, "failed"))
PUSHED = ((KIND, "push"), (OUTCOME, "answered"))
FETCHED = ((KIND, "result"), (OUTCOME, "answered"))
SUCCEEDED = ((OUTCOME, "succeeded"),)
FAILED = ((OUTCOME, "failed"),)
CANCELLED = ((OUTCOME, "cancelled"),)

# --- metrics
OPERATION_DURATION = "mcp.client.operation.duration"
TASK_DURATION = "mcptasks.task.duration"
TASK_ACTIVE = "mcptasks.task.active"
TASK_UNCERTAIN = "mcptasks.task.uncertain"
TASK_TAKEOVERS = TAKEOVERS
INPUT_DURATION = "mcptasks.input.wait"
LOOKS = "mcptasks.looks"
RECONNECTS = "mcptasks.reconnects"
LEASE = "mcptasks.lease"
COMMIT_DURATION = "mcptasks.store.commit.duration"

OPERATION_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bucket boundaries in seconds. Source: the conventions, "Metric: mcp.client.operation.duration"."""
TASK_BUCKETS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0)
"""Bucket boundaries in seconds: tasks take from a tenth of a second to a day."""
COMMIT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Bucket boundaries in seconds: a disk needs milliseconds; a database that is locked or far away needs more, up to 30
s."""

MOST_TOOLS = 256
"""How many tool names the metrics of one client show; further names are shown as `OTHER`. Each name makes new time
series at the receiver."""
OTHER = "_OTHER"
"""The conventions' word for all values that are not listed one by one."""


class ToolNames:
    """The tool names that one client's metrics show: the first `MOST_TOOLS` that occur."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def shown(self, name: str) -> str:
        """The name, or `OTHER` if there are too many."""
        if name in self._known:
            return name
        if len(self._known) >= MOST_TOOLS:
            return OTHER
        self._known.add(name)
        return name


@frozen
class Server:
    """A server, as spans and metrics name it."""

    address: str | None = None
    port: int | None = None
    transport: str | None = None

    @property
    def attributes(self) -> dict[str, str | int]:
        """The attributes that are known."""
        known = {ADDRESS: self.address, PORT: self.port, TRANSPORT: self.transport}
        return {name: value for name, value in known.items() if value is not None}


def server_of(endpoint: str, *, in_process: bool) -> Server:
    """Read a server's name.

    Args:
        endpoint: The name, as errors show it: a URL without secrets, a command, or a name of the program's own.
        in_process: Whether the server is an object of this process.
    """
    if in_process:
        return Server()
    try:
        parts = urlsplit(endpoint)
        address, port = parts.hostname, parts.port
    except ValueError:  # The program's own name for the server may be anything.
        return Server()
    if parts.scheme not in ("http", "https"):
        return Server()
    return Server(address, port or (443 if parts.scheme == "https" else 80), "tcp")


def span_name(what: str, name: str | None) -> str:
    """The name of a span: what happens, and to which tool or prompt."""
    return what if name is None else f"{what} {name}"


def subject(kind: Kind | None, name: str | None) -> dict[str, str]:
    """The attribute that names a tool or prompt. A resource's URI may hold secrets, and is left out."""
    if name is None or kind not in ("tool", "prompt"):
        return {}
    return {TOOL if kind == "tool" else PROMPT: name}
