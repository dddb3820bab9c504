"""The SDK's OAuth provider as `auth=`: tokens that end in the midst of a task, many requests that need a new one, and a
server that refuses to give one."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from mcptasks import Client, TaskConnectionError
from tests.helpers.support import LIMIT

pytestmark = pytest.mark.anyio


class Guarded(ThreadingHTTPServer):
    """A 2025-11-25 server with one task, behind tokens that it gives out itself."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.given = 0
        """How many tokens were given out; the latest is the only one that holds."""
        self.revoked = False
        self.refusing = False
        self.done = False

    def valid(self, header: str | None) -> bool:
        """Whether a request may come in."""
        return not self.revoked and header == f"Bearer token-{self.given}"

    def answer(self, path: str, body: bytes, header: str | None) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        if path.startswith("/.well-known/oauth-protected-resource"):
            return 200, {"resource": f"{self.origin}/mcp", "authorization_servers": [self.origin]}
        if path.startswith("/.well-known/oauth-authorization-server"):
            return 200, {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["code"],
            }
        if path == "/token":
            with self.lock:
                if self.refusing:
                    return 400, {"error": "invalid_client", "error_description": "this client was removed"}
                self.given, self.revoked = self.given + 1, False
                return 200, {"access_token": f"token-{self.given}", "token_type": "Bearer", "expires_in": 3600}
        if path != "/mcp":
            return 404, None
        with self.lock:
            return self._answer_mcp(json.loads(body)) if self.valid(header) else (401, None)

    def _answer_mcp(self, message: dict[str, Any]) -> tuple[int, Any]:
        task = {
            "taskId": "t-1",
            "status": "completed" if self.done else "working",
            "createdAt": "2026-11-29T00:00:00Z",
            "lastUpdatedAt": "2026-11-29T00:00:00Z",
            "ttl": None,
            "pollInterval": 20,
        }
        call = {"content": [{"type": "text", "text": "done"}]}
        tool = {"name": "work", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "required"}}
        capabilities: dict[str, Any] = {"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "serverInfo": {"name": "guarded", "version": "1"},
                "capabilities": capabilities,
            },
            "tools/list": {"tools": [tool]},
            "tools/call": {"task": task},
            "tasks/get": task,
            "tasks/result": call,
        }
        if "id" not in message:
            return 202, None
        result = results.get(message["method"])
        error = {"code": -32601, "message": "Method not found"}
        return 200, {"jsonrpc": "2.0", "id": message["id"], **({"result": result} if result else {"error": error})}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parameter there
        """Stay quiet."""

    def do_GET(self) -> None:
        """Answer any request."""
        server = self.server
        assert isinstance(server, Guarded)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.command == "GET" and self.path == "/mcp":
            status, answer = 405, None
        else:
            status, answer = server.answer(self.path, body, self.headers.get("authorization"))
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET  # noqa: N815 - see above


class Storage:
    """Keeps tokens for the provider."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The client's registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep the client's registration."""
        self.client = client_info


@pytest.fixture
def server() -> Generator[Guarded]:
    """A server that runs."""
    with Guarded() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def client_of(server: Guarded) -> Client:
    """A client with the SDK's provider for programs without a person."""
    url = f"{server.origin}/mcp"
    auth = ClientCredentialsOAuthProvider(url, Storage(), client_id="me", client_secret="s3cret", issuer=server.origin)
    return Client(url, auth=auth, mode="legacy", reconnect_timeout=20)


async def test_a_token_that_ends_in_the_midst_of_a_task(server: Guarded) -> None:
    """A 401 while a task runs gets a new token, and the wait goes on unseen."""
    with anyio.fail_after(LIMIT):
        async with client_of(server) as client:
            task = await client.call_tool("work", task=True)
            assert server.given == 1
            server.revoked = True
            assert (await task.status()).status == "working"
            assert server.given == 2
            server.revoked = server.done = True
            assert (await task.result()).text == "done"
            assert server.given == 3


async def test_many_requests_that_need_a_new_token(server: Guarded) -> None:
    """Requests that are refused at the same moment get one new token for all of them."""
    with anyio.fail_after(LIMIT):
        async with client_of(server) as client:
            task = await client.call_tool("work", task=True)
            server.revoked = True
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(task.status)
            assert server.given == 2


async def test_no_new_token(server: Guarded) -> None:
    """Where no new token is given, the wait ends in an error that says so; the task can be taken up again."""
    with anyio.fail_after(LIMIT):
        async with client_of(server) as client:
            task = await client.call_tool("work", task=True)
            server.revoked = server.refusing = True
            with pytest.raises(TaskConnectionError, match="auth=") as caught:
                await task.result()
            assert caught.value.reference == task.reference
            assert "s3cret" not in str(caught.value)
            server.refusing, server.done = False, True
            assert (await client.resume(task.reference).result()).text == "done"
