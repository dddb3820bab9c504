"""Code of any length -> lines, broken where ruff's formatter would break them.

Covers only the code that the generator writes: imports, signatures, nested calls.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WIDTH = 120
_STEP = "    "


@dataclass(frozen=True, order=True)
class Import:
    """`from module import name as alias`; without a name, `import module as alias`."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def bound(self) -> str:
        """The name that the import binds."""
        return self.alias or self.name or self.module.partition(".")[0]


@dataclass(frozen=True)
class Call:
    """A call, with the text `lead` ("lambda: ", "name=") before it."""

    function: str
    arguments: tuple[str | Call, ...]
    lead: str = ""

    def __str__(self) -> str:
        return f"{self.lead}{self.function}({', '.join(map(str, self.arguments))})"


def statement(indent: str, before: str, code: str | Call, after: str = "") -> list[str]:
    """A statement that ends in a call, such as "return " and a call."""
    line = f"{indent}{before}{code}{after}"
    if isinstance(code, str) or len(line) <= WIDTH:
        return [line]
    deeper = indent + _STEP
    inside = f"{deeper}{', '.join(map(str, code.arguments))}"
    if len(inside) <= WIDTH:
        lines = [inside]
    else:
        lines = [line for argument in code.arguments for line in statement(deeper, "", argument, ",")]
    return [f"{indent}{before}{code.lead}{code.function}(", *lines, f"{indent}){after}"]


def signature(indent: str, name: str, parameters: Iterable[str], returns: str, after: str = ":") -> list[str]:
    """The head of a function."""
    parameters = list(parameters)
    head, tail = f"{indent}def {name}(", f") -> {returns}{after}"
    line = f"{head}{', '.join(parameters)}{tail}"
    if len(line) <= WIDTH:
        return [line]
    deeper = indent + _STEP
    inside = f"{deeper}{', '.join(parameters)}"
    lines = [inside] if len(inside) <= WIDTH else [f"{deeper}{parameter}," for parameter in parameters]
    return [head, *lines, f"{indent}{tail}"]


def imports(wanted: Iterable[Import]) -> list[str]:
    """Import statements in ruff's order, with blank lines between the groups."""
    groups: dict[int, list[Import]] = {}
    for item in set(wanted):
        groups.setdefault(_group(item.module), []).append(item)
    lines: list[str] = []
    for _, items in sorted(groups.items()):
        lines += ["", *_plain(items), *_from(items)]
    return lines[1:]


def _group(module: str) -> int:
    top = module.partition(".")[0]
    if top == "__future__":
        return 0
    return 1 if top in sys.stdlib_module_names else 3 if top == "mcptasks" else 2


def _plain(items: list[Import]) -> Iterator[str]:
    for item in sorted(item for item in items if not item.name):
        yield f"import {item.module} as {item.alias}" if item.alias else f"import {item.module}"


def _from(items: list[Import]) -> Iterator[str]:
    for module in sorted({item.module for item in items if item.name}):
        mine = [item for item in items if item.module == module and item.name]
        names = sorted((item.name for item in mine if not item.alias), key=_member)
        if names:
            line = f"from {module} import {', '.join(names)}"
            if len(line) <= WIDTH:
                yield line
            else:
                yield f"from {module} import ("
                yield from (f"{_STEP}{name}," for name in names)
                yield ")"
        for item in sorted((item for item in mine if item.alias), key=lambda item: _member(item.name)):
            yield f"from {module} import {item.name} as {item.alias}"


def _member(name: str) -> tuple[int, str]:
    """A sort key for imported names: constants, then classes, then the rest."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
