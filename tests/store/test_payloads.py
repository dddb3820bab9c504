"""What is kept of payloads, encryption and its two mix-ups, digests and their key file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from mcptasks._core.exceptions import StoreError
from mcptasks._store import digests
from mcptasks._store.codec import Codec
from mcptasks._store.digests import Digests, differ
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Keep
from mcptasks.store import FernetCodec
from tests.helpers.stores import files_up_to

TASK = "a" * 32
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
ALL = Keep(arguments=True, results=True, answers=True)


def codecs() -> list[Codec | None]:
    """None, and the one that there is."""
    return [None, FernetCodec(KEY)]


@pytest.mark.parametrize("codec", codecs(), ids=["plain", "encrypted"])
def test_payloads_come_back(codec: Codec | None) -> None:
    """Every kind of payload is read as it was written, whatever JSON it is."""
    payloads = Payloads(ALL, codec)
    value: dict[str, Any] = {"a": [1, 2.5, None, True, "é\ud800"], "b": {}}
    assert payloads.read_arguments(TASK, payloads.arguments(TASK, value)) == value
    assert payloads.read_result(TASK, payloads.result(TASK, value)) == value
    assert payloads.read_request(TASK, "k", payloads.request(TASK, "k", value)) == value
    assert payloads.read_words(TASK, payloads.words(TASK, "words")) == "words"
    for answer in (None, 0, "", value):
        assert payloads.read_answer(TASK, "k\ud800", payloads.answer(TASK, "k\ud800", answer)) == answer
    assert payloads.words(TASK, None) is None
    assert payloads.read_words(TASK, None) is None


def test_what_is_not_kept() -> None:
    """By default arguments and results are not kept; questions and answers are, until they are acknowledged."""
    payloads = Payloads(Keep(), None)
    assert payloads.arguments(TASK, {"a": 1}) is None
    assert payloads.result(TASK, {"a": 1}) is None
    assert json.loads(payloads.answer(TASK, "k", 1)) == 1
    assert Keep() == Keep(arguments=False, results=False, answers=False)


def test_nothing_is_readable_without_the_key() -> None:
    """An encrypted payload has no byte of the value, and differs each time."""
    payloads = Payloads(ALL, FernetCodec(KEY))
    sealed = payloads.words(TASK, "sentinel")
    assert sealed is not None
    assert b"sentinel" not in sealed
    assert sealed != payloads.words(TASK, "sentinel")


Read = Callable[[], object]


def mixed_up() -> dict[str, tuple[Read, str]]:
    """Payloads that are read by somebody who must not be able to."""
    plain, sealed = Payloads(ALL, None), Payloads(ALL, FernetCodec(KEY))
    other = Payloads(ALL, FernetCodec(OTHER_KEY))
    value = sealed.words(TASK, "a")
    assert value is not None
    return {
        "no codec": (lambda: plain.read_words(TASK, value), "encrypted: give the store its codec"),
        "plain": (
            lambda: sealed.read_words(TASK, plain.words(TASK, "a")),
            "not encrypted, though the store has a codec",
        ),
        "another key": (lambda: other.read_words(TASK, value), "another key"),
        "another record": (lambda: sealed.read_words("b" * 32, value), "belongs to another record"),
        "another column": (lambda: sealed.read_result(TASK, value), "belongs to another record"),
        "changed": (lambda: sealed.read_words(TASK, value[:-4] + b"AAAA"), "another key"),
    }


@pytest.mark.parametrize("name", mixed_up())
def test_what_must_not_be_read(name: str) -> None:
    """Reading fails, and says what is the matter, if the codec or the record is another one."""
    read, words = mixed_up()[name]
    with pytest.raises(StoreError, match=words):
        read()


def test_keys_are_changed() -> None:
    """A new key in front encrypts, and the older ones behind it still decrypt."""
    old = Payloads(ALL, FernetCodec(KEY)).words(TASK, "a")
    both = Payloads(ALL, FernetCodec([OTHER_KEY, KEY]))
    assert both.read_words(TASK, old) == "a"
    assert Payloads(ALL, FernetCodec(OTHER_KEY)).read_words(TASK, both.words(TASK, "b")) == "b"


@pytest.mark.parametrize("keys", [[], "short", ["ok", ""], b"x" * 44])
def test_keys_that_are_none(keys: str | bytes | list[str]) -> None:
    """The error says how a key is made, and shows none."""
    with pytest.raises(ValueError, match=r"keys must .*FernetCodec\.new_key\(\)") as caught:
        FernetCodec(keys)
    assert "short" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_codec_shows_no_key() -> None:
    """Neither do its attributes' texts. A new key is one that Fernet takes, and another one each time."""
    codec = FernetCodec(KEY)
    assert KEY not in repr(codec) + repr(vars(codec))
    new = {FernetCodec.new_key() for _ in range(3)}
    assert len({type(Fernet(key)) for key in new}) == 1
    assert len(new) == 3


@pytest.mark.parametrize(
    ("maker", "reader", "words"),
    [
        (None, KEY, "is not encrypted: leave codec= out"),
        (KEY, None, "is encrypted: give its codec"),
        (KEY, OTHER_KEY, "another key"),
    ],
)
def test_a_store_says_whether_it_is_encrypted(maker: str | None, reader: str | None, words: str) -> None:
    """A codec that does not fit is noticed when the store is opened, before anything is written."""
    made = Payloads(ALL, None if maker is None else FernetCodec(maker))
    made.check(made.marker(), "here")
    with pytest.raises(StoreError, match=words):
        Payloads(ALL, None if reader is None else FernetCodec(reader)).check(made.marker(), "here")


def test_digests_tell_calls_apart() -> None:
    """Two calls have the same digest if their kind, name and JSON are the same, in whatever order."""
    made = Digests(b"k" * 32)
    one = made.of("tool", "f", {"a": 1, "b": {"c": 2, "d": 3}})
    assert one == made.of("tool", "f", {"b": {"d": 3, "c": 2}, "a": 1})
    others = [
        made.of("tool", "f", {"a": 1, "b": {"c": 2, "d": 4}}),
        made.of("tool", "g", {"a": 1, "b": {"c": 2, "d": 3}}),
        made.of("prompt", "f", {"a": 1, "b": {"c": 2, "d": 3}}),
        made.of("tool", "f", None),
    ]
    assert all(differ(one, other) for other in others)
    assert not differ(one, one)
    assert made.of("tool", "f", None) == made.of("tool", "f", {})


def test_digests_of_another_key_tell_nothing() -> None:
    """If the key file was lost, calls cannot be compared; they are not taken for different ones."""
    one, other = Digests(b"k" * 32).of("tool", "f", {"a": 1}), Digests(b"l" * 32).of("tool", "f", {"a": 1})
    assert one != other
    assert not differ(one, other)
    assert not differ(None, one)


def test_the_key_file(tmp_path: Path) -> None:
    """It is made once, at random, for its user alone; a draft of it is never left."""
    before = os.umask(0)
    try:
        key = digests.key_in(tmp_path / "tasks.db.key")
    finally:
        os.umask(before)
    assert len(key) == 32
    assert digests.key_in(tmp_path / "tasks.db.key") == key
    assert digests.key_in(tmp_path / "other.key") != key
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    assert {each.name for each in tmp_path.iterdir()} == {"tasks.db.key", "other.key"}


@pytest.mark.parametrize("content", ["", "no key", "ab" * 31, "zz" * 32])
def test_a_key_file_that_is_spoilt(tmp_path: Path, content: str) -> None:
    """It is an error that names the file, and the file stays as it is."""
    path = tmp_path / "tasks.db.key"
    path.write_text(content)
    with pytest.raises(StoreError, match=str(path)):
        digests.key_in(path)
    assert path.read_text() == content


def test_a_key_file_that_cannot_be_made(tmp_path: Path) -> None:
    """The error says that it cannot be made, and no part of it is left."""
    words = r"tasks\.db\.key cannot be made: File too large; see the disk"
    with files_up_to(0), pytest.raises(StoreError, match=words):
        digests.key_in(tmp_path / "tasks.db.key")
    assert list(tmp_path.iterdir()) == []
