"""The fault proxy does what it says: other tests build on it, and a fault that it fails to inject proves nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.interop.fault_answers import KINDS, Kind
from tests.interop.fault_proxy import FaultProxy

ANSWER = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"text": "the true answer"}}).encode()


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answered = 0
    second_event = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).answered += 1
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._chunk(b"data: one\n\n")
        if self.second_event.wait(60):
            self._chunk(b"data: two\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet."""


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server that answers every POST alike, and whose event stream waits between its two events."""

    class Handler(_Upstream):
        answered = 0
        second_event = threading.Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    Handler.second_event.set()
    server.shutdown()
    thread.join()
    server.server_close()


def _post(proxy: FaultProxy, method: str, timeout: float = 60.0) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", urlsplit(proxy.url).port or 0, timeout=timeout)
    try:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": "t"}})
        connection.request("POST", urlsplit(proxy.url).path, body=body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_passes_through_and_counts(upstream: str) -> None:
    """Without a script the proxy changes nothing, and notes each request with the task it names."""
    with FaultProxy(upstream) as proxy:
        assert _post(proxy, "tasks/get")[::2] == (200, ANSWER)
        assert _post(proxy, "tools/call")[::2] == (200, ANSWER)
        assert proxy.counts == {"tasks/get": 1, "tools/call": 1}
        assert [request.task_id for request in proxy.seen] == ["t", "t"]


@pytest.mark.parametrize("kind", ["503", "502", "429", "404"])
def test_statuses(upstream: str, kind: Kind) -> None:
    """An HTTP status comes as often as asked, with a body that is not JSON; then the server answers again."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind=kind, times=2, retry_after="7")
        for _ in range(2):
            status, headers, body = _post(proxy, "tasks/get")
            assert status == int(kind)
            assert headers["retry-after"] == "7"
            assert not body.startswith(b"{")
        assert _post(proxy, "tasks/get")[0] == 200
        assert proxy.injected("tasks/get") == 2


def test_reset(upstream: str) -> None:
    """The client sees a TCP reset, not an orderly end."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind="reset")
        with pytest.raises(ConnectionResetError):
            _post(proxy, "tasks/get")
        assert _post(proxy, "tasks/get")[0] == 200


def test_truncated(upstream: str) -> None:
    """Half of the true answer comes, and then the connection ends."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind="truncated")
        with pytest.raises(IncompleteRead) as caught:
            _post(proxy, "tasks/get")
        assert caught.value.partial == ANSWER[: len(ANSWER) // 2]
        assert _post(proxy, "tasks/get")[0] == 200


@pytest.mark.parametrize(("kind", "content_type"), [("bad-json", "application/json"), ("bad-sse", "text/event-stream")])
def test_garbage(upstream: str, kind: Kind, content_type: str) -> None:
    """A 200 whose content is not what its type promises."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind=kind)
        status, headers, body = _post(proxy, "tasks/get")
        assert (status, headers["content-type"]) == (200, content_type)
        with pytest.raises(json.JSONDecodeError):
            json.loads(body.removeprefix(b"event: message\r\ndata: "))


def test_silence_ends_with_clear(upstream: str) -> None:
    """A request without an answer is held until `clear`, which then breaks it."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind="silence")
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                _post(proxy, "tasks/get", timeout=60)
            except (OSError, HTTPException) as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        proxy.wait_for(lambda proxy: proxy.counts["tasks/get"] == 1)
        assert asking.is_alive()
        proxy.clear()
        asking.join(60)
        assert len(errors) == 1


def test_skip_and_order(upstream: str) -> None:
    """`skip` lets requests pass first, and faults for one method come one after the other."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tasks/get", kind="503", skip=1)
        proxy.fail("tasks/get", kind="502", times=1)
        proxy.fail("tools/call", kind="429")
        assert [_post(proxy, "tasks/get")[0] for _ in range(4)] == [200, 503, 502, 200]
        assert _post(proxy, "tools/call")[0] == 429


@pytest.mark.parametrize("after_upstream", [False, True])
def test_after_upstream(upstream: str, after_upstream: bool) -> None:
    """`after_upstream` decides whether the server does the work whose answer is lost."""
    with FaultProxy(upstream) as proxy:
        proxy.fail("tools/call", kind="503", after_upstream=after_upstream)
        assert _post(proxy, "tools/call")[0] == 503
        assert len(proxy.seen) == 1
        assert _post(proxy, "tools/call")[0] == 200
        assert proxy.passed_on == (2 if after_upstream else 1)


def test_streams_unbuffered_and_drops(upstream: str) -> None:
    """The first event of a stream arrives while the stream goes on, and `drop_connections` resets it."""
    with FaultProxy(upstream) as proxy:
        connection = HTTPConnection("127.0.0.1", urlsplit(proxy.url).port or 0, timeout=60)
        connection.request("GET", "/mcp")
        answer = connection.getresponse()
        assert answer.fp.readline() == b"b\r\n"
        assert answer.fp.readline() == b"data: one\n"
        proxy.drop_connections()
        with pytest.raises(ConnectionResetError):
            answer.fp.read()
        answer.close()
        connection.close()
        assert proxy.counts == {"GET": 1}


@pytest.mark.parametrize("when_down", ["reset", "502"])
def test_server_that_is_down(upstream: str, when_down: str) -> None:
    """While nobody listens upstream clients see what was asked for; another upstream is used at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
        with FaultProxy(nowhere, when_down="502" if when_down == "502" else "reset") as proxy:
            if when_down == "502":
                assert _post(proxy, "tasks/get")[0] == 502
            else:
                with pytest.raises(ConnectionResetError):
                    _post(proxy, "tasks/get")
            proxy.upstream = upstream
            assert _post(proxy, "tasks/get")[::2] == (200, ANSWER)


def test_unknown_kind_is_refused(upstream: str) -> None:
    """A misspelt fault is an error of the test, not a fault that never comes."""
    with FaultProxy(upstream) as proxy:
        with pytest.raises(ValueError, match="unknown fault"):
            proxy.fail("tasks/get", kind="resset")  # type: ignore[arg-type]
        assert len(KINDS) == 10
