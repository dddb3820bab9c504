"""What the server asks of the client while a plain tool runs: elicitation, sampling, roots; and its log messages.

Three ways to a server are tried: an `MCPServer` object, for which the SDK chooses how to ask, and this project's server
in process and over HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from pydantic import FileUrl

from mcptasks import Client, InputContext, TaskError, TaskFailedError, ToolError
from tests.helpers.asking import PROMPT, own_server, sdk_server
from tests.helpers.bridge import CALLER, BlockingWorld
from tests.helpers.pairs import pairwise
from tests.helpers.support import LIMIT, Era, Signal, cancelled_from_within, connected, http
from tests.helpers.worlds import ASYNC, World, both_worlds

# The dialect decides how a question comes, and the transport how its answer goes back. The world and the handler's form
# decide in which thread the handler is called. So each of these hangs on two parameters at most.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

Way = Literal["object", "streams", "http"]


@pytest.fixture(params=["object", "streams", "http"])
def way(request: pytest.FixtureRequest) -> Way:
    """The server, and how it is reached."""
    chosen: Way = request.param
    return chosen


@asynccontextmanager
async def asked(era: Era, way: Way, **options: Any) -> AsyncGenerator[Client]:
    """A client of a server that asks."""
    with ExitStack() as serving:
        target: Any = sdk_server() if way == "object" else own_server(era)
        if way == "http":
            target = serving.enter_context(http(target))
        mode = {"modern": "auto", "legacy": "legacy"}[era]
        async with connected(target, mode=mode, **options) as client:
            assert client.protocol_version == {"modern": "2026-07-28", "legacy": "2025-11-25"}[era]
            yield client


async def ask(era: Era, way: Way, tool: str, **options: Any) -> Any:
    """What the tool says that it was answered."""
    async with asked(era, way, **options) as client:
        return (await client.call_tool(tool)).data


def sync_and_async(handler: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The same handler in all forms that a program may write."""

    async def asynchronous(*arguments: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return handler(*arguments)

    class Both:
        def sync(self, *arguments: Any) -> Any:
            return handler(*arguments)

        async def __call__(self, *arguments: Any) -> Any:
            return await asynchronous(*arguments)

    return {
        "sync": handler,
        "async": asynchronous,
        "method": Both().sync,
        "object": Both(),
        "awaitable": lambda *arguments: asynchronous(*arguments),
    }


def always(answer: Any) -> Callable[..., Any]:
    """A sync handler that gives that answer."""

    def handler(*arguments: Any) -> Any:
        return answer

    return handler


FORMS: list[tuple[Way, str]] = [
    ("object", "async"),
    ("streams", "sync"),
    ("streams", "async"),
    ("streams", "method"),
    ("streams", "object"),
    ("streams", "awaitable"),
    ("http", "sync"),
]
each_form = pytest.mark.parametrize(("way", "form"), FORMS)

# --- elicitation --------------------------------------------------------------------------------------------------

ACCEPT = {"action": "accept", "content": {"name": "Ada"}}
DECLINE = {"action": "decline", "content": None}


@each_form
async def test_elicitation(era: Era, way: Way, form: str) -> None:
    """A handler of any form is called once, with the request's context and params, and its mapping accepts."""
    seen: list[tuple[Any, Any]] = []

    def handler(context: InputContext[Any], params: types.ElicitRequestParams) -> Mapping[str, Any]:
        seen.append((context, params))
        return {"name": "Ada"}

    assert await ask(era, way, "elicit", elicitation_handler=sync_and_async(handler)[form]) == ACCEPT
    ((context, params),) = seen
    assert isinstance(context, InputContext)
    assert isinstance(params, types.ElicitRequestFormParams)
    assert params.message == "Who?"
    assert "name" in params.requested_schema["properties"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, DECLINE),
        (types.ElicitResult(action="decline"), DECLINE),
        (types.ElicitResult(action="cancel"), {"action": "cancel", "content": None}),
        (types.ElicitResult(action="accept", content={"name": "Ada"}), ACCEPT),
    ],
    ids=["none", "decline", "cancel", "accept"],
)
async def test_elicitation_answers(era: Era, way: Way, answer: Any, told: Any) -> None:
    """None declines, and an `ElicitResult` goes to the server as it is."""
    assert await ask(era, way, "elicit", elicitation_handler=always(answer)) == told


async def test_elicitation_refused(era: Era, way: Way) -> None:
    """A handler's `ErrorData` refuses: the call ends in an error of ours, and the client goes on."""
    refusal = types.ErrorData(code=-32042, message="not allowed to ask")
    async with asked(era, way, elicitation_handler=always(refusal)) as client:
        with pytest.raises((TaskFailedError, ToolError), match="not allowed to ask"):
            await client.call_tool("elicit")
        assert (await client.call_tool("log")).data == {"logged": 1}


@pytest.mark.parametrize("tool", ["elicit", "sample", "roots"])
async def test_no_handler(era: Era, way: Way, tool: str) -> None:
    """Without a handler the call ends in the server's error, and the client goes on."""
    async with asked(era, way) as client:
        with pytest.raises((TaskFailedError, ToolError)):
            await client.call_tool(tool)
        assert (await client.call_tool("log")).data == {"logged": 1}


# --- sampling -----------------------------------------------------------------------------------------------------


@each_form
async def test_sampling(era: Era, way: Way, form: str) -> None:
    """A handler of any form is called once, with the request's context and params; text is the assistant's."""
    seen: list[tuple[Any, Any]] = []

    def handler(context: InputContext[Any], params: types.CreateMessageRequestParams) -> str:
        seen.append((context, params))
        return "yes"

    told = await ask(era, way, "sample", sampling_handler=sync_and_async(handler)[form])
    assert told == {"role": "assistant", "text": "yes", "model": "handler"}
    ((context, params),) = seen
    assert isinstance(context, InputContext)
    assert (params.max_tokens, params.messages) == (5, [PROMPT])


async def test_sampling_answers(era: Era, way: Way) -> None:
    """A `CreateMessageResult` goes to the server as it is."""
    content = types.TextContent(type="text", text="no")
    answer = types.CreateMessageResult(role="user", content=content, model="mine")
    told = await ask(era, way, "sample", sampling_handler=always(answer))
    assert told == {"role": "user", "text": "no", "model": "mine"}


# --- wrong handlers -----------------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, Any]] = [
    ("elicit", "elicitation_handler", 7),
    ("elicit", "elicitation_handler", "Ada"),
    ("elicit", "elicitation_handler", [("name", "Ada")]),
    ("sample", "sampling_handler", None),
    ("sample", "sampling_handler", {"text": "yes"}),
    ("roots", "roots", "/one"),
    ("roots", "roots", [7]),
]


@pytest.mark.parametrize(("tool", "option", "answer"), WRONG)
async def test_answers_of_a_wrong_type(era: Era, way: Way, tool: str, option: str, answer: Any) -> None:
    """An answer of a wrong type reaches no server: the call ends in an error, in no group, and the client goes on."""
    async with asked(era, way, **{option: always(answer)}) as client:
        with pytest.raises(TaskError):
            await client.call_tool(tool)
        assert (await client.call_tool("log")).data == {"logged": 1}


@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize(
    ("tool", "option"), [("elicit", "elicitation_handler"), ("sample", "sampling_handler"), ("roots", "roots")]
)
async def test_handlers_that_raise(era: Era, way: Way, tool: str, option: str, form: str) -> None:
    """A handler that raises fails its call, in no exception group, and nothing else."""

    def handler(*arguments: Any) -> Any:
        raise ZeroDivisionError("in the handler")

    async with asked(era, way, **{option: sync_and_async(handler)[form]}) as client:
        with pytest.raises(TaskError):
            await client.call_tool(tool)
        assert (await client.call_tool("log")).data == {"logged": 1}


class Verdict(BaseException):
    """What a test framework raises to end a test is no `Exception`."""


@pytest.mark.parametrize("error", [Verdict, SystemExit])
@pytest.mark.parametrize("form", ["sync", "async"])
async def test_handlers_that_raise_no_exception(
    era: Era, way: Way, form: str, error: type[BaseException], world: World
) -> None:
    """The same goes for what is no `Exception`: it ends neither the client nor the program. In the blocking world a
    plain handler has the thread of the call, and it comes out of that call as it is; the question may be put to the
    next one while the server has not heard of that."""
    errors = [error("in the handler")]

    def handler(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return {"name": "Ada"}

    is_callers = world is not ASYNC and form == "sync"
    async with asked(era, way, elicitation_handler=sync_and_async(handler)[form]) as client:
        with pytest.raises(error if is_callers else TaskError):
            await client.call_tool("elicit")
        assert (await client.call_tool("log")).data == {"logged": 1}


# --- roots --------------------------------------------------------------------------------------------------------

ROOTS: list[Any] = [Path("/one"), "/two words", "file:///three", types.Root(uri=FileUrl("file:///four"), name="four")]
TOLD = {
    "roots": [["file:///one", None], ["file:///two%20words", None], ["file:///three", None], ["file:///four", "four"]]
}


async def test_roots(era: Era, way: Way) -> None:
    """Paths, URIs and `Root` objects are told as file URIs, in order."""
    assert await ask(era, way, "roots", roots=ROOTS) == TOLD


@each_form
async def test_roots_from_a_function(era: Era, way: Way, form: str) -> None:
    """A function of any form is asked each time."""
    calls: list[int] = []

    def roots() -> Any:
        calls.append(len(calls))
        return ROOTS[: len(calls)]

    async with asked(era, way, roots=sync_and_async(roots)[form]) as client:
        for n in (1, 2, 3):
            assert (await client.call_tool("roots")).data == {"roots": TOLD["roots"][:n]}
    assert calls == [0, 1, 2]


async def test_no_roots(era: Era, way: Way) -> None:
    """An empty list of roots says that there are none, which is an answer."""
    assert await ask(era, way, "roots", roots=[]) == {"roots": []}


# --- log messages -------------------------------------------------------------------------------------------------


@each_form
async def test_log_messages(era: Era, way: Way, form: str) -> None:
    """A log handler of any form gets each log message with level, logger and data."""
    seen: list[types.LoggingMessageNotificationParams] = []
    arrived = Signal()

    def handler(params: types.LoggingMessageNotificationParams) -> None:
        seen.append(params)
        arrived.set()

    async with asked(era, way, log_handler=sync_and_async(handler)[form]) as client:
        assert (await client.call_tool("log")).data == {"logged": 1}
        await arrived.wait()
    ((level, logger, data),) = [(params.level, params.logger, params.data) for params in seen]
    assert (level, logger, data) == ("info", "tests", {"n": 1})


async def test_log_handlers_that_raise(era: Era, way: Way) -> None:
    """A log handler that raises, or awaits something that is cancelled, costs no call its result."""
    reached = [Signal(), Signal(), Signal()]
    left = list(reached)

    async def handler(params: types.LoggingMessageNotificationParams) -> None:
        left.pop().set()
        if len(left) == 1:
            await cancelled_from_within()
        raise ZeroDivisionError("in the handler")

    async with asked(era, way, log_handler=handler) as client:
        for _ in reached:
            assert (await client.call_tool("log")).data == {"logged": 1}
        for each in reached:
            await each.wait()


# --- what servers know beforehand ---------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [True, False], ids=["given", "not-given"])
async def test_what_is_declared(era: Era, given: bool) -> None:
    """Servers are told of a capability where there is a handler for it, and only there."""
    handlers: dict[str, Any] = {
        "elicitation_handler": always(None),
        "sampling_handler": always(""),
        "roots": [],
        "log_handler": always(None),
    }
    server = own_server(era)
    async with connected(server, **(handlers if given else {})) as client:
        await client.call_tool("log")
    if era == "legacy":
        declared = server.requests.of("initialize")[0].params["capabilities"]
    else:
        meta = server.requests.of("tools/call")[0].params["_meta"]
        declared = meta[types.CLIENT_CAPABILITIES_META_KEY]
        assert meta.get("io.modelcontextprotocol/logLevel") == ("debug" if given else None)
    assert {"elicitation", "sampling", "roots"} & set(declared) == (
        {"elicitation", "sampling", "roots"} if given else set[str]()
    )


# --- threads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "option", "answer"),
    [("elicit", "elicitation_handler", {"name": "Ada"}), ("sample", "sampling_handler", "yes"), ("roots", "roots", [])],
)
async def test_sync_handlers_do_not_block(
    era: Era, way: Way, tool: str, option: str, answer: Any, world: World
) -> None:
    """A sync handler runs in a thread of its own: while it blocks, other calls on the client go on. In the blocking
    world that is the thread that waits; a function that names roots, which asks nobody, has a worker thread."""
    begun, go_on = Signal(), threading.Event()
    threads: list[threading.Thread] = []

    def handler(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        begun.set()
        assert go_on.wait(2 * LIMIT)
        return answer

    async with asked(era, way, **{option: handler}) as client:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, tool)
                await begun.wait()
                assert (await client.call_tool("log")).data == {"logged": 1}
                go_on.set()
        finally:
            go_on.set()
    assert threads
    assert threading.current_thread() not in threads
    if world is not ASYNC:
        assert {thread.name for thread in threads} == {"mcptasks worker" if option == "roots" else CALLER}


async def test_a_call_that_is_given_up_leaves_its_handler(era: Era, way: Way, world: World) -> None:
    """A call's deadline holds while a sync handler blocks: the handler's thread is left behind, the client goes on. In
    the blocking world the handler has the thread of the call, which is given up when the handler returns."""
    go_on = threading.Event()
    begun: list[str] = []
    left: list[str] = []
    timeout = 0.09

    def handler(*arguments: Any) -> Any:
        begun.append("the handler")
        go_on.wait(2 * LIMIT if world is ASYNC else 3 * timeout)
        if isinstance(world, BlockingWorld):
            # Also on a machine that stood still meanwhile, the deadline counts before what the handler returns.
            world.let_portals_run()
        left.append("the handler")
        return {"name": "late"}

    async with asked(era, way, elicitation_handler=handler) as client:
        try:
            while not begun:
                with pytest.raises(TimeoutError):
                    await client.call_tool("elicit", timeout=timeout)
                if not begun:
                    timeout *= 2
            assert left == ([] if world is ASYNC else begun)
            assert (await client.call_tool("log")).data == {"logged": 1}
        finally:
            go_on.set()


async def test_the_timeout_is_for_the_wire(era: Era, way: Way) -> None:
    """The client's timeout for a request does not run while a handler works on what a plain call asks."""

    # The timeout is longer than a busy machine stands still.
    async def slow(*_: Any) -> Any:
        await anyio.sleep(6.0)
        return {"name": "Ada"}

    answer = await ask(era, way, "elicit", elicitation_handler=slow, timeout=5.0)
    assert answer == {"action": "accept", "content": {"name": "Ada"}}
