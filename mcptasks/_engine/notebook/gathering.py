"""A call that waits for several tasks, and that a notebook shows as one table of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from mcptasks._core import html
from mcptasks._engine.notebook.display import Page, page_of
from mcptasks._engine.notebook.table import Bundle, Table
from mcptasks._engine.notebook.task_list import run_of

FunctionT = TypeVar("FunctionT", bound=Callable[..., Coroutine[Any, Any, Any]])
T = TypeVar("T")

_RUNNING: ContextVar[Gathering[Any] | None] = ContextVar("mcptasks_gathering", default=None)


def shown_in_notebooks(function: FunctionT) -> FunctionT:
    """Decorate an async function that takes tasks, or calls that make tasks. The function then returns a coroutine that
    has a display: a cell that ends in it shows the tasks."""

    @wraps(function)
    def gather(*tasks: Any, **options: Any) -> Gathering[Any]:
        return Gathering(function(*tasks, **options), tasks)

    made: Any = gather
    return made  # type: ignore[no-any-return]


def gathering() -> Gathering[Any] | None:
    """Return the gathering whose coroutine runs at this moment; None outside of such a coroutine."""
    return _RUNNING.get()


class Gathering(Coroutine[Any, Any, T]):
    """A coroutine with a display.

    Args:
        coroutine: What is awaited.
        given: The tasks and calls that the program has passed.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], given: Sequence[Any]) -> None:
        self._coroutine = coroutine
        self._tasks = list(dict.fromkeys(each for each in given if isinstance(getattr(each, "_page", None), Page)))
        self._coming = len({id(each) for each in given}) - len(self._tasks)
        """How many calls have not made their task yet."""
        self._tables: list[Table] = []
        self._begun = False

    def __getattr__(self, name: str) -> Any:
        """Pass on the attributes of a coroutine that debuggers read: where it stands, and its name."""
        if name.startswith("cr_") or name in ("__name__", "__qualname__"):
            return getattr(self._coroutine, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<gather of {self._words()}{'' if self._begun else ', not awaited yet'}>"

    # --- a coroutine ----------------------------------------------------------------------------------------------

    def send(self, value: Any) -> Any:
        """Take the next step."""
        return self._step(lambda: self._coroutine.send(value))

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        """Take the next step by raising something."""
        error: BaseException = val if isinstance(val, BaseException) else typ() if isinstance(typ, type) else typ
        return self._step(lambda: self._coroutine.throw(error if tb is None else error.with_traceback(tb)))

    def close(self) -> None:
        """End the coroutine, wherever it stands."""
        self._end()
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield from _Steps(self))

    def _step(self, step: Callable[[], Any]) -> Any:
        if not self._begun:
            self._begun = True
            for table in self._tables:
                table.follow()
        token = _RUNNING.set(self)
        try:
            return step()
        except BaseException:  # Also at the end, which is a `StopIteration`.
            self._end()
            raise
        finally:
            _RUNNING.reset(token)

    # --- what is shown --------------------------------------------------------------------------------------------

    def add(self, task: Any) -> None:
        """Note that a call has made this task, and show the task."""
        self._coming -= 1
        self._tasks.append(task)
        for table in self._tables:
            table.add(page_of(task).followed)

    def _end(self) -> None:
        self._coming = 0
        for table in self._tables:
            table.refresh()

    def _words(self) -> str:
        calls = [plural(self._coming, "call")] if self._coming or not self._tasks else []
        return " and ".join([*([plural(len(self._tasks), "task")] if self._tasks else []), *calls])

    def _bundle(self, followed: bool) -> Bundle:
        note = None
        if self._coming:
            note = f"{plural(self._coming, 'call')} under way" if self._begun else "calls are made when this is awaited"
        page = html.tasks_html(self._tasks, datetime.now(UTC) if followed else None, note)
        return {"text/plain": repr(self), "text/html": page}

    def _ipython_display_(self) -> None:
        table = Table(self._bundle, [page_of(task).followed for task in self._tasks], lambda: self._coming > 0)
        if not table.publish():
            return
        self._tables.append(table)
        if self._tasks:
            run_of(self._tasks[0])(table.follow)
        elif self._begun:
            table.follow()


def plural(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class _Steps(Generator[Any, Any, T]):
    """The steps of a gathering, for `await` in another coroutine."""

    def __init__(self, inner: Gathering[T]) -> None:
        self._inner = inner

    def __next__(self) -> Any:
        return self._inner.send(None)

    def send(self, value: Any) -> Any:
        return self._inner.send(value)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        return self._inner.throw(typ, val, tb)

    def close(self) -> None:
        self._inner.close()
