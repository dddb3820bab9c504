"""The directions between modules, and what none of them may touch; read from the source, not by importing it.

`LAYERS` is the rule: a module may import from its own line and from the lines above it. It holds for imports that only
type checkers see (`if TYPE_CHECKING:`) as well: they show who knows whom.

A test looks at all modules at once. One test for each module would be two thousand tests, which take ten times as long.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import TypeAlias, TypeGuard

import pytest

from tests.helpers.source_tree import GENERATED, MODULES, ROOT, imports_of, parse, top

# Each entry covers the module of that name and everything inside it that has no entry of its own. The package itself is
# spelled "__init__".
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "_core"),
    ("_models", "_exceptions"),  # for old pickles
    ("_store",),
    ("_wire",),
    ("_transport", "_eventloop", "_engine.home", "_telemetry"),
    ("_engine.connection", "_engine.callbacks"),
    ("_engine.recording",),
    ("_engine.watching",),
    ("_engine.input",),
    ("_engine.core", "_engine.creating_calls", "_engine.leaving", "_engine.recorded_calls"),
    ("_engine.waiting", "_engine.notebook"),
    ("_engine",),
    ("_async", "_extension"),
    ("_portal",),
    ("_remote",),
    ("_sync",),
    ("_exports",),
    ("sync", "store", "remote"),
    ("__init__",),
    ("contrib",),
    ("_cli", "__main__"),
)
PURE = ("_core",)
# `mcp_types` holds values only.
PURE_MAY_NOT = ("anyio", "mcp", "asyncio", "trio", "httpx", "httpx2", "time", "random", "threading")
# Outside the order: the test server is for users too and knows nothing of the client; the tools read source.
APART = ("testing", "_tools")
# Except for the one place that tells the two apart.
CORE_MAY_NOT = ("asyncio", "trio")
FOREIGN = ("mcp", "mcp_types", "anyio", "trio", "httpx", "httpx2", "httpcore", "fastmcp", "starlette", "uvicorn")
LONGEST = 400
LONGEST_CLASS = 200
LONGEST_FUNCTION = 50


def own_module(target: str) -> str | None:
    """The module of this package that an import names, or None for anything else."""
    if target == "mcptasks":
        return "__init__"
    if not target.startswith("mcptasks."):
        return None
    name = target.removeprefix("mcptasks.")
    while name and name not in MODULES and not any(name in layer for layer in LAYERS):
        name = name.rpartition(".")[0]
    return name or "__init__"


def rank(name: str) -> int:
    """The line of `LAYERS` that a module stands on: that of its longest listed prefix."""
    listed = {entry: index for index, layer in enumerate(LAYERS) for entry in layer}
    prefix = name
    while prefix and prefix not in listed:
        prefix = prefix.rpartition(".")[0]
    assert prefix, f"mcptasks.{name} is on no line of LAYERS; put it where it belongs"
    return listed[prefix]


def foreign_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The local names that imports of foreign packages bind, each with what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if top(alias.name) in FOREIGN:
                    yield alias.asname or top(alias.name), alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and top(node.module or "") in FOREIGN:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def is_private(name: str) -> bool:
    """Whether a name is private by convention; dunder names are not."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Private names of foreign packages that a module imports or reaches through an attribute."""
    for found in imports_of(tree):
        parts = found.target.split(".")
        if parts[0] in FOREIGN and any(map(is_private, parts)):
            yield f"line {found.line}: import of {found.target}"
    known = dict(foreign_names(tree))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and is_private(node.attr)):
            continue
        value: ast.expr = node.value
        while isinstance(value, ast.Attribute | ast.Call):
            value = value.value if isinstance(value, ast.Attribute) else value.func
        if isinstance(value, ast.Name) and value.id in known:
            yield f"line {node.lineno}: {ast.unparse(node)} (from {known[value.id]})"


def direction_faults(name: str, tree: ast.AST) -> Iterator[str]:
    """Imports of a module that point the wrong way."""
    for found in imports_of(tree):
        target = own_module(found.target)
        if found.target.startswith("."):
            yield f"line {found.line}: relative import {found.target}"
        elif target is None or target == name:
            continue
        elif top(name) in APART:
            # Type checkers included: whoever tests a program must not need to know the client's parts.
            if top(target) != top(name):
                yield f"line {found.line}: {top(name)} imports mcptasks.{target}"
        elif top(target) in APART:
            if rank(name) < rank("__main__"):
                yield f"line {found.line}: mcptasks.{target} is for the outermost modules only"
        elif rank(target) > rank(name):
            yield f"line {found.line}: mcptasks.{target} is on a later line of LAYERS"


def library_faults(name: str, tree: ast.AST) -> Iterator[str]:
    """Imports of other people's modules that this module must do without."""
    for found in imports_of(tree):
        library = top(found.target)
        if top(name) in PURE and library in PURE_MAY_NOT:
            yield f"line {found.line}: {found.target} in a pure module"
        elif top(name) == "_tools" and library not in ("mcptasks", *sys.stdlib_module_names):
            yield f"line {found.line}: {found.target}, though the tools run on a bare Python"
        elif top(name) in APART or rank(name) >= rank("__main__"):
            continue
        elif library in CORE_MAY_NOT and name != "_eventloop":
            yield f"line {found.line}: {found.target} in the core"


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """The syntax tree of each module."""
    return {name: parse(path) for name, path in MODULES.items()}


def test_directions(trees: dict[str, ast.Module]) -> None:
    """A module imports only from its own line of `LAYERS` and from those above."""
    for name in trees:
        if top(name) not in APART:
            rank(name)
    assert not [(name, fault) for name, tree in trees.items() for fault in direction_faults(name, tree)]


def test_libraries(trees: dict[str, ast.Module]) -> None:
    """Pure modules know of no I/O, and the core is written on anyio, not on one event loop."""
    assert not [(name, fault) for name, tree in trees.items() for fault in library_faults(name, tree)]


def test_no_private_names_of_others(trees: dict[str, ast.Module]) -> None:
    """Nothing imports or reaches a private name of the SDK or of another library."""
    assert not [(name, fault) for name, tree in trees.items() for fault in private_uses(tree)]


def test_modules_are_readable(trees: dict[str, ast.Module]) -> None:
    """A module says in its docstring what it is responsible for, and is one module, not two."""
    assert not [name for name, tree in trees.items() if not ast.get_docstring(tree)], "no docstring"
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: size for name, size in lines.items() if size > LONGEST and top(name) not in GENERATED}


Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def is_definition(node: ast.AST) -> TypeGuard[Definition]:
    """Whether a node is a class or a function."""
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def is_documentation(node: ast.stmt) -> bool:
    """Whether a statement of a body is no logic: a docstring, that of an attribute too, or an `@overload` stub."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_definition(node) and any(getattr(each, "id", None) == "overload" for each in node.decorator_list)


def size(definition: Definition) -> int:
    """How many lines of logic a class or function has, its own decorators not counted."""
    lines = set(range(definition.lineno, (definition.end_lineno or 0) + 1))
    for inner in filter(is_definition, ast.walk(definition)):
        for statement in filter(is_documentation, inner.body):
            first = min(each.lineno for each in (statement, *getattr(statement, "decorator_list", ())))
            lines -= set(range(first, (statement.end_lineno or 0) + 1))
    return len(lines)


def definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    """Every class and function at any depth, by its dotted name."""
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}.{child.name}" if is_definition(child) else prefix
        if is_definition(child):
            yield name, child
        yield from definitions(child, name)


def too_long(tree: ast.AST, module: str) -> dict[str, int]:
    """The classes and functions of a module that are past the limit, with their sizes."""
    sizes = {name: (size(each), isinstance(each, ast.ClassDef)) for name, each in definitions(tree, module)}
    return {
        name: lines
        for name, (lines, is_class) in sizes.items()
        if lines > (LONGEST_CLASS if is_class else LONGEST_FUNCTION)
    }


def test_classes_and_functions_are_readable(trees: dict[str, ast.Module]) -> None:
    """A class has at most 200 lines and a function at most 50, docstrings and `@overload` stubs not counted."""
    assert not [
        found for name, tree in trees.items() if top(name) not in GENERATED for found in too_long(tree, name).items()
    ]


@pytest.mark.parametrize(
    ("head", "line", "limit"),
    [("class A:", "    a = 1", LONGEST_CLASS), ("async def f():", "    a()", LONGEST_FUNCTION)],
)
def test_long_classes_and_functions_are_caught(head: str, line: str, limit: int) -> None:
    """The check sees the first line past the limit, and neither docstrings nor stubs of overloads."""
    free = '    """Words.\n\n    More.\n    """\n    @overload\n    def g(\n        a,\n    ): ...'
    fits = "\n".join([head, free, *[line] * (limit - 1)])
    assert not too_long(ast.parse(fits), "m")
    assert list(too_long(ast.parse(f"{fits}\n{line}"), "m").values()) == [limit + 1]
    nested = "\n".join(["if x:", *(f"    {each}" for each in (head, *[line] * limit))])
    assert list(too_long(ast.parse(nested), "m").values()) == [limit + 1]


LEFT_OUT = ("skip", "skipif", "xfail")
MARKS = ("pytest", "pytest.mark")


def faults_of_tests(tree: ast.AST) -> Iterator[str]:
    """Tests without a docstring, and those that are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            if not ast.get_docstring(node):
                yield f"line {node.lineno}: {node.name} has no docstring"
        elif isinstance(node, ast.Attribute) and node.attr in LEFT_OUT and ast.unparse(node.value) in MARKS:
            yield f"line {node.lineno}: {node.attr}"


PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py" and name not in GENERATED]


_ENTRY = re.compile(r" {4}\*{0,2}[\w.]+: ")
"""How an argument or an error begins in a docstring's list. Further lines of an entry are indented by eight spaces."""


def broken_entries(tree: ast.AST) -> Iterator[str]:
    """The lines of lists of arguments and errors that look like new entries and are none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            listed = False
            for line in (ast.get_docstring(node) or "").splitlines():
                if line and not line.startswith(" "):
                    listed = line in ("Args:", "Raises:")
                elif listed and line and not line.startswith(" " * 8) and not _ENTRY.match(line):
                    yield f"{node.name}: {line.strip()}"


def test_arguments_are_entries(trees: dict[str, ast.Module]) -> None:
    """Each argument and each error of a docstring is an entry of its list, with its whole text."""
    assert not [f"{name}: {line}" for name, tree in trees.items() for line in broken_entries(tree)]


def test_broken_entries_are_caught() -> None:
    """A line that has lost its indent, and an error inside the text of another one, are seen."""
    lines = ("Do.", "", "Args:", "    one: The one", "    and only.", "    two: The", "        second.")
    tree = ast.parse(f"def do(one, two):\n    {chr(10).join(lines)!r}\n")
    assert list(broken_entries(tree)) == ["do: and only."]


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_a_map(name: str) -> None:
    """A package's docstring has a line for each file and folder in it, and none for what is not there."""
    folder = MODULES[name].parent
    there = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    there |= {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    lines = [line.split() for line in (ast.get_docstring(parse(MODULES[name])) or "").splitlines()]
    told = [words[0] for words in lines if len(words) > 1 and words[0].endswith((".py", "/"))]
    assert sorted(told) == sorted(there)


def test_no_import_cycles(trees: dict[str, ast.Module]) -> None:
    """Modules can be read one after another: no two import each other, not even in a wider circle or for type
    checkers only."""
    edges = {
        name: {target for found in imports_of(tree) if (target := own_module(found.target)) not in (None, name)}
        for name, tree in trees.items()
    }
    while edges:
        leaves = {name for name, targets in edges.items() if not targets & edges.keys()}
        assert leaves, f"a cycle among {sorted(edges)}"
        edges = {name: targets for name, targets in edges.items() if name not in leaves}


def test_tests_say_what_they_guarantee() -> None:
    """Each test's docstring states the guarantee, and no test is skipped or expected to fail."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    assert len(tests) > 200
    assert not [f"{path}: {fault}" for path in tests for fault in faults_of_tests(parse(path))]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("_core.models", "from mcptasks._wire import modern"),
        ("_core.models", "import mcptasks"),
        ("_engine.connection.link", "from mcptasks._engine.watching.watch import Watch"),
        ("_async.client", "def f():\n    from mcptasks._sync import Client"),
        ("_engine.waiting.members", "if TYPE_CHECKING:\n    from mcptasks._async.task import Task"),
        ("_wire.modern", "from mcptasks.testing import demo_server"),
        ("_async.task", "from . import client"),
        ("testing", "from mcptasks._core.models import TaskStatus"),
        ("_tools.names", "from mcptasks._async.task import Task"),
        ("_sync.task", "from mcptasks._tools import names"),
        ("_sync.task", "from mcptasks import sync"),
    ],
)
def test_wrong_directions_are_caught(name: str, source: str) -> None:
    """The check of directions finds an import that points the wrong way, at any depth."""
    assert list(direction_faults(name, ast.parse(source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("_core.state", "import anyio"),
        ("_core.polling.policy", "from time import monotonic"),
        ("_async.task", "import asyncio"),
        ("_tools.names", "from attrs import define"),
    ],
)
def test_wrong_libraries_are_caught(name: str, source: str) -> None:
    """The check of libraries finds what pure modules and the core must do without."""
    assert list(library_faults(name, ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "from mcp.shared._context import X",
        "import anyio._core",
        "import mcp\nmcp.client._memory",
        "from mcp import Client\nClient('x')._session",
    ],
)
def test_private_names_are_caught(source: str) -> None:
    """The check of private names sees imports and attributes."""
    assert list(private_uses(ast.parse(source)))


def test_imports_for_type_checkers_count() -> None:
    """An import under `if TYPE_CHECKING:` is held to the directions as any other, and so is one in its `else`."""
    source = "if TYPE_CHECKING:\n    from mcptasks._sync import A\nelse:\n    from mcptasks._portal import B"
    assert len(list(direction_faults("_core.models", ast.parse(source)))) == 2
