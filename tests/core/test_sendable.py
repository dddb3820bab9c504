"""From what a program hands in to the JSON value that is sent: what is taken, as what, and how the rest is refused."""

from __future__ import annotations

import copy
import json
import math
import sys
import threading
import time
import uuid
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, Secret, SecretBytes, SecretStr

from mcptasks._core import safe_text
from mcptasks._core.json import as_list, as_object
from mcptasks._core.sendable import DEPTH, sendable
from tests.helpers.hostile import HOSTILE, circle
from tests.helpers.samples import json_values

HALF = "\ud83d"
SECRET = "open sesame"


class Colour(Enum):
    """Of a type of its own, with a value that is a text."""

    RED = "red"


class Level(IntEnum):
    """Whole numbers by name."""

    HIGH = 3


class Word(StrEnum):
    """Texts by name."""

    YES = "yes"


class Loud(str):
    """A text that shows itself as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        """Not what it is."""
        return SECRET


class Metres(float):
    """A number with a meaning."""


class Pair(NamedTuple):
    """Two in a row."""

    a: int
    b: int


@dataclass
class Order:
    """A dataclass."""

    item: str
    count: int = 1
    parts: list[Order] = field(default_factory=list["Order"])


@attrs.define
class Trip:
    """An attrs class."""

    day: date
    stops: tuple[str, ...] = ()


class Model(BaseModel):
    """A pydantic class with an alias."""

    key: int = Field(alias="theKey")
    when: datetime | None = None


class Login(BaseModel):
    """A pydantic class with secrets at any depth."""

    word: SecretStr
    more: dict[str, list[SecretBytes]] = {}
    pin: Secret[int] = Secret(7)


class Loose(BaseModel):
    """A pydantic class with a field for anything."""

    any: Any = None
    exact: float = 0


class Scalar:
    """Like a number of numpy's."""

    shape: Any = ()

    def __init__(self, value: Any, kind: str = "f") -> None:
        self._value = value
        self.dtype = SimpleNamespace(kind=kind)

    def item(self) -> Any:
        """The value."""
        return self._value

    def tolist(self) -> Any:
        """The same, as numpy's have it."""
        return self._value


class Array(Scalar):
    """Like an array of numpy's with one element, which has `item()` too."""

    shape = (1,)


class Failing(Mapping[str, Any]):
    """A mapping that cannot be read; the error tells a secret."""

    def __getitem__(self, key: str) -> Any:
        """Fail."""
        raise LookupError(SECRET)

    def __iter__(self) -> Iterator[str]:
        """One key."""
        yield "a"

    def __len__(self) -> int:
        """One."""
        return 1


class Twice(Failing):
    """A mapping that has a key twice."""

    def __getitem__(self, key: str) -> Any:
        """Anything."""
        return 1

    def __iter__(self) -> Iterator[str]:
        """The same key again."""
        yield from "aa"


# --- what is sent -------------------------------------------------------------------------------------------------

AS_IT_IS: list[Any] = [
    *(None, True, False, 0, -1, 2**64, -(2**63) - 1, 10**4299, 0.1, -0.0, 1e308, 5e-324),
    *("", "a", "é", "\0", "\x1b\r\n\u2028\ufeff\ufffe", "\U0010ffff", "😀", [], {}, {"": 1}),
]
SENT: list[tuple[Any, Any]] = [
    *((value, value) for value in AS_IT_IS),
    ({"é\0": [1, {"b": None}]}, {"é\0": [1, {"b": None}]}),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Word.YES, "yes"),
    ({Word.YES: Word.YES}, {"yes": "yes"}),
    (Loud("quiet"), "quiet"),
    (Metres(1.5), 1.5),
    ((1, (2,)), [1, [2]]),
    (Pair(1, 2), [1, 2]),
    (deque([1, 2]), [1, 2]),
    ({1}, [1]),
    (frozenset(["a"]), ["a"]),
    (OrderedDict(a=1), {"a": 1}),
    (defaultdict(int, a=1), {"a": 1}),
    (UserDict({"a": 1}), {"a": 1}),
    (MappingProxyType({"a": (1,)}), {"a": [1]}),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC), "2026-01-02T03:04:05.000600Z"),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3))), "2026-01-02T00:00:00-03:00"),
    (datetime(2026, 1, 2), "2026-01-02T00:00:00"),
    (clock_time(1, 2), "01:02:00"),
    (timedelta(seconds=90), "PT1M30S"),
    (Decimal("1.10"), "1.10"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (Path("/a/b"), "/a/b"),
    (PureWindowsPath("C:/a"), "C:\\a"),
    (AnyUrl("https://example.com/x"), "https://example.com/x"),
    (Order("x", parts=[Order("y")]), {"item": "x", "count": 1, "parts": [{"item": "y", "count": 1, "parts": []}]}),
    (Trip(date(2026, 1, 2), ("a",)), {"day": "2026-01-02", "stops": ["a"]}),
    (Model(theKey=5), {"theKey": 5, "when": None}),
    (Model(theKey=5, when=datetime(2026, 1, 2, tzinfo=UTC)), {"theKey": 5, "when": "2026-01-02T00:00:00Z"}),
    ({"a": [Model(theKey=5)]}, {"a": [{"theKey": 5, "when": None}]}),
    (SecretStr(SECRET), SECRET),
    (Login(word=SecretStr("a"), more={"b": [SecretBytes(b"c")]}), {"word": "a", "more": {"b": ["c"]}, "pin": 7}),
    (Scalar(3), 3),
    (Scalar(1.5), 1.5),
    (Scalar("a"), "a"),
    (Scalar(True), True),
    (Scalar(datetime(2026, 1, 2), "M"), "2026-01-02T00:00:00"),
    (Scalar(timedelta(seconds=1), "m"), "PT1S"),
]


def same(found: Any, expected: Any) -> bool:
    """Whether two JSON values are equal with their types, which Python's `==` does not tell (True is 1)."""
    if type(found) is not type(expected):
        return False
    one, other = as_object(found), as_object(expected)
    if one is not None and other is not None:
        return list(one) == list(other) and all(same(one[key], other[key]) for key in other)
    first, second = as_list(found), as_list(expected)
    if first is not None and second is not None:
        return len(first) == len(second) and all(map(same, first, second))
    return bool(found == expected)


def named(value: Any) -> str:
    """A parameter in the name of its test: the same in every process, so without addresses."""
    text = safe_text.short(value, 30)
    return type(value).__name__ if "at 0x" in text or text.startswith("<") else text


@pytest.mark.parametrize(("value", "expected"), SENT, ids=named)
@pytest.mark.parametrize("inside", [False, True])
def test_sent(value: Any, expected: Any, inside: bool) -> None:
    """Values are sent as what they are, in JSON's own types, at any place."""
    if inside:
        value, expected = {"q": [value]}, {"q": [expected]}
    assert same(sendable(value, "arguments"), expected)


def tried(value: Any) -> tuple[Any, Exception | None]:
    """What is sent for a value, or the error that refuses it. The error names the place, is short, and is printable."""
    try:
        return sendable(value, "arguments"), None
    except (TypeError, ValueError) as exc:
        refusal = exc
    words = str(refusal)
    assert words.startswith("arguments")
    assert words == safe_text.line(words)
    assert len(words) < 500
    assert refusal.__context__ is None
    return None, refusal


@given(json_values)
def test_json_is_sent_as_it_is(value: Any) -> None:
    """What is JSON already is sent unchanged; what only looks like it is refused by place."""
    found, refusal = tried(value)
    assert (refusal is None) == is_json(value)
    if refusal is None:
        assert same(found, value)
        assert json.loads(json.dumps(found, allow_nan=False, ensure_ascii=False).encode()) == value


def is_json(value: Any) -> bool:
    """Whether a value of JSON's types can be written as JSON."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


anything = st.recursive(
    st.one_of(
        st.from_type(object).filter(lambda value: type(value).__module__ != "hypothesis"),
        st.text(st.characters()),
        st.floats(),
        st.binary(),
        st.integers(-(10**400), 10**400),
        st.sampled_from([value for value, _ in SENT]),
        st.sampled_from([object(), Failing(), Twice(), Array(1), Scalar(None), range(3), int, len, iter([])]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(st.characters(), max_size=4) | st.integers() | st.none(), inner, max_size=3),
        st.builds(Order, inner, inner),
    ),
    max_leaves=6,
)


@given(anything)
def test_sent_or_refused(value: Any) -> None:
    """Whatever a program hands in, it is sent as JSON or is an error that names the place; and what is sent is sent as
    itself when it is handed in again."""
    found, refusal = tried(value)
    if refusal is None:
        assert is_json(found)
        assert same(sendable(found, "arguments"), found)


# --- what is refused ----------------------------------------------------------------------------------------------

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (f"{SECRET}{HALF}", ValueError, " holds a lone surrogate, U+D83D at index 11"),
    ("\udc00", ValueError, " holds a lone surrogate, U+DC00 at index 0"),
    (Loud(HALF), ValueError, " holds a lone surrogate"),
    ({f"a{HALF}": 1}, ValueError, " has a key with a lone surrogate, U+D83D at index 1"),
    (Path("\udcff"), ValueError, " holds a lone surrogate"),
    (SecretStr(HALF), ValueError, " holds a lone surrogate"),
    (Order(HALF), ValueError, '["item"] holds a lone surrogate'),
    (Login(word=SecretStr("a"), more={"b": [SecretBytes(b"\xff")]}), TypeError, '["more"]["b"][0] cannot be sent'),
    (math.nan, ValueError, " must be a finite number"),
    (-math.inf, ValueError, " must be a finite number"),
    (Metres("inf"), ValueError, " must be a finite number"),
    (Decimal("NaN"), ValueError, " must be a finite number"),
    (Loose(any={"a": [math.nan]}), ValueError, '["any"]["a"][0] must be a finite number'),
    (Loose(exact=math.inf), ValueError, '["exact"] must be a finite number'),
    (Scalar(math.nan), ValueError, " must be a finite number"),
    (10**5000, ValueError, " has more digits than Python writes (4300); send it as a text"),
    ({"a": -(10**5000)}, ValueError, '["a"] has more digits'),
    ({1: 2}, TypeError, " has a key of type int; the keys of a JSON object are strings"),
    ({None: 2}, TypeError, " has a key of type NoneType"),
    ({Colour.RED: 2}, TypeError, " has a key of type test_sendable.Colour"),
    (Twice(), ValueError, " has a key twice"),
    (Failing(), TypeError, " cannot be sent: its type, tests.Failing, raises LookupError"),
    (b"x", TypeError, " is of type bytes, which JSON cannot hold: send bytes as a text, in base64 for example"),
    (bytearray(b"x"), TypeError, " is of type bytearray, which JSON cannot hold: send bytes as a text"),
    ((n for n in [1]), TypeError, " is of type generator, which JSON cannot hold: send a list of what it has"),
    (range(3), TypeError, " is of type range, which JSON cannot hold: send a list"),
    ({}.keys(), TypeError, " is of type dict_keys, which JSON cannot hold: send a list"),
    (UserList([1]), TypeError, " is of type collections.UserList, which JSON cannot hold: send a list"),
    (Array(1), TypeError, " is of type tests.Array, which JSON cannot hold: send what its tolist() gives"),
    (Scalar(None), TypeError, " is of type tests.Scalar, which JSON cannot hold: send a number or a text of Python's"),
    (Scalar(1j), TypeError, " is of type tests.Scalar, which JSON cannot hold"),
    (Scalar(1_700_000_000_000_000_000, "M"), TypeError, " is of type tests.Scalar, which JSON cannot hold"),
    (1j, TypeError, " is of type complex, which JSON cannot hold"),
    (object(), TypeError, " is of type object, which JSON cannot hold"),
    (Order, TypeError, " is of type type, which JSON cannot hold"),
    (len, TypeError, " is of type builtin_function_or_method, which JSON cannot hold"),
    (circle(), ValueError, "[0][0]"),
]


@pytest.mark.parametrize(("value", "error", "words"), REFUSED, ids=named)
@pytest.mark.parametrize("inside", [False, True])
def test_refused(value: Any, error: type[Exception], words: str, inside: bool) -> None:
    """What cannot be sent is refused with the place, the fault, and what would be right; the value is in no part of the
    error."""
    words = words.replace("test_sendable.", "tests.")
    with pytest.raises(error) as caught:
        sendable({"q": [value]} if inside else value, "arguments")
    assert str(caught.value).startswith(('arguments["q"][0]' if inside else "arguments") + words)
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    assert str(caught.value).isprintable()


def test_places() -> None:
    """Long keys and long paths are shown in part, and what is not printable is spelled out."""
    long: Any = b""
    for _ in range(50):
        long = [long]
    for value, place in [
        ({"a" * 100: b""}, f'arguments["{"a" * 60}…"]'),
        ({'tab\t"\x1b': {"\u202e": b""}}, 'arguments["tab\\t\\"\\u001b"]["\\u202e"]'),
        (long, "arguments[0][0][0][0][0][0][…][0][0][0][0][0][0]"),
    ]:
        with pytest.raises(TypeError) as caught:
            sendable(value, "arguments")
        assert str(caught.value).startswith(f"{place} is of type bytes")


# --- depth, circles, copies, costs --------------------------------------------------------------------------------


def deep(levels: int, make: Any = list) -> Any:
    """Containers inside each other."""
    value: Any = 1
    for _ in range(levels):
        value = cast("Any", {"k": value} if make is dict else make([value]))
    return value


def deep_order(inner: Any) -> Any:
    """Two containers, one of which is a dataclass."""
    return Order("x", parts=inner)


@pytest.mark.parametrize(("make", "each"), [(list, 1), (tuple, 1), (dict, 1), (deep_order, 2)])
def test_depth(make: Any, each: int) -> None:
    """Values are sent down to a depth that every server of the SDK reads; below it they are refused with the limit."""
    sendable(deep(DEPTH // each, make), "arguments")
    for levels in (DEPTH // each + 1, 50_000):
        with pytest.raises(ValueError, match=f"^arguments.* is nested more than {DEPTH} levels deep$"):
            sendable(deep(levels, make), "arguments")


def test_circles() -> None:
    """What holds itself is refused with that word, however far round the circle goes."""
    first: dict[str, Any] = {}
    first["a"] = [{"b": (first,)}]
    itself = Order("x")
    itself.parts.append(itself)
    for value in (first, itself, circle()):
        with pytest.raises(ValueError, match=r"^arguments.* holds itself$"):
            sendable(value, "arguments")


def test_little_stack_left() -> None:
    """A program that has used up nearly all of Python's stack gets the same kind of error, and no `RecursionError`."""

    def use_up(levels: int) -> None:
        if levels:
            use_up(levels - 1)
        else:
            with pytest.raises(ValueError, match="nested too deeply for what is left of Python's stack"):
                sendable(deep(DEPTH), "arguments")

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    use_up(sys.getrecursionlimit() - used - 150)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    """Huge, odd and broken values are sent or refused in time that grows with their size alone."""
    begun = time.process_time()
    tried(HOSTILE[name])
    assert time.process_time() - begun < 20


@given(json_values.filter(is_json))
def test_a_copy(value: Any) -> None:
    """What the program changes afterwards, at any depth, changes nothing in what is sent."""
    value = {"a": [value], "b": {"c": [value]}}
    before = copy.deepcopy(value)
    found = sendable(value, "arguments")
    value["a"].append(1)
    value["b"]["c"][0] = "changed"
    value["b"]["d"] = 2
    if isinstance(value["a"][0], list | dict):
        value["a"][0].clear()
    assert found == before


def test_changed_by_another_thread() -> None:
    """A mapping that another thread adds to meanwhile is sent as it was at some moment."""
    value: dict[str, Any] = {f"k{n}": n for n in range(1000)}
    done = threading.Event()

    def change() -> None:
        for n in range(100_000):
            value[f"more{n % 5000}"] = n
            if n % 5000 == 4999:
                for key in [key for key in list(value) if key.startswith("more")]:
                    del value[key]
        done.set()

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    while not done.is_set():
        assert len(sendable(value, "arguments")) >= 1000
    thread.join(10)


COSTLY: dict[str, Any] = {
    "a megabyte": {"a": "x" * 1_000_000},
    "a megabyte of é": {"a": "é" * 1_000_000},
    "integers": {"a": list(range(100_000))},
    "texts": {"a": [f"text {n}" for n in range(100_000)]},
    "keys": {f"key {n}": n for n in range(100_000)},
    "objects": {"a": [{"k": n, "t": "x"} for n in range(50_000)]},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_costs(name: str) -> None:
    """Much data costs little more than `json.dumps` of it: 0 to 2.5 times as much was measured on a quiet machine."""

    def best(function: Any) -> float:
        times: list[float] = []
        for _ in range(5):
            begun = time.process_time()
            function()
            times.append(time.process_time() - begun)
        return min(times)

    value = COSTLY[name]
    assert best(lambda: sendable(value, "arguments")) < 5 * best(lambda: json.dumps(value)) + 0.01
