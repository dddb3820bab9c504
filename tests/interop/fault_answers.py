"""What the fault proxy's broken answers look like on the wire: pure functions from a kind of fault to an answer."""

import json
from typing import Any, Literal, get_args

import attrs

Kind = Literal["503", "502", "429", "404", "reset", "truncated", "bad-json", "bad-sse", "bad-rpc", "silence"]
"""`reset`: the TCP connection is reset before any answer. `truncated`: the head and half the body of the true answer,
then the end of the connection. `bad-json`: 200 with a body that is not JSON. `bad-sse`: the same inside an event
stream. `bad-rpc`: 200 with JSON that is no JSON-RPC message. `silence`: the connection stays open, nothing comes."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@attrs.frozen
class Answer:
    """An HTTP answer; `complete` is False where the connection ends before the body does."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    complete: bool = True


def invent(kind: Kind, rpc_id: Any, retry_after: str | None) -> Answer:
    """An answer that the proxy makes up itself."""
    if kind in ("503", "502", "429", "404"):
        extra = [(b"retry-after", retry_after.encode())] if retry_after is not None else []
        return _answer(int(kind), b"text/html", f"<html><body>{kind} by the fault proxy</body></html>".encode(), extra)
    garbage = b'{"jsonrpc": "2.0", "id": ' + json.dumps(rpc_id).encode() + b', "result": {"taskId": '
    if kind == "bad-json":
        return _answer(200, b"application/json", garbage)
    if kind == "bad-sse":
        return _answer(200, b"text/event-stream", b"event: message\r\ndata: " + garbage + b"\r\n\r\n")
    if kind == "bad-rpc":
        return _answer(200, b"application/json", b'{"greeting": "hello"}')
    raise ValueError(f"{kind} is no made-up answer")


def spoil(real: Answer) -> Answer:
    """The first half of a true answer, with a head that promises all of it."""
    length = [(b"content-length", str(len(real.body)).encode())]
    headers = [pair for pair in real.headers if pair[0].lower() != b"content-length"]
    return Answer(real.status, headers + length, real.body[: len(real.body) // 2], complete=False)


def _answer(status: int, content_type: bytes, body: bytes, extra: list[tuple[bytes, bytes]] | None = None) -> Answer:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *(extra or [])]
    return Answer(status, headers, body)
