"""One async function that takes tasks of any number of clients -> the lines of its blocking counterpart."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.layout import Call, Import, statement
from mcptasks._tools.methods import INDENT, Rendering
from mcptasks._tools.names import GROUP
from mcptasks._tools.shapes import TASK, Shape, shape_of
from mcptasks._tools.source import Expression, Flavour, Parameter


@dataclass(frozen=True)
class FunctionRendering(Rendering):
    """A function of a module; `owner` is empty."""

    indent: str = ""
    receiver: tuple[str, ...] = ()
    gap: tuple[str, ...] = ("", "")

    @property
    def key(self) -> str:
        """The function's name in the map."""
        return self.method.name

    def _counterpart(self, parameter: Parameter) -> Parameter:
        if not _takes_tasks(parameter):
            return super()._counterpart(parameter)
        # Awaitable calls have no counterpart: a blocking call returns only when it has ended.
        text = re.sub(r" \| Awaitable\[Task\[\w+\]\]", "", parameter.annotation.text)
        return replace(parameter, annotation=Expression(text, ast.parse(text, mode="eval").body))

    def _argument(self, parameter: Parameter) -> str:
        if _takes_tasks(parameter):
            return f"{parameter.lead}{self._group()}.tasks"
        return super()._argument(parameter)

    def _body(self, arguments: tuple[str, ...]) -> list[str]:
        method, group = self.method, self._group()
        tasks = [parameter.name for parameter in method.signature.parameters if _takes_tasks(parameter)]
        shape = shape_of(method, frozenset(self.context.homes), of_group=True)
        is_iterator = shape is Shape.TASK_ITERATOR
        if len(tasks) != 1 or not (
            is_iterator or (method.flavour is Flavour.ASYNC and shape in (Shape.VALUE, Shape.TASK_SETS, Shape.NOTHING))
        ):
            raise GeneratorError(
                f"{method.place}: the generator translates async functions, and those that return an async iterator of"
                " tasks, that take tasks in one parameter, as `*tasks: Task[T]` or `tasks: Iterable[Task[T]]` (or with"
                " `| Awaitable[Task[T]]`, which the blocking world has not); make it private, or teach"
                " mcptasks/_tools/functions.py"
            )
        self.context.imports.add(Import(GROUP, "Group"))
        inner = Call(self.context.need_async(method.name), arguments, "lambda: ")
        call = Call(f"{group}.{'iterate' if is_iterator else 'call'}", (inner, *self._answers(shape)))
        if is_iterator:
            call = Call("map", (f"{group}.handle", call))
        elif shape is Shape.TASK_SETS:
            call = Call(f"{group}.handles", (call,))
        return [
            f'{INDENT}{group} = Group("{method.name}", {tasks[0]})',
            *statement(INDENT, "" if shape is Shape.NOTHING else "return ", call),
        ]

    def _group(self) -> str:
        name = "group"
        while name in {parameter.name for parameter in self.method.signature.parameters}:
            name += "_"
        return name


def _takes_tasks(parameter: Parameter) -> bool:
    node = parameter.annotation.node
    if parameter.lead == "":
        match node:
            case ast.Subscript(value=ast.Name(id="Iterable"), slice=item):
                node = item
            case _:
                return False
    elif parameter.lead == "**":
        return False
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Subscript(value=ast.Name(id="Awaitable"))):
            node = left
        case _:
            pass
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == TASK
