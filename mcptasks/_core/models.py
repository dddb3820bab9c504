"""The values that programs see: statuses, references, results. Frozen, without I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast

from attrs import field, fields, frozen
from mcp_types import BlobResourceContents, ContentBlock, TextResourceContents

from mcptasks._core import safe_text, sendable
from mcptasks._core.content import block_text
from mcptasks._core.progress import TaskProgress

if TYPE_CHECKING:
    # Type checkers bring this module along. The default is for them alone; `typing.TypeVar` has it from 3.13 on.
    from typing_extensions import TypeVar

    DataT = TypeVar("DataT", default=Any)
    DataT_co = TypeVar("DataT_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    DataT = TypeVar("DataT")
    DataT_co = TypeVar("DataT_co", covariant=True)

Status: TypeAlias = Literal["working", "input_required", "completed", "failed", "cancelled"]
"""The statuses of both protocols."""

TaskOutcome: TypeAlias = Literal["succeeded", "failed", "cancelled"]
"""How the work of a task ended."""

Kind: TypeAlias = Literal["tool", "resource", "prompt"]
"""What a task was created from: `tools/call`, `resources/read` or `prompts/get`."""

Era: TypeAlias = Literal["2025-11-25", "2026-07-28"]
"""The version of one of the two task protocols."""

ResourceContents: TypeAlias = TextResourceContents | BlobResourceContents | Mapping[str, Any]
"""One part of a resource: text or a blob. A part that is neither is the mapping that the server sent."""

Content: TypeAlias = ContentBlock | Mapping[str, Any]
"""One content block. A block that the SDK does not know is the mapping that the server sent."""

STATUSES: tuple[Status, ...] = ("working", "input_required", "completed", "failed", "cancelled")
TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})
KINDS: tuple[Kind, ...] = ("tool", "resource", "prompt")
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")

IMMEDIATE_PREFIX = "immediate:"
"""Prefix of the ids of handles that have no task at a server. A server may use such an id too, so
`TaskReference.returned_immediately` decides."""


@frozen(kw_only=True)
class TaskStatus:
    """A task's status as the server reported it at one moment.

    The wire's names (`taskId`, `statusMessage`, `createdAt`, `lastUpdatedAt`, `pollInterval`) are readable too.
    An optional field is None if the server left it out or garbled it.
    """

    __module__ = "mcptasks"

    task_id: str = field(repr=safe_text.short)
    """The server's identifier of the task."""
    status: Status
    """"working", "input_required", "completed", "failed" or "cancelled". Also "failed" if the server says "completed"
    and the result that came with the status reports an error (2026-07-28); `raw` has the server's word."""
    status_message: str | None = field(default=None, repr=safe_text.short)
    """The server's words on the present state. If the tool's result makes the status "failed", the tool's words, made
    legible and cut to 2,000 characters and 50 lines."""
    created_at: datetime | None = None
    """When the server created the task, by its clock."""
    last_updated_at: datetime | None = None
    """When the state last changed, by the server's clock. Some servers send the time of the request instead."""
    ttl: timedelta | None = None
    """How long after `created_at` the server keeps the task; None if there is no limit, or if none was given."""
    poll_interval: timedelta | None = None
    """How long the server asks clients to wait between two polls; None if it names no interval."""
    input_requests: Mapping[str, Any] = field(factory=dict[str, Any], repr=safe_text.short, hash=False)
    """Open input requests by key, as the server sent them: in the status (2026-07-28), or as requests of its own
    (2025-11-25), for which the client makes the keys."""
    progress: TaskProgress | None = None
    """How far the task was at that moment. Only the statuses that `Task.updates(progress=True)` yields have it; None in
    all others."""
    raw: Mapping[str, Any] = field(factory=dict[str, Any], repr=False, eq=False)
    """The server's own message."""

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(TaskStatus)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # A pickle of an earlier version lacks the progress.
        for name, value in {"progress": None, **state}.items():
            object.__setattr__(self, name, value)

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
        from mcptasks._core import html

        return html.status_html(self)


@frozen(kw_only=True)
class TaskReference:
    """Everything that another process needs to resume a task. Holds no secret of the client, and pickles.

    The server decides whether the id is enough to reach the task; most servers ask for the same credentials.
    """

    __module__ = "mcptasks"

    task_id: str = field(repr=safe_text.short)
    """The server's identifier of the task."""
    kind: Kind | None = None
    """What the task was created from: "tool", "resource" or "prompt"; None if not known."""
    name: str | None = field(default=None, repr=safe_text.short)
    """The tool's or prompt's name, or the resource's URI; None if not known."""
    endpoint: str | None = field(default=None, repr=safe_text.short)
    """The server's URL or program, without credentials, query or arguments."""
    era: Era | None = None
    """The task protocol of the connection that created the task."""
    expires_at: datetime | None = None
    """When the server may forget the task according to the creating answer, by the clock of the machine that created
    the task; None if never or not known. `Task.kept_until` also follows later changes."""
    returned_immediately: bool = False
    """Whether there was no task at the server: it answered at once, or the call ran in the client that made it."""
    label: str | None = field(default=None, repr=safe_text.short)
    """The program's own word for the task (`call_tool(..., label=...)`), or None."""

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(TaskReference)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # A pickle of an earlier version lacks the fields that came later.
        early = {"returned_immediately": is_immediate_id(state["task_id"])}
        for each in fields(TaskReference):
            object.__setattr__(self, each.name, {**early, **state}.get(each.name, each.default))

    def to_dict(self) -> dict[str, Any]:
        """Return the reference as a mapping of plain values."""
        return {
            "task_id": self.task_id,
            "kind": self.kind,
            "name": self.name,
            "endpoint": self.endpoint,
            "era": self.era,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "returned_immediately": self.returned_immediately,
            "label": self.label,
        }

    def to_json(self) -> str:
        """Return the reference as JSON text, for `from_json` in any process."""
        values = self.to_dict()
        if not self.returned_immediately and not self.task_id.startswith(IMMEDIATE_PREFIX):
            del values["returned_immediately"]
        return json.dumps({key: value for key, value in values.items() if value is not None})

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> TaskReference:
        """Read the JSON text that `to_json` wrote, or the mapping in that text.

        Raises:
            ValueError: The text is not a JSON object, or a field has a value that no reference can have.
        """
        values: Any = source
        if isinstance(source, str | bytes):
            try:
                values = json.loads(source)
            except (ValueError, RecursionError):
                values = _NO_JSON
        if values is _NO_JSON:
            raise ValueError(
                f"not a task reference: {safe_text.short(source, 80)} is not JSON; use what to_json() returned, or "
                "for an id alone `task(task_id)`"
            )
        if not isinstance(values, Mapping):
            found = safe_text.short(values, 80)
            use = "use what to_json() returned, or for an id alone `task(task_id)`"
            if isinstance(getattr(values, "reference", None), TaskReference):
                use = "a handle has its reference as task.reference"
            raise ValueError(f"not a task reference: expected a JSON object, got {found}; {use}")
        return cls(**_checked(cast("Mapping[str, Any]", values)))


_NO_JSON = object()


def checked(reference: TaskReference) -> TaskReference:
    """Check a reference that a program may have made by hand, and return it.

    Raises:
        ValueError: A field has a value that no reference can have; the message names the field.
    """
    return TaskReference(**_checked({each.name: getattr(reference, each.name) for each in fields(TaskReference)}))


def is_immediate_id(task_id: Any) -> bool:
    """Whether an id has the form of the ids of calls without a task.

    References of version 0.1.0 have no field `returned_immediately`, so their ids decide. Later references have the
    field if the id alone could mislead.
    """
    if not isinstance(task_id, str):
        return False
    digits = task_id.removeprefix(IMMEDIATE_PREFIX)
    return task_id.startswith(IMMEDIATE_PREFIX) and len(digits) == 32 and set(digits) <= set("0123456789abcdef")


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of a reference, and return them."""
    task_id = values.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise _wrong("task_id", "a non-empty string", values)
    immediate = values.get("returned_immediately")
    if immediate is not None and not isinstance(immediate, bool):
        raise _wrong("returned_immediately", "true or false", values)
    return {
        "task_id": _text(values, "task_id"),
        "kind": _one_of(values, "kind", KINDS),
        "name": _text(values, "name"),
        "endpoint": _text(values, "endpoint"),
        "era": _one_of(values, "era", ERAS),
        "expires_at": _time(values, "expires_at"),
        "returned_immediately": is_immediate_id(task_id) if immediate is None else immediate,
        "label": _text(values, "label"),
    }


def _text(values: Mapping[str, Any], field_name: str) -> str | None:
    value = values.get(field_name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(field_name, "a string or null", values)
    return sendable.text(value, f"not a task reference: {field_name}")


def _one_of(values: Mapping[str, Any], field_name: str, known: Sequence[str]) -> Any:
    value = values.get(field_name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in known:
        raise _wrong(field_name, f"one of {', '.join(known)}", values)
    return known[known.index(value)]


def _time(values: Mapping[str, Any], field_name: str) -> datetime | None:
    value = values.get(field_name)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(field_name, "a time in ISO 8601", values) from None
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise _wrong(field_name, "a string or null", values)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _wrong(field_name: str, right: str, values: Mapping[str, Any]) -> ValueError:
    found = safe_text.short(values.get(field_name), 60)
    return ValueError(f"not a task reference: {field_name} must be {right}; got {found}")


@frozen(kw_only=True)
class ToolResult(Generic[DataT_co]):
    """A tool's answer. Generic in `data`: `ToolResult[Fit]` after `as_type=Fit`, otherwise `ToolResult`, which is
    `ToolResult[Any]`.
    """

    __module__ = "mcptasks"

    content: Sequence[Content] = field(repr=safe_text.short)
    """The content blocks, in the server's order. A block that is malformed, or of a type that the SDK does not know, is
    the mapping that the server sent."""
    structured_content: Any = field(default=None, repr=safe_text.short)
    """The structured value exactly as the server sent it, or None."""
    data: DataT_co = field(default=cast("Any", None), repr=safe_text.short)
    """The value itself: validated against `as_type` if one was given; otherwise the structured content without
    FastMCP's `{"result": ...}` wrapping; otherwise the text; None if there is no text either."""
    is_error: bool = False
    """Whether the tool reports an error."""
    meta: Mapping[str, Any] = field(factory=dict[str, Any], repr=safe_text.short)
    """The answer's `_meta`."""

    @property
    def text(self) -> str:
        """All text blocks, joined by newlines."""
        return "\n".join(text for text in map(block_text, self.content) if text is not None)

    def _repr_html_(self) -> str:
        from mcptasks._core import html

        return html.result_html(self)


@frozen(kw_only=True)
class TaskSupport:
    """What the present connection can do with tasks: True, False, or None if only a try can tell."""

    __module__ = "mcptasks"

    era: Era
    """Which task protocol the negotiated version belongs to."""
    tools: bool | None
    """Whether the server declares that tool calls can become tasks. Each tool (2025-11-25), or the server for each call
    (2026-07-28), may still refuse. None if the server was not asked (`mode="2026-07-28"`) and no tool call has become a
    task yet."""
    resources: bool | None
    """Whether reading a resource can become a task; None if the server does not say and no read has become a task
    yet."""
    prompts: bool | None
    """Whether getting a prompt can become a task; None as for `resources`."""
    cancel: bool | None
    """Whether the server offers `tasks/cancel`; None as for `tools`."""
    list: bool
    """Whether the server offers `tasks/list`."""
    push: bool | None
    """Whether the server pushes statuses. No server declares that, so None until the first push or refusal."""
