"""Where tests lie: unit tests mirror the package, helpers are apart, and no test module needs another one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.helpers.source_tree import PACKAGE, ROOT, Import, imports_of, parse

TESTS = ROOT / "tests"
FILES = {path.relative_to(TESTS).as_posix(): path for path in sorted(TESTS.rglob("*.py"))}
MIRRORS = ("core", "wire", "transport", "engine")
"""Folders of unit tests; each is the mirror of the package's folder of that name."""
COLLECTED = {
    f"tests.{name.removesuffix('.py').replace('/', '.')}"
    for name, path in FILES.items()
    if path.name.startswith(("test_", "check_")) or path.name == "conftest.py"
}
"""Modules that pytest collects, as imports name them."""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[Import]]:
    """What each file imports. The files are read once: all of them are many."""
    return {name: list(imports_of(parse(path))) for name, path in FILES.items()}


def borrowed(imports: Iterable[Import]) -> Iterator[str]:
    """Imports of what pytest collects: of such a module, or of a name in it."""
    for found in imports:
        if not COLLECTED.isdisjoint((found.target, found.target.rpartition(".")[0])):
            yield f"line {found.line}: {found.target}"


def is_named_for_a_module(name: str) -> bool:
    """Whether a unit test, by its path below tests/, is named for a module or package of the folder that it mirrors."""
    path = Path(name)
    folder = PACKAGE / f"_{path.parent.as_posix()}"
    modules = {found.stem for found in folder.glob("*.py")} | {
        found.parent.name for found in folder.glob("*/__init__.py")
    }
    subject = path.stem.removeprefix("test_")
    return any(subject == module or subject.startswith(f"{module}_") for module in modules - {"__init__"})


def test_no_test_module_is_imported(imported: dict[str, list[Import]]) -> None:
    """What tests share is in a helper: nobody imports a test module or a conftest."""
    assert not {name: faults for name, imports in imported.items() if (faults := list(borrowed(imports)))}


def test_unit_tests_mirror_the_package() -> None:
    """A unit test lies where its module lies, and has its name, or that name and an aspect: `test_state_rules`."""
    unit_tests = [name for name in FILES if name.partition("/")[0] in MIRRORS]
    assert not [name for name in unit_tests if not is_named_for_a_module(name)]


def test_helpers_are_used(imported: dict[str, list[Import]]) -> None:
    """Each helper is imported by somebody, and pytest collects none."""
    helpers = {name for name in FILES if name.startswith("helpers/")}
    targets = {f"{found.target}." for imports in imported.values() for found in imports}
    dotted = {name: f"tests.{name.removesuffix('.py').replace('/', '.')}" for name in helpers}
    unused = {name for name, module in dotted.items() if not any(one.startswith(f"{module}.") for one in targets)}
    assert not unused
    assert COLLECTED.isdisjoint(dotted.values())


def test_the_map_is_complete() -> None:
    """The table in tests/README.md has each folder, and none that is not there."""
    rows = [
        line.split("|")[1] for line in (TESTS / "README.md").read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    told = [folder for row in rows for folder in re.findall(r"`(\w+)/`", row)]
    assert sorted(told) == sorted({name.partition("/")[0] for name in FILES if "/" in name})


@pytest.mark.parametrize(
    "source",
    [
        "from tests.client.watching.test_push import until",
        "import tests.house.test_imports",
        "def f():\n    from tests.types import check_surfaces",
        "from tests.conftest import TRIO",
    ],
)
def test_borrowing_is_caught(source: str) -> None:
    """The check of imports finds what pytest collects, in whatever form it is imported."""
    assert list(borrowed(imports_of(ast.parse(source))))


@pytest.mark.parametrize(
    "name", ["core/test_nothing.py", "core/test_push_streams.py", "nowhere/test_state.py", "core/test_.py"]
)
def test_strays_are_caught(name: str) -> None:
    """The check of places finds a test whose module lies elsewhere or nowhere."""
    assert not is_named_for_a_module(name)
