"""What servers and strangers' files send to make a command hang, crash, or print what a shell would carry out."""

from __future__ import annotations

import shlex
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp_types import Tool

from mcptasks._cli import arguments, jsonc, questions, schemas
from mcptasks._cli.commands.show import facts
from mcptasks._cli.commands.tools import signature
from mcptasks.store import Store, TaskRecord
from tests.cli.storing import filled
from tests.helpers.command_line import Home

RESET = "\x1bc"
"""Resets a terminal (ECMA-48, RIS), and has no sign that URLs cannot have."""


def test_schemas_that_lead_back() -> None:
    """References that lead back several times each are followed once: they would multiply without end."""
    root: dict[str, Any] = {"anyOf": [{"$ref": "#"} for _ in range(30)]}
    assert schemas.shape_of(root, root).types == ()
    several = {"anyOf": [{"$ref": "#/$defs/x"}, {"type": "null"}], "$defs": {"x": {"type": "integer"}}}
    assert schemas.shape_of(several, several).types == ("null", "integer")


def test_arrays_that_hold_themselves() -> None:
    """A schema whose items are the schema is described as far as a person reads."""
    schema = {"properties": {"x": {"type": "array", "items": {"$ref": "#/properties/x"}}}}
    assert signature(Tool(name="t", input_schema=schema)) == ["[x=JSON...]"]


def test_lines_to_copy() -> None:
    """What a server has named is quoted on a line that a person copies into a shell."""
    schema = {
        "properties": {
            "$(reboot)": {"type": "string"},
            "mode": {"enum": ["a;reboot", "b", 3]},
            "plain": {"type": "integer"},
        },
        "required": ["$(reboot)", "mode", "plain"],
    }
    assert signature(Tool(name="t", input_schema=schema)) == [
        "'$(reboot)'=TEXT",
        "mode='a;reboot'|b|3",
        "plain=INTEGER",
    ]
    with pytest.raises(arguments.ArgumentError) as caught:
        arguments.parse([], schema, lambda _: "")
    assert shlex.split(str(caught.value).rpartition("write ")[2]) == ["$(reboot)=..."]


@pytest.mark.parametrize("host", [f"ev{RESET}il.example", "ev\u200bil.example", "ev\u202eil.example", "\u00ad.example"])
def test_hosts(host: str) -> None:
    """The host of a page is shown without a control character, and without one that hides text."""
    assert questions.host(f"https://{host}/x").isprintable()


@pytest.mark.parametrize("bound", [10**400, -(10**400), float("inf"), float("nan"), True, "1", None])
def test_bounds(bound: object) -> None:
    """No bound of a form ends the command, however large; a number that JSON does not have is no answer."""
    (field,) = questions.fields({"properties": {"n": {"type": "number", "minimum": bound, "maximum": bound}}})
    assert len(questions.kind_of(field)) < 200
    for typed in ("nan", "inf", "1e999", "x"):
        with pytest.raises(questions.FieldError, match="write a number"):
            questions.value_of(field, typed)


def test_comments_without_end() -> None:
    """A file of comments is read in the time of its length, whatever follows them."""
    with pytest.raises(ValueError, match="no JSON: line 1, column"):
        jsonc.load('{"a": 1,' + "/**/" * 5000 + "x")
    assert jsonc.load('{"a": [1, /**/ /* b */ // c\n ], /**/ }') == {"a": [1]}


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_times_at_the_ends_of_the_calendar(monkeypatch: pytest.MonkeyPatch, year: int, zone: str) -> None:
    """A time that the local calendar does not have is shown in UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    now = datetime(2026, 11, 30, tzinfo=UTC)
    end = datetime(year, 12 if year == 9999 else 1, 31 if year == 9999 else 1, 23 if year == 9999 else 0, tzinfo=UTC)
    record = TaskRecord(id="a" * 32, endpoint="e", phase="created", created_at=now, updated_at=now, expires_at=end)
    try:
        assert str(year) in dict(facts(record, now))["kept until"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["{", '{"a":' * 100_000, '{"task_id": 3}', '{"task_id": "\x1b[2J"}'])
def test_references(home: Home, text: str) -> None:
    """A reference that makes no sense, or whose task nobody has, is an error of one line."""
    done = home.run("show", "-", stdin=text)
    assert done.code in (2, 5)
    assert done.err.startswith("error: ")
    assert "\x1b" not in done.err + done.out
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_store_of_another_version(home: Home, tmp_path: Path) -> None:
    """A store that a newer version made is left alone, in one line that says what to do."""
    path = tmp_path / "tasks.db"
    filled(Store(path))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE name IN ('version', 'reads_from')")
        raw.commit()
    for words in (
        ["list"],
        ["show", "@last"],
        ["recover"],
        ["watch", "@last"],
        ["store", "info"],
        ["store", "migrate"],
    ):
        done = home.run(*words, "--store", str(path))
        assert (done.code, done.out) == (1, ""), words
        assert "update mcptasks" in done.err
        assert len(done.err.splitlines()) == 1
