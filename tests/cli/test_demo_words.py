"""What the demonstration says of tools, of questions and of the work that it leaves behind."""

from __future__ import annotations

from typing import Any

import mcp_types
import pytest

from mcptasks import TaskReference
from mcptasks._cli.words import Course, Place, fate, questions, stopped, uncallable
from mcptasks.testing import elicit, elicit_url, list_roots, sample

URL = "http://127.0.0.1:9/mcp"
HTTP = Place(given=URL, endpoint=URL, lasting=True)
STDIO = Place(given=["python", "s.py"], endpoint="stdio:python s.py", lasting=False)
OWN = Place(given=[], endpoint="stdio:python", lasting=False)
TASK = TaskReference(task_id="t1", kind="tool", name="work", endpoint=URL, era="2026-07-28")


def course(place: Place, **facts: Any) -> Course:
    """A demonstration that has called its tool."""
    given: dict[str, Any] = {"place": place, "tool": "work", "connected": True, "called": True, **facts}
    return Course(**given)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (course(HTTP, connected=False, called=False), f"stopped while connecting to {URL}; no work was begun"),
        (course(OWN, connected=False, called=False), "stopped while connecting to the demo's own server; no work was"),
        (course(HTTP, called=False), "stopped; no work was begun"),
        (course(HTTP), f"stopped; {URL} had not answered the call of work yet; whether the work was begun is not"),
        (course(STDIO), "stopped; python s.py was started by this command and has ended with it, and so has"),
        (course(HTTP, plain=True), "stopped; work was a plain call of this program, and was cancelled with it"),
        (course(STDIO, plain=True), "stopped; work was a plain call of this program, and was cancelled with it"),
        (course(HTTP, plain=True, over=True), "stopped; the work was over"),
        (course(OWN, reference=TASK), "stopped; the demo's own server was started by this command and has ended"),
        (course(OWN, reference=TASK, over=True), "stopped; the work was over"),
        (course(HTTP, reference=TASK, over=True, shown=True), "stopped; the work was over"),
    ],
)
def test_nothing_to_take_up(stage: Course, said: str) -> None:
    """Where no work goes on, one line says so, and why."""
    (line,) = stopped(stage)
    assert line.startswith(said)


@pytest.mark.parametrize("over", [False, True])
def test_take_up(over: bool) -> None:
    """A task that the server has is named, with Python that compiles and holds the whole reference."""
    first, _, *program = stopped(course(HTTP, reference=TASK, over=over))
    assert "the server has" in first
    assert ("not cancelled" in first) is not over
    (text,) = [ascii(TASK.to_json())]
    assert program == [
        "  from mcptasks.sync import Client",
        f"  with Client({URL!r}) as client: print(client.resume({text}).result().data)",
    ]
    compile("\n".join(line.strip() for line in program), "printed", "exec")


def test_take_up_without_secrets() -> None:
    """A URL with a query or a password is not repeated, the mode is, and so is a file that names the server."""
    place = Place(given=f"{URL}?key=s3cret", endpoint=URL, lasting=True, mode="legacy")
    lines = stopped(course(place, reference=TASK))
    assert "URL is the one given to this command" in lines[1]
    assert "with Client(URL, mode='legacy') as" in lines[-1]
    assert "s3cret" not in "".join(lines)
    place = Place(given="servers.json", endpoint=URL, lasting=True)
    assert "with Client('servers.json') as" in stopped(course(place, reference=TASK))[-1]


def test_take_up_of_an_endless_id() -> None:
    """A reference that does not fit into a line is not cut in two."""
    long = TaskReference(task_id="t" * 5000, endpoint=URL)
    assert stopped(course(HTTP, reference=long))[1:] == ["its reference is too long to be shown here"]


def test_take_up_with_an_answer() -> None:
    """A task that asks is taken up with what answers it."""
    requests = [elicit("Really?"), sample("Write"), list_roots()]
    program = fate(course(HTTP, reference=TASK), answer=requests)[-1]
    assert f"Client({URL!r}, elicitation_handler=..., roots=..., sampling_handler=...)" in program


def test_questions() -> None:
    """Each question is told once, in its own words; what is no question is told too."""
    assert questions({"a": elicit("Really?"), "b": elicit("Really?")}, "other") == ["the task asks: Really?"]
    assert questions({"a": elicit_url("Log in", "https://x.example/")}, None) == [
        "the task asks: Log in (at https://x.example/)"
    ]
    assert questions({}, "Really?") == ["the task asks: Really?"]
    assert questions({}, None) == ["the task asks: something, and the server does not say what"]
    (asked,) = questions({"a": sample("Write a poem")}, None)
    assert "Write a poem" in asked
    many = questions({str(n): elicit(f"question {n}") for n in range(9)}, None)
    assert (len(many), many[-1]) == (6, "… and 4 more")


@pytest.mark.parametrize(
    "request_", [None, 1, {}, {"method": 1}, {"params": 1}, {"method": "elicitation/create", "params": {"message": 1}}]
)
def test_odd_questions(request_: Any) -> None:
    """Whatever a server sends as a question is told in a line, and can be taken up."""
    (asked,) = questions({"a": request_}, None)
    assert asked.startswith("the task asks: something without words")
    assert "elicitation_handler=..." in fate(course(HTTP, reference=TASK), answer=[request_])[-1]


def tool(name: str, schema: dict[str, Any]) -> mcp_types.Tool:
    """A tool with that schema."""
    return mcp_types.Tool(name=name, input_schema={"type": "object", **schema})


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("crunch", {"n": 1}, None),
        ("crunch", {}, "crunch needs more arguments: give 'n' in --arguments, a JSON object"),
        ("odd", {}, None),
        ("crunchh", {}, "the server lists no tool crunchh; the server's tools: crunch, odd"),
        (None, {}, "name a tool with --tool; the server's tools: crunch, odd"),
    ],
)
def test_uncallable(name: str | None, arguments: dict[str, Any], said: str | None) -> None:
    """A call in vain is refused with the server's tools, or with the arguments that are missing."""
    tools = [tool("crunch", {"required": ["n"]}), tool("odd", {"required": 3})]
    assert uncallable(tools, name, arguments) == said


def test_no_tools() -> None:
    """A server may have none."""
    assert uncallable([], "x", {}) == "the server lists no tool x, and no other"
