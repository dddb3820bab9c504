"""Reads a JSON schema: the types, choices, items and properties of one value. Pure.

Schemas come from servers and are not trusted: invalid parts are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from attrs import frozen

TYPES = ("null", "boolean", "integer", "number", "array", "object", "string")
"""The types of JSON values, in the order in which a text is tried as one of them."""
_DEEPEST = 20
"""How many levels of references and combinations are followed; deeper ones are ignored. Real schemas have a few."""


@frozen
class Shape:
    """One value, as its schema describes it."""

    types: tuple[str, ...]
    """The types that the value may have, in the order of `TYPES`; empty if the schema does not say."""
    choices: tuple[Any, ...] | None
    """The values to choose from; None for any value."""
    schemas: tuple[Mapping[str, Any], ...]
    """The schemas that describe the value: one, or the branches of a combination."""


def shape_of(schema: object, root: object) -> Shape:
    """Return the shape of a value from its schema.

    Args:
        schema: The schema of the value.
        root: The schema of the tool, in which references are looked up.
    """
    branches = tuple(_branches(schema, root, _DEEPEST, set()))
    found = [_types(branch) for branch in branches]
    types = {each for kinds in found for each in kinds}
    # A branch without a type allows every type.
    known = tuple(each for each in TYPES if each in types) if found and all(found) else ()
    choices = [_choices(branch) for branch in branches]
    several = tuple(each for values in choices for each in values or ()) if choices and all(choices) else None
    return Shape(types=known, choices=several, schemas=branches)


def properties(shape: Shape) -> dict[str, Any]:
    """Return the properties of an object, each with its schema."""
    return {
        str(name): schema
        for branch in shape.schemas
        if isinstance(found := branch.get("properties"), Mapping)
        for name, schema in cast("Mapping[str, Any]", found).items()
    }


def required(shape: Shape) -> list[str]:
    """Return the names of the properties that an object must have."""
    return [
        name
        for branch in shape.schemas
        if isinstance(found := branch.get("required"), list)
        for name in cast("list[Any]", found)
        if isinstance(name, str)
    ]


def is_open(shape: Shape) -> bool:
    """Whether the schema explicitly allows properties that it does not name."""
    return not properties(shape) or any(
        bool(branch.get("additionalProperties")) or bool(branch.get("patternProperties")) for branch in shape.schemas
    )


def items(shape: Shape) -> Any:
    """Return the schema of the entries of an array, or None."""
    return next((branch["items"] for branch in shape.schemas if isinstance(branch.get("items"), Mapping)), None)


def default(schema: object) -> Any:
    """Return the default of a property, or None."""
    return cast("Mapping[str, Any]", schema).get("default") if isinstance(schema, Mapping) else None


def _branches(schema: object, root: object, left: int, seen: set[int]) -> Iterator[Mapping[str, Any]]:
    """The branches of a schema. `seen` has the identities of the schemas that were met: each is followed only once,
    since references that lead back would otherwise multiply without end."""
    if not isinstance(schema, Mapping) or left == 0 or id(cast("object", schema)) in seen:
        return
    found = cast("Mapping[str, Any]", schema)
    seen.add(id(found))
    target = found.get("$ref")
    if isinstance(target, str):
        yield from _branches(_pointed(target, root), root, left - 1, seen)
        return
    for key in ("anyOf", "oneOf", "allOf"):
        several = found.get(key)
        if isinstance(several, list) and several:
            for branch in cast("list[Any]", several):
                yield from _branches(branch, root, left - 1, seen)
            return
    yield found


def _pointed(target: str, root: object) -> object:
    """The target of a reference inside the schema; None for any other reference."""
    place = root
    if not target.startswith("#"):
        return None
    for step in target.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        place = cast("Mapping[str, Any]", place).get(name) if isinstance(place, Mapping) else None
    return place


def _types(branch: Mapping[str, Any]) -> list[str]:
    said: Any = branch.get("type")
    named: list[Any] = cast("list[Any]", said) if isinstance(said, list) else [said]
    found = [each for each in named if each in TYPES]
    if not found and (values := _choices(branch)):
        found = list(dict.fromkeys(_type_of(value) for value in values))
    if branch.get("nullable") is True:
        found.append("null")
    return found


def _type_of(value: object) -> str:
    kinds = (("boolean", bool), ("integer", int), ("number", float), ("string", str), ("array", list))
    return next((name for name, kind in kinds if isinstance(value, kind)), "null" if value is None else "object")


def _choices(branch: Mapping[str, Any]) -> list[Any] | None:
    if "const" in branch:
        return [branch["const"]]
    found = branch.get("enum")
    return cast("list[Any]", found) if isinstance(found, list) and found else None
