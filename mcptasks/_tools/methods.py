"""One async method -> the lines of its blocking counterpart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mcptasks._tools import docstrings
from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.layout import Call, Import, signature, statement
from mcptasks._tools.names import BACKEND_PARAMETER, FACADE, Uses
from mcptasks._tools.scope import Scope
from mcptasks._tools.shapes import ASYNC_ONLY, TASK, Shape, shape_of
from mcptasks._tools.source import Expression, Flavour, Method, ModuleSource, Parameter, Signature

INDENT = "    "
_BODY = INDENT * 2


@dataclass
class Context:
    """The module of a method. `homes` has the translated classes, each with its blocking module."""

    source: ModuleSource
    target: str
    homes: dict[str, str]
    scope: Scope
    uses: Uses
    imports: set[Import] = field(default_factory=set[Import])
    checked: set[Import] = field(default_factory=set[Import])
    """Imports that only type checkers see, as in the source module."""

    def need(self, name: str, instead: str = "") -> None:
        """Import a name of the source module from where it is defined, or the name `instead` from the same module."""
        if name in self.homes:
            if self.homes[name] != self.target:
                self.imports.add(Import(self.homes[name], name))
            return
        found = self.scope.meaning(self.source, name)
        if found is not None:
            wanted = self.checked if self.scope.is_for_checkers(self.source, name) else self.imports
            wanted.add(Import(found.module, instead) if instead else found)

    def need_facade(self, name: str) -> None:
        """Import a name from the facade module, which is written by hand."""
        self.imports.add(Import(FACADE, name))

    def need_async(self, name: str) -> str:
        """Import an async class or function under an alias; returns the alias."""
        home = self.scope.meaning(self.source, name)
        assert home is not None
        alias = f"Async{name}" if name[0].isupper() else f"async_{name}"
        self.imports.add(Import(home.module, name, alias))
        return alias


@dataclass(frozen=True)
class Rendering:
    """A method of the class `owner`, to be rendered under `name`."""

    context: Context
    owner: str
    method: Method
    name: str
    indent: str = INDENT
    receiver: tuple[str, ...] = ("self",)
    gap: tuple[str, ...] = ("",)
    """The lines between overloads."""

    @property
    def key(self) -> str:
        """The method's name in the map."""
        return f"{self.owner}.{self.method.name}"

    def lines(self) -> Iterator[str]:
        """The decorators, overloads, signature, docstring and body."""
        method = self.method
        arguments = tuple(map(self._argument, map(self._counterpart, method.signature.parameters)))
        for overload in method.overloads:
            self.context.need("overload")
            yield f"{self.indent}@overload"
            yield from self._head(overload, ": ...")
            yield from self.gap
        if method.flavour is Flavour.PROPERTY:
            yield f"{self.indent}@property"
        elif method.name not in ("__init__", "__repr__"):
            self.context.need_facade("blocking")
            yield f"{self.indent}@blocking"
        yield from self._head(method.signature, ":")
        if method.docstring is not None:
            yield from docstrings.render(method.docstring, self.indent + INDENT, method.place, self.context.uses)
        elif not method.name.startswith("_"):
            raise GeneratorError(f"{method.place}: it has no docstring")
        yield from self._body(arguments)

    def _head(self, found: Signature, after: str) -> list[str]:
        texts: list[str] = []
        star = False
        for number, parameter in enumerate(map(self._counterpart, found.parameters)):
            if parameter.keyword_only and not star:
                texts.append("*")
            star = star or parameter.keyword_only or parameter.lead == "*"
            if parameter.lead == "**" and self.method.name == "__init__":
                texts += self._backend(star)
            texts.append(parameter.text)
            if number + 1 == found.positional_only:
                texts.append("/")
            self._need(parameter.annotation)
            self._need(parameter.default)
        if self.method.name == "__init__" and not any(parameter.lead == "**" for parameter in found.parameters):
            texts += self._backend(star)
        return signature(self.indent, self.name, [*self.receiver, *texts], self._returns(found.returns), after)

    def _backend(self, star: bool) -> list[str]:
        self.context.need_facade("Backend")
        return [*(() if star else ("*",)), BACKEND_PARAMETER]

    def _need(self, expression: Expression | None) -> None:
        if expression is not None:
            for name in expression.names():
                self.context.need(name)

    def _returns(self, found: Expression) -> str:
        text = found.text
        for name in found.names():
            if self.context.uses.has("returns", name):
                instead = self.context.uses.names.returns[name]
                text = re.sub(rf"\b{name}\b", instead, text)
                self.context.need(name, instead)
            else:
                self.context.need(name)
        return text

    def _counterpart(self, parameter: Parameter) -> Parameter:
        """The parameter of the blocking method."""
        if not self.context.uses.has("pulled", f"{self.key}.{parameter.name}"):
            return parameter
        match parameter.annotation.node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Subscript(value=ast.Name(id="AsyncIterable"))):
                text = parameter.annotation.text.rpartition(" | AsyncIterable[")[0]
                return replace(parameter, annotation=Expression(text, left))
            case _:
                raise GeneratorError(
                    f"{self.method.place}: its parameter {parameter.name} is in `pulled` of mcptasks/_tools/names.py,"
                    " so its type is to be written `Iterable[X] | AsyncIterable[X]`"
                )

    def _argument(self, parameter: Parameter) -> str:
        key = f"{self.key}.{parameter.name}"
        waiting, task = self.context.uses.has("waiting", key), self.context.uses.has("tasks", key)
        mentioned = set(parameter.annotation.names())
        # A handler is given a task: the one of its own world.
        allowed = {"Awaitable", TASK} if waiting or task else {"Awaitable"}
        if strange := mentioned & {*self.context.homes, *ASYNC_ONLY} - allowed:
            raise GeneratorError(
                f"{self.method.place}: its parameter {parameter.name} takes something of the async world"
                f" ({', '.join(sorted(strange))}); write the method by hand in the facade's base class and name it in"
                " `by_hand` of mcptasks/_tools/names.py, or teach mcptasks/_tools/methods.py"
            )
        value = parameter.name
        background = self.context.uses.has("background", key)
        if background and waiting:
            raise GeneratorError(f"mcptasks/_tools/names.py: {key!r} is both in `background` and in `waiting`")
        if task:
            value = f"self._inner_of({value})"
        elif self.context.uses.has("pulled", key):
            value = f"self._pulled({value})"
        elif background:
            value = f"self._background({value})"
        elif waiting:
            self.context.need(TASK)
            value = f"self._waiting({TASK}, {value})"
        elif self.context.uses.has("inline", key):
            pass
        elif self.context.scope.takes_functions(self.context.source, parameter.annotation.node):
            raise GeneratorError(
                f"{self.method.place}: its parameter {parameter.name} takes a function; name {key!r} in `background`"
                " (runs on a worker thread), in `waiting` (runs on the thread that waits) or in `inline` (runs on the"
                " event loop's, and returns at once) of mcptasks/_tools/names.py"
            )
        return f"{parameter.name}={value}" if parameter.keyword_only else f"{parameter.lead}{value}"

    def _body(self, arguments: tuple[str, ...]) -> list[str]:
        method = self.method
        if method.name == "__init__":
            inner = Call(self.context.need_async(self.owner), arguments)
            return [f"{_BODY}super().__init__(backend)", *statement(_BODY, "self._inner = ", inner)]
        if method.name == "__repr__":
            return [f"{_BODY}return repr(self._inner)"]
        shape = shape_of(method, frozenset(self.context.homes))
        call = self._call(shape, f"self._inner.{method.name}", arguments)
        if method.name == "__aenter__" or shape is Shape.ITSELF:
            return [*statement(_BODY, "", call), f"{_BODY}return self"]
        match shape:
            case Shape.NOTHING if method.flavour is not Flavour.PROPERTY:
                return statement(_BODY, "", call)
            case Shape.TASK | Shape.TASKS | Shape.RECOVERY:
                self.context.need(TASK)
                how = {Shape.TASK: "_handle", Shape.TASKS: "_handles"}.get(shape, "_recovered")
                return statement(_BODY, "return ", Call(f"self.{how}", (TASK, call)))
            case Shape.EITHER:
                self.context.need(TASK)
                alias = self.context.need_async(TASK)
                answer = "answer"
                while answer in {parameter.name for parameter in method.signature.parameters}:
                    answer += "_"
                return [
                    *statement(_BODY, f"{answer} = ", call),
                    f"{_BODY}return self._handle({TASK}, {answer}) if isinstance({answer}, {alias}) else {answer}",
                ]
            case Shape.REMOVER:
                return statement(_BODY, "return ", Call("self._remover", (call,)))
            case _:
                return statement(_BODY, "return ", call)

    def _call(self, shape: Shape, inner: str, arguments: tuple[str, ...]) -> Call | str:
        if self.method.flavour is Flavour.PROPERTY:
            return inner
        call = Call(inner, arguments, "lambda: ") if arguments else inner
        if shape is Shape.NEW_TASKS:
            self.context.need(TASK)
            return Call("self._iterate_handles", (TASK, call))
        how = "self._iterate" if shape is Shape.ITERATOR else "self._run"
        if self.method.flavour is Flavour.ASYNC:
            how = "self._call"
        return Call(how, (call, *self._answers(shape)))

    def _answers(self, shape: Shape) -> tuple[str, ...]:
        """The additional argument for methods that answer input requests while they wait, or at each step."""
        waits = self.method.flavour is Flavour.ASYNC or shape in (Shape.ITERATOR, Shape.TASK_ITERATOR)
        return ("answers=True",) if waits and self.context.uses.has("answers", self.key) else ()
