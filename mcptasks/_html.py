"""What notebooks show of tasks, statuses and results: values in, HTML text out.

All that a server sent is escaped, bounded in length and legible; nothing is loaded or run by a page that shows it. Text
keeps the page's own colours, so that it is readable on light and dark; what a colour says stands there in words too.
Pure: no I/O, and callable from any thread.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from mcptasks._plain import cut, outline

if TYPE_CHECKING:
    from mcptasks._models import TaskReference, TaskStatus, ToolResult

_NAME = 200
_MESSAGE = 2000
_TEXT = 10_000
_EXPRESSION = 4000
_ROWS = 50
"""How many tasks of a list are shown."""
_BLOCKS = 20
"""How many content blocks and open questions are shown."""

# Readable on white and on black alike.
_COLOURS: Mapping[str, str] = {
    "working": "#3b82f6",
    "input_required": "#d97706",
    "completed": "#16a34a",
    "failed": "#dc2626",
    "cancelled": "#808080",
}
_LEFT = "text-align:left;vertical-align:top;"
_WRAPPED = f"{_LEFT}margin:0;white-space:pre-wrap;overflow-wrap:anywhere;"


class Shown(Protocol):
    """What is read of a task; async and blocking ones have it."""

    @property
    def task_id(self) -> str: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def reference(self) -> TaskReference: ...
    @property
    def returned_immediately(self) -> bool: ...
    @property
    def last_status(self) -> TaskStatus | None: ...


# --- the four things that are shown -----------------------------------------------------------------------------------


def task_html(task: Shown, note: str | None = None) -> str:
    """A task, with the expression that takes it up again.

    Args:
        task: The task.
        note: What else there is to say of its state.
    """
    status = task.last_status
    rows = [_row("kind", _text(task.kind))] if task.kind else []
    if not task.returned_immediately:
        rows.append(_row("id", _code(task.task_id)))
    rows += _status_rows(status) if status is not None else [_row("status", "not known yet")]
    if note:
        rows.append(_row("note", _text(note)))
    rows.append(_row("resume", _resume(task)))
    title = f"{_strong('Task')} {_code(task.name)}" if task.name else _strong("Task")
    return _frame(title, rows, status)


def status_html(status: TaskStatus) -> str:
    """What a server said of a task at one moment."""
    return _frame(_strong("TaskStatus"), [_row("id", _code(status.task_id)), *_status_rows(status)], status)


def result_html(result: ToolResult) -> str:
    """What a tool answered."""
    text, data, structured = result.text, result.data, result.structured_content
    rows = [_row("is_error", "the tool reports an error")] if result.is_error else []
    if text:
        rows.append(_row("text", _block(cut(text, _TEXT))))
    others = [block for block in result.content if getattr(block, "type", None) != "text"]
    if others:
        rows.append(_row("content", _lines(map(_content, others[:_BLOCKS]), len(others))))
    values = list(cast("Mapping[str, Any]", structured).values()) if isinstance(structured, Mapping) else []
    if data is not None and not (isinstance(data, str) and data == text):
        rows.append(_row("data", _block(outline(data))))
    # FastMCP wraps a value that is no mapping into one with a single entry.
    if structured is not None and structured is not data and not (len(values) == 1 and values[0] is data):
        rows.append(_row("structured_content", _block(outline(structured))))
    if result.meta:
        rows.append(_row("meta", _block(outline(result.meta, 1000))))
    return _frame(_strong("ToolResult"), rows or [_row("content", "empty")])


def tasks_html(tasks: Sequence[Any]) -> str:
    """A list of tasks, one line each; what else a program has put into the list is shown as it is."""
    heads = "".join(_tag("th", head, _LEFT) for head in ("name", "kind", "status", "message", "created", "id"))
    lines = "".join(map(_line, tasks[:_ROWS]))
    count = f"{len(tasks):,} task{'s' if len(tasks) != 1 else ''}"
    more = _tag("div", f"… and {len(tasks) - _ROWS:,} more") if len(tasks) > _ROWS else ""
    table = _tag("table", _tag("thead", _tag("tr", heads)) + _tag("tbody", lines)) if tasks else ""
    return _tag("div", _tag("div", _strong(count)) + table + more)


# --- parts ------------------------------------------------------------------------------------------------------------


def expression(reference: TaskReference) -> str:
    """The expression that takes a task up again, in ASCII and on one line."""
    return f"client.resume({reference.to_json()!r})"


def _resume(task: Shown) -> str:
    if task.returned_immediately:
        return "the call was answered at once; there is no task at the server to take up again"
    text = expression(task.reference)
    if len(text) > _EXPRESSION:
        return "the reference is too long to show; <code>task.reference.to_json()</code> returns it"
    # In `pre`, so that a browser copies every space.
    return _block(text)


def _status_rows(status: TaskStatus) -> list[str]:
    rows = [_row("status", _status(status.status))]
    if status.status_message:
        rows.append(_row("message", _text(status.status_message, _MESSAGE)))
    if status.status == "input_required" and status.input_requests:
        keys = (_code(key) for key in list(status.input_requests)[:_BLOCKS])
        rows.append(_row("waits for", _lines(keys, len(status.input_requests))))
    for label, value in (("created", status.created_at), ("last updated", status.last_updated_at)):
        if value is not None:
            rows.append(_row(label, _moment(value)))
    if status.ttl is not None:
        rows.append(_row("kept for", _duration(status.ttl)))
    return rows


def _line(task: Any) -> str:
    try:
        status: TaskStatus | None = task.last_status
        known = (task.name or "", task.kind or "", task.task_id if not task.returned_immediately else "")
    except AttributeError:
        return _tag("tr", f'<td colspan="6" style="{_LEFT}">{_text(outline(task, _NAME), _MESSAGE)}</td>')
    name, kind, task_id = known
    cells = (
        _code(name) if name else "",
        _text(kind),
        _status(status.status) if status is not None else "not known yet",
        _text(status.status_message or "") if status is not None else "",
        _moment(status.created_at) if status is not None and status.created_at is not None else "",
        _code(task_id) if task_id else "answered at once",
    )
    return _tag("tr", "".join(_tag("td", cell, _LEFT) for cell in cells))


def _content(block: Any) -> str:
    kind = _text(getattr(block, "type", type(block).__name__))
    parts = [kind]
    for name in ("name", "uri", "mime_type"):
        value = getattr(block, name, None) or getattr(getattr(block, "resource", None), name, None)
        if value:
            parts.append(_code(str(value)))
    data = getattr(block, "data", None)
    if isinstance(data, str):
        parts.append(f"about {len(data) * 3 // 4:,} bytes")
    text = getattr(getattr(block, "resource", None), "text", None)
    return " ".join(parts) + (_block(cut(text, _MESSAGE)) if isinstance(text, str) else "")


def _moment(value: datetime) -> str:
    return _text(value.isoformat(" ", "seconds"))


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:g} s"
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60, "s"))
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number)


def _status(word: str) -> str:
    return f"{_swatch(word)} {_strong(_text(word))}"


def _swatch(word: str) -> str:
    return f'<span style="color:{_COLOURS.get(word, "inherit")};">&#9679;</span>'


# --- HTML -------------------------------------------------------------------------------------------------------------


def _frame(title: str, rows: Iterable[str], status: TaskStatus | None = None) -> str:
    colour = _COLOURS.get(status.status, "currentColor") if status is not None else "currentColor"
    table = _tag("table", _tag("tbody", "".join(rows)))
    return _tag("div", _tag("div", title) + table, f"border-left:4px solid {colour};padding-left:0.7em;")


def _row(label: str, content: str) -> str:
    return _tag("tr", _tag("th", label, _LEFT) + _tag("td", content, _LEFT))


def _lines(lines: Iterable[str], total: int) -> str:
    more = [f"… and {total - _BLOCKS:,} more"] if total > _BLOCKS else []
    return "".join(_tag("div", line) for line in (*lines, *more))


def _text(value: Any, limit: int = _NAME) -> str:
    return html.escape(cut(value if isinstance(value, str) else outline(value, limit), limit))


def _strong(content: str) -> str:
    return _tag("strong", content)


def _code(value: Any) -> str:
    return _tag("code", _text(value))


def _block(text: str) -> str:
    return _tag("pre", html.escape(text), _WRAPPED)


def _tag(name: str, content: str, style: str = "") -> str:
    """An element around HTML. `style` is never made of what a server sent."""
    return f'<{name} style="{style}">{content}</{name}>' if style else f"<{name}>{content}</{name}>"
