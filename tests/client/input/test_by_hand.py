"""`BY_HAND`: the server is told that somebody answers; nobody does here, and the question waits for `answer()`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import mcp_types as types
import pytest
from mcp.server.mcpserver import MCPServer

import mcptasks
import mcptasks.sync
from mcptasks import BY_HAND, Client, Task, TaskFailedError, TaskInputRequiredError, ToolError
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit, elicit_url, list_roots, sample
from tests.helpers.asking import own_server, sdk_server
from tests.helpers.pairs import pairwise
from tests.helpers.support import Era, begin, connected, http, make_server, modern_only
from tests.helpers.worlds import both_worlds, make_client

# The era decides how a question comes, the call who may answer it; the event loop and the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

NAME = elicit("Who?")
ADA = {"action": "accept", "content": {"value": "Ada"}}
BOTH: dict[str, Any] = {"elicitation_handler": BY_HAND, "sampling_handler": BY_HAND}


def strict(era: Era, **options: Any) -> TaskServer:
    """A server that asks only clients that declare the kind of question, as the TypeScript SDK's."""
    server = make_server(era, asks="declared", **options)
    server.add_tool("ask", [NeedInput({"name": NAME}), Complete("done")])
    server.add_tool("complete", [NeedInput({"word": sample("A word?")}), Complete("done")])
    server.add_tool("visit", [NeedInput({"page": elicit_url("Sign in.", "https://e.com", "1")}), Complete("done")])
    server.add_tool("folders", [NeedInput({"folders": list_roots()}), Complete("done")])
    server.add_tool("born", [Complete("done")], born_input_required={"name": NAME})
    return server


def nobody(_context: Any, _params: Any) -> None:
    """A handler that declines."""


def ada(_context: Any, _params: Any) -> dict[str, str]:
    """A handler that answers."""
    return {"value": "Ada"}


async def asked(task: Task[Any]) -> str:
    """The key of the task's one question, which `result()` does not answer."""
    with pytest.raises(TaskInputRequiredError, match=r"use answer\(\)") as caught:
        await task.result()
    (key,) = caught.value.input_requests
    assert (await task.status()).status == "input_required"
    return key


def declared(server: TaskServer, era: Era) -> dict[str, Any]:
    """What the client said that it can be asked."""
    if era == "legacy":
        return dict(server.requests.of("initialize")[0].params["capabilities"])
    return dict(server.requests.of("tools/call")[0].params["_meta"][types.CLIENT_CAPABILITIES_META_KEY])


@pytest.mark.parametrize("input_mode", ["result", "push", "push-related"])
async def test_asked_and_answered(era: Era, input_mode: str) -> None:
    """A server that asks only who declares it asks, the question stays open, and the answer by hand is what it gets;
    each way that a 2025-11-25 server can ask."""
    server = strict(era, input_mode=input_mode)
    async with connected(server, **BOTH) as client:
        for tool, answer, got in (
            ("ask", {"value": "Ada"}, ADA),
            ("complete", "yes", None),
            ("visit", {}, {"action": "accept"}),
            ("born", {"value": "Ada"}, ADA),
        ):
            task = await client.call_tool(tool, task=True)
            steered = await server.next_task()
            await task.answer(await asked(task), answer)
            assert (await task.result()).data == "done"
            ((_, told),) = steered.answers.items()
            assert got is None or {name: told[name] for name in got} == got


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("ask", "Client does not support form elicitation"),
        ("complete", "Client does not support sampling"),
        ("visit", "Client does not support url elicitation"),
        ("folders", "Client does not support roots"),
        ("born", "Client does not support form elicitation"),
    ],
)
async def test_without_it(era: Era, tool: str, words: str) -> None:
    """The same server does not ask a client without it, in a task and in a plain call."""
    async with connected(strict(era)) as client:
        task = await client.call_tool(tool, task=True)
        with pytest.raises(ToolError, match=words):
            await task.result()
        with pytest.raises(ToolError, match=words):
            await client.call_tool(tool)


@pytest.mark.parametrize("option", list(BOTH))
async def test_what_is_declared(era: Era, option: str) -> None:
    """Declared is what a handler would be, for the kind that it is given for and no other."""
    found: list[dict[str, Any]] = []
    for given in (BY_HAND, nobody):
        server, options = own_server(era), dict[str, Any]({option: given})
        async with connected(server, **options) as client:
            await client.call_tool("log")
        found.append(declared(server, era))
    kind = option.removesuffix("_handler")
    assert found[0][kind] == found[1][kind]
    assert set(found[0]) & {"elicitation", "sampling", "roots"} == {kind}


async def test_beside_a_handler(era: Era) -> None:
    """A handler answers its own kind; the other stays open."""
    server = strict(era)
    async with connected(server, elicitation_handler=ada, sampling_handler=BY_HAND) as client:
        task = await client.call_tool("ask", task=True)
        assert (await task.result()).data == "done"
        task = await client.call_tool("complete", task=True)
        await task.answer(await asked(task), "yes")
        assert (await task.result()).data == "done"


@modern_only
async def test_from_another_client(era: Era) -> None:
    """On 2026-07-28 the answer may come from any client with the reference, whatever that one declares."""
    server = strict(era)
    with http(server) as url:
        async with connected(url, **BOTH) as client:
            task = await client.call_tool("ask", task=True)
            key, saved = await asked(task), task.reference.to_json()
        async with connected(url) as client:
            task = client.resume(saved)
            await task.answer(key, {"value": "Ada"})
            assert (await task.result()).data == "done"


@modern_only
async def test_a_plain_call_that_becomes_a_task(era: Era) -> None:
    """A call that the server makes a task of its own accord ends with the question and the reference."""
    server = strict(era)
    async with connected(server, **BOTH) as client:
        with pytest.raises(TaskInputRequiredError) as caught:
            await client.call_tool("ask")
        assert caught.value.reference is not None
        task = client.resume(caught.value.reference)
        await task.answer("name", {"value": "Ada"})
        assert (await task.result()).data == "done"


@pytest.mark.parametrize("tool", ["elicit", "sample"])
@pytest.mark.parametrize("form", ["own", "sdk"])
async def test_plain_calls(era: Era, tool: str, form: str) -> None:
    """A call that is no task has no handle to answer by: the server is told to be called as a task."""
    server: TaskServer | MCPServer = own_server(era) if form == "own" else sdk_server()
    mode = "legacy" if era == "legacy" else "auto"
    async with connected(server, mode=mode, **BOTH) as client:
        with pytest.raises((ToolError, TaskFailedError), match="answered by hand, for tasks only"):
            await client.call_tool(tool)


@modern_only
async def test_the_connection_is_lost(era: Era) -> None:
    """The question outlives the connection, like any other. Whoever answers then has it made again."""
    server = make_server(era, asks="declared")
    with http(server) as url:
        async with connected(url, **BOTH) as client:
            task, steered = await begin(client, server)
            steered.need_input({"name": NAME})
            key = await asked(task)
            server.restart()
            await task.answer(key, {"value": "Ada"})
            await steered.wait_for(lambda task: bool(task.answers))
            assert list(steered.answers.values()) == [ADA]
            steered.complete("done")
            assert (await task.result()).data == "done"


def test_the_constant() -> None:
    """It is one object in both worlds, also when it was copied or pickled, and says what it is."""
    assert repr(BY_HAND) == "mcptasks.BY_HAND"
    assert mcptasks.sync.BY_HAND is BY_HAND
    assert pickle.loads(pickle.dumps(BY_HAND)) is copy.deepcopy(BY_HAND) is BY_HAND


@pytest.mark.parametrize("option", ["log_handler", "roots"])
def test_where_it_has_no_meaning(option: str) -> None:
    """It is for the two kinds of questions that a person can answer."""
    options: dict[str, Any] = {option: BY_HAND}
    with pytest.raises(TypeError, match=f"^{option} must be "):
        make_client(["x"], **options)


def test_nobody_hosts_by_hand() -> None:
    """What a client hosts as a task needs a handler."""
    with pytest.raises(ValueError, match="give elicitation_handler or sampling_handler too"):
        Client(["x"], host_tasks=True, **BOTH)
