"""Lists the pages of the project, and the examples on them and in docstrings."""

from __future__ import annotations

import itertools

from mcptasks._async import calls, client, groups, task
from mcptasks._sync import calls as sync_calls
from mcptasks._sync import client as sync_client
from mcptasks._sync import groups as sync_groups
from mcptasks._sync import task as sync_task
from tests.helpers.examples import (
    ROOT,
    docstring_examples,
    examples_of,
)

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
IN_DOCSTRINGS = {
    world: [found for module in modules for found in docstring_examples(module)]
    for world, modules in {
        "async": (calls, client, groups, task),
        "blocking": (sync_calls, sync_client, sync_groups, sync_task),
    }.items()
}
ON_PAGES = [
    example
    for path in PAGES
    for example in examples_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
]
PYTHON = [example for example in itertools.chain(ON_PAGES, *IN_DOCSTRINGS.values()) if example.language == "python"]
