"""The directions between modules, and what none of them may touch; read from the source, not by importing it.

`LAYERS` is the rule: a module may import from its own line and from the lines above it. Imports that only type
checkers see (`if TYPE_CHECKING:`) may point anywhere within the package.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mcptasks"

# Each entry covers the module of that name and everything inside it. The top of the package is spelled "__init__".
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "_json", "_plain", "_html", "_placing"),
    ("_exceptions",),
    ("_models",),
    ("_arguments", "_input", "_state", "_schedule", "_runtimes", "_faults", "_outcome", "_forms", "_hosting"),
    ("_wire",),
    ("_transport", "_detached"),
    ("_async",),
    ("_portal",),
    ("_sync",),
    ("sync",),
    ("__init__",),
    ("_demo", "__main__"),
)
PURE = (
    *("_plain", "_html", "_arguments", "_input", "_state", "_schedule", "_placing", "_runtimes", "_faults", "_outcome"),
    *("_forms", "_hosting"),
)
# `mcp_types` holds values only.
PURE_MAY_NOT = ("anyio", "mcp", "asyncio", "trio", "httpx", "httpx2", "time", "random", "threading")
# Outside the order: the test server is for users too and knows nothing of the client; the tools read source.
APART = ("testing", "_tools")
# Except for the one place that tells the two apart.
CORE_MAY_NOT = ("asyncio", "trio")
FOREIGN = ("mcp", "mcp_types", "anyio", "trio", "httpx", "httpx2", "httpcore", "fastmcp", "starlette", "uvicorn")
LONGEST = 400
GENERATED = ("_sync",)


class Import(NamedTuple):
    """One imported module or name, where it stands, and whether it exists at run time."""

    line: int
    target: str
    runtime: bool


def module_name(path: Path, root: Path = PACKAGE) -> str:
    """`_wire/modern.py` as "_wire.modern", `_wire/__init__.py` as "_wire", the package itself as "__init__"."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def is_type_checking(test: ast.expr) -> bool:
    """Whether an `if` guards code for type checkers only."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports_of(tree: ast.AST, *, runtime: bool = True) -> Iterator[Import]:
    """Every import at any depth; `from a import b` gives "a.b"."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, runtime)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}", runtime)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                yield from imports_of(ast.Module([child], []), runtime=False)
            for child in node.orelse:
                yield from imports_of(ast.Module([child], []), runtime=runtime)
        else:
            yield from imports_of(node, runtime=runtime)


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


def top(name: str) -> str:
    """The first part of a dotted name."""
    return name.split(".", maxsplit=1)[0]


def rank(name: str) -> int:
    """The line of `LAYERS` that a module stands on."""
    for index, layer in enumerate(LAYERS):
        if top(name) in layer:
            return index
    raise AssertionError(f"mcptasks.{name} is on no line of LAYERS; put it where it belongs")


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
        elif not found.runtime:
            continue
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
        elif library in CORE_MAY_NOT and name != "_detached":
            yield f"line {found.line}: {found.target} in the core"


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("name", MODULES)
def test_directions(name: str) -> None:
    """A module imports only from its own line of `LAYERS` and from those above."""
    if top(name) not in APART:
        rank(name)
    assert not list(direction_faults(name, parse(MODULES[name])))


@pytest.mark.parametrize("name", MODULES)
def test_libraries(name: str) -> None:
    """Pure modules know of no I/O, and the core is written on anyio, not on one event loop."""
    assert not list(library_faults(name, parse(MODULES[name])))


@pytest.mark.parametrize("name", MODULES)
def test_no_private_names_of_others(name: str) -> None:
    """Nothing imports or reaches a private name of the SDK or of another library."""
    assert not list(private_uses(parse(MODULES[name])))


@pytest.mark.parametrize("name", MODULES)
def test_module_is_readable(name: str) -> None:
    """A module says in its docstring what it is responsible for, and is one module, not two."""
    path = MODULES[name]
    assert ast.get_docstring(parse(path)), "no docstring"
    if top(name) not in GENERATED:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_import_cycles() -> None:
    """Modules can be read one after another: no two import each other, not even in a wider circle."""
    edges = {
        name: {
            target
            for found in imports_of(parse(path))
            if found.runtime and (target := own_module(found.target)) not in (None, name)
        }
        for name, path in MODULES.items()
    }
    while edges:
        leaves = {name for name, targets in edges.items() if not targets & edges.keys()}
        assert leaves, f"a cycle among {sorted(edges)}"
        edges = {name: targets for name, targets in edges.items() if name not in leaves}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.stem)
def test_tests_say_what_they_guarantee(path: Path) -> None:
    """Each test's docstring states the guarantee, and no test is skipped or expected to fail."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"line {node.lineno}: {node.name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = ast.unparse(node.value)
            assert not (owner in ("pytest", "pytest.mark") and node.attr in ("skip", "skipif", "xfail")), node.lineno


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("_models", "from mcptasks._wire import modern"),
        ("_models", "import mcptasks"),
        ("_async.client", "def f():\n    from mcptasks._sync import Client"),
        ("_wire.modern", "from mcptasks.testing import demo_server"),
        ("_async.task", "from . import client"),
        ("testing", "from mcptasks._models import TaskStatus"),
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
        ("_state", "import anyio"),
        ("_schedule", "from time import monotonic"),
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


def test_imports_for_type_checkers_are_free() -> None:
    """An import under `if TYPE_CHECKING:` does not count, one in its `else` does."""
    source = "if TYPE_CHECKING:\n    from mcptasks._sync import A\nelse:\n    from mcptasks._portal import B"
    (fault,) = direction_faults("_models", ast.parse(source))
    assert "_portal" in fault
