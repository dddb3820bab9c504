"""What the generator cannot translate is an error that names the place and says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.names import NAMES
from tests.helpers.generating import rendered, source, with_member

DOC = '    """Pause."""'
REFUSED: list[tuple[str, str]] = [
    (f"async def pause(self) -> Awaitable[int]:\n{DOC}", "cannot translate the return type Awaitable[int]"),
    (f"async def pause(self) -> AsyncIterator[int]:\n{DOC}", "an async method that returns an async iterator"),
    (f"async def pause(self) -> AsyncIterator[int]:\n{DOC}\n    def f(): yield", "returns an async iterator"),
    (f"def pause(self) -> AsyncIterator[Task[int]]:\n{DOC}", "the return type AsyncIterator[Task[int]]"),
    (f"async def pause(self) -> int:\n{DOC}\n    yield 1", "an async generator that returns a value"),
    (f"async def pause(self) -> dict[str, Task[int]]:\n{DOC}", "the return type dict[str, Task[int]]"),
    (f"async def pause(self) -> Task[int] | Task[str]:\n{DOC}", "the return type Task[int] | Task[str]"),
    (f"async def pause(self) -> tuple[Task[int], int] | int:\n{DOC}", "the return type tuple"),
    (f"def pause(self) -> contextlib.AbstractAsyncContextManager[int]:\n{DOC}", "the return type contextlib."),
    (f"def pause(self) -> Callable[[int], None]:\n{DOC}", "the return type Callable[[int], None]"),
    (f"async def pause(self) -> Self | None:\n{DOC}", "the return type Self | None"),
    (f"@property\ndef pause(self) -> AsyncIterator[int]:\n{DOC}", "a property that returns an async iterator"),
    (f"@property\ndef pause(self) -> Callable[[], None]:\n{DOC}", "a property that returns a function"),
    (f"async def pause(self, other: Task[int]) -> None:\n{DOC}", "parameter other takes something of the async world"),
    (
        f"async def pause(self, items: AsyncIterator[int]) -> None:\n{DOC}",
        "parameter items takes something of the async",
    ),
    (
        f"async def pause(self, then: Callable[[], None]) -> None:\n{DOC}",
        "parameter then takes a function; name 'Task.pause.then'",
    ),
    (f"async def pause(self, then: Then | None = None) -> None:\n{DOC}", "name 'Task.pause.then'"),
    (f"async def pause(self, then: LogHandler) -> None:\n{DOC}", "name 'Task.pause.then'"),
    (f"async def pause(self, roots: Roots) -> None:\n{DOC}", "name 'Task.pause.roots'"),
    (f"@functools.cache\ndef pause(self) -> None:\n{DOC}", "knows no decorator @functools.cache"),
    (f"@classmethod\ndef pause(cls) -> None:\n{DOC}", "knows no decorator @classmethod"),
    (
        f"@property\ndef pause(self) -> int:\n{DOC}\n\n@pause.setter\ndef pause(self, value: int) -> None: ...",
        "setters are not translated",
    ),
    ("async def pause(self) -> None: ...", "it has no docstring"),
    ("async def pause(self) -> None:\n    'Pause.'", 'a docstring is written """like this"""'),
    (f"async def pause(self):\n{DOC}", "it has no return annotation"),
    (f"async def pause(self, seconds) -> None:\n{DOC}", "its parameter seconds has no annotation"),
    (f"async def pause(self, seconds: Unknown) -> None:\n{DOC}", "the name Unknown in a signature is neither"),
    (f"async def pause(this) -> None:\n{DOC}", "its first parameter is not `self`"),
    (f"async def pause(self, a: tuple[\n    int,  # why\n    str,\n]) -> None:\n{DOC}", "a comment inside"),
    ("async def __aiter__(self) -> int: ...", "knows no such special method"),
    ("def _repr_latex_(self) -> str: ...", "knows no such special method"),
    ("pause: int = 3", "has something public that is no method"),
    ("class Pause: ...", "has something public that is no method"),
    (f"async def pause(self, a: dict[{'str, ' * 30}int]) -> None:\n{DOC}", "a line would be longer than 120"),
    ('async def pause(self) -> None:\n    """Pause the event loop."""', "docstring speaks of the async world"),
]
HEAD = """
import contextlib, functools
from typing import Self
from mcptasks._engine.input.handlers import LogHandler, Roots
Then = Callable[[], None]
"""


@pytest.mark.parametrize(("code", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused_member_is_named(code: str, words: str) -> None:
    """The error names the file and says what is wrong."""
    with pytest.raises(GeneratorError) as caught:
        with_member(code, head=HEAD)
    problem = next(problem for problem in caught.value.problems if words in problem)
    assert problem.startswith("mcptasks/_async/task.py:")


FUNCTIONS: list[tuple[str, str]] = [
    (f"async def race(*tasks: Task[T]) -> Task[T]:\n{DOC}", "that take tasks in one parameter"),
    (f"async def race(*tasks: Task[T]) -> dict[str, Task[T]]:\n{DOC}", "the return type dict[str, Task[T]]"),
    (
        f"async def race(*tasks: Task[T]) -> AsyncIterator[Task[T]]:\n{DOC}",
        "an async method that returns an async iterator",
    ),
    (f"def race(*tasks: Task[T]) -> list[T]:\n{DOC}", "that take tasks in one parameter"),
    (f"async def race(seconds: float) -> None:\n{DOC}", "that take tasks in one parameter"),
    (f"async def race(one: Task[T], other: Task[T]) -> None:\n{DOC}", "takes something of the async world"),
    (f"async def race(*tasks: Task[T], other: Iterable[Task[T]]) -> None:\n{DOC}", "that take tasks in one parameter"),
    (f"async def race(tasks: dict[str, Task[T]]) -> None:\n{DOC}", "takes something of the async world"),
    (f"async def race(**tasks: Task[T]) -> None:\n{DOC}", "takes something of the async world"),
    (f"async def race(*tasks: Task[T], then: Callable[[], None]) -> None:\n{DOC}", "name 'race.then'"),
    (f"@functools.cache\ndef race(*tasks: Task[T]) -> None:\n{DOC}", "knows no decorator @functools.cache"),
    ("async def race(*tasks: Task[T]) -> None: ...", "it has no docstring"),
    (f"async def race(*tasks: Task[T]):\n{DOC}", "it has no return annotation"),
    ('async def race(*tasks: Task[T]) -> None:\n    """Do not await the end."""', "speaks of the async world"),
]


@pytest.mark.parametrize(("code", "words"), FUNCTIONS, ids=[f"{n}-{words}" for n, (_, words) in enumerate(FUNCTIONS)])
def test_refused_function_is_named(code: str, words: str) -> None:
    """The error names the file and says what is wrong with a function of a module."""
    head = "import functools\nfrom collections.abc import Callable\n"
    text = source("groups").replace("from typing import", f"{head}from typing import", 1)
    with pytest.raises(GeneratorError) as caught:
        rendered({"groups": f"{text}\n\n{code}\n"})
    problem = next(problem for problem in caught.value.problems if words in problem)
    assert problem.startswith("mcptasks/_async/groups.py:")


def test_pulled_parameter_has_the_type_for_it() -> None:
    """A parameter whose items are got on the thread that waits takes plain and async iterables, in that order."""
    text = source("maps").replace("Iterable[Arguments] | AsyncIterable[Arguments]", "AsyncIterable[Arguments]")
    with pytest.raises(GeneratorError, match=r"Maps\.map: its parameter arguments is in `pulled`.*`Iterable\[X\] \|"):
        rendered({"maps": text})


def test_return_type_of_the_client_itself_is_refused() -> None:
    """A method that hands out the async client would be one that the blocking world cannot use."""
    with pytest.raises(GeneratorError, match=r"client\.py:\d+: Client\.pause: .* the return type Client"):
        with_member(f"async def pause(self) -> Client:\n{DOC}", "client")


def test_overload_that_does_not_fit_is_refused() -> None:
    """An overload with a task, where the implementation does not say so, is refused: the task would be an async one."""
    code = f"@overload\nasync def pause(self) -> Task[int]: ...\n\nasync def pause(self) -> Any:\n{DOC}"
    with pytest.raises(
        GeneratorError, match="an overload that returns a task, where the implementation returns a value"
    ):
        with_member(code, head="from typing import overload")


def test_all_problems_come_at_once() -> None:
    """One run names every problem of a class, and nothing that only follows from them."""
    code = f"async def pause(self) -> Awaitable[int]:\n{DOC}\n\nasync def stop(self) -> Awaitable[int]:\n{DOC}"
    with pytest.raises(GeneratorError) as caught:
        with_member(code)
    assert [problem.split(": ")[1] for problem in caught.value.problems] == ["Task.pause", "Task.stop"]


def test_unknown_public_class_is_refused() -> None:
    """A new public class needs a base in the map."""
    with pytest.raises(GeneratorError, match="Group: a public class that the map does not know; name its base class"):
        rendered({"task": f'{source("task")}\n\nclass Group:\n    """A group."""\n'})


def test_class_without_docstring_is_refused() -> None:
    """A public class says what it is."""
    with pytest.raises(GeneratorError, match=r"task\.py:\d+: Group: it has no docstring"):
        rendered({"task": f"{source('task')}\n\nclass Group(Task[int]):\n    pass\n"})


def test_parameter_cannot_run_in_both_places() -> None:
    """A parameter is a callback or a handler, not both."""
    key = "Task.on_status_change.callback"
    with pytest.raises(GeneratorError, match=f"'{key}' is both in `background` and in `waiting`"):
        rendered({}, replace(NAMES, waiting=NAMES.waiting | {key}))


def test_client_docstring_has_a_place_for_the_backend() -> None:
    """Where the client's docstring lists no arguments, the extra one has no place."""
    text = source("client").replace("    Args:\n        target:", "    Arguments:\n        target:", 1)
    with pytest.raises(GeneratorError, match='its docstring has no "Args:", where backend is to stand'):
        rendered({"client": text})
