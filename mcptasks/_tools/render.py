"""Renders the text of each generated file from the public classes and functions of `mcptasks/_async/`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mcptasks._tools import docstrings
from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.functions import FunctionRendering
from mcptasks._tools.layout import WIDTH, Import, imports
from mcptasks._tools.methods import INDENT, Context, Rendering
from mcptasks._tools.names import BACKEND_DOC, COMMAND, NAMES, Names, Uses
from mcptasks._tools.scope import Scope
from mcptasks._tools.source import ASYNC, ClassSource, Function

SYNC = "mcptasks._sync"


def render(names: Names = NAMES, scope: Scope | None = None) -> dict[str, str]:
    """The generated files: their text, by their names within `mcptasks/_sync/`.

    Raises:
        GeneratorError: Something cannot be translated.
    """
    scope = scope or Scope()
    uses = Uses(names)
    sources = {name: scope.module(f"{ASYNC}.{name}") for name in names.modules}
    homes: dict[str, str] = {}
    for name, source in sources.items():
        for found in source.classes():
            uses.has("modules", name)
            homes[found.name] = f"{SYNC}.{name}"
        for _ in source.functions():
            uses.has("modules", name)
    files = {"__init__.py": f'{_header("mcptasks/_async")}\n"""The blocking mirror of `_async`, file by file."""\n'}
    problems: list[str] = []
    for name, source in sources.items():
        module = _Module(Context(source, f"{SYNC}.{name}", homes, scope, uses))
        files[f"{name}.py"] = module.text()
        problems += module.problems
    if not problems:  # Otherwise the entries for a method with a problem would count as unused.
        problems += uses.unused()
    if problems:
        raise GeneratorError(*problems)
    return files


def _header(source: str) -> str:
    return f"# Generated from {source} by `{COMMAND}`. Do not edit: change the source and run that again."


class _Module:
    """One file that is being rendered. `problems` lists what cannot be translated."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.problems: list[str] = []

    def text(self) -> str:
        """The whole file."""
        source = self.context.source
        head = [_header(source.path), *self._docstring(source.docstring, "", source.path)]
        classes = [line for found in source.classes() for line in ("", "", *self._class(found))]
        functions = [line for found in source.functions() for line in self._function(found)]
        lines = [*head, "", *self._imports()]
        lines += [*classes, *functions]
        self.problems += [
            f"{source.path}: a line would be longer than {WIDTH}, give its type a name: {line.strip()}"
            for line in lines
            if len(line) > WIDTH
        ]
        return "\n".join(lines) + "\n"

    def _imports(self) -> list[str]:
        """The imports, and those that only type checkers see."""
        wanted = {*self.context.imports, Import("__future__", "annotations")}
        checked = self.context.checked - wanted
        if not checked:
            return imports(wanted)
        lines = [f"{INDENT}{line}" if line else line for line in imports(checked)]
        return [*imports({*wanted, Import("typing", "TYPE_CHECKING")}), "", "if TYPE_CHECKING:", *lines]

    def _class(self, found: ClassSource) -> Iterator[str]:
        functions = {name: nodes for name, nodes in found.functions.items() if self._is_translated(found.name, name)}
        yield f"class {found.name}({', '.join(self._bases(found))}):"
        argument = BACKEND_DOC if "__init__" in functions else None
        yield from self._docstring(found.docstring, INDENT, found.place, argument)
        for name, nodes in functions.items():
            try:
                method = self.context.source.method(found.name, nodes)
                counterpart = self._counterpart(name, method.place)
                lines = list(Rendering(self.context, found.name, method, counterpart).lines())
            except GeneratorError as exc:
                self.problems += exc.problems
            else:
                yield ""
                yield from lines

    def _function(self, found: list[Function]) -> list[str]:
        try:
            function = self.context.source.method("", found)
            lines = list(FunctionRendering(self.context, "", function, function.name).lines())
        except GeneratorError as exc:
            self.problems += exc.problems
            return []
        return ["", "", *lines]

    def _bases(self, found: ClassSource) -> list[str]:
        if any(base.text in self.context.homes for base in found.bases):
            for base in found.bases:
                for name in base.names():
                    self.context.need(name)
            return [base.text for base in found.bases]
        if not self.context.uses.has("bases", found.name):
            self.problems.append(
                f"{found.place}: a public class that the map does not know; name its base class in `bases` of"
                " mcptasks/_tools/names.py, or make it private"
            )
            return ["?"]
        text = self.context.uses.names.bases[found.name]
        base, *arguments = re.findall(r"\w+", text)
        self.context.need_facade(base)
        for name in arguments:
            self.context.need(name)
        return [text]

    def _is_translated(self, owner: str, name: str) -> bool:
        full = f"{owner}.{name}"
        if self.context.uses.has("by_hand", full) or self.context.uses.has("dropped", full):
            return False
        return not name.startswith("_") or name.endswith("_")

    def _counterpart(self, name: str, place: str) -> str:
        if not name.startswith("_"):
            return name
        if self.context.uses.has("dunders", name):
            return self.context.uses.names.dunders[name]
        raise GeneratorError(
            f"{place}: the generator knows no such special method; write it by hand in the facade's base class and"
            " name it in `by_hand` of mcptasks/_tools/names.py, or name it in `dropped`"
        )

    def _docstring(self, text: str | None, indent: str, place: str, argument: str | None = None) -> list[str]:
        try:
            if text is None:
                raise GeneratorError(f"{place}: it has no docstring")
            return docstrings.render(text, indent, place, self.context.uses, argument)
        except GeneratorError as exc:
            self.problems += exc.problems
            return []
