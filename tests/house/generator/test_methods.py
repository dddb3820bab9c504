"""Whatever is added to the async classes comes out right without further work, or is refused with a reason."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from mcptasks._tools.names import NAMES
from tests.helpers.generating import member, rendered, source, with_member

ADDED: list[tuple[str, str, str]] = [
    (
        "async method",
        '''
        async def pause(self, seconds: float = 1.0) -> TaskStatus:
            """Pause."""
            return await self._core.pause(seconds)
        ''',
        '''
        @blocking
        def pause(self, seconds: float = 1.0) -> TaskStatus:
            """Pause."""
            return self._call(lambda: self._inner.pause(seconds))
        ''',
    ),
    (
        "async method without arguments and value",
        '''
        async def pause(self) -> None:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self) -> None:
            """Pause."""
            self._call(self._inner.pause)
        ''',
    ),
    (
        "every kind of parameter",
        '''
        async def pause(self, a: int, /, b: str = "x", *c: int, d: Kind | None = None, **e: float) -> int:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self, a: int, /, b: str = "x", *c: int, d: Kind | None = None, **e: float) -> int:
            """Pause."""
            return self._call(lambda: self._inner.pause(a, b, *c, d=d, **e))
        ''',
    ),
    (
        "plain method",
        '''
        def pause(self, *, first: bool) -> int:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self, *, first: bool) -> int:
            """Pause."""
            return self._run(lambda: self._inner.pause(first=first))
        ''',
    ),
    (
        "property",
        '''
        @property
        def pause(self) -> float | None:
            """The pause."""
        ''',
        '''
        @property
        def pause(self) -> float | None:
            """The pause."""
            return self._inner.pause
        ''',
    ),
    (
        "property that is a task",
        '''
        @property
        def pause(self) -> Task[Any]:
            """The pause."""
        ''',
        '''
        @property
        def pause(self) -> Task[Any]:
            """The pause."""
            return self._handle(Task, self._inner.pause)
        ''',
    ),
    (
        "async iterator",
        '''
        def pause(self, limit: int | None = None) -> AsyncIterator[TaskStatus]:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self, limit: int | None = None) -> Iterator[TaskStatus]:
            """Pause."""
            return self._iterate(lambda: self._inner.pause(limit))
        ''',
    ),
    (
        "async generator",
        '''
        async def pause(self) -> AsyncIterator[TaskStatus]:
            """Pause."""
            while True:
                yield await self.status()
        ''',
        '''
        @blocking
        def pause(self) -> Iterator[TaskStatus]:
            """Pause."""
            return self._iterate(self._inner.pause)
        ''',
    ),
    (
        "async method with a generator inside",
        '''
        async def pause(self) -> int:
            """Pause."""
            def inner() -> Any:
                yield 1
        ''',
        '''
        @blocking
        def pause(self) -> int:
            """Pause."""
            return self._call(self._inner.pause)
        ''',
    ),
    (
        "tasks",
        '''
        async def pause(self) -> list[Task[Any]]:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self) -> list[Task[Any]]:
            """Pause."""
            return self._handles(Task, self._call(self._inner.pause))
        ''',
    ),
    (
        "a task or nothing",
        '''
        async def pause(self, answer: str) -> Task[Any] | None:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self, answer: str) -> Task[Any] | None:
            """Pause."""
            answer_ = self._call(lambda: self._inner.pause(answer))
            return self._handle(Task, answer_) if isinstance(answer_, AsyncTask) else answer_
        ''',
    ),
    (
        "itself",
        '''
        async def pause(self) -> Self:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self) -> Self:
            """Pause."""
            self._call(self._inner.pause)
            return self
        ''',
    ),
    (
        "types on several lines",
        '''
        async def pause(
            self,
            kind: tuple[
                int,
                str,
            ] = (
                1,
                "a",
            ),  # why
        ) -> dict[
            str, int
        ]:
            """Pause."""
        ''',
        '''
        @blocking
        def pause(self, kind: tuple[int, str] = (1, "a")) -> dict[str, int]:
            """Pause."""
            return self._call(lambda: self._inner.pause(kind))
        ''',
    ),
    (
        "letters of more than one byte",
        '''
        async def pause(self, sign: str = "…", end: str = "“") -> int:
            """Pause… “now”."""
        ''',
        '''
        @blocking
        def pause(self, sign: str = "…", end: str = "“") -> int:
            """Pause… “now”."""
            return self._call(lambda: self._inner.pause(sign, end))
        ''',
    ),
]


@pytest.mark.parametrize(("code", "wanted"), [case[1:] for case in ADDED], ids=[case[0] for case in ADDED])
def test_added_member_is_translated(code: str, wanted: str) -> None:
    """A new member of a class needs nothing but the generator, whatever its kind."""
    text = with_member(code, head="from typing import Self")
    compile(text, "task.py", "exec")
    assert member(text, "pause") == textwrap.dedent(wanted).strip()


def test_added_overloads_are_translated() -> None:
    """Overloads keep their signatures, with the return types of the blocking world."""
    text = with_member(
        '''
        @overload
        async def pause(self, task: Literal[False] = False) -> int: ...

        @overload
        async def pause(self, task: Literal[True]) -> Task[int]: ...

        async def pause(self, task: bool = False) -> int | Task[int]:
            """Pause."""
        ''',
        "client",
        head="from typing import Literal, overload",
    )
    wanted = '''
    @overload
    def pause(self, task: Literal[False] = False) -> int: ...

    @overload
    def pause(self, task: Literal[True]) -> Task[int]: ...

    @blocking
    def pause(self, task: bool = False) -> int | Task[int]:
        """Pause."""
        answer = self._call(lambda: self._inner.pause(task))
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer
'''
    assert wanted in text
    assert "\nfrom typing import TYPE_CHECKING, Any, Literal, overload\n" in text
    assert "\nfrom mcptasks._async.task import Task as AsyncTask\n" in text


def test_added_parameter_is_passed_on() -> None:
    """A new parameter of an existing method is in the signature and in the call."""
    text = source("task").replace(
        "async def result(self, timeout: float | timedelta | None = None)",
        'async def result(self, timeout: float | timedelta | None = None, *, how: Literal["slow", "fast"] = "slow")',
    )
    text = text.replace("from typing import TYPE_CHECKING, Any,", "from typing import TYPE_CHECKING, Any, Literal,", 1)
    found = rendered({"task": text})["task.py"]
    assert (
        "def result(self, timeout: float | timedelta | None = None, *, "
        'how: Literal["slow", "fast"] = "slow") -> ResultT_co:'
    ) in found
    assert "return self._call(lambda: self._inner.result(timeout, how=how), answers=True)" in found
    assert "from typing import Any, Literal\n" in found


def test_added_parameter_of_the_client_is_passed_on() -> None:
    """A new argument of the client reaches the async one; `backend` remains the last."""
    old = "        patience: Patience | None = None,\n    )"
    text = source("client")
    assert text.count(old) == 1
    text = text.replace(old, f"{old[:-6]}        colour: int = 3,\n    )")
    found = rendered({"client": text})["client.py"]
    assert '        colour: int = 3,\n        backend: Backend = "asyncio",\n    ) -> None:\n' in found
    assert "            colour=colour,\n        )\n" in found


def test_names_are_imported_from_where_they_are() -> None:
    """What a signature needs is imported from where the async module has it, or from that module itself."""
    text = with_member(
        '''
        async def pause(self, when: fractions.Fraction, seconds: float = LONGEST, kind: Way | None = None) -> "Decimal":
            """Pause."""
        ''',
        head="import fractions\nfrom decimal import Decimal\n"
        "from mcptasks._core.models import Kind as Way\nLONGEST = 3.0",
    )
    for line in (
        "import fractions",
        "from mcptasks._async.task import LONGEST, ResultT_co",
        "from mcptasks._core.models import Kind as Way",
    ):
        assert f"\n{line}\n" in text


def test_long_signatures_and_calls_are_broken() -> None:
    """Lines stay within the limit, broken as ruff's formatter breaks them."""
    names = [f"parameter_name_{number}" for number in range(4)]
    text = with_member(
        f'''
        async def pause(self, {", ".join(f"{name}: str" for name in names)}) -> dict[str, str]:
            """Pause."""
        '''
    )
    assert (
        member(text, "pause")
        == textwrap.dedent('''
        @blocking
        def pause(
            self, parameter_name_0: str, parameter_name_1: str, parameter_name_2: str, parameter_name_3: str
        ) -> dict[str, str]:
            """Pause."""
            return self._call(
                lambda: self._inner.pause(parameter_name_0, parameter_name_1, parameter_name_2, parameter_name_3)
            )
        ''').strip()
    )


def test_callbacks_run_where_the_map_says() -> None:
    """A parameter that takes a function is wrapped as the map says."""
    names = replace(
        NAMES,
        background=NAMES.background | {"Task.pause.later"},
        waiting=NAMES.waiting | {"Task.pause.now"},
        inline=NAMES.inline | {"Task.pause.name"},
    )
    text = with_member(
        '''
        async def pause(
            self, name: Callable[[], str], later: Callable[[], None], *, now: Callable[[], None] | None = None
        ) -> None:
            """Pause."""
        ''',
        names=names,
    )
    call = "self._call(lambda: self._inner.pause(name, self._background(later), now=self._waiting(Task, now)))"
    assert f"{call}\n" in text


def test_methods_that_answer_input_are_in_the_map() -> None:
    """A method that the map names lets handlers run on the calling thread while it waits."""
    code = '''
        async def pause(self) -> int:
            """Pause."""
        '''
    text = with_member(code, names=replace(NAMES, answers=NAMES.answers | {"Task.pause"}))
    assert "return self._call(self._inner.pause, answers=True)" in text


def test_method_by_hand_is_left_out() -> None:
    """What the map says is written by hand is not generated."""
    code = '''
        async def pause(self) -> Awaitable[int]:
            """Pause."""
        '''
    text = with_member(code, names=replace(NAMES, by_hand={**NAMES.by_hand, "Task.pause": "why"}))
    assert "pause" not in text


@pytest.mark.parametrize("code", ["async def _pause(self) -> int: ...", "def __pause(self): ...", "_pause: int = 3"])
def test_private_members_are_left_out(code: str) -> None:
    """Private members, annotated or not, change nothing."""
    assert with_member(code) == rendered({})["task.py"]


def test_private_classes_are_left_out() -> None:
    """A private class in a module that is translated changes nothing."""
    text = f'{source("task")}\n\nclass _Inner:\n    """Private."""\n\n    async def pause(self): ...\n'
    assert rendered({"task": text}) == rendered({})


def test_bases_that_are_translated_remain() -> None:
    """A class that is derived from another public one of these modules is so in the blocking world."""
    text = source("task").replace(
        "class Task(Generic[ResultT_co]):", 'class Base:\n    """A base."""\n\n\nclass Task(Base, Generic[ResultT_co]):'
    )
    bases = {key: value for key, value in NAMES.bases.items() if key != "Task"} | {"Base": "TaskFacade[ResultT_co]"}
    found = rendered({"task": text}, replace(NAMES, bases=bases))["task.py"]
    assert "class Base(TaskFacade[ResultT_co]):" in found
    assert "class Task(Base, Generic[ResultT_co]):" in found


FUNCTION = '''
async def race(*tasks: Task[T], seconds: float = 1.0) -> T:
    """See who is first."""


async def tidy(group: Iterable[Task[T]]) -> None:
    """Put away."""


async def split(tasks: Iterable[Task[T]], *, limit: int) -> tuple[set[Task[T]], set[Task[T]]]:
    """Tell two kinds apart."""


def parade(tasks: Iterable[Task[T]]) -> AsyncIterator[Task[T]]:
    """One after the other."""
'''
BLOCKING_FUNCTION = '''
@blocking
def race(*tasks: Task[T], seconds: float = 1.0) -> T:
    """See who is first."""
    group = Group("race", tasks)
    return group.call(lambda: async_race(*group.tasks, seconds=seconds), answers=True)


@blocking
def tidy(group: Iterable[Task[T]]) -> None:
    """Put away."""
    group_ = Group("tidy", group)
    group_.call(lambda: async_tidy(group_.tasks))


@blocking
def split(tasks: Iterable[Task[T]], *, limit: int) -> tuple[set[Task[T]], set[Task[T]]]:
    """Tell two kinds apart."""
    group = Group("split", tasks)
    return group.handles(group.call(lambda: async_split(group.tasks, limit=limit)))


@blocking
def parade(tasks: Iterable[Task[T]]) -> Iterator[Task[T]]:
    """One after the other."""
    group = Group("parade", tasks)
    return map(group.handle, group.iterate(lambda: async_parade(group.tasks)))
'''


def test_functions_are_translated() -> None:
    """Functions of a module that take tasks come out as one call of a group, with the handles that were passed in."""
    names = replace(NAMES, answers=NAMES.answers | {"race"})
    text = rendered({"groups": f"{source('groups')}\n{FUNCTION}"}, names)["groups.py"]
    assert text.endswith(f"\n{BLOCKING_FUNCTION}")
    assert "from mcptasks._async.groups import race as async_race\n" in text


def test_private_functions_are_left_out() -> None:
    """What is private to the source is not in the blocking module."""
    assert "def _" not in rendered({})["groups.py"]


def test_iterables_are_pulled() -> None:
    """An input is a plain iterable in the blocking world, read on the thread that waits."""
    text = member(rendered({})["maps.py"], "map")
    assert "arguments: Iterable[Arguments],\n" in text
    assert "self._pulled(arguments)" in text
    assert "AsyncIterable" not in text


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "recover",
            "return self._recovered(Task, self._call(lambda: self._inner.recover(labels=labels, limit=limit)))",
        ),
        ("claims", "return self._iterate_handles(Task, lambda: self._inner.claims(labels=labels, limit=limit))"),
        ("release", "self._call(lambda: self._inner.release(self._inner_of(task)))"),
    ],
)
def test_tasks_of_a_store(name: str, body: str) -> None:
    """Tasks that come in a value, or one by one, are blocking ones; a task that goes in becomes the async one."""
    assert member(rendered({})["recovering.py"], name).splitlines()[-1].strip() == body


def test_imports_for_type_checkers() -> None:
    """What the source imports for type checkers only is imported so in the blocking world too."""
    head = rendered({})["recovering.py"].partition("class ")[0]
    assert "if TYPE_CHECKING:\n    from mcptasks._store.recovery import Recovery\n" in head
    assert head.count("Recovery") == 1
