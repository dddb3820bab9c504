"""What a line of a server's stdout means to those who wait for answers."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptasks._core.faults import Fault, broken
from mcptasks._transport.stdio.conversation import Conversation
from mcptasks._transport.stdio.open_requests import OpenRequests
from tests.helpers.logs import ours

SECRET = "s3cr3t"
LIMIT = 300_000


def conversation(*ids: int | str) -> Conversation:
    """One in which requests with these ids are open, and some message was answered before."""
    made = Conversation(LIMIT)
    for request_id in ids:
        made.requests.sent(JSONRPCRequest(jsonrpc="2.0", id=request_id, method="tools/call"))
    return made


def read(made: Conversation, data: bytes) -> list[JSONRPCMessage]:
    """The messages in what a server writes at a time."""
    return [message for line in made.lines(data) for message in made.received(line)]


def fault_of(message: JSONRPCMessage) -> Fault:
    """What a caller is told."""
    assert isinstance(message, JSONRPCError)
    assert isinstance(message.error.data, Fault)
    assert "\n" not in message.error.message
    assert SECRET not in message.error.message
    return message.error.data


NOISE = [
    b"",
    b"\r",
    b"  \t",
    b"\xef\xbb\xbf",
    b"listening on port 80",
    b"caf\xe9: a log line in Latin-1",
    b"\x00\xff\xfe\x1b[2J",
    b"7",
    b"null",
    b'"text"',
    b"true",
    b"NaN",
    b"{",
    b"[",
    b"{}",
    b"[]",
    b"[[]]",
    b"[1, null, {}]",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"level":"info","id":1,"msg":"started"}',
    b'{"jsonrpc":"2.0","id":99,"result":[]}',
    b'{"jsonrpc":"2.0","id":null,"result":{}}',
    b'{"jsonrpc":"2.0","result":{}}',
    b'{"jsonrpc":"2.0","id":true,"result":{}}',
    b'{"jsonrpc":"2.0","id":[1],"result":{}}',
    b'{"jsonrpc":"2.0","id":{},"error":{"code":1,"message":"x"}}',
    b'{"jsonrpc":"2.0","id":1.5,"result":{}}',
    b'{"jsonrpc":"2.0","id":NaN,"result":{}}',
    b'{"jsonrpc":"2.0","method":7}',
    b'{"jsonrpc":"2.0","id":1,"method":"roots/list","params":[]}',
    b'{"id":1,"method":"roots/list"}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{' + b'"a":1,' * 10 + b"!",
    b'{"jsonrpc":"2.0","id":%s,"result":{}}' % (b"9" * 5000),
]


@pytest.mark.parametrize("line", NOISE, ids=lambda line: line[:40].decode("latin-1"))
def test_noise(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is no message, or an answer to nobody, is skipped, with a short line for those who debug."""
    made = conversation(1, 2)
    with caplog.at_level(logging.DEBUG, "mcptasks"):
        found = [message for message in read(made, line + b"\n") if not isinstance(message, JSONRPCResponse)]
    assert not found
    assert all(len(record.getMessage()) < 400 and not record.exc_info for record in ours(caplog))
    (answer,) = read(made, b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
    assert isinstance(answer, JSONRPCResponse)


ANSWERS: list[tuple[bytes, Any]] = [
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":1}}', {"a": 1}),
    (b'\xef\xbb\xbf {"jsonrpc":"2.0","id":1,"result":{"a":1}} \r', {"a": 1}),
    (b'[{"jsonrpc":"2.0","id":1,"result":{"a":1}}]', {"a": 1}),
    (b'[7,{"jsonrpc":"2.0","id":1,"result":{"a":1}},null]', {"a": 1}),
    (b'{"jsonrpc":"2.0","id":"1","result":{"a":1}}', {"a": 1}),
    (b'{"jsonrpc":"2.0","id":1.0,"result":{"a":1}}', {"a": 1}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":1},"error":null,"method":null,"params":null}', {"a": 1}),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{"a":1}}', {"a": 1}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":2},"result":{"a":1},"extra":[]}', {"a": 1}),
    (rb'{"jsonrpc":"2.0","id":1,"result":{"a":"\ud83d"}}', {"a": "\ufffd"}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":"caf\xe9"}}', {"a": "caf\ufffd"}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":Infinity}}', {"a": float("inf")}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":1%s}}' % (b"0" * 400), {"a": 10**400}),
    (b'{"jsonrpc":"2.0","id":1,"result":{"a":1%s}}' % (b"0" * 5000), {"a": float("inf")}),
]


@pytest.mark.parametrize(("line", "result"), ANSWERS, ids=lambda value: str(value)[:40])
def test_odd_answers_arrive(line: bytes, result: Any) -> None:
    """What can be read as the answer is the answer, with U+FFFD for halves of characters and broken bytes."""
    (found,) = read(conversation(1, 2), line + b"\n")
    assert isinstance(found, JSONRPCResponse)
    assert str(found.id) == "1"
    assert found.result == result


NONSENSE = [
    b'{"jsonrpc":"2.0","id":1,"result":["s3cr3t"]}',
    b'{"jsonrpc":"2.0","id":1,"result":null}',
    b'{"jsonrpc":"2.0","id":1}',
    b'{"jsonrpc":"2.0","id":"1","result":"s3cr3t"}',
    b'{"id":1,"result":{"a":"s3cr3t"}}',
    b'{"jsonrpc":"1.0","id":1,"result":{"a":"s3cr3t"}}',
    b'{"jsonrpc":2.0,"id":1,"result":{}}',
    b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"s3cr3t"}}',
    b'{"jsonrpc":"2.0","id":1,"error":"s3cr3t"}',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":"s3cr3t","message":1}}',
    b'{"jsonrpc":"2.0","id":1,"error":{}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"content":"s3cr3t',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":"s3cr3t"}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"result":{"a":s3cr3t}}',
]


@pytest.mark.parametrize("line", NONSENSE, ids=lambda line: line[:60].decode("latin-1"))
def test_nonsense_ends_the_waiting(line: bytes) -> None:
    """An answer that makes no sense is an error for who waits for it, in one line and without values; nobody else is
    disturbed."""
    made = conversation(1, 2)
    (found,) = read(made, line + b"\n")
    assert fault_of(found).meaning == "protocol"
    assert isinstance(found, JSONRPCError)
    assert found.id == 1
    assert made.requests.only() == 2


def test_nonsense_without_an_id() -> None:
    """A damaged answer whose id cannot be read belongs to the only request; where there are two, nobody is told."""
    line = b'{"result":{"a":1}, !, "id":1}\n'
    (found,) = read(conversation(5), line)
    assert isinstance(found, JSONRPCError)
    assert found.id == 5
    assert not read(conversation(5, 6), line)


@pytest.mark.parametrize(
    ("beginning", "told"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{"a":"', [1]),
        (b'{"jsonrpc":"2.0","id":"2","result":{"a":"', [2]),
        (b'{"jsonrpc":"2.0","id":9,"result":{"a":"', []),
        (b'{"result":{"a":"', [1, 2]),
        (b'[{"jsonrpc":"2.0","id":1,"result":{"a":"', [1, 2]),
        (b'{"jsonrpc":"2.0","id":1', [1, 2]),
        (b'{"jsonrpc":"2.0","method":"notifications/message","params":{"a":"', []),
        (b'{"jsonrpc":"2.0","id":1,"params":{"a":"', []),
        (b"log: ", []),
        (b"1", []),
    ],
)
def test_what_is_too_long(beginning: bytes, told: list[int]) -> None:
    """Who waits for an answer that is too long hears so before it ends, with the name of the option; where its id
    cannot be known, everyone who waits does."""
    made = conversation(1, 2)
    found = read(made, b"\xef\xbb\xbf" + beginning + b"1" * LIMIT)
    assert [message.id for message in found if isinstance(message, JSONRPCError)] == told
    for message in found:
        assert fault_of(message).action == "raise"
        assert f"larger than {LIMIT} bytes" in fault_of(message).reason
        assert "max_answer_size" in fault_of(message).reason
    assert not read(made, b'"}}\n')


INITIALIZED = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")


@pytest.mark.parametrize(
    ("code", "others", "notified", "belongs"),
    [
        (INTERNAL_ERROR, (), False, True),
        (METHOD_NOT_FOUND, (), False, True),
        (PARSE_ERROR, (), True, True),
        (INTERNAL_ERROR, (), True, True),
        (METHOD_NOT_FOUND, (), True, False),
        (INVALID_REQUEST, (), True, False),
        (INTERNAL_ERROR, (2,), False, False),
    ],
)
@pytest.mark.parametrize("member", ['"id":null,', ""])
def test_errors_without_an_id(code: int, others: tuple[int, ...], notified: bool, belongs: bool, member: str) -> None:
    """An error with a null id belongs to the only open request. It does not where there are several, and where it may
    speak of a notification that the server did not know."""
    made = conversation(1, *others)
    if notified:
        made.requests.sent(INITIALIZED)
    line = f'{{"jsonrpc":"2.0",{member}"error":{{"code":{code},"message":"out of memory"}}}}\n'
    found = read(made, line.encode())
    assert len(found) == belongs
    for message in found:
        assert isinstance(message, JSONRPCError)
        assert (message.id, message.error.code, message.error.message) == (1, code, "out of memory")
    if not belongs:
        made.requests.sent(JSONRPCRequest(jsonrpc="2.0", id=7, method="tools/call"))
        read(made, b'{"jsonrpc":"2.0","id":7,"result":{}}\n')
        assert len(read(made, line.encode())) == (not others)


def test_everybody_is_told_once() -> None:
    """At the end of a server each open request gets the same fault; what was answered or taken back gets none."""
    made = conversation(1, 2, 3, "x")
    read(made, b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
    cancelled = {"requestId": 2, "reason": "x"}
    made.requests.sent(JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=cancelled))
    told = made.fail_all(broken("gone"))
    assert [message.id for message in told if isinstance(message, JSONRPCError)] == [3, "x"]
    assert {fault_of(message).reason for message in told} == {"gone"}
    assert not made.fail_all(broken("gone"))


def test_negotiation() -> None:
    """What was sent counts as the probe alone until something else is sent, or answered. A probe that the SDK has
    given up without a word is forgotten."""

    def request(request_id: int, method: str) -> JSONRPCRequest:
        return JSONRPCRequest(jsonrpc="2.0", id=request_id, method=method)

    requests = OpenRequests()
    told = [(requests.is_negotiating, requests.only_probed)]
    for message in (request(1, "server/discover"), request(2, "initialize")):
        requests.sent(message)
        told.append((requests.is_negotiating, requests.only_probed))
    assert requests.only() == 2
    requests.answered(2)
    told.append((requests.is_negotiating, requests.only_probed))
    requests.sent(INITIALIZED)
    told.append((requests.is_negotiating, requests.only_probed))
    assert told == [(False, False), (True, True), (True, True), (True, False), (False, False)]
    legacy = OpenRequests()
    legacy.sent(request(1, "initialize"))
    assert not legacy.only_probed


def test_many_requests_that_are_never_answered() -> None:
    """What is remembered of requests is bounded, and the newest are remembered."""
    requests = OpenRequests()
    for number in range(100_010):
        requests.sent(JSONRPCRequest(jsonrpc="2.0", id=number, method="tasks/get"))
    assert requests.find(9) is None
    assert requests.find(10) == 10
    assert requests.find(100_009) == 100_009


@given(
    noise=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=6),
    places=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    ending=st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\xef\xbb\xbf"]),
)
def test_any_noise_in_any_pieces(noise: list[bytes], places: list[int], cuts: list[int], ending: bytes) -> None:
    """A correct conversation means the same whatever lines stand between its lines, and however it is cut."""
    answers: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "result": {"a": "caf\u00e9 \u4e16\n"}},
        {"jsonrpc": "2.0", "id": 2, "error": {"code": 5, "message": "no"}},
        {"jsonrpc": "2.0", "id": 3, "result": {}},
    ]
    lines = [json.dumps(answer, ensure_ascii=False).encode() for answer in answers]
    for line, place in zip(noise, places, strict=False):
        lines.insert(place, line)
    output = ending.join(lines) + ending
    made = conversation(1, 2, 3)
    found: list[JSONRPCMessage] = []
    edges = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]
    for start, end in pairwise(edges):
        found += read(made, output[start:end])
    assert [message.model_dump(exclude_unset=True) for message in found] == answers
