"""The marks that follow from where a test lies, and which files `-m` can choose nothing of.

Of the tests of some sessions most are not chosen. So a file whose tests cannot be chosen is not read.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

TESTS = Path(__file__).parent.parent
HOUSE = TESTS / "house"
INTEROP = TESTS / "interop"
PLACES: dict[str, tuple[Path, ...]] = {
    # Where what matters is how soon something happens, or the processor is kept busy.
    "alone": (
        INTEROP / "test_many.py",
        TESTS / "notebooks" / "test_stop.py",
        TESTS / "portal" / "test_exit.py",
        TESTS / "portal" / "test_interrupts.py",
    ),
    "interop": (INTEROP,),
    # Threads, signals, forks, the end of a program, notebooks: what a Python may do in its own way. All of these tests
    # run on the oldest Python and on the newest, in turns.
    "interpreter": (TESTS / "notebooks", TESTS / "portal"),
    # About the project's own files and tools, and about virtual time: each Python would say the same. `generated` tries
    # the generator on each.
    "once": (
        TESTS / "benchmarks",
        TESTS / "conformance",
        HOUSE / "generator",
        HOUSE / "test_exported_names.py",
        HOUSE / "test_forks.py",
        HOUSE / "test_front_door.py",
        HOUSE / "test_imports.py",
        HOUSE / "test_layout.py",
        HOUSE / "test_owners.py",
    ),
    "slow": (TESTS / "testing",),
}
"""The files and folders all of whose tests have a mark."""
BOTH_WORLDS = TESTS / "client"
"""Where the fixture `world` marks the blocking world as slow: any test there may be."""


def marks_of(path: Path) -> list[str]:
    """The marks that each test in a file or folder has, since it lies there."""
    around = {path, *path.parents}
    return [mark for mark, places in PLACES.items() if not around.isdisjoint(places)]


def may_be_chosen(expression: str, path: Path) -> bool:
    """Whether an expression of marks may choose a test of a file or folder.

    Args:
        expression: What `-m` is given; "" chooses all.
        path: A test file, which is searched for marks that it sets itself, or a folder, which may set any.
    """
    expected = _parsed(expression)
    return expected is None or _value(expected, _known_of(path)) is not False


def _known_of(path: Path) -> dict[str, bool | None]:
    """Whether all tests there have a mark (true), none (false), or perhaps some (None)."""
    known: dict[str, bool | None] = dict.fromkeys(PLACES)
    if path.suffix == ".py":
        text = path.read_text(encoding="utf-8")
        known = {mark: None if f"mark.{mark}" in text else False for mark in PLACES}
        if BOTH_WORLDS in path.parents:
            known["slow"] = None
    return {**known, **dict.fromkeys(marks_of(path), True)}


@functools.cache
def _parsed(expression: str) -> ast.expr | None:
    """The expression; None if there is none, or if pytest is to say what is wrong with it."""
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return None


def _value(node: ast.expr, known: dict[str, bool | None]) -> bool | None:
    """What an expression says of tests with known marks; None where it depends on what is not known."""
    match node:
        case ast.Name(id=mark):
            return known.get(mark)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            value = _value(operand, known)
            return None if value is None else not value
        case ast.BoolOp(op=operator, values=parts):
            values = [_value(part, known) for part in parts]
            decisive = isinstance(operator, ast.Or)
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        case _:
            return None
