"""The blocking form of an async iterator, when its background thread ends under a step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from mcptasks import TaskConnectionError
from mcptasks._portal.iteration import Steps


class Ending:
    """A runner whose thread has ended for so many calls. Then calls run as after the closing of a client."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def call(self, function: Callable[[], Awaitable[Any]], *, answers: bool = False) -> Any:
        """Run a function, or tell that the thread has ended."""
        assert answers is False
        if self.left:
            self.left -= 1
            raise TaskConnectionError("the background thread has ended")
        return anyio.run(function)


class Two(AsyncIterator[int]):
    """Two items. No generator, which would end with the event loop of its first step."""

    def __init__(self) -> None:
        self.last = 0

    async def __anext__(self) -> int:
        if self.last == 2:
            raise StopAsyncIteration
        self.last += 1
        return self.last


def test_the_thread_ends_under_a_step() -> None:
    """The step is made once more, as after the closing: the iteration goes on to its own end."""
    assert list(Steps(Ending(1), Two(), answers=False)) == [1, 2]


def test_no_thread_any_more() -> None:
    """A step that cannot be made again, such as one in another process, says why."""
    with pytest.raises(TaskConnectionError, match="has ended"):
        next(Steps(Ending(2), Two(), answers=False))


def test_another_thread_takes_the_item() -> None:
    """A step whose item another thread takes is not the end: the step waits for the next item."""

    class Robbed(Steps[int]):
        """Steps of which another thread takes the first item, at the moment when it has come."""

        def _has_come(self) -> bool:
            if has_come := super()._has_come():
                self._found = tuple(item for item in self._found if item != 1)
            return has_come

    assert list(Robbed(Ending(0), Two(), answers=False)) == [2]
