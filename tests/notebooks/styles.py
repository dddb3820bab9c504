"""The two styles of writing cells. Tests are written in the async one; the blocking one is the same without `await`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Literal

import attrs

from tests.notebooks.kernel import LIMIT, Cell, Kernel

Style = Literal["async", "blocking"]
STYLES: tuple[Style, ...] = ("async", "blocking")


def written(code: str, style: Style) -> str:
    """A cell in this style."""
    if style == "async":
        return code
    return re.sub(r"\b(await|async) ", "", re.sub(r"\bmcptasks\b(?!\.\w*Error)", "mcptasks.sync", code))


@attrs.frozen
class Notebook:
    """A kernel that is spoken to in one style."""

    kernel: Kernel
    style: Style

    def run(self, code: str, *, answers: Iterable[str] | None = None) -> Cell:
        """Run a cell, which must not fail."""
        return self.kernel.run(written(code, self.style), answers=answers)

    def try_(self, code: str, *, answers: Iterable[str] | None = None) -> Cell:
        """Run a cell, however it ends."""
        return self.kernel.try_(written(code, self.style), answers=answers)

    def until(self, expression: str) -> None:
        """Run cells, one after another, until an expression is true; between them the kernel is idle."""
        deadline = time.monotonic() + LIMIT
        while self.run(f"bool({expression})").value != "True":
            assert time.monotonic() < deadline, expression

    def stop(self, wait: str, *, asking: bool = False, after: Callable[[], object] | None = None) -> Cell:
        """Run one statement that waits, and press stop; the cell prints when it was over.

        Args:
            wait: The statement.
            asking: Press it when `input()` asks something, in place of when the kernel has become idle.
            after: Returns when what the statement does on its way to the wait has happened. Called in a thread.
        """
        lines = "".join(f"    {line}\n" for line in written(wait, self.style).splitlines())
        code = f"import time\nprint('waiting')\ntry:\n{lines}finally:\n    print(time.time())"
        return self.kernel.stop(code, asking=asking, after=after)
