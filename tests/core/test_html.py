"""What notebooks and prompts show of values: harmless, bounded and legible, whatever a server sent."""

from __future__ import annotations

import ast
import copy
import html
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import EmbeddedResource, ImageContent, ResourceLink, TextContent, TextResourceContents

from mcptasks import TaskOutcome, TaskReference, TaskStatus, ToolResult
from mcptasks._core.html import result_html, status_html, task_html, tasks_html
from mcptasks._core.models import STATUSES, Kind, Status
from mcptasks._core.progress import Expectation, TaskProgress
from mcptasks._engine.notebook.task_list import TaskList
from tests.helpers.hostile import HOSTILE, MARKUP, ODD, Broken, hostile
from tests.helpers.samples import REFERENCE, json_values, status_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
# What a page may be made of. Nothing here loads, runs, links or covers anything.
ELEMENTS = {"div", "table", "thead", "tbody", "tr", "th", "td", "strong", "code", "pre", "span", "details", "summary"}
ATTRIBUTES = {"style", "colspan", "class", "title"}
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
STYLE = re.compile(
    r"(text-align:left|vertical-align:top|margin:0|white-space:pre-wrap|overflow-wrap:anywhere|padding-left:0\.7em"
    r"|border-left:4px solid (#[0-9a-f]{6}|currentColor)|color:(#[0-9a-f]{6}|inherit));"
)

UNSEEN = ("Cc", "Cs", "Zl", "Zp")
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@attrs.frozen(kw_only=True)
class Shown:
    """A task as far as rendering needs one."""

    task_id: str = "t-1"
    kind: Kind | None = "tool"
    name: str | None = "add"
    label: str | None = None
    reference: TaskReference = REFERENCE
    returned_immediately: bool = False
    last_status: TaskStatus | None = None
    outcome: TaskOutcome | None = None
    progress: TaskProgress | None = None
    expected: Expectation | None = None
    _shown_arguments: str = attrs.field(default="", alias="shown_arguments")


class Page(HTMLParser):
    """Reads a page as strictly as it can be read, and keeps its text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.open, "not closed"
        assert not [char for char in source if unicodedata.category(char) in UNSEEN and char not in "\n\t"]
        assert not set(source) & set(TURNING)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only what is on the list, with styles that no server had a say in."""
        assert tag in ELEMENTS
        for name, value in attrs:
            assert name in ATTRIBUTES
            assert name != "style" or STYLE.sub("", value or "") == ""
            assert name != "colspan" or (value or "").isdigit()
            assert name != "class" or value == NO_FORMULAS
        assert self.open or ("class", NO_FORMULAS) in attrs, "formulas would be typeset"
        self.open.append(tag)
        self.seen[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """Elements end in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Only elements and text."""
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        """Only elements and text."""
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        """Only elements and text."""
        raise AssertionError(data)


def resumed(source: str) -> TaskReference:
    """The reference in the expression that a page shows: copied, and evaluated as Python."""
    (found,) = re.findall(r"client\.resume\((.*)\)", Page(source).text)
    return TaskReference.from_json(ast.literal_eval(found))


def every_page(word: str, value: Any = None) -> Iterator[str]:
    """All kinds of pages with the same text in each place where a server's text goes."""
    status = TaskStatus(
        task_id=word, status="input_required", status_message=word, input_requests={word: value}, raw={word: word}
    )
    task = Shown(task_id=word, name=word, reference=attrs.evolve(REFERENCE, task_id=word or "t"), last_status=status)
    yield task_html(task)
    yield status_html(status)
    yield tasks_html([task, word, value])
    text = TextContent(type="text", text=word)
    link = ResourceLink(type="resource_link", name=word, uri=word, mime_type=word)
    inside = EmbeddedResource(type="resource", resource=TextResourceContents(uri=word, text=word, mime_type=word))
    blocks: Any = [text, link, inside, word, value]
    yield result_html(ToolResult(content=blocks, structured_content={word: value}, data=value, meta={word: value}))


# --- harmless ---------------------------------------------------------------------------------------------------------


@given(hostile, json_values | hostile)
def test_nothing_breaks_out(word: str, value: Any) -> None:
    """Whatever a server's text is, wherever it goes, the page is balanced and holds only elements that do nothing."""
    for source in every_page(word, value):
        Page(source)


def test_markup_is_shown_as_text() -> None:
    """Markup from a server can be read, as the text that it is."""
    for source in every_page(MARKUP, {MARKUP: [MARKUP]}):
        assert "<script" not in source
        assert "<script>alert(1)</script>" in Page(source).text


def test_invisible_characters_are_spelled_out() -> None:
    """Controls, lone surrogates and what turns the direction of text around are spelled out, on every page."""
    for source in every_page(ODD, ODD):
        assert not set(ODD) - set(" [31mabc") & set(source)
        assert "\\ud800" in source
        assert "\\u202e" in source


@pytest.mark.parametrize("name", HOSTILE)
def test_pages_are_bounded(name: str) -> None:
    """However large, deep or broken a value is, there is a page of it that a browser can bear."""
    value = HOSTILE[name]
    word = value if isinstance(value, str) else "word"
    for source in every_page(word, value):
        Page(source)
        assert len(source) < 400_000


# --- what is on a page ------------------------------------------------------------------------------------------------


def test_a_task() -> None:
    """A task's page says what it is, how it stands, since when, and how to get it back."""
    status = status_of(
        "working", "half way", created_at=NOON, last_updated_at=NOON + timedelta(hours=1), ttl=timedelta(hours=25)
    )
    text = Page(task_html(Shown(last_status=status), "the client is closed")).text
    for words in ("add", "tool", "t-1", "working", "half way", "2026-11-22 12:00:00+00:00", "2026-11-22 13:00:00"):
        assert words in text
    assert "1 d 1 h" in text
    assert "the client is closed" in text


def test_a_task_that_is_not_known_yet() -> None:
    """A handle on a task that was never looked at says so."""
    text = Page(task_html(Shown(kind=None, name=None))).text
    assert "not known yet" in text
    assert "t-1" in text


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_in_words(status: Status) -> None:
    """No state is told by its colour alone."""
    assert status in Page(status_html(status_of(status))).text
    assert status in Page(tasks_html([Shown(last_status=status_of(status))])).text


def test_open_questions() -> None:
    """A task that waits for input shows what it waits for, as far as there is room."""
    asked = status_of("input_required", input_requests={f"<{n}>": {} for n in range(30)})
    text = Page(status_html(asked)).text
    assert "<0>" in text
    assert "… and 10 more" in text


@pytest.mark.parametrize(
    ("ttl", "words"), [(0.5, "0.5 s"), (0, "0 s"), (61, "1 min 1 s"), (86_400 * 1234, "1,234 d"), (3600, "1 h")]
)
def test_durations(ttl: float, words: str) -> None:
    """Times to live are told in units that people use."""
    (found,) = re.findall(r"kept for(.*)", Page(status_html(status_of(ttl=timedelta(seconds=ttl)))).text)
    assert found == words


def whole(text: str) -> str:
    """A text without halves of characters, which cannot be sent."""
    return text.encode(errors="replace").decode()


@given(
    st.builds(
        TaskReference,
        task_id=st.text(min_size=1) | st.just(whole(MARKUP + ODD)),
        kind=st.sampled_from([None, "tool", "prompt"]),
        name=st.none() | st.text() | st.just("';import os#\\"),
        endpoint=st.none() | st.text(),
        expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    )
)
def test_the_expression_gives_the_task_back(reference: TaskReference) -> None:
    """What the page shows can be copied and run, and leads to the same reference."""
    source = task_html(Shown(task_id=reference.task_id, reference=reference))
    assert resumed(source) == reference
    (copied,) = re.findall(r">(client\.resume\([^<]*\))<", source)
    assert html.unescape(copied).isascii()


def test_a_reference_that_is_too_long() -> None:
    """A reference that no page has room for is not cut in the middle; the page says where it is."""
    text = Page(task_html(Shown(reference=attrs.evolve(REFERENCE, name="x" * 5000)))).text
    assert "client.resume" not in text
    assert "task.reference.to_json()" in text


def test_a_call_without_a_task_at_the_server() -> None:
    """Where there is no task at the server, there is no expression, and the page says why."""
    text = Page(task_html(Shown(returned_immediately=True, last_status=status_of("completed")))).text
    assert "client.resume" not in text
    assert "no task at the server" in text
    assert "plain call" in Page(tasks_html([Shown(returned_immediately=True)])).text


def test_a_result() -> None:
    """A result's page has its text, its other content, its values and whether it is an error."""
    image = ImageContent(type="image", data="AAAA" * 1000, mime_type="image/png")
    text = TextContent(type="text", text="all\nof it")
    result = ToolResult(content=[text, image], structured_content={"sum": 3}, data={"sum": 3}, is_error=True)
    shown = Page(result_html(attrs.evolve(result, meta={"key": "value"}))).text
    for words in ("all\nof it", "image/png", "about 3,000 bytes", "'sum': 3", "reports an error", "'key': 'value'"):
        assert words in shown
    assert "AAAA" not in shown


def test_nothing_is_shown_twice() -> None:
    """Text that is the value too, and a value that was only unwrapped, are shown once."""
    text = ToolResult(content=[TextContent(type="text", text="once")], data="once")
    assert Page(result_html(text)).text.count("once") == 1
    structured = {"result": ["once"]}
    assert (
        Page(result_html(ToolResult(content=[], structured_content=structured, data=structured["result"]))).text.count(
            "once"
        )
        == 1
    )
    assert "empty" in Page(result_html(ToolResult(content=[]))).text


def test_values_show_themselves() -> None:
    """IPython finds the page under its own name."""
    assert status_of()._repr_html_() == status_html(status_of())
    result = ToolResult(content=[], data=1)
    assert result._repr_html_() == result_html(result)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_is_a_list() -> None:
    """A list of tasks is a list in all that programs do with it, and looks like one in plain text."""
    one, two = Shown(), Shown(task_id="t-2")
    tasks = TaskList([one, two])
    assert tasks == [one, two]
    assert isinstance(tasks, list)
    assert repr(tasks) == repr([one, two])
    assert "2 tasks" in Page(tasks._repr_html_()).text
    assert Page(TaskList[Shown]()._repr_html_()).text == "0 tasks"


def test_parts_of_a_list() -> None:
    """Slices, sums and copies are such lists too, and all else of a list is as ever."""
    one, two = Shown(), Shown(task_id="t-2")
    tasks = TaskList([one, two])
    for part in (tasks[:1], operator.add(tasks, [two]), tasks.copy(), copy.copy(tasks), tasks[::-1]):
        assert isinstance(part, TaskList)
        assert "task" in Page(part._repr_html_()).text
    assert (tasks[0], tasks[-1], tasks[1:], operator.add(tasks, [one])) == (one, two, [two], [one, two, one])
    with pytest.raises(TypeError, match="tuple"):
        operator.add(tasks, cast("Any", (one,)))


def test_a_line_of_a_list() -> None:
    """Each task has one line with what is known of it, and nothing where nothing is."""
    source = tasks_html([Shown(last_status=status_of("failed", "no luck")), Shown(last_status=status_of()), Shown()])
    assert Page(source).text.split("id", 1)[1] == "addtool● failedno luckt-1addtool● workingt-1addtoolnot known yett-1"


def test_tasks_are_told_apart() -> None:
    """Labels and arguments have columns where any task has them; an open question stands where the message would."""
    asks = status_of("input_required", input_requests={"k": {"params": {"message": "Which year?"}}})
    tasks = [Shown(label="2026-11"), Shown(last_status=asks, shown_arguments="{'n': 1}"), Shown()]
    text = Page(tasks_html(tasks)).text
    assert text.startswith("3 taskslabelnameargumentskind")
    for words in ("2026-11addtool", "add{'n': 1}tool", "Which year?"):
        assert words in text
    shown = Page(task_html(tasks[0])).text + Page(task_html(tasks[1])).text
    for words in ("label2026-11", "arguments{'n': 1}", "k: Which year?"):
        assert words in shown


@pytest.mark.parametrize(
    "params",
    [
        *(None, [], "x", {}, {"message": 3}, {"message": ""}, {"messages": "x"}, {"messages": [None]}),
        *({"messages": [{"content": 3}]}, {"messages": [{"content": {"type": "image"}}]}, {"messages": []}),
    ],
)
def test_a_question_that_says_nothing(params: Any) -> None:
    """Where a question has no text, or nonsense, its key stands alone."""
    status = status_of("input_required", input_requests={"k": {"params": params}, "other": params})
    assert "waits forkother" in Page(status_html(status)).text


@pytest.mark.parametrize(
    "content", [{"type": "text", "text": "Go on"}, [{"type": "image"}, {"type": "text", "text": "Go on"}]]
)
def test_a_prompt_to_complete(content: Any) -> None:
    """Of a prompt the latest text is shown."""
    first = {"content": {"type": "text", "text": "Once upon"}}
    status = status_of("input_required", input_requests={"k": {"params": {"messages": [first, {"content": content}]}}})
    assert "k: Go on" in Page(status_html(status)).text


def test_a_long_list_is_cut() -> None:
    """A list shows its first tasks and how many more there are."""
    tasks = TaskList(Shown(task_id=f"t-{n}") for n in range(100_000))
    page = Page(tasks._repr_html_())
    assert page.seen["tr"] == 51
    assert "100,000 tasks" in page.text
    assert "… and 99,950 more" in page.text


def test_what_else_is_in_a_list() -> None:
    """A program may put anything into the list."""
    text = Page(TaskList([Shown(), None, MARKUP, Broken()])._repr_html_()).text
    assert "None" in text
    assert "Broken that cannot be shown: ValueError" in text
