"""Writes tasks, statuses and results as HTML for notebooks. Pure, and callable from any thread.

The rules:

- All text of a server is escaped, legible and bounded in length. The HTML loads, runs and links nothing, and tells
  notebooks not to look for formulas.
- Text keeps the page's own colours, so that it is readable on light and dark. Words repeat what a colour says.
- No function raises, whatever the values hold: a notebook would swallow the error and show nothing.

The protocols below declare the attributes that are read. The models are not imported, since they import this module.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from mcptasks._core import html_progress
from mcptasks._core.content import asked, block_text, question_text
from mcptasks._core.progress import Expectation, TaskProgress
from mcptasks._core.progress_lines import Row, Tally
from mcptasks._core.safe_text import cut, outline

_NAME = 200
_MESSAGE = 2000
_TEXT = 10_000
_EXPRESSION = 4000
"""How many characters are shown of a name, of a message and of a result's text; the rest is cut off. A longer
expression is not shown at all, since one that is cut off does not run."""
_ROWS = 50
"""How many tasks of a list are shown; the others are counted. A page stays quick to draw."""
_BLOCKS = 20
"""How many content blocks, or open questions, are shown; the others are counted, for the same reason."""

_COLUMNS = ("label", "name", "arguments", "kind", "status", "progress", "message", "time", "created", "id")
_OPTIONAL = ("label", "arguments", "progress", "time")

# Readable on white and on black.
_COLOURS: Mapping[str, str] = {
    "working": html_progress.BLUE,
    "input_required": "#d97706",
    "completed": "#16a34a",
    "failed": html_progress.RED,
    "cancelled": "#808080",
}
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
"""The classes that keep MathJax 2 and 3 from typesetting text such as "$5 of $10". Notebooks have one or the other."""
_LEFT = "text-align:left;vertical-align:top;"
_WRAPPED = f"{_LEFT}margin:0;white-space:pre-wrap;overflow-wrap:anywhere;"


class ShownReference(Protocol):
    """The parts of a task's reference that are read."""

    def to_json(self) -> str: ...


class ShownStatus(Protocol):
    """The parts of a status that are read."""

    @property
    def task_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def status_message(self) -> str | None: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def last_updated_at(self) -> datetime | None: ...
    @property
    def ttl(self) -> timedelta | None: ...
    @property
    def input_requests(self) -> Mapping[str, Any]: ...


class ShownResult(Protocol):
    """The parts of a tool's result that are read."""

    @property
    def content(self) -> Sequence[Any]: ...
    @property
    def structured_content(self) -> Any: ...
    @property
    def data(self) -> Any: ...
    @property
    def is_error(self) -> bool: ...
    @property
    def meta(self) -> Mapping[str, Any]: ...
    @property
    def text(self) -> str: ...


class Shown(Protocol):
    """The parts of a task, async or blocking, that are read."""

    @property
    def task_id(self) -> str: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def label(self) -> str | None: ...
    @property
    def reference(self) -> ShownReference: ...
    @property
    def returned_immediately(self) -> bool: ...
    @property
    def last_status(self) -> ShownStatus | None: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def progress(self) -> TaskProgress | None: ...
    @property
    def expected(self) -> Expectation | None: ...


# --- the four things that are shown -----------------------------------------------------------------------------------


def task_html(task: Shown, note: str | None = None, now: datetime | None = None) -> str:
    """A task, with the expression that resumes it.

    Args:
        task: The task.
        note: A remark on the task's state.
        now: The present, if what is shown is kept up to date; None for exact times.
    """
    status = task.last_status
    rows = [_row("label", _text(task.label))] if task.label else []
    if shown := _arguments(task):
        rows.append(_row("arguments", _code(shown)))
    if task.kind:
        rows.append(_row("kind", _text(task.kind)))
    if not task.returned_immediately:
        rows.append(_row("id", _code(task.task_id)))
    word = _word(task, status)
    rows += _status_rows(status, word, now) if status is not None else [_row("status", "not known yet")]
    if shown := html_progress.bar(task.progress):
        rows.append(_row("progress", shown))
    if shown := html_progress.times(_elapsed(task), task.expected):
        rows.append(_row("time", shown))
    if note:
        rows.append(_row("note", html_progress.red(_text(note)) if word == "failed" else _text(note)))
    rows.append(_row("resume", _resume(task)))
    title = f"{_strong('Task')} {_code(task.name)}" if task.name else _strong("Task")
    return _frame(title, rows, word)


def status_html(status: ShownStatus) -> str:
    """A task's status at one moment."""
    rows = [_row("id", _code(status.task_id)), *_status_rows(status, status.status)]
    return _frame(_strong("TaskStatus"), rows, status.status)


def result_html(result: ShownResult) -> str:
    """A tool's result."""
    text, data, structured = result.text, result.data, result.structured_content
    rows = [_row("is_error", "the tool reports an error")] if result.is_error else []
    if text:
        rows.append(_row("text", _block(cut(text, _TEXT))))
    others = [block for block in result.content if block_text(block) is None]
    if others:
        rows.append(_row("content", _lines(map(_content, others[:_BLOCKS]), len(others))))
    values = list(cast("Mapping[str, Any]", structured).values()) if isinstance(structured, Mapping) else []
    if data is not None and not (isinstance(data, str) and data == text):
        rows.append(_row("data", _block(outline(data))))
    # FastMCP wraps a value that is not a mapping into a mapping with a single entry.
    if structured is not None and structured is not data and not (len(values) == 1 and values[0] is data):
        rows.append(_row("structured_content", _block(outline(structured))))
    if result.meta:
        rows.append(_row("meta", _block(outline(result.meta, 1000))))
    return _frame(_strong("ToolResult"), rows or [_row("content", "empty")])


def tasks_html(tasks: Sequence[Any], now: datetime | None = None, note: str | None = None) -> str:
    """A list of tasks, one line each. Other values that the program has put into the list are shown like a `repr`.

    Args:
        tasks: The list.
        now: The present, if what is shown is kept up to date; None for exact times.
        note: A further line for the reader, which must not be a server's text; None for none.
    """
    rows = [_line(task, now) for task in tasks[:_ROWS]]
    # An optional column is left out if it would be empty.
    columns = [head for head in _COLUMNS if head not in _OPTIONAL or any(row.get(head) for row in rows)]
    heads = "".join(_tag("th", head, _LEFT) for head in columns)
    lines = "".join(_cells(row, columns) for row in rows)
    count = f"{len(tasks):,} task{'s' if len(tasks) != 1 else ''}"
    more = _tag("div", f"… and {len(tasks) - _ROWS:,} more") if len(tasks) > _ROWS else ""
    table = _tag("table", _tag("thead", _tag("tr", heads)) + _tag("tbody", lines)) if tasks else ""
    told = _strong(count) if note is None else f"{_strong(count)}, {html.escape(note)}"
    return _page(_tag("div", told) + table + more)


def work_html(items: Sequence[Row | Tally], tasks: Sequence[Any], now: datetime | None = None) -> str:
    """Many calls of a tool: how many are over, and a line for each that is under way.

    Args:
        items: How far the calls are, one by one or summed up for each tool.
        tasks: The tasks of the calls that are under way.
        now: The present, if what is shown is kept up to date; None for exact times.
    """
    return _page(html_progress.tallies_html(items)) + (tasks_html(tasks, now) if tasks else "")


# --- parts ------------------------------------------------------------------------------------------------------------


def expression(reference: ShownReference) -> str:
    """The Python expression that resumes a task, in ASCII and on one line."""
    return f"client.resume({reference.to_json()!r})"


def _resume(task: Shown) -> str:
    if task.returned_immediately:
        return "this is a plain call; there is no task at the server to resume"
    text = expression(task.reference)
    if len(text) > _EXPRESSION:
        return "the reference is too long to show; <code>task.reference.to_json()</code> returns it"
    # In `pre`, so that a browser copies every space.
    return html_progress.folded("the expression for another process", _block(text))


def _word(task: Shown, status: ShownStatus | None) -> str:
    """The word for a task's status: "failed" also for a completed task whose result reports an error."""
    return "failed" if task.outcome == "failed" else status.status if status is not None else ""


def _status_rows(status: ShownStatus, word: str, now: datetime | None = None) -> list[str]:
    rows = [_row("status", _status(word))]
    if status.status_message:
        message = _text(status.status_message, _MESSAGE)
        rows.append(_row("message", html_progress.red(message) if word == "failed" else message))
    if status.status == "input_required" and status.input_requests:
        questions = (_question(key, request) for key, request in list(status.input_requests.items())[:_BLOCKS])
        rows.append(_row("waits for", _lines(questions, len(status.input_requests))))
    for label, value in (("created", status.created_at), ("last updated", status.last_updated_at)):
        if value is not None:
            rows.append(_row(label, _moment(value, now)))
    if status.ttl is not None:
        rows.append(_row("kept for", _duration(status.ttl)))
    return rows


def _question(key: Any, request: Any) -> str:
    text = question_text(request)
    return _code(key) if text is None else f"{_code(key)}: {_text(text, _MESSAGE)}"


def _arguments(task: Any) -> str:
    """A task's arguments as its `repr` shows them; empty for other values in a program's list."""
    found = getattr(task, "_shown_arguments", "")
    return found if isinstance(found, str) else ""


def _elapsed(task: Any) -> timedelta | None:
    """How long a task has run; None for another value in a program's list."""
    found = getattr(task, "_elapsed", None)
    return found if isinstance(found, timedelta) else None


def _line(task: Any, now: datetime | None) -> dict[str, str]:
    """The cells of a task's line by their columns; for another value a single cell, under the column ""."""
    try:
        status: ShownStatus | None = task.last_status
        word = _word(task, status)
        label, name, kind = task.label, task.name, task.kind
        at_once, task_id = task.returned_immediately, task.task_id
        progress, expected = task.progress, task.expected
    except AttributeError:
        return {"": _text(outline(task, _NAME), _MESSAGE)}
    shown = _arguments(task)
    said = "" if status is None else status.status_message or asked(status.input_requests) or ""
    return {
        "label": _text(label) if label else "",
        "name": _code(name) if name else "",
        "arguments": _code(shown) if shown else "",
        "kind": _text(kind or ""),
        "status": _status(word) if word else "not known yet",
        "progress": html_progress.bar(progress),
        "message": html_progress.red(_text(said)) if word == "failed" else _text(said),
        "time": html_progress.times(_elapsed(task), expected),
        "created": _moment(status.created_at, now) if status is not None and status.created_at is not None else "",
        "id": "plain call" if at_once else _code(task_id),
    }


def _cells(row: Mapping[str, str], columns: Sequence[str]) -> str:
    if "" in row:
        return _tag("tr", f'<td colspan="{len(columns)}" style="{_LEFT}">{row[""]}</td>')
    return _tag("tr", "".join(_tag("td", row[column], _LEFT) for column in columns))


def _content(block: Any) -> str:
    if isinstance(block, Mapping):
        return _block(outline(block, _MESSAGE))  # A block that the SDK does not know.
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


def _moment(value: object, now: datetime | None = None) -> str:
    try:
        exact = _text(value.isoformat(" ", "seconds") if isinstance(value, datetime) else value)
        return exact if now is None or not isinstance(value, datetime) else html_progress.ago(value, exact, now)
    except (ValueError, TypeError, OverflowError):  # A time zone of the program's own may raise these.
        return "a time that cannot be shown"


def _duration(value: object) -> str:
    if not isinstance(value, timedelta):
        return _text(value)
    seconds = value.total_seconds()
    if seconds < 60:
        return f"{seconds:g} s"
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60, "s"))
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number)


def _status(word: str) -> str:
    return f"{_swatch(word)} {_strong(_text(word))}"


def _swatch(word: str) -> str:
    return f'<span style="color:{_colour(word, "inherit")};">&#9679;</span>'


def _colour(word: object, otherwise: str) -> str:
    return _COLOURS.get(word, otherwise) if isinstance(word, str) else otherwise


# --- HTML -------------------------------------------------------------------------------------------------------------


def _frame(title: str, rows: Iterable[str], word: str = "") -> str:
    colour = _colour(word, "currentColor")
    table = _tag("table", _tag("tbody", "".join(rows)))
    return _page(_tag("div", title) + table, f"border-left:4px solid {colour};padding-left:0.7em;")


def _page(content: str, style: str = "") -> str:
    """The outermost element of all HTML that this module writes."""
    styled = f' style="{style}"' if style else ""
    return f'<div class="{_NO_FORMULAS}"{styled}>{content}</div>'


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
    """An element around HTML. `style` must not have text of a server in it: only `content` is escaped."""
    return f'<{name} style="{style}">{content}</{name}>' if style else f"<{name}>{content}</{name}>"
