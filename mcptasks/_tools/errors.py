"""What the generator raises: everything that stops it, at once, each with its place and what to do."""

from __future__ import annotations


class GeneratorError(Exception):
    """The source cannot be translated as it stands. `problems` holds one line for each thing to mend."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
