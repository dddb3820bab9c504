"""What mypy, strict, and pyright make of the examples of the documentation.

Not a test of the ordinary run, which has no type checkers: `nox -s types` runs it.
"""

from __future__ import annotations

import re
import textwrap

import pytest

from tests.helpers.documentation import PYTHON
from tests.helpers.examples import Example
from tests.helpers.type_checkers import RUNS, Found

UNTYPED = ("part of", "not installed", "nox -s")
"""Words of the reasons of examples that cannot be checked on their own."""
EXAMPLES = [
    example for example in PYTHON if not any(words in example.marks.get("compile-only", "") for words in UNTYPED)
]
GIVEN = {
    "client": "client: {world}.Client",
    "task": "task: {world}.Task[mcptasks.ToolResult]",
}
"""What an example may use without making it."""


def awaits(source: str) -> bool:
    """Whether an example has an `await` outside of any function, as a cell of a notebook may."""
    try:
        compile(source, "example", "exec")
    except SyntaxError:
        return True
    return False


def typed(example: Example) -> str:
    """An example as a module, each line at the place that it has there; what it may use comes as parameters."""
    world = "mcptasks.sync" if "blocking" in example.given or example.page.startswith("mcptasks/_sync") else "mcptasks"
    head = f"import mcptasks, mcptasks.sync; from {world} import Client" if example.page.startswith("mcptasks/") else ""
    source = example.source
    manner = "async" if example.manner == "async" or awaits(source) else "plain"
    if example.given or manner == "async":
        given = ", ".join(GIVEN[name].format(world=world) for name in sorted(example.given - {"blocking"}))
        head += f"{'; ' if head else ''}import mcptasks, mcptasks.sync"
        keyword = "async def" if manner == "async" else "def"
        source = f"{keyword} example({given}) -> None:\n{textwrap.indent(source, '    ')}"
        return f"{head}\n" + source
    return f"{head}\n\n{source}"


@pytest.fixture(scope="module", params=sorted(RUNS))
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Found]]:
    """What one checker says of the examples, by their files."""
    folder = tmp_path_factory.mktemp("examples")
    for example in EXAMPLES:
        (folder / file_of(example)).write_text(typed(example))
    sorted_out: dict[str, list[Found]] = {}
    for one in RUNS[request.param](folder):
        sorted_out.setdefault(one.file, []).append(one)
    return sorted_out


def file_of(example: Example) -> str:
    """The file that an example is checked in."""
    return re.sub(r"\W", "_", example.where) + ".py"


@pytest.mark.parametrize("example", [pytest.param(example, id=example.where) for example in EXAMPLES])
def test_example(example: Example, found: dict[str, list[Found]]) -> None:
    """An example is free of mistakes, so that who copies it into a typed program has none either."""
    lines = ["", "", *example.source.splitlines()]
    told = [f"{one.message}: {lines[one.line - 1].strip()}" for one in found.get(file_of(example), ()) if one.is_error]
    assert not told, "\n".join(told)
