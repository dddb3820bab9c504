"""A tool's arguments from words of the command line."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks._cli.arguments import ArgumentError, parse

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "flag": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "old": {"type": "string", "nullable": True},
        "color": {"enum": ["red", "green", 3]},
        "list": {"type": "array", "items": {"type": "integer"}},
        "either": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
        "inner": {"$ref": "#/$defs/Inner"},
        "any": {},
        "dotted.key": {"type": "integer"},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {"Inner": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/Inner"}}}},
}
FILES = {"a.txt": "long text", "a.json": '{"count": 7, "other": 1}', "n.json": "[1, 2]", "-": '{"text": "typed"}'}


def read(name: str) -> str:
    """The files of these tests."""
    return FILES[name]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["text=3"], {"text": "3"}),
        (["text="], {"text": ""}),
        (["text=a=b:=c"], {"text": "a=b:=c"}),
        (["count=3"], {"count": 3}),
        (["count=-3"], {"count": -3}),
        (["share=3"], {"share": 3}),
        (["share=1e-3"], {"share": 0.001}),
        (["flag=true"], {"flag": True}),
        (["flag=False"], {"flag": False}),
        (["maybe=null"], {"maybe": None}),
        (["maybe=4"], {"maybe": 4}),
        (["old=null"], {"old": None}),
        (["old=nil"], {"old": "nil"}),
        (["color=red"], {"color": "red"}),
        (["color=3"], {"color": 3}),
        (["list=1", "list=2"], {"list": [1, 2]}),
        (["list=[1, 2]"], {"list": [1, 2]}),
        (["list:=[3]"], {"list": [3]}),
        (["either=a"], {"either": "a"}),
        (["inner.a=1", "inner.b.a=2"], {"inner": {"a": 1, "b": {"a": 2}}}),
        (['inner={"a": 1}'], {"inner": {"a": 1}}),
        (["any=3"], {"any": "3"}),
        (["any:=3"], {"any": 3}),
        (['any:="x"'], {"any": "x"}),
        (["dotted.key=1"], {"dotted.key": 1}),
        (["map.x=1"], {"map": {"x": "1"}}),
        (["text=@a.txt"], {"text": "long text"}),
        (["list:=@n.json"], {"list": [1, 2]}),
        (["@a.json"], {"count": 7, "other": 1}),
        (["@a.json", "count=8"], {"count": 8, "other": 1}),
        (["-"], {"text": "typed"}),
    ],
)
def test_values(words: list[str], found: dict[str, Any]) -> None:
    """Each form of a word has the value, of the type that the schema asks for."""
    assert parse(words, SCHEMA, read) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["word"], "word is no argument; write key=value"),
        (["=3"], "=3 is no argument"),
        (["cout=3"], "the tool has no argument cout; did you mean count?"),
        (["zzz=3"], "the tool has no argument zzz; it has text, count"),
        (["inner.c=3"], "the tool has no argument inner.c"),
        (["count=x"], "count must be a whole number; got x"),
        (["count=1.5"], "count must be a whole number"),
        (["count="], "count must be a whole number; got nothing"),
        (["share=inf"], "share must be a number"),
        (["flag=1"], "flag must be true or false"),
        (["maybe=x"], "maybe must be null or a whole number"),
        (["color=gren"], "color must be one of red, green, 3; got gren; did you mean green?"),
        (["list=1", "list=x"], "list must be a whole number"),
        (["inner=3"], "inner must be a JSON object, or given as key.name=value"),
        (["count=1", "count=2"], "count is given twice, and is no array"),
        (["count=1", "count.x=2"], "the tool has no argument|count has a value already"),
        (["any:={"], r"any: no JSON: .* \(line 1, column 2\)"),
        (["@n.json"], "@n.json must hold a JSON object"),
        (["text=\x1b[2J", "count=\x1b[2J"], r"got \\x1b\[2J"),
    ],
)
def test_refused(words: list[str], said: str) -> None:
    """What does not fit is refused before anything is sent, in words that name the argument."""
    with pytest.raises(ArgumentError, match=said):
        parse(words, SCHEMA, read)


def test_missing() -> None:
    """Required arguments that are missing are named, with what to write."""
    schema = {**SCHEMA, "required": ["text", "inner"]}
    with pytest.raises(ArgumentError, match=r"the tool needs text, inner: write text=\.\.\."):
        parse(["count=1"], schema, read)
    with pytest.raises(ArgumentError, match=r"needs inner: write inner:=\.\.\."):
        parse(["text=1"], schema, read)


def test_no_schema() -> None:
    """Without a schema every value is a text, and every key is taken as it is."""
    assert parse(["a.b=1", "c:=1"], None, read) == {"a.b": "1", "c": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}]},
        {"properties": 3, "required": "x"},
        {"properties": {"a": 3}, "required": [1]},
        {"properties": {"a": {"type": ["x", 3], "enum": "no"}}},
        {"properties": {"a": {"$ref": "https://evil.example/schema"}}},
        [],
    ],
)
def test_odd_schemas(schema: Any) -> None:
    """A schema that makes no sense, or goes round in a circle, takes a value as text."""
    assert parse(["a=1"], schema, read) == {"a": "1"}


def test_open_schemas() -> None:
    """A tool that invites further arguments gets them."""
    schema = {"properties": {"a": {"type": "integer"}}, "additionalProperties": True}
    assert parse(["a=1", "b=2"], schema, read) == {"a": 1, "b": "2"}
