"""The shapes of return types, which decide the body of the blocking method."""

from __future__ import annotations

import ast
from enum import Enum

from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.source import Flavour, Method, Signature

TASK = "Task"
ASYNC_ONLY = frozenset(
    {
        "AbstractAsyncContextManager",
        "AsyncContextManager",
        "AsyncGenerator",
        "AsyncIterable",
        "AsyncIterator",
        "Awaitable",
        "Coroutine",
        "Future",
    }
)


class Shape(Enum):
    """The kind of value that a method returns."""

    NOTHING = "None"
    ITSELF = "Self"
    VALUE = "a value"
    TASK = "a task"
    TASKS = "a list of tasks"
    EITHER = "a value or a task"
    ITERATOR = "an async iterator"
    REMOVER = "a function that removes something"
    TASK_ITERATOR = "an async iterator of tasks"
    TASK_SETS = "two sets of tasks"
    NEW_TASKS = "an iterator over tasks that the client takes"
    RECOVERY = "tasks that were recovered"


_OF_GROUPS = frozenset({Shape.TASK_ITERATOR, Shape.TASK_SETS})
"""The shapes that only functions that take tasks may return: they give back the handles that they were given."""


_POSSIBLE = {
    Flavour.PROPERTY: frozenset({Shape.NOTHING, Shape.VALUE, Shape.TASK, Shape.TASKS, Shape.EITHER}),
    Flavour.PLAIN: frozenset(Shape),
    Flavour.ASYNC: frozenset(Shape) - {Shape.ITERATOR, Shape.TASK_ITERATOR, Shape.NEW_TASKS},
    Flavour.GENERATOR: frozenset({Shape.ITERATOR}),
}


def shape_of(method: Method, classes: frozenset[str], *, of_group: bool = False) -> Shape:
    """The shape of the implementation's return type, with which the overloads must agree.

    Raises:
        GeneratorError: The generator cannot translate the return type, or an overload does not agree.
    """
    shape = _shape(method, method.signature, classes)
    if shape in _OF_GROUPS and not of_group:
        raise _untranslatable(method, f"the return type {method.signature.returns.text}")
    if shape not in _POSSIBLE[method.flavour]:
        raise _untranslatable(method, f"{method.flavour.value} that returns {shape.value}")
    for overload in method.overloads:
        part = _shape(method, overload, classes)
        if part is not shape and not (shape is Shape.EITHER and part in (Shape.TASK, Shape.VALUE, Shape.NOTHING)):
            raise _untranslatable(
                method, f"an overload that returns {part.value}, where the implementation returns {shape.value}"
            )
    return shape


def _shape(method: Method, signature: Signature, classes: frozenset[str]) -> Shape:
    node = signature.returns.node
    foreign = {"Self", "Callable", *classes, *ASYNC_ONLY}
    match node:
        case ast.Constant(value=None):
            return Shape.NOTHING
        case ast.Name(id="Self"):
            return Shape.ITSELF
        case _ if _is_task(node):
            return Shape.TASK
        case ast.Subscript(value=ast.Name(id="list"), slice=item) if _is_task(item):
            return Shape.TASKS
        case ast.Subscript(value=ast.Name(id="AsyncIterator"), slice=item) if _is_task(item):
            return Shape.TASK_ITERATOR
        case ast.Subscript(value=ast.Name(id="Results"), slice=item) if _is_task(item):
            return Shape.NEW_TASKS
        case ast.Subscript(value=ast.Name(id="Recovery"), slice=item) if _is_task(item):
            return Shape.RECOVERY
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[one, other])) if _is_task_set(
            one
        ) and _is_task_set(other):
            return Shape.TASK_SETS
        case ast.Subscript(value=ast.Name(id="AsyncIterator" | "Results"), slice=item) if not _words(item) & foreign:
            return Shape.ITERATOR
        case ast.Subscript(value=ast.Name(id="Callable"), slice=ast.Tuple(elts=[ast.List(elts=[]), ast.Constant()])):
            return Shape.REMOVER
        case _:
            pass
    members = _members(node)
    values = [member for member in members if not _is_task(member)]
    strange = set[str]().union(*map(_words, values)) & foreign
    if strange or len(members) - len(values) > 1:
        raise _untranslatable(method, f"the return type {signature.returns.text}")
    return Shape.EITHER if len(values) < len(members) else Shape.VALUE


def _members(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_members(node.left), *_members(node.right)]
    return [node]


def _is_task(node: ast.expr) -> bool:
    value = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(value, ast.Name) and value.id == TASK


def _is_task_set(node: ast.expr) -> bool:
    match node:
        case ast.Subscript(value=ast.Name(id="set"), slice=item):
            return _is_task(item)
        case _:
            return False


def _words(node: ast.expr) -> set[str]:
    """The names in a type, and the async-only names after a dot."""
    children = list(ast.walk(node))
    attributes = {child.attr for child in children if isinstance(child, ast.Attribute)}
    return {child.id for child in children if isinstance(child, ast.Name)} | (attributes & ASYNC_ONLY)


def _untranslatable(method: Method, what: str) -> GeneratorError:
    return GeneratorError(
        f"{method.place}: the generator cannot translate {what}; give it a type that it knows, make it private,"
        " write it by hand in the facade's base class and name it in `by_hand` of mcptasks/_tools/names.py, or teach"
        " mcptasks/_tools/shapes.py"
    )
