"""The values that programs see: statuses, references, results. Frozen, without I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias, cast

from attrs import field, frozen
from mcp_types import BlobResourceContents, ContentBlock, TextContent, TextResourceContents

from mcptasks import _html, _plain

Status: TypeAlias = Literal["working", "input_required", "completed", "failed", "cancelled"]
"""The statuses of both protocols."""

Kind: TypeAlias = Literal["tool", "resource", "prompt"]
"""What a task was created from: `tools/call`, `resources/read` or `prompts/get`."""

Era: TypeAlias = Literal["2025-11-25", "2026-07-28"]
"""Which of the two task protocols is spoken."""

ResourceContents: TypeAlias = TextResourceContents | BlobResourceContents
"""One part of a resource: text or a blob."""

STATUSES: tuple[Status, ...] = ("working", "input_required", "completed", "failed", "cancelled")
TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})
KINDS: tuple[Kind, ...] = ("tool", "resource", "prompt")
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")


@frozen(kw_only=True)
class TaskStatus:
    """What a server said of a task at one moment.

    The wire's names (`taskId`, `statusMessage`, `createdAt`, `lastUpdatedAt`, `pollInterval`) are readable too.
    Servers leave out or garble the optional parts; those are None then.
    """

    task_id: str = field(repr=_plain.short)
    """The server's identifier of the task."""
    status: Status
    """"working", "input_required", "completed", "failed" or "cancelled"."""
    status_message: str | None = field(default=None, repr=_plain.short)
    """The server's words on the present state."""
    created_at: datetime | None = None
    """When the server created the task, by its clock."""
    last_updated_at: datetime | None = None
    """When the state last changed, by the server's clock. Some servers put the time of the query here."""
    ttl: timedelta | None = None
    """How long after `created_at` the server keeps the task; None for no limit, or not said."""
    poll_interval: timedelta | None = None
    """How long the server wants clients to wait between two looks."""
    input_requests: Mapping[str, Any] = field(factory=dict[str, Any], repr=_plain.short, hash=False)
    """Open questions by key (2026-07-28), as the server sent them."""
    raw: Mapping[str, Any] = field(factory=dict[str, Any], repr=False, eq=False)
    """The server's own message."""

    @property
    def is_terminal(self) -> bool:
        """Whether the task is over: completed, failed or cancelled."""
        return self.status in TERMINAL

    @property
    def taskId(self) -> str:  # noqa: N802 - the wire's name
        """`task_id` under the wire's name."""
        return self.task_id

    @property
    def statusMessage(self) -> str | None:  # noqa: N802 - the wire's name
        """`status_message` under the wire's name."""
        return self.status_message

    @property
    def createdAt(self) -> datetime | None:  # noqa: N802 - the wire's name
        """`created_at` under the wire's name."""
        return self.created_at

    @property
    def lastUpdatedAt(self) -> datetime | None:  # noqa: N802 - the wire's name
        """`last_updated_at` under the wire's name."""
        return self.last_updated_at

    @property
    def pollInterval(self) -> timedelta | None:  # noqa: N802 - the wire's name
        """`poll_interval` under the wire's name."""
        return self.poll_interval

    def _repr_html_(self) -> str:
        return _html.status_html(self)


@frozen(kw_only=True)
class TaskReference:
    """All that another process needs to take a task up again. It holds no secret and pickles.

    Whether knowing the id is enough to reach the task is the server's decision: most ask for the same credentials.
    """

    task_id: str
    """The server's identifier of the task."""
    kind: Kind | None = None
    """What the task was created from; None if not known."""
    name: str | None = None
    """The tool's or prompt's name, or the resource's URI; None if not known."""
    endpoint: str | None = None
    """Where the server is, without credentials, query or arguments."""
    era: Era | None = None
    """The protocol that the task was created under."""
    expires_at: datetime | None = None
    """When the server may forget the task, by this machine's clock; None if never or not known."""

    def to_dict(self) -> dict[str, Any]:
        """The reference as a mapping of plain values."""
        return {
            "task_id": self.task_id,
            "kind": self.kind,
            "name": self.name,
            "endpoint": self.endpoint,
            "era": self.era,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }

    def to_json(self) -> str:
        """The reference as JSON text, for `from_json` in any process."""
        return json.dumps({key: value for key, value in self.to_dict().items() if value is not None})

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> TaskReference:
        """Read what `to_json` wrote, or the mapping that it holds.

        Raises:
            ValueError: The text is no JSON object, or a field has a value that no reference can have.
        """
        values: Any = source
        if isinstance(source, str | bytes):
            try:
                values = json.loads(source)
            except (ValueError, RecursionError) as exc:
                raise ValueError(
                    f"not a task reference: {source!r:.80} is no JSON; use what to_json() returned"
                ) from exc
        if not isinstance(values, Mapping):
            raise ValueError(f"not a task reference: expected a JSON object, got {values!r:.80}")
        fields = cast("Mapping[str, Any]", values)
        task_id = fields.get("task_id")
        if not isinstance(task_id, str) or not task_id:
            raise ValueError(f"not a task reference: task_id must be a non-empty string, got {task_id!r}")
        for key in ("name", "endpoint", "expires_at"):
            if not isinstance(fields.get(key), str | None):
                raise ValueError(f"not a task reference: {key} must be a string or null, got {fields[key]!r}")
        kind, era, expires_at = fields.get("kind"), fields.get("era"), fields.get("expires_at")
        if kind is not None and kind not in KINDS:
            raise ValueError(f"not a task reference: kind must be one of {', '.join(KINDS)}; got {kind!r}")
        if era is not None and era not in ERAS:
            raise ValueError(f"not a task reference: era must be one of {', '.join(ERAS)}; got {era!r}")
        try:
            expires = None if expires_at is None else datetime.fromisoformat(expires_at)
        except ValueError as exc:
            raise ValueError(f"not a task reference: expires_at is no ISO 8601 time: {expires_at!r}") from exc
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        return cls(
            task_id=task_id,
            kind=kind,
            name=fields.get("name"),
            endpoint=fields.get("endpoint"),
            era=era,
            expires_at=expires,
        )


@frozen(kw_only=True)
class ToolResult:
    """What a tool answered."""

    content: Sequence[ContentBlock] = field(repr=_plain.short)
    """The content blocks, in the server's order."""
    structured_content: Any = field(default=None, repr=_plain.short)
    """The structured value exactly as the server sent it, or None."""
    data: Any = field(default=None, repr=_plain.short)
    """The value itself: validated by `as_type` where that was given; otherwise the structured content with
    FastMCP's `{"result": ...}` wrapping undone; otherwise the text, or None where there is none."""
    is_error: bool = False
    """Whether the tool reports an error."""
    meta: Mapping[str, Any] = field(factory=dict[str, Any], repr=_plain.short)
    """The answer's `_meta`."""

    @property
    def text(self) -> str:
        """All text blocks, joined by newlines."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextContent))

    def _repr_html_(self) -> str:
        return _html.result_html(self)


@frozen(kw_only=True)
class TaskSupport:
    """What the present connection can do with tasks."""

    era: Era
    """Which task protocol the negotiated version belongs to."""
    tools: bool
    """Tool calls can become tasks (in 2025-11-25 the tool has its own say too)."""
    resources: bool
    """Reading a resource can become a task."""
    prompts: bool
    """Getting a prompt can become a task."""
    cancel: bool
    """`tasks/cancel` is offered."""
    list: bool
    """`tasks/list` is offered."""
    push: bool | None
    """Whether the server pushes statuses; None until that is known."""
