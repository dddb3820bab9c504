"""The error of the generator: lists everything that stops it, each with the place and the remedy."""

from __future__ import annotations


class GeneratorError(Exception):
    """The source cannot be translated as it stands. `problems` holds one line for each thing to mend."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
