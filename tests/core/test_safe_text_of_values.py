"""Whatever a server says, a person sees legible and short text: errors, values, tracebacks. Programs see it exactly."""

from __future__ import annotations

import copy
import pickle
import sys
import traceback
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import mcp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import BlobResourceContents, EmbeddedResource, TextContent, TextResourceContents
from pydantic import TypeAdapter, ValidationError

import mcptasks
from mcptasks import InputContext, TaskError, TaskReference, TaskStatus, ToolError, ToolResult
from mcptasks._core.causes import harmless
from mcptasks._core.events import Finished
from mcptasks._core.html import result_html, status_html
from mcptasks._core.outcome import Decoding, decode
from mcptasks._core.safe_text import LINES, WORDS, cut, line, message, several, short
from mcptasks._engine.notebook.task_list import TaskList
from tests.helpers.error_samples import ERRORS
from tests.helpers.hostile import HOSTILE, TERMINAL, Broken, harm, hostile
from tests.helpers.samples import REFERENCE, json_values, status_of

FLOOD = TERMINAL + "y" * 300_000
NOTE = 40
"""The room for the note on what was left out."""


# --- the words themselves ---------------------------------------------------------------------------------------------


def test_every_character() -> None:
    """Of all there are in Unicode, no character comes through that a terminal acts on or that cannot be seen."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if not char.isascii() and unicodedata.category(char) in ("Lu", "Ll", "Lo", "Mn", "Mc", "Nd", "So", "Co", "Cn"):
            continue  # Hundreds of thousands; the next test has those among them that are not to be seen.
        shown = cut(f"a{char}b")
        assert not harm(shown), hex(code)
        assert line(f"a{char}b").count("\n") == 0
        assert shown == f"a{char}b" or shown.isprintable(), hex(code)


@pytest.mark.parametrize("char", "\u034f\u115f\u1160\u17b4\u180b\u3164\uffa0\ufe00\U000e0100\ue000\u0378\u200c\u200d")
def test_what_counts_as_printable_and_is_not_seen(char: str) -> None:
    """Fillers, selectors and joiners that show nothing are spelled out between letters."""
    for write in (cut, line, short, message):
        shown = write(f"pay{char}pal")
        assert char not in shown
        assert f"{ord(char):x}" in shown


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f 1\ufe0f\u20e3",
        "a\u0301\u0323 n\u0303",
        "\u3042\u3000\u3044\xa0\u2009x",
    ],
)
def test_scripts_that_need_them(text: str) -> None:
    """Joiners between letters that they shape, emoji, accents and the spaces of other scripts stay."""
    assert cut(text) == text
    assert line(text) == text


def test_accents_without_end() -> None:
    """Accents that would cover the lines above are spelled out after the first few."""
    shown = cut("a" + "\u0301" * 100)
    assert shown.count("\u0301") == 8
    assert "\\u0301" in shown


@pytest.mark.parametrize("joiner", "\u200c\u200d")
def test_joiners_at_the_end(joiner: str) -> None:
    """A joiner goes with the letter that it shapes if the text is cut there."""
    assert cut(f"\xe9{joiner}\xe9", 2) == "\xe9… (2 more characters)"
    assert line(f"\xe9{joiner}\ufe00") == f"\xe9\\u{ord(joiner):x}\\ufe00"


def test_lines() -> None:
    """A message keeps its lines, as many as stand on a screen; what goes into one line has none."""
    assert message("one\n\ttwo\r\nthree") == "one\n\ttwo\nthree"
    assert line("one\n\ttwo\r\nthree") == "one\\n\\ttwo\\nthree"
    shown = message("x\n" * 1000)
    assert shown.count("\n") < LINES
    assert "more characters" in shown


@given(hostile | st.just(FLOOD), st.integers(0, 300))
def test_limits_hold(text: str, limit: int) -> None:
    """No text is longer than its limit, but for the note of what is left out, whatever the spelling takes."""
    for shown in (cut(text, limit), line(text, limit)):
        assert len(shown) <= limit + NOTE
        assert not harm(shown)
    assert several([text] * 5, 100).isprintable()
    assert len(several([text] * 5000, 100)) <= 100 + NOTE


# --- errors -----------------------------------------------------------------------------------------------------------


def extras(name: str) -> dict[str, Any]:
    """What an error carries beside its words, hostile too."""
    result = ToolResult(content=[TextContent(type="text", text=FLOOD)], data=FLOOD, meta={FLOOD: FLOOD}, is_error=True)
    found: dict[str, dict[str, Any]] = {
        "TaskFailedError": {"code": -1, "data": {FLOOD: FLOOD}},
        "TaskInputRequiredError": {"input_requests": {FLOOD: FLOOD}},
        "ToolError": {"result": result},
    }
    return found.get(name, {})


@pytest.mark.parametrize("words", [TERMINAL, FLOOD, "x\n" * 100_000, "\x1b" * 100_000], ids=range(4))
@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors(name: str, words: str) -> None:
    """`str()`, `repr()` and the traceback of any error are harmless and short; its message is exact, also in copies."""
    reference = TaskReference(task_id=FLOOD, name=FLOOD, endpoint=FLOOD)
    error = ERRORS[name](words, reference=reference, **extras(name))
    for each in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert each.message == words
        assert each.args == (words,)
        assert each.reference == reference
        for shown in (str(each), repr(each), f"{each}", "".join(traceback.format_exception(each))):
            assert not harm(shown)
            assert len(shown) < WORDS + 200
            assert shown.count("\n") < LINES + 2


def test_lines_of_a_tool_stay() -> None:
    """The error text of a tool can be read as it was written."""
    text = "Traceback (most recent call last):\n\tline 1\n\nValueError: größer \u2713"
    assert str(ToolError(text)) == text


def thrown(exc: BaseException, *, below: BaseException | None = None) -> BaseException:
    """An exception that was raised, perhaps in the course of another one."""
    try:
        try:
            if below is not None:
                raise below
        finally:
            raise exc
    except BaseException as found:
        return found


def invalid(value: Any) -> ValidationError:
    """What pydantic says of a value that is no list of numbers."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[int]).validate_python(value)
    return caught.value


CAUSES: dict[str, BaseException] = {
    "the SDK's error": mcp.MCPError(-1, TERMINAL),
    "long": mcp.MCPError(-1, "x" * 100_000),
    "group": ExceptionGroup("two", [ValueError("fine"), mcp.MCPError(-1, TERMINAL)]),
    "cause": thrown(ValueError("fine"), below=mcp.MCPError(-1, TERMINAL)),
    "complaints": invalid(["x"] * 1000),
    "cannot be shown": ValueError(Broken()),
    "many": ExceptionGroup("many", [ValueError(str(n)) for n in range(1000)]),
}


@pytest.mark.parametrize("name", CAUSES)
def test_causes(name: str) -> None:
    """Another package's exception is shown above an error of ours only where it is harmless and short itself."""
    assert harmless(CAUSES[name]) is None


def test_ordinary_causes() -> None:
    """What does no harm is kept: it tells whoever looks for a fault more."""
    assert harmless(None) is None
    noted = ValueError("fine")
    noted.add_note("a note")
    for exc in (mcp.MCPError(-1, "boom"), invalid([1, "x"]), thrown(ValueError("a"), below=KeyError("b")), noted):
        assert harmless(exc) is exc
    noted.add_note(TERMINAL)
    assert harmless(noted) is None


@pytest.mark.parametrize(
    "content",
    [
        TERMINAL,
        [TERMINAL] * 1000,
    ],
    ids=range(2),
)
def test_results_that_make_no_sense(content: Any) -> None:
    """What is wrong with a result is told in a line, however much is wrong, and its traceback is harmless."""
    with pytest.raises(TaskError) as caught:
        decode(Finished({"content": content}), Decoding(kind="tool"), None)
    assert len(caught.value.message) < 1000
    shown = "".join(traceback.format_exception(caught.value))
    assert not harm(shown)
    assert len(shown) < 20_000


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [TERMINAL, FLOOD])
def test_values(words: str) -> None:
    """The `repr` of every public value is one short line."""
    text = TextContent(type="text", text=words)
    inside = EmbeddedResource(type="resource", resource=TextResourceContents(uri=words, text=words))
    values: list[Any] = [
        TaskStatus(
            task_id=words, status="working", status_message=words, input_requests={words: words}, raw={"a": words}
        ),
        TaskReference(task_id=words, name=words, endpoint=words),
        ToolResult(content=[text, inside], structured_content={words: words}, data=words, meta={words: [words]}),
        InputContext(task=None, key=words, candidates=[words] * 1000, meta={words: words}),
        TaskList([status_of(message=words)] * 1000),
    ]
    for value in values:
        assert repr(value).isprintable()
        assert not harm(repr(value))
        assert len(repr(value)) < 20_000


def test_ordinary_values() -> None:
    """Ordinary values look as ever."""
    assert repr(TaskReference(task_id="t-1", name="add")) == (
        "TaskReference(task_id='t-1', kind=None, name='add', endpoint=None, era=None, expires_at=None, "
        "returned_immediately=False, label=None)"
    )
    assert repr(mcptasks.TaskFailedError("no")) == "TaskFailedError('no')"


# --- pages ------------------------------------------------------------------------------------------------------------


class Strange(tzinfo):
    """A zone that is of no use."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Fail."""
        raise ValueError(TERMINAL)

    def tzname(self, dt: datetime | None) -> str:
        """Something."""
        return TERMINAL

    def dst(self, dt: datetime | None) -> None:
        """Nothing."""


moments = st.one_of(
    st.none(),
    st.sampled_from([datetime.min, datetime.max, datetime.min.replace(tzinfo=UTC)]),
    st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=23, minutes=59))])),
    json_values,
)
durations = st.one_of(
    st.none(), st.sampled_from([timedelta.min, timedelta.max, timedelta.resolution]), st.timedeltas(), json_values
)


@given(moments, moments, durations, durations, json_values, json_values | hostile)
def test_any_status_has_a_page(created: Any, updated: Any, ttl: Any, interval: Any, status: Any, words: Any) -> None:
    """Whatever stands in a status, of a server or of a program, its page can be made: notebooks swallow errors."""
    value = TaskStatus(
        task_id=words,
        status=status,
        status_message=words,
        created_at=created,
        last_updated_at=updated,
        ttl=ttl,
        poll_interval=interval,
    )
    for page in (value._repr_html_(), status_html(value)):
        assert not harm(page)


def test_a_zone_of_no_use() -> None:
    """A time whose zone raises is passed over, and the rest of the page is there."""
    page = status_of(message="half way", created_at=datetime(2026, 11, 22, tzinfo=Strange()))._repr_html_()
    assert "half way" in page
    assert "cannot be shown" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_any_result_has_a_page(name: str) -> None:
    """Whatever stands in a result, its page can be made."""
    value = HOSTILE[name]
    blob = EmbeddedResource(type="resource", resource=BlobResourceContents(uri="javascript:alert(1)", blob="AA=="))
    content: Any = [value, blob]
    page = result_html(ToolResult(content=content, structured_content=value, data=value, meta={"key": value}))
    assert not harm(page)
    assert "<a" not in page
    assert "href" not in page


def test_links_are_text() -> None:
    """No address that a server sends can be clicked, whatever it begins with."""
    for url in ("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "https://evil.example/"):
        page = status_html(status_of(message=f"<a href='{url}'>{url}</a>"))
        assert "<a" not in page
        assert "<script" not in page


def test_references_stay_exact() -> None:
    """What is for programs keeps every character."""
    whole = TERMINAL.encode(errors="replace").decode()  # Half a character cannot be sent, and so not be named.
    reference = TaskReference(task_id=whole, name=whole)
    assert TaskReference.from_json(reference.to_json()) == reference
    assert REFERENCE.to_json()
