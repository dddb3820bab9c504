"""The host of one connection, by the messages that pass its streams: what a server sends and what it gets."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcptasks._core.hosted_tasks import HostTasks
from mcptasks._engine.input.answers import RefusalError
from mcptasks._engine.input.hosting import Hosting
from mcptasks._transport.intercept import Interceptor
from mcptasks._transport.intercepted import InterceptedTransport
from mcptasks._wire import legacy
from mcptasks._wire.hosted import RELATED_TASK_KEY
from tests.helpers.samples import json_values
from tests.helpers.support import LIMIT

pytestmark = pytest.mark.anyio

ELICIT = {"message": "Which?", "requestedSchema": {"type": "object", "properties": {"value": {"type": "string"}}}}
SAMPLE = {"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}], "maxTokens": 5}
REQUESTS: dict[str, Any] = {"elicitation": {"create": {}}, "sampling": {"createMessage": {}}}
NO = {"action": "decline"}


class MemoryTransport:
    """A transport whose far ends a test holds."""

    def __init__(self, room: float) -> None:
        self.to_client, reader = anyio.create_memory_object_stream[SessionMessage | Exception](math.inf)
        writer, self.from_client = anyio.create_memory_object_stream[SessionMessage](room)
        self.streams = (reader, writer)

    async def __aenter__(self) -> Any:
        return self.streams

    async def __aexit__(self, *exc: object) -> None:
        for stream in (*self.streams, self.to_client, self.from_client):
            stream.close()


@define
class Server:
    """The server's end of a connection whose client hosts tasks."""

    _transport: MemoryTransport
    _host: Hosting
    _numbers: int = 0
    told: list[Mapping[str, Any]] = field(factory=list[Mapping[str, Any]])
    """The status notifications, in order."""

    async def send(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request."""
        self._numbers += 1
        message = JSONRPCRequest(jsonrpc="2.0", id=self._numbers, method=method, params=params)
        await self._transport.to_client.send(SessionMessage(message))
        return self._numbers

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification."""
        message = JSONRPCNotification(jsonrpc="2.0", method=method, params=params)
        await self._transport.to_client.send(SessionMessage(message))

    async def answer(self) -> tuple[Any, dict[str, Any]]:
        """The id and content of the next answer, the result or the error."""
        while True:
            message = (await self._transport.from_client.receive()).message
            # Everything that goes out is JSON.
            json.loads(message.model_dump_json(by_alias=True, exclude_unset=True))
            if isinstance(message, JSONRPCNotification):
                assert message.method == legacy.NOTIFICATION
                self.told.append(message.params or {})
            elif isinstance(message, JSONRPCError):
                return message.id, {"code": message.error.code, "message": message.error.message}
            else:
                assert isinstance(message, JSONRPCResponse)
                return message.id, message.result

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and get its answer, which comes next."""
        number = await self.send(method, params)
        id_, answer = await self.answer()
        assert id_ == number
        return answer

    async def begin(self, params: Mapping[str, Any] = ELICIT, **task: Any) -> str:
        """Have a task made; its id."""
        method = "elicitation/create" if params is ELICIT else "sampling/createMessage"
        made = await self.ask(method, {**params, "task": task})
        assert made["task"]["status"] == "working"
        id_: str = made["task"]["taskId"]
        return id_

    def close(self) -> None:
        """End the connection as the client does."""
        self._host.close()


async def settle() -> None:
    """Let everything run that can run now."""
    await anyio.wait_all_tasks_blocked()


Answering = Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def connected(answer: Answering, *, room: float = math.inf, **options: Any) -> AsyncGenerator[Server]:
    """A server that talks to a client which answers so. What would go on to the SDK is an error."""
    transport = MemoryTransport(room)
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(LIMIT))
        group = await stack.enter_async_context(anyio.create_task_group())
        host = Hosting(HostTasks(**options), group, answer)
        interceptor = Interceptor(lambda _method, _params: None, lambda: None, host=host)
        reader, writer = await stack.enter_async_context(InterceptedTransport(transport, interceptor))

        async def read() -> None:
            async for item in reader:
                raise AssertionError(item)

        group.start_soon(read)
        begin = JSONRPCRequest(jsonrpc="2.0", id=0, method="initialize", params={"capabilities": {"roots": {}}})
        await writer.send(SessionMessage(begin))
        sent = (await transport.from_client.receive()).message
        assert isinstance(sent, JSONRPCRequest)
        assert sent.params == {"capabilities": {"roots": {}, "tasks": {"list": {}, "cancel": {}, "requests": REQUESTS}}}
        yield Server(transport, host)
        group.cancel_scope.cancel()


class Person:
    """Answers when a test says so, and notes what becomes of the question."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.ids: list[str] = []
        self.ends: list[str] = []
        self.ready = anyio.Event()
        self.answer: dict[str, Any] | Exception = NO

    async def __call__(self, request: Mapping[str, Any], task_id: str) -> dict[str, Any]:
        """Wait, and answer."""
        self.asked.append(request)
        self.ids.append(task_id)
        try:
            await self.ready.wait()
        except anyio.get_cancelled_exc_class():
            self.ends.append("cancelled")
            raise
        self.ends.append("answered")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("params", [ELICIT, SAMPLE], ids=["elicitation", "sampling"])
async def test_result(params: dict[str, Any]) -> None:
    """The creating answer comes at once; the handler gets the request without the wish for a task; results, of which
    several may wait, name their task, and what the answer says of itself stays in them."""
    person = Person()
    person.answer = {**NO, "_meta": {"x": 1}}
    async with connected(person) as server:
        made = await server.ask(
            "elicitation/create" if params is ELICIT else "sampling/createMessage", {**params, "task": {"ttl": 60000}}
        )
        task_id = made["task"]["taskId"]
        assert made["task"]["ttl"] == 60000
        assert await server.ask("tasks/get", {"taskId": task_id}) == made["task"]
        numbers = {await server.send("tasks/result", {"taskId": task_id}) for _ in range(3)}
        await settle()
        assert [request["params"] for request in person.asked] == [params]
        assert person.ids == [task_id]
        person.ready.set()
        expected = {**NO, "_meta": {"x": 1, RELATED_TASK_KEY: {"taskId": task_id}}}
        answers = [await server.answer() for _ in range(3)]
        assert {id_ for id_, _ in answers} == numbers
        assert [answer for _, answer in answers] == [expected] * 3
        assert await server.ask("tasks/result", {"taskId": task_id}) == expected
        assert [told["status"] for told in server.told] == ["completed"]
        assert await server.ask("tasks/get", {"taskId": task_id}) == server.told[0]
        assert await server.ask("tasks/list") == {"tasks": [server.told[0]]}


async def test_failing_handler(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises makes its task fail; of the error the server learns the kind, and the log the rest."""
    person = Person()
    person.answer = ValueError("the secret")
    person.ready.set()
    async with connected(person) as server:
        task_id = await server.begin()
        with caplog.at_level(logging.CRITICAL, logger="mcptasks"):
            answer = await server.ask("tasks/result", {"taskId": task_id})
        assert answer == {"code": -32603, "message": "the client's elicitation handler failed: ValueError"}
        assert (await server.ask("tasks/get", {"taskId": task_id}))["status"] == "failed"
        assert [(told["status"], told["statusMessage"]) for told in server.told] == [("failed", answer["message"])]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_cancelling(stubborn: bool) -> None:
    """Cancelling cancels the handler and is final, also where the handler answers all the same."""
    ends: list[str] = []

    async def answer(request: Mapping[str, Any], task_id: str) -> dict[str, Any]:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            ends.append("cancelled")
            if not stubborn:
                raise
        return NO

    async with connected(answer) as server:
        task_id = await server.begin()
        waiting = await server.send("tasks/result", {"taskId": task_id})
        await settle()
        number = await server.send("tasks/cancel", {"taskId": task_id})
        answers = dict([await server.answer(), await server.answer()])
        assert answers[number]["status"] == "cancelled"
        assert answers[waiting]["code"] == -32603
        await settle()
        assert ends == ["cancelled"]
        assert await server.ask("tasks/get", {"taskId": task_id}) == answers[number]
        assert (await server.ask("tasks/cancel", {"taskId": task_id}))["code"] == -32602
        assert (await server.ask("tasks/result", {"taskId": task_id}))["code"] == -32603
        assert server.told == [answers[number]]


async def test_waiting_no_longer() -> None:
    """A server that gives up on a result gets none, and its task goes on."""
    person = Person()
    async with connected(person) as server:
        task_id = await server.begin()
        given_up = await server.send("tasks/result", {"taskId": task_id})
        waiting = await server.send("tasks/result", {"taskId": task_id})
        await server.notify("notifications/cancelled", {"requestId": given_up})
        await settle()
        person.ready.set()
        assert (await server.answer())[0] == waiting
        await server.ask("tasks/get", {"taskId": task_id})
        assert person.ends == ["answered"]


async def test_time_is_over() -> None:
    """A task whose time is over is forgotten, its handler cancelled, and whoever waits is told."""
    person = Person()
    async with connected(person) as server:
        task_id = await server.begin(ttl=100)
        assert (await server.ask("tasks/result", {"taskId": task_id}))["code"] == -32602
        await settle()
        assert person.ends == ["cancelled"]
        assert (await server.ask("tasks/get", {"taskId": task_id}))["code"] == -32602
        assert await server.ask("tasks/list", {}) == {"tasks": []}


async def test_the_end_of_the_connection() -> None:
    """When the connection ends, every handler is cancelled and nothing is sent any more."""
    person = Person()
    async with connected(person) as server:
        task_ids = [await server.begin() for _ in range(3)]
        await server.send("tasks/result", {"taskId": task_ids[0]})
        await settle()
        server.close()
        await server.send("tasks/get", {"taskId": task_ids[0]})
        await settle()
        assert person.ends == ["cancelled"] * 3
        with pytest.raises(anyio.WouldBlock):
            server._transport.from_client.receive_nowait()


async def test_a_server_that_does_not_read() -> None:
    """A server that reads no answers still reaches the host, and is answered in order when it reads."""
    person = Person()
    async with connected(person, room=1) as server:
        made = [await server.send("elicitation/create", {**ELICIT, "task": {}}) for _ in range(20)]
        await settle()
        assert len(person.asked) == 20
        await server.send("tasks/cancel", {"taskId": person.ids[7]})
        await settle()
        assert person.ends == ["cancelled"]
        assert [(await server.answer())[0] for _ in made] == made


async def test_full() -> None:
    """More tasks than may be are refused; the handler hears nothing of them."""
    person = Person()
    async with connected(person, limit=2) as server:
        first, _ = [await server.begin() for _ in range(2)]
        assert (await server.ask("elicitation/create", {**ELICIT, "task": {}}))["code"] == -32603
        await server.ask("tasks/cancel", {"taskId": first})
        await server.begin()
        assert (await server.ask("tasks/get", {"taskId": first}))["code"] == -32602


@pytest.mark.parametrize("error", [anyio.BrokenResourceError(), OSError("broken")])
async def test_a_transport_that_fails(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be sent any more the handlers are cancelled, and the client lives on."""
    person = Person()

    async def send(item: SessionMessage) -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    with anyio.fail_after(LIMIT), caplog.at_level(logging.CRITICAL, logger="mcptasks"):
        async with anyio.create_task_group() as group:
            host = Hosting(HostTasks(), group, person)
            host.open(send)
            message = JSONRPCRequest(jsonrpc="2.0", id=1, method="elicitation/create", params={**ELICIT, "task": {}})
            host.request(message)
    assert person.ends == ["cancelled"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tasks/get", None),
        ("tasks/get", {}),
        ("tasks/get", {"taskId": 7}),
        ("tasks/result", {"taskId": ["x"]}),
        ("tasks/cancel", {"taskId": "unknown"}),
        ("tasks/list", {"cursor": 7}),
        ("tasks/list", {"cursor": "x"}),
        ("elicitation/create", {**ELICIT, "task": 7}),
        ("elicitation/create", {**ELICIT, "task": []}),
        ("elicitation/create", {**ELICIT, "task": {"ttl": "60"}}),
        ("elicitation/create", {**ELICIT, "task": {"ttl": True}}),
        ("elicitation/create", {**ELICIT, "task": {"ttl": 0}}),
        ("elicitation/create", {**ELICIT, "task": {"ttl": -(10**400)}}),
        ("elicitation/create", {**ELICIT, "task": {"ttl": math.nan}}),
        ("elicitation/create", {"task": {}}),
        ("sampling/createMessage", {"messages": "x", "task": {}}),
    ],
)
async def test_what_makes_no_sense(method: str, params: dict[str, Any] | None) -> None:
    """A request that makes no sense is refused as "invalid params", before any handler hears of it."""
    person = Person()
    async with connected(person) as server:
        answer = await server.ask(method, params)
        assert answer["code"] == -32602
        assert answer["message"]
        assert person.asked == []


@pytest.mark.parametrize("ttl", [10**400, 1e308, math.inf, 3_600_001])
async def test_more_time_than_there_is(ttl: float) -> None:
    """A longer life than tasks may have is cut short."""
    async with connected(Person()) as server:
        made = await server.ask("elicitation/create", {**ELICIT, "task": {"ttl": ttl}})
        assert made.get("code") == -32602 if ttl == math.inf else made["task"]["ttl"] == 3_600_000


async def test_a_handler_that_refuses() -> None:
    """A handler's own JSON-RPC error is the task's result, word for word."""
    person = Person()
    person.answer = RefusalError(ErrorData(code=-1, message="the user says no"))
    person.ready.set()
    async with connected(person) as server:
        task_id = await server.begin(SAMPLE)
        assert await server.ask("tasks/result", {"taskId": task_id}) == {"code": -1, "message": "the user says no"}


odd_params = st.none() | st.dictionaries(
    st.sampled_from(["taskId", "cursor", "task", "message", "requestedSchema", "messages", "maxTokens", "_meta"]),
    json_values,
)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from(["tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "elicitation/create"]),
            odd_params.map(lambda params: params if params is None else {"task": {}, **params}),
        ),
        max_size=5,
    )
)
async def test_anything(sent: list[tuple[str, dict[str, Any] | None]]) -> None:
    """Whatever a server sends, it is answered, and the host goes on."""
    async with connected(Person()) as server:
        for method, params in sent:
            if (params or {}).get("task") is None and method == "elicitation/create":
                continue  # an ordinary question, which is the SDK's
            await server.ask(method, params)
        assert "tasks" in await server.ask("tasks/list")
