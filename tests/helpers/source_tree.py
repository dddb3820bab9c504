"""The modules of the package and what they import, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "mcptasks"
GENERATED = ("_sync",)


class Import(NamedTuple):
    """One imported module or name, and its line."""

    line: int
    target: str


def module_name(path: Path, root: Path = PACKAGE) -> str:
    """`_wire/modern.py` as "_wire.modern", `_wire/__init__.py` as "_wire", the package itself as "__init__"."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """Every import in a module, also inside functions and for type checkers only. `from a import b` gives "a.b"."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}")


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement within a node, without the many more nodes of expressions, which hold none."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


def top(name: str) -> str:
    """The first part of a dotted name."""
    return name.split(".", maxsplit=1)[0]


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))
