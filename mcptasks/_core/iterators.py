"""The types of iterators over results, async and blocking, which a program can close."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

T_co = TypeVar("T_co", covariant=True)


class Results(AsyncIterator[T_co]):
    """An iterator over results, for `async for`. `contextlib.aclosing` closes the iterator at the end of a block."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the iteration."""


class BlockingResults(Iterator[T_co]):
    """An iterator over results, for `for`. `contextlib.closing` closes the iterator at the end of a block."""

    @abstractmethod
    def close(self) -> None:
        """End the iteration."""
