"""Other messages in place of an answer, and other ways to write it: fields, ids, errors, further messages, encodings.

The choices are tables, so that a test can go through all of them. `TEXTS` has right ways to write a message: by the
specifications it is the same message. `BAD_TEXTS` has wrong ways, and ways that parsers read differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from attrs import frozen

from tests.helpers.conversing import JSON, places, value

FOREIGN = "foreign"
"""The value in answers to requests of others. It must never become the value of a call."""
Op = Literal["set", "delete", "rename", "wrap", "stringify"]
OPS: tuple[Op, ...] = ("set", "delete", "rename", "wrap", "stringify")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e308,
    "",
    "completed",
    "failed",
    "input_required",
    "x" * 70_000,
    "\x1b[2J\x1b]52;c;eA==\x07",
    "\u202egpj.exe\u2028",
    "a\r\nX-Evil: 1",
    "\x00",
    "\ud83d",
    "immediate:1",
    "../..",
    [],
    {},
    [None],
    {"a": {"b": []}},
)
"""The values to which a field is set."""
_MARK = "@@extra@@"


# --- fields -----------------------------------------------------------------------------------------------------------


@frozen
class Field:
    """One field has another value, or is missing."""

    pick: int
    """The number of the field to change; after the last field the count goes on with the first."""
    op: Op
    value: Any = None

    def messages(self, message: JSON) -> list[Any]:
        """The messages to send in place of a message."""
        found = [path for path in places(message) if path[0] != "id"]
        return [self._changed(message, found[self.pick % len(found)])]

    def _changed(self, node: Any, path: tuple[str | int, ...]) -> Any:
        name, *rest = path
        is_object = isinstance(node, dict)
        inner: dict[Any, Any] = dict(cast("JSON", node)) if is_object else dict(enumerate(cast("list[Any]", node)))
        if rest:
            inner[name] = self._changed(inner[name], tuple(rest))
        elif self.op == "delete":
            del inner[name]
        elif self.op == "rename":
            inner[f"{name}_"] = inner.pop(name)
        else:
            inner[name] = {"set": self.value, "wrap": [inner[name]], "stringify": str(inner[name])}[self.op]
        return inner if is_object else list(inner.values())


@frozen
class Words:
    """Replaces a message by others, or adds some."""

    name: str

    def messages(self, message: JSON) -> list[Any]:
        """The messages to send in place of a message."""
        return WORDS[self.name](message)


def _foreign(message: JSON) -> JSON:
    return {"jsonrpc": "2.0", "id": 987_654, "result": {**value(FOREIGN), "resultType": "complete"}}


def _failed(error: Any) -> Callable[[JSON], list[Any]]:
    return lambda message: [{"jsonrpc": "2.0", "id": message.get("id"), "error": error}]


def _before(*extra: Any) -> Callable[[JSON], list[Any]]:
    return lambda message: [*extra, message]


def _note(method: str, params: Any) -> JSON:
    return {"jsonrpc": "2.0", "method": method, "params": params}


_ENDED: JSON = {"taskId": "t-999", "status": "completed", "result": value(FOREIGN)}
WORDS: Mapping[str, Callable[[JSON], list[Any]]] = {
    "id missing": lambda m: [{name: member for name, member in m.items() if name != "id"}],
    "id null": lambda m: [{**m, "id": None}],
    "id foreign": lambda m: [_foreign(m)],
    "id a string": lambda m: [{**m, "id": str(m.get("id"))}],
    "id a float": lambda m: [{**m, "id": 1.5}],
    "id a list": lambda m: [{**m, "id": [m.get("id")]}],
    "id true": lambda m: [{**m, "id": True}],
    "answered twice": lambda m: [m, {**_foreign(m), "id": m.get("id")}],
    "a foreign one first": lambda m: [_foreign(m), m],
    "a foreign one after": lambda m: [m, _foreign(m)],
    "result and error": lambda m: [{**m, "error": {"code": -32603, "message": "no"}}],
    "neither": lambda m: [{"jsonrpc": "2.0", "id": m.get("id")}],
    "result null": lambda m: [{"jsonrpc": "2.0", "id": m.get("id"), "result": None}],
    "error": _failed({"code": -32603, "message": "no"}),
    "error with a long message": _failed({"code": -32603, "message": "no\n" * 100_000, "data": {"a": "x" * 100_000}}),
    "error that writes on a terminal": _failed({"code": -32000, "message": "\x1b[2J\x1b]52;c;eA==\x07\u202e"}),
    "error -32602": _failed({"code": -32602, "message": "unknown"}),
    "error -32601": _failed({"code": -32601, "message": "unknown"}),
    "error -32021": _failed({"code": -32021, "message": "undeclared", "data": {"requiredCapabilities": 5}}),
    "error -32022": _failed({"code": -32022, "message": "version", "data": {"supported": None}}),
    "error -32042": _failed({"code": -32042, "message": "elicit", "data": {"elicitations": 5}}),
    "error with a huge code": _failed({"code": 10**30, "message": "no"}),
    "error with a word as code": _failed({"code": "no", "message": "no"}),
    "error with no message": _failed({"code": -32603}),
    "error with a surrogate": _failed({"code": -32603, "message": "\ud83d"}),
    "error null": _failed(None),
    "error a word": _failed("no"),
    "a batch": lambda m: [[m]],
    "null": lambda m: [None],
    "a number": lambda m: [5],
    "a word": lambda m: ["no"],
    "an empty list": lambda m: [[]],
    "an empty object": lambda m: [{}],
    "null first": _before(None),
    "a batch first": _before([]),
    "an unknown notification first": _before(_note("notifications/nonsense", {"a": 1})),
    "a notification without params first": _before({"jsonrpc": "2.0", "method": "notifications/message"}),
    "an odd notification first": _before(_note("notifications/message", 5), _note("notifications/progress", [])),
    "an odd push first": _before(
        _note("notifications/tasks", _ENDED), _note("notifications/tasks/status", {"taskId": 5})
    ),
    "an odd cancellation first": _before(_note("notifications/cancelled", {"requestId": None})),
    "an unknown request first": _before({**_note("nonsense", {}), "id": 1}),
    "a ping first": _before({**_note("ping", {}), "id": "ping"}),
    "a question first": _before({**_note("elicitation/create", {"message": 5}), "id": 77}),
    "a request with no id that is one first": _before({**_note("ping", {}), "id": []}),
    "five hundred notifications first": lambda m: [
        *[_note("notifications/message", {"level": "info", "data": 1})] * 500,
        m,
    ],
}
"""Messages in place of one message."""


# --- encodings of them ------------------------------------------------------------------------------------------------


def _plain(message: Any) -> bytes:
    try:
        return json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(message).encode()


def _with_extra(raw: bytes) -> Callable[[Any], bytes]:
    """Add a member to `_meta`, whose value is this raw JSON text."""

    def text(message: Any) -> bytes:
        place = next((name for name in ("result", "params", "error") if _is_object(message, name)), None)
        if place is None:
            return _plain(message)
        inner: JSON = message[place]
        meta: Any = inner.get("_meta")
        marked: JSON = {**(cast("JSON", meta) if isinstance(meta, dict) else {}), "extra": _MARK}
        return _plain({**message, place: {**inner, "_meta": marked}}).replace(f'"{_MARK}"'.encode(), raw)

    return text


def _is_object(message: Any, name: str) -> bool:
    return isinstance(message, dict) and isinstance(cast("JSON", message).get(name), dict)


TEXTS: Mapping[str, Callable[[Any], bytes]] = {
    "plain": _plain,
    "escaped": lambda m: json.dumps(m).encode(),
    "spaced": lambda m: json.dumps(m, indent=3, separators=(" ,", " : ")).encode(),
    "with a byte order mark": lambda m: b"\xef\xbb\xbf" + _plain(m),
    "with a lone surrogate": _with_extra(b'"\\ud83d"'),
    "with a surrogate pair": _with_extra(b'"\\ud83d\\ude00"'),
    "with a big integer": _with_extra(b"1" * 400),
    "with a big exponent": _with_extra(b"1e400"),
    "with a line separator": _with_extra('"\u2028\u0085"'.encode()),
    "with an escaped NUL": _with_extra(b'"\\u0000"'),
    "nested 60 deep": _with_extra(b"[" * 60 + b"]" * 60),
    "1 MiB and 1": _with_extra(b'"' + b"x" * (2**20 + 1) + b'"'),
    "with 1,000 members": _with_extra(json.dumps({str(n): n for n in range(1000)}).encode()),
}
"""Right ways to write a message."""

BAD_TEXTS: Mapping[str, Callable[[Any], bytes]] = {
    "empty": lambda m: b"",
    "blanks": lambda m: b"  \t ",
    "a NUL": lambda m: b"\x00",
    "half": lambda m: _plain(m)[: len(_plain(m)) // 2],
    "twice": lambda m: _plain(m) + _plain(m),
    "UTF-16": lambda m: json.dumps(m).encode("utf-16"),
    "UTF-16 without a mark": lambda m: json.dumps(m).encode("utf-16-le"),
    "Latin-1": lambda m: json.dumps(m, ensure_ascii=False).encode("latin-1", "replace"),
    "with a byte that is no UTF-8": _with_extra(b'"\xff"'),
    "with half a character": _with_extra(b'"\xe2\x9c"'),
    "with an encoded surrogate": _with_extra(b'"\xed\xa0\xbd"'),
    "with NaN": _with_extra(b"NaN"),
    "with Infinity": _with_extra(b"-Infinity"),
    "with a member twice": _with_extra(b'{"a": 1, "a": 2}'),
    "with a control character": _with_extra(b'"\x01"'),
    "with 5,000 digits": _with_extra(b"1" * 5000),
    "with a comment": lambda m: b"/* hello */" + _plain(m),
    "with a comma too many": lambda m: _plain(m)[:-1] + b",}",
    "nested 100,000 deep": _with_extra(b"[" * 100_000 + b"]" * 100_000),
    "only open brackets": lambda m: b"[" * 100_000,
    "a page": lambda m: b"<!doctype html><title>Sign in</title>",
    "JavaScript": lambda m: b")]}',\n" + _plain(m),
}
"""Wrong ways to write a message, and ways that parsers read differently."""


def as_event_of_lines(text: bytes, ending: bytes = b"\n") -> bytes:
    """A message as an event; each of its lines is a line of data."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    return b"event: message" + ending + b"".join(b"data: " + line + ending for line in lines) + ending
