"""No value of a server stops the event loop: every check of one costs time in proportion to its length, or none at all.

Each check gets a value of 1 MB that is made to be expensive, and one of a tenth of that. It passes where the large one
is checked at once, or takes no more than a generous multiple of what the small one takes; a quadratic check takes a
hundred times as long, and minutes. Where a check has a length limit before it does any work, that is the best of them.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from mcp_types import TextContent

from mcptasks import TaskError, TaskFailedError, TaskReference, ToolResult
from mcptasks._core.events import Finished, Seen
from mcptasks._core.faults import broke_off, judge
from mcptasks._core.forms import check, filled_in
from mcptasks._core.hosted_tasks import HostBook, HostTasks, Instant, Refusal
from mcptasks._core.html import result_html, status_html
from mcptasks._core.models import Kind
from mcptasks._core.outcome import Decoding, decode
from mcptasks._core.safe_text import cut, line, outline, several, short
from mcptasks._core.state import TaskState, advance
from mcptasks._engine.input.answers import formed
from mcptasks._wire import envelope, hosted, modern
from mcptasks._wire.envelope import Marks
from mcptasks._wire.parsing import parse_error, parse_status
from tests.helpers.samples import modern_task, status_of, wire_task
from tests.helpers.source_tree import GENERATED, MODULES, imports_of, top

LARGE = 1_000_000
TIMES = 25
"""The most that ten times the length may cost: linear is ten, the rest is noise."""
AT_ONCE = 0.25
"""Seconds in which a check counts as instant, noise included."""
MOST = 5
"""Seconds that no check may take, however long its value is."""
HOPELESS = 20
"""Seconds from which on no repeat is tried: noise is not as large."""

Check = Callable[[int], Callable[[], object]]
"""Makes a check of a value of about so many characters."""


def spent(check: Callable[[], object]) -> float:
    """Seconds of processor time that a check takes."""
    before = time.thread_time()
    with suppress(ValueError, TypeError, TaskError, Refusal):
        check()
    return time.thread_time() - before


def at_best(check: Callable[[], object]) -> float:
    """Seconds of processor time that a check takes, without most of the noise."""
    return min(spent(check) for _ in range(3))


def form(**field: Any) -> dict[str, Any]:
    """A form of one field."""
    return {"type": "object", "properties": {"field": field}}


def filled(field: dict[str, Any], default: Any) -> Callable[[], object]:
    """Answer a question whose form has a default of the server's."""
    question = {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": "?", "requestedSchema": form(**field, default=default)},
    }
    return lambda: formed(question, {})


DESIGNED: dict[str, Callable[[int], str]] = {
    "dots": lambda n: "a@" + "." * n + "@",
    "one letter": lambda n: "a" * n,
    "at": lambda n: "@" * n,
    "blanks": lambda n: "a@a." + " " * n + "a",
    "digits": lambda n: "2026-11-22T10:00:00." + "1" * n,
    "zeros": lambda n: "0" * n,
    "accents": lambda n: "http://" + "\u0301\u0323" * (n // 2),
    "scheme": lambda n: "a" * n + "://x",
    "brackets": lambda n: "http://" + "[" * n,
    "unseen": lambda n: "\u200d\x1b" * (n // 2),
    "ends": lambda n: "\r\n" * (n // 2),
    "open": lambda n: "{'[(" * (n // 3),
    "markup": lambda n: "<&" * (n // 2),
}
"""Texts made for what reads them badly."""

FORMATS = ("email", "uri", "date", "date-time", "uuid", "regex")


def _of_format(format_: str, text: Callable[[int], str], n: int) -> Callable[[], object]:
    return filled({"type": "string", "format": format_}, text(n))


def forms() -> Iterator[tuple[str, Check]]:
    """Forms that cost their reader much."""
    for format_ in FORMATS:
        for name, text in DESIGNED.items():
            yield f"{format_} {name}", partial(_of_format, format_, text)
    yield "pattern", lambda n: filled({"type": "string", "pattern": "^(a+)+$"}, "a" * n + "!")
    yield "enum", lambda n: filled({"type": "string", "enum": [f"{k}" for k in range(n // 8)]}, "x")
    numbers = [str(n) for n in range(LARGE // 8)]
    yield (
        "items",
        lambda n: filled({"type": "array", "items": {"type": "string", "enum": numbers[: n // 8]}}, numbers[: n // 8]),
    )
    yield (
        "titles",
        lambda n: filled(
            {"type": "array", "items": {"anyOf": [{"const": text} for text in numbers[: n // 16]]}}, numbers[: n // 16]
        ),
    )
    # These have the same hash, as any server can compute.
    equal = [k * (2**61 - 1) for k in range(1, LARGE // 20)]
    yield "numbers", lambda n: filled({"type": "array", "items": {"enum": equal[: n // 20]}}, equal[: n // 20])
    yield "one number", lambda n: filled({"enum": equal[: n // 20]}, 7)
    yield "fields", lambda n: lambda: filled_in({"properties": {f"{k}": {"default": {}} for k in range(n // 20)}}, {})
    yield "required", lambda n: lambda: check({"required": [f"{k}" for k in range(n // 8)]}, {"a": 1})
    yield (
        "closed",
        lambda n: (
            lambda: check({"properties": {f"{k}": {} for k in range(n // 8)}, "additionalProperties": False}, {"a": 1})
        ),
    )
    yield "long name", lambda n: lambda: check({"required": ["a" * n]}, {})
    yield "objects", lambda n: filled({}, [{}] * (n // 4))


def texts() -> Iterator[tuple[str, Check]]:
    """Texts of a server wherever there may be one."""
    ways: dict[str, Callable[[str], object]] = {
        "cut": cut,
        "line": line,
        "short": short,
        "outline": outline,
        "several": lambda text: several([text] * 20),
        "str": lambda text: str(TaskFailedError(text)),
        "repr": lambda text: repr(TaskFailedError(text)),
        "status": lambda text: repr(status_of(message=text)),
        "reference": lambda text: TaskReference.from_json(TaskReference(task_id=text).to_json()),
        "page": lambda text: status_html(status_of(message=text, input_requests={text: text})),
        "result page": lambda text: result_html(ToolResult(content=[TextContent(type="text", text=text)], data=text)),
        "task id": lambda text: parse_status({**wire_task(), "taskId": text}, source="x", expected_id="t"),
        "a status": lambda text: parse_status(wire_task(text), source="x"),
        "created": lambda text: parse_status({**wire_task(), "createdAt": text}, source="x"),
        "updated": lambda text: parse_status({**modern_task(), "lastUpdatedAt": text}, source="x"),
        "ttl": lambda text: parse_status({**modern_task(), "ttlMs": text}, source="x"),
        "error": lambda text: parse_error({"code": text, "message": text}, fallback=text),
        "fault": lambda text: (judge(-32000, text, text), broke_off(-32000, text, text)),
        "push": lambda text: advance(TaskState(), Seen(status_of(message=text), "pushed")),
        "modern": lambda text: modern.seen(modern_task("completed", result=text), "polled"),
        "legacy": lambda text: envelope.wrap(
            "tools/call", {"task": text, "_meta": {text: text}}, Marks(augmented=True)
        ),
        "result": lambda text: decode(Finished({"content": [{"type": text}]}), Decoding(kind="tool"), None),
        "as a number": lambda text: decode(
            Finished({"content": [{"type": "text", "text": text}]}), Decoding(kind="tool", as_type=float), None
        ),
        "cursor": lambda text: HostBook(HostTasks()).page(NOW, hosted.cursor({"cursor": text})),
        "hosted id": lambda text: HostBook(HostTasks()).get(NOW, hosted.task_id({"taskId": text})),
        "asked ttl": lambda text: hosted.requested_ttl({"task": {"ttl": text}}),
        "mode": lambda text: formed({"method": "elicitation/create", "params": {"mode": text}}, {}),
        "method": lambda text: formed({"method": text}, {}),
    }
    for way, use in ways.items():
        for name, text in DESIGNED.items():
            yield f"{way} {name}", partial(_on, use, text)


def _on(use: Callable[[str], object], text: Callable[[int], str], n: int) -> Callable[[], object]:
    return partial(use, text(n))


ASKED = Marks(augmented=True)
LISTS: dict[Kind, str] = {"tool": "content", "resource": "contents", "prompt": "messages"}


def _of_blocks(kind: Kind, key: str, block: Any, n: int) -> Callable[[], object]:
    result = Finished({key: [block] * (n // len(str(block)))})
    return lambda: decode(result, Decoding(kind=kind), None)


def many() -> Iterator[tuple[str, Check]]:
    """Lists and objects of a server with very many entries."""
    blocks: dict[str, Any] = {
        "numbers": 1,
        "nulls": None,
        "objects": {},
        "kinds": {"type": "x"},
        "texts": {"type": "text", "text": ""},
    }
    for name, block in blocks.items():
        for kind, key in LISTS.items():
            yield f"{kind} of {name}", partial(_of_blocks, kind, key, block)
    yield (
        "questions",
        lambda n: (
            lambda: advance(
                TaskState(),
                Seen(status_of("input_required", input_requests={f"{k}": {} for k in range(n // 8)}), "polled"),
            )
        ),
    )
    yield "reprs", lambda n: lambda: repr(status_of(input_requests={f"{k}": {} for k in range(n // 8)}))
    yield (
        "values",
        lambda n: (
            lambda: decode(
                Finished({"content": [], "structuredContent": {"result": ["x"] * (n // 4)}}),
                Decoding(kind="tool", as_type=list[int]),
                None,
            )
        ),
    )


NOW = Instant(0.0, datetime(2026, 11, 22, tzinfo=UTC))
CHECKS: dict[str, Check] = {**dict(forms()), **dict(texts()), **dict(many())}


@pytest.mark.parametrize("name", CHECKS)
def test_a_megabyte(name: str) -> None:
    """1 MB from a server is checked at once, or takes no longer than its length explains."""
    smaller: Callable[[], object] | None = None
    for size in (LARGE // 100, LARGE // 10, LARGE):  # A check that is quadratic fails before it takes minutes.
        larger = CHECKS[name](size)
        now = spent(larger)
        if now > AT_ONCE:
            before = 0.0 if smaller is None else at_best(smaller)
            allowed = min(max(AT_ONCE, TIMES * max(before, 0.005)), MOST)
            # Repeats cost seconds each, and help only a check that was too slow at first.
            if allowed <= now < HOPELESS:
                now = min(now, at_best(larger))
            assert now < allowed, f"{now:.2f} s for {size:,} characters, {before:.2f} s for a tenth"
        smaller = larger


def test_formats_have_a_limit() -> None:
    """What is longer than anything of its format can be is not even looked at; what is as long as allowed is taken."""
    longest = "a" * 64 + "@" + "b" * 251 + ".com"
    assert len(longest) == 320
    check(form(type="string", format="email"), {"field": longest})
    for format_, value in (
        ("email", "a" + longest),
        ("date", "2026-11-22" + " " * 100),
        ("date-time", "2026-11-22T10:00:00." + "1" * 100),
    ):
        with pytest.raises(ValueError, match=f"must be written as {format_}"):
            check(form(type="string", format=format_), {"field": value})
    check(form(type="string", format="uri"), {"field": "data:text/plain," + "x" * LARGE})


def test_defaults_that_no_answer_can_hold() -> None:
    """A default that is an object, or a list of others than texts, is none; one of each other kind is."""
    held: dict[str, Any] = {"a": "x", "b": 1, "c": 1.5, "d": False, "e": ["x", "y"], "f": []}
    none: dict[str, Any] = {"g": {}, "h": [1], "i": [["x"]], "j": None}
    fields = {name: {"default": value} for name, value in {**held, **none}.items()}
    assert filled_in({"properties": fields}, {}) == held


REGULAR = (
    *("_cli", "_core.faults", "_core.problems", "_core.trace", "_store.postgres", "_tools", "_transport"),
    *("_wire.decoding", "contrib._packages", "testing"),
)
"""Where regular expressions are, each of which passes a text once: what bytes a server sent, what a person typed at the
command line, addresses of databases, versions of packages, and tools of our own."""


def test_where_regular_expressions_are() -> None:
    """Nothing that checks a server's values has a regular expression, ours or the server's own (`pattern`)."""
    found = {
        name
        for name, path in MODULES.items()
        if top(name) not in GENERATED
        and any(top(each.target) in ("re", "regex", "jsonschema") for each in imports_of(ast.parse(path.read_text())))
    }
    assert not {name for name in found if not name.startswith(REGULAR)}
