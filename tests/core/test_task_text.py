"""Arguments for people: what is shown of them, what is hidden, and what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import attrs
import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from mcptasks._core.models import TaskReference
from mcptasks._core.task_text import arguments_text, secrets_of, task_text
from tests.helpers.hostile import HOSTILE, TERMINAL, harm

SECRET = "hunter2hunter2"


class _Model(BaseModel):
    key: SecretStr = SecretStr(SECRET)


@dataclass
class _Data:
    inner: Any


@attrs.define
class _Attrs:
    inner: Any


class _Sly(BaseModel):
    def __iter__(self) -> Any:
        raise LookupError("no")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"month": "2026-11", "n": 3, "x": 1.5, "flag": True, "none": None}, None),
        ({"when": "2026-11-01T10:00:00+00:00", "path": "/home/ada/notes/a.txt"}, None),
        ({"url": "https://example.com/a/b", "author": "Ada", "keyword": "x", "monkey": "y"}, None),
        ({"list": [1, "a", {"b": 2}]}, None),
        ({"deep": {"a": {"b": {"c": 1}}}}, "{'deep': {'a': {'b': {…}}}}"),
        ({"rows": list(range(9))}, "{'rows': [0, 1, 2, 3, 4, 5, …]}"),
        ({"text": "word " * 20}, "{'text': 'word word word word word word word word …'}"),
        ({"words": "two\nlines"}, None),
        ({}, "{}"),
    ],
)
def test_what_is_shown(arguments: dict[str, Any], shown: str | None) -> None:
    """Arguments look as in Python, in the order of the call, cut where they are long or deep."""
    assert arguments_text(arguments) == (repr(arguments) if shown is None else shown)


NAMES = (
    *("password", "PASSWORD", "dbPassword", "db-passwd", "api_key", "apiKey", "APIKey", "x-api-key", "key", "auth"),
    *("Authorization", "access_token", "tokens", "clientSecret", "private key", "credentials", "Cookie", "pin"),
    *("session_id", "user.pwd", "signature"),
)


@pytest.mark.parametrize("name", NAMES)
def test_hidden_by_name(name: str) -> None:
    """A value under the name of a secret is hidden, at each depth and of each type."""
    for value in (SECRET, 1234, [SECRET], {"a": SECRET}):
        for arguments in ({name: value}, {"inner": {name: value}}, {"inner": [{name: value}]}):
            text = arguments_text(arguments)
            assert SECRET not in text
            assert "1234" not in text
            assert "…" in text


@pytest.mark.parametrize(
    "text",
    [
        f"https://ada:{SECRET}@example.com/x",
        f"postgres://ada:{SECRET}{'x' * 100}@example.com/x",
        f"https://example.com/x?code={SECRET}",
        f"https://example.com/x#{SECRET}",
        f"Bearer {SECRET}",
        f"basic {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"host=db password={SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"API_KEY = {SECRET}",
        f"sk-{SECRET}abcdefgh",
        f"use the key {SECRET}abcdefgh please",
    ],
)
def test_hidden_by_looks(text: str) -> None:
    """What looks like a credential is hidden in a text, with all that comes after it."""
    shown = arguments_text({"text": text, "list": [text]})
    assert SECRET not in shown
    assert shown.count("…") == 2


@pytest.mark.parametrize(
    "value",
    [
        SecretStr(SECRET),
        SecretBytes(SECRET.encode()),
        [SecretStr(SECRET)],
        {"a": {"b": SecretStr(SECRET)}},
        _Model(),
        _Data(_Attrs(SecretStr(SECRET))),
        _Sly(),
    ],
)
def test_hidden_by_type(value: Any) -> None:
    """An argument that holds what pydantic knows as a secret is hidden whole; so is one that cannot be looked into."""
    assert secrets_of({"x": value, "y": 1}) == {"x"}
    assert arguments_text({"x": SECRET, "y": 1}, {"x"}) == "{'x': …, 'y': 1}"


@pytest.mark.parametrize("value", [None, 3, [1], "x", {"a": [1, {"b": "c"}]}, _Data(3), object()])
def test_no_secrets(value: Any) -> None:
    """All else may be shown."""
    assert secrets_of({"x": value}) == frozenset()
    assert secrets_of(value) == frozenset()


@pytest.mark.parametrize("name", HOSTILE)
def test_it_never_fails(name: str) -> None:
    """Whatever the values are, the text is legible, short and on one line."""
    for arguments in ({"x": HOSTILE[name]}, {TERMINAL: HOSTILE[name]}, {"x": [HOSTILE[name]]}):
        text = arguments_text(arguments)
        assert len(text) < 200
        assert not harm(text)
        assert "\n" not in text


def test_cost() -> None:
    """The work does not grow with the arguments."""
    large = {"text": "x1" * 10_000_000, "list": list(range(1_000_000)), **{f"k{n}": n for n in range(100_000)}}
    started = time.process_time()
    for _ in range(100):
        arguments_text(large, secrets_of(large))
    assert time.process_time() - started < 1.0


def test_a_task() -> None:
    """A task says its id, label, tool, arguments, status and open question, as far as there are any."""
    reference = TaskReference(task_id="t-1", kind="tool", name="add")
    assert task_text(TaskReference(task_id="t-1"), "", "unknown", {}) == "'t-1' task unknown"
    assert task_text(reference, "{'n': 1}", "working", {}) == "'t-1' tool 'add' {'n': 1} working"
    labelled = attrs.evolve(reference, label="2026-11")
    asks = {"k": {"params": {"message": "Go on?"}}}
    assert task_text(labelled, "", "input_required", asks) == "'t-1' label '2026-11' tool 'add' input_required 'Go on?'"
