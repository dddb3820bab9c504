"""A walk through all commands of the program, as a table: at a terminal whose screen is read back, or in pipes.

Commands that need nothing of each other run side by side, since each is a process of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from attrs import field, frozen

from mcptasks._cli.app import COMMANDS
from tests.helpers.command_line import Home

COLOR = re.compile(rb"\x1b\[[0-9;]*m")
"""Changes the color or the weight of what follows (ECMA-48, SGR); `0` alone ends that."""
_AT_ONCE = 3
"""Commands that run side by side. CI has two processors."""


@frozen
class Step:
    """One command, and how it ends."""

    words: str
    """The command line as a shell has it; names in braces stand for what the test has prepared."""
    says: tuple[str, ...] = ()
    """What stands on the screen at the end, or on one of the streams."""
    code: int = 0
    meanwhile: tuple[tuple[str, str], ...] = ()
    """At a terminal: when the first stands there, the second is typed, or the action of that name carried out."""


@frozen
class Seen:
    """What came of a command."""

    code: int
    text: str
    raw: bytes
    lines: tuple[str, ...]


@frozen
class Walk:
    """Walks through a table.

    Args:
        home: Where the commands run.
        names: What stands for the names in braces.
        actions: What a step may do while its command runs.
        columns: The width of the terminal; None for pipes.
        env: Variables of the environment.
    """

    home: Home
    names: Mapping[str, str]
    actions: Mapping[str, Callable[[], object]] = field(factory=dict[str, Callable[[], object]])
    columns: int | None = None
    env: Mapping[str, str] = field(factory=dict[str, str])

    def all(self, *stages: Sequence[Sequence[Step]]) -> list[tuple[Step, Seen]]:
        """Run the steps, check how each ends, and return what was seen. Every command of the program is among them.

        Args:
            stages: One after the other; the sequences of a stage run side by side, and the steps of each in turn.
        """
        found: list[tuple[Step, Seen]] = []
        for stage in stages:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for seen in pool.map(self._chain, stage):
                    found += seen
        walked = {shlex.split(step.words)[0] for step, _ in found}
        assert walked == set(COMMANDS)
        return found

    def _chain(self, steps: Sequence[Step]) -> list[tuple[Step, Seen]]:
        return [(step, self._checked(step)) for step in steps]

    def _checked(self, step: Step) -> Seen:
        words = [word.format_map(self.names) for word in shlex.split(step.words)]
        seen = self._in_pipes(step, words) if self.columns is None else self._at_terminal(step, words, self.columns)
        assert seen.code == step.code, f"{step.words}: {seen}"
        assert "Traceback" not in seen.text, f"{step.words}: {seen}"
        for each in step.says:
            said = each.format_map(self.names)
            assert said in seen.text, f"{step.words}: no {said!r} in {seen}"
        return seen

    def _in_pipes(self, step: Step, words: Sequence[str]) -> Seen:
        for _, name in step.meanwhile:
            if name in self.actions:
                self.actions[name]()
        done = self.home.run(*words, env=self.env)
        raw = (done.out + done.err).encode()
        return Seen(done.code, done.out + done.err, raw, tuple(done.out.splitlines()))

    def _at_terminal(self, step: Step, words: Sequence[str], columns: int) -> Seen:
        with self.home.terminal(*words, columns=columns, env=self.env) as terminal:
            for until, name in step.meanwhile:
                terminal.until(until)
                if name in self.actions:
                    self.actions[name]()
                else:
                    terminal.type(name)
            code = terminal.end()
            # A word that the edge of the screen cuts in two is one word.
            return Seen(code, terminal.text, terminal.raw, tuple(line for line in terminal.lines if line))
