"""What the demonstration says of a server's tools and questions, and of the work that it leaves behind. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from attrs import define, frozen
from mcp_types import Tool

from mcptasks import TaskReference
from mcptasks._core.safe_text import WORDS, line, several, short

SHOWN = 200
"""How many characters are shown of one thing that a server says."""
_QUESTIONS = 5
"""How many of a task's questions are shown."""
_HANDLERS = {"sampling/createMessage": "sampling_handler", "roots/list": "roots"}
"""Which argument of `Client` answers what the server asks; an `elicitation_handler` answers the rest."""


@frozen(kw_only=True)
class Place:
    """The server of a demonstration."""

    given: str | list[str]
    """The server that the command line names; empty for the demonstration's own server."""
    endpoint: str
    """Where the server is, without a secret."""
    lasting: bool
    """Whether the server outlives this command. Servers with a URL do; others are subprocesses."""
    mode: str = "auto"
    """How to negotiate."""

    @property
    def name(self) -> str:
        """The server's name for people; holds no secret."""
        return line(self.endpoint.removeprefix("stdio:"), SHOWN) if self.given else "the demo's own server"

    def client(self, more: str = "") -> str:
        """The Python that makes a client of it. A URL with a password or a query is not repeated."""
        is_shown = self.given == self.endpoint or (isinstance(self.given, str) and self.given.endswith(".json"))
        mode = "" if self.mode == "auto" else f", mode={self.mode!r}"
        return f"Client({ascii(self.given) if is_shown else 'URL'}{mode}{more})"


@define(kw_only=True)
class Course:
    """How far a demonstration has come. The command changes it; what is said at the end is read from it."""

    place: Place
    tool: str
    connected: bool = False
    called: bool = False
    """Whether the call was sent, or may have been."""
    plain: bool = False
    """Whether the call runs in this program, without a task at the server."""
    reference: TaskReference | None = None
    """Names the task at the server, as soon as there is one."""
    over: bool = False
    """Whether the work is over."""
    shown: bool = False
    """Whether its end was shown."""


def stopped(course: Course) -> list[str]:
    """What to say when the command is interrupted."""
    if not course.connected:
        return [f"stopped while connecting to {course.place.name}; no work was begun"]
    if not course.called:
        return ["stopped; no work was begun"]
    first, *rest = fate(course)
    return [f"stopped; {first}", *rest]


def fate(course: Course, *, answer: Iterable[Any] = ()) -> list[str]:
    """What becomes of the work that the command leaves, and how to take it up.

    Args:
        course: How far the command has come; the call was sent.
        answer: The questions that the task waits for.
    """
    place, tool = course.place, course.tool
    if course.shown or (course.over and (course.plain or not place.lasting)):
        return ["the work was over"]
    if course.plain:
        return [f"{tool} was a plain call of this program, and was cancelled with it"]
    if not place.lasting:
        return [f"{place.name} was started by this command and has ended with it, and so has the work there"]
    if course.reference is None:
        return [f"{place.name} had not answered the call of {tool} yet; whether the work was begun is not known"]
    known = line(course.reference.task_id, SHOWN)
    if course.over:
        first = f"the work is over, and the server has its result as task {known}"
    else:
        first = f"the work was not cancelled: the server has it as task {known}"
    return [first, *_take_up(place, course.reference, list(answer))]


def _take_up(place: Place, reference: TaskReference, answer: list[Any]) -> list[str]:
    """The Python that takes the task up again."""
    handlers = sorted({_HANDLERS.get(_method(request), "elicitation_handler") for request in answer})
    client = place.client("".join(f", {name}=..." for name in handlers))
    program = f"  with {client} as client: print(client.resume({reference.to_json()!a}).result().data)"
    if len(program) > 2 * WORDS:
        return ["its reference is too long to be shown here"]
    url = ", where URL is the one given to this command" if client.startswith("Client(URL") else ""
    verb = "answer it and get" if handlers else "get"
    kept = "if the server keeps tasks after a connection ends" + (", and asks again" if handlers else "")
    return [
        f"to {verb} its result, write in Python{url} ({kept}):",
        "  from mcptasks.sync import Client",
        program,
    ]


def _method(request: Any) -> str:
    found = cast("Mapping[str, Any]", request).get("method") if isinstance(request, Mapping) else None
    return found if isinstance(found, str) else ""


def questions(requests: Mapping[str, Any], otherwise: str | None) -> list[str]:
    """What a task asks, one line for each question.

    Args:
        requests: The open input requests, as the server sent them.
        otherwise: The status message, which stands for the question if the server has not sent it.
    """
    texts = list(dict.fromkeys(_question(request) for request in requests.values()))
    if not texts:
        texts = [otherwise or "something, and the server does not say what"]
    more = [f"… and {len(texts) - _QUESTIONS} more"] if len(texts) > _QUESTIONS else []
    return [f"the task asks: {line(text, WORDS)}" for text in texts[:_QUESTIONS]] + more


def _question(request: Any) -> str:
    method = _method(request)
    found = cast("Mapping[str, Any]", request).get("params") if isinstance(request, Mapping) else None
    params = cast("Mapping[str, Any]", found if isinstance(found, Mapping) else {})
    asked: Any = params.get("message")
    if method == "roots/list":
        return "for the folders it may use (roots/list)"
    if method == "sampling/createMessage":
        return f"for a text of a model: {short(params.get('messages'), SHOWN)}"
    if not isinstance(asked, str) or not asked:
        return f"something without words ({method or 'no method'})"
    where: Any = params.get("url")
    return f"{asked} (at {line(where, SHOWN)})" if isinstance(where, str) else asked


def uncallable(tools: list[Tool], tool: str | None, arguments: Mapping[str, Any]) -> str | None:
    """Why a call of that tool would be in vain, by the server's list; None if it would not.

    Args:
        tools: The server's tools.
        tool: The tool; None if none was named.
        arguments: Its arguments.
    """
    found = next((entry for entry in tools if entry.name == tool), None)
    if found is None:
        names = ", ".join(line(entry.name, SHOWN) for entry in tools)
        if tool is None:
            return f"name a tool with --tool; the server's tools: {names or 'none'}"
        # Perhaps it has one: a malformed entry is left out of the list.
        first = f"the server lists no tool {line(tool, SHOWN)}"
        return f"{first}; the server's tools: {names}" if names else f"{first}, and no other"
    schema = cast("Mapping[str, Any]", found.input_schema)
    required: Any = schema.get("required")
    wanted = cast("list[Any]", required) if isinstance(required, list) else []
    missing = [name for name in wanted if isinstance(name, str) and name not in arguments]
    if not missing:
        return None
    return f"{line(found.name, SHOWN)} needs more arguments: give {several(missing)} in --arguments, a JSON object"
