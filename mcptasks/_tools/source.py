"""Source text of `mcptasks/_async/` -> public classes, functions, methods and signatures.

The structure comes from `ast`. The text comes from the source, since `ast.unparse` differs between versions of Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mcptasks._tools.errors import GeneratorError

PACKAGE = Path(__file__).parent.parent
ASYNC = "mcptasks._async"


Function = ast.FunctionDef | ast.AsyncFunctionDef


class Flavour(Enum):
    """The kind of a method."""

    PROPERTY = "a property"
    PLAIN = "a plain method"
    ASYNC = "an async method"
    GENERATOR = "an async generator"


@dataclass(frozen=True)
class Expression:
    """A piece of an annotation or a default: its text on one line, and its tree."""

    text: str
    node: ast.expr

    def names(self) -> Iterator[str]:
        """The names that the expression needs from its module."""
        return (node.id for node in ast.walk(self.node) if isinstance(node, ast.Name))


@dataclass(frozen=True)
class Parameter:
    """One parameter. `lead` is "", "*" or "**"."""

    name: str
    lead: str
    annotation: Expression
    default: Expression | None
    keyword_only: bool

    @property
    def text(self) -> str:
        """The parameter's text in a signature."""
        default = f" = {self.default.text}" if self.default else ""
        return f"{self.lead}{self.name}: {self.annotation.text}{default}"


@dataclass(frozen=True)
class Signature:
    """Parameters without `self`, and the return type. The first `positional_only` parameters are positional-only."""

    parameters: tuple[Parameter, ...]
    positional_only: int
    returns: Expression


@dataclass(frozen=True)
class Method:
    """A method, property or function with its overloads."""

    name: str
    place: str
    flavour: Flavour
    signature: Signature
    overloads: tuple[Signature, ...]
    docstring: str | None


@dataclass(frozen=True)
class ClassSource:
    """A public class. `functions` has the nodes of its methods by name, overloads first."""

    name: str
    place: str
    bases: tuple[Expression, ...]
    docstring: str | None
    functions: Mapping[str, list[Function]]


class ModuleSource:
    """One module of the package, as source."""

    def __init__(self, dotted: str, text: str) -> None:
        self.dotted = dotted
        self.path = f"{dotted.replace('.', '/')}.py"
        # `ast` counts columns in bytes.
        self._lines = text.encode().split(b"\n")
        self.tree = ast.parse(text, self.path)
        self.docstring = self._docstring(self.tree)

    def _place(self, node: ast.stmt | ast.expr, what: str) -> str:
        return f"{self.path}:{node.lineno}: {what}"

    def _slice(self, node: ast.stmt | ast.expr) -> str:
        """A node's text. `ast.get_source_segment` does the same, but reads the whole module for each node."""
        assert node.end_lineno is not None
        lines = self._lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode()

    def _docstring(self, node: ast.Module | ast.ClassDef | Function) -> str | None:
        """The docstring as written in the source, without quotes and indentation."""
        if ast.get_docstring(node) is None:
            return None
        found = node.body[0]
        text = self._slice(found)
        if not (text.startswith('"""') and text.endswith('"""')):
            raise GeneratorError(f'{self.path}:{found.lineno}: a docstring is written """like this"""')
        lead = " " * found.col_offset
        return "\n".join(line.removeprefix(lead).rstrip() for line in text[3:-3].strip().split("\n"))

    def _expression(self, node: ast.expr) -> Expression:
        text = self._slice(node)
        if "\n" in text:
            if "#" in text:
                raise GeneratorError(self._place(node, "a comment inside an annotation or default; move it"))
            text = re.sub(r",?\s*\n\s*(?=[\])])", "", text)
            text = re.sub(r"(?<=[\[(])\s*\n\s*", "", text)
            text = re.sub(r"\s*\n\s*", " ", text)
        return Expression(text, node)

    def classes(self) -> Iterator[ClassSource]:
        """The public classes, in order."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield self._class(node)

    def _class(self, node: ast.ClassDef) -> ClassSource:
        functions: dict[str, list[Function]] = {}
        for statement in node.body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    functions.setdefault(statement.name, []).append(statement)
                case ast.Expr(value=ast.Constant()) | ast.Pass():
                    pass
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if (
                    name.startswith("_")
                ):
                    pass
                case _:
                    raise GeneratorError(
                        self._place(statement, f"the body of {node.name} has something public that is no method;")
                        + " make it a property or a method, or private"
                    )
        bases = tuple(map(self._expression, node.bases))
        return ClassSource(node.name, self._place(node, node.name), bases, self._docstring(node), functions)

    def functions(self) -> Iterator[list[Function]]:
        """The public functions, in order: for each name its definitions, overloads first."""
        found: dict[str, list[Function]] = {}
        for node in self.tree.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(node)
        yield from found.values()

    def method(self, owner: str, functions: list[Function]) -> Method:
        """One method, read from all definitions of its name; a function if `owner` is empty.

        Raises:
            GeneratorError: The definitions cannot be translated.
        """
        *before, last = functions
        place = self._place(last, f"{owner}.{last.name}" if owner else last.name)
        if any(_decorators(node) != ["overload"] for node in before):
            raise GeneratorError(f"{place} is defined more than once, and not by overloads; setters are not translated")
        decorators = [each for each in _decorators(last) if each not in _OF_ASYNC]
        if decorators not in ([], ["property"]):
            raise GeneratorError(
                f"{place}: the generator knows no decorator @{decorators[0]}; write the method by hand in the facade's"
                f" base class and name it in `by_hand` of mcptasks/_tools/names.py, or teach the generator"
            )
        if isinstance(last, ast.FunctionDef):
            flavour = Flavour.PROPERTY if decorators else Flavour.PLAIN
        else:
            flavour = Flavour.GENERATOR if _yields(last) else Flavour.ASYNC
        overloads = tuple(self._signature(node, place, bool(owner)) for node in before)
        return Method(
            last.name, place, flavour, self._signature(last, place, bool(owner)), overloads, self._docstring(last)
        )

    def _signature(self, node: Function, place: str, bound: bool) -> Signature:
        args = node.args
        positional = [*args.posonlyargs, *args.args]
        if bound and (not positional or positional.pop(0).arg != "self"):
            raise GeneratorError(f"{place}: its first parameter is not `self`")
        if node.returns is None:
            raise GeneratorError(f"{place}: it has no return annotation")
        defaults = [*[None] * (len(positional) - len(args.defaults)), *args.defaults]
        parameters = [self._parameter(arg, place, default) for arg, default in zip(positional, defaults, strict=True)]
        if args.vararg:
            parameters.append(self._parameter(args.vararg, place, None, lead="*"))
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            parameters.append(self._parameter(arg, place, default, keyword_only=True))
        if args.kwarg:
            parameters.append(self._parameter(args.kwarg, place, None, lead="**"))
        return Signature(tuple(parameters), max(len(args.posonlyargs) - bound, 0), self._expression(node.returns))

    def _parameter(
        self, arg: ast.arg, place: str, default: ast.expr | None, *, lead: str = "", keyword_only: bool = False
    ) -> Parameter:
        if arg.annotation is None:
            raise GeneratorError(f"{place}: its parameter {arg.arg} has no annotation")
        value = None if default is None else self._expression(default)
        return Parameter(arg.arg, lead, self._expression(arg.annotation), value, keyword_only)


_OF_ASYNC = ("shown_in_notebooks",)
"""Decorators that change nothing of what a function does when it is awaited."""


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [ast.unparse(decorator).removeprefix("typing.") for decorator in node.decorator_list]


def _yields(node: ast.AST) -> bool:
    """Whether a function's own body yields; nested functions do not count."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom) or (not isinstance(child, inner) and _yields(child))
        for child in ast.iter_child_nodes(node)
    )
