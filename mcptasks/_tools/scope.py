"""Finds out where the names in an annotation are defined, through the modules of the package."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from pathlib import Path

from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.layout import Import
from mcptasks._tools.source import PACKAGE, ModuleSource

_CALLED = frozenset({"Callable", "Awaitable", "Coroutine"})


class Scope:
    """The modules of the package, read on first use. `changed` has texts that replace files, by dotted name."""

    def __init__(self, changed: Mapping[str, str] | None = None, package: Path = PACKAGE) -> None:
        self._changed = dict(changed or {})
        self._package = package
        self._modules: dict[str, ModuleSource] = {}
        self._bound: dict[str, Mapping[str, Import]] = {}
        self._checked: dict[str, frozenset[str]] = {}

    def with_texts(self, changed: Mapping[str, str]) -> Scope:
        """The same modules but for some texts. What has been read of the others is not read again."""
        other = Scope({**self._changed, **changed}, self._package)
        other._modules = {dotted: read for dotted, read in self._modules.items() if dotted not in changed}
        other._bound = {dotted: bound for dotted, bound in self._bound.items() if dotted not in changed}
        other._checked = {dotted: names for dotted, names in self._checked.items() if dotted not in changed}
        return other

    def module(self, dotted: str) -> ModuleSource:
        """A module of the package, such as "mcptasks._async.task"."""
        if dotted not in self._modules:
            self._modules[dotted] = ModuleSource(dotted, self._text(dotted))
        return self._modules[dotted]

    def _text(self, dotted: str) -> str:
        if dotted in self._changed:
            return self._changed[dotted]
        path = self._package.joinpath(*dotted.split(".")[1:])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file.read_text(encoding="utf-8")
        raise GeneratorError(f"there is no module {dotted}, which mcptasks/_tools/names.py or an import names")

    def meaning(self, module: ModuleSource, name: str) -> Import | None:
        """The import by which another module gets the meaning of a name in that module; None for a built-in."""
        if found := self._bindings(module).get(name):
            return found
        if hasattr(builtins, name):
            return None
        raise GeneratorError(f"{module.path}: the name {name} in a signature is neither imported nor defined there")

    def is_for_checkers(self, module: ModuleSource, name: str) -> bool:
        """Whether a module imports a name for type checkers only."""
        if module.dotted not in self._checked:
            self._checked[module.dotted] = frozenset(each.bound for each in _imported(_for_checkers(module.tree.body)))
        return name in self._checked[module.dotted]

    def takes_functions(self, module: ModuleSource, expression: ast.expr) -> bool:
        """Whether a type has a function type in it, even behind an alias."""
        return self._called(module, expression, set())

    def _called(self, module: ModuleSource, expression: ast.expr, seen: set[Import]) -> bool:
        for name in _mentioned(expression):
            if name in _CALLED:
                return True
            found = self._bindings(module).get(name)
            if found and found not in seen and found.module.startswith("mcptasks."):
                seen.add(found)
                home = self.module(found.module)
                if any(self._called(home, alias, seen) for alias in _aliases(home, found.name)):
                    return True
        return False

    def _bindings(self, module: ModuleSource) -> Mapping[str, Import]:
        """What the names mean that the top level of a module binds. Of a name that is bound twice the first counts."""
        if module.dotted not in self._bound:
            bound: dict[str, Import] = {}
            for found in _bindings(module):
                bound.setdefault(found.bound, found)
            self._bound[module.dotted] = bound
        return self._bound[module.dotted]


def _mentioned(expression: ast.expr) -> Iterator[str]:
    """All names in a type, even in quoted parts."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                continue  # The string belongs to a `Literal`.
            if not isinstance(quoted, ast.Constant):
                yield from _mentioned(quoted)


def _bindings(module: ModuleSource) -> Iterator[Import]:
    """The names that the top level of a module binds, including those for type checkers only."""
    for node in _statements(module.tree.body):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from _imported([node])
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield Import(module.dotted, name)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield Import(module.dotted, name)
            case _:
                pass


def _imported(body: list[ast.stmt]) -> Iterator[Import]:
    """What the imports among some statements bind."""
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, "", alias.asname or "") for alias in names)
            case ast.ImportFrom(module=str() as home, names=names):
                yield from (Import(home, alias.name, alias.asname or "") for alias in names)
            case _:
                pass


def _aliases(module: ModuleSource, wanted: str) -> Iterator[ast.expr]:
    for node in _statements(module.tree.body):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name == wanted:
                yield value
            case _:
                pass


def _for_checkers(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that only type checkers see."""
    return [line for node in body if isinstance(node, ast.If) and _is_for_checkers(node) for line in node.body]


def _is_for_checkers(node: ast.If) -> bool:
    return ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and _is_for_checkers(node):
            yield from node.body
        else:
            yield node
