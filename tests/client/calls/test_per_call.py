"""What one call may say for itself: whether it is to be a task, its HTTP headers, and a context for handlers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from mcptasks import Client, InputContext, TaskUnsupportedError
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from mcptasks.testing._script import Step
from tests.helpers.support import POLLED, Era, connected, http, legacy_only, make_server, modern_only
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

SECRET = "hunter2-of-the-caller"
HEADERS = {"X-Acting-For": SECRET}
ASKS: list[Step | str] = [NeedInput({"name": elicit("Who?")}), Complete("done")]


def ada(_context: InputContext, _params: Any) -> dict[str, str]:
    """Answers each question."""
    return {"value": "Ada"}


def calls(server: TaskServer) -> int:
    """How many calls of tools, resources and prompts have reached the server."""
    return sum(server.requests.count(method) for method in ("tools/call", "resources/read", "prompts/get"))


def offering(era: Era, **options: Any) -> TaskServer:
    """A server with tools of all kinds, a resource and a prompt, all of which answer at once."""
    server = make_server(era, **options)
    for support in ("required", "optional", "forbidden"):
        server.add_tool(support, [Complete(support)], support=support)
    server.add_resource("file:///x", [Complete("text")])
    server.add_prompt("p", [Complete("text")])
    return server


# --- task=... -------------------------------------------------------------------------------------------------------


async def test_prefer_and_require_give_handles(era: Era) -> None:
    """Both words return a handle on a task where the server makes one."""
    server = offering(era)
    async with connected(server) as client:
        for word in ("prefer", "require"):
            task = await client.call_tool("optional", task=word)
            assert not task.returned_immediately
            assert (await task.result()).data == "optional"


@pytest.mark.parametrize("kind", ["tool", "resource", "prompt"])
async def test_require_without_tasks(era: Era, kind: str) -> None:
    """Nothing is sent where the server has no tasks. With "prefer" the call is made all the same."""
    server = offering(era, tasks=False)
    async with connected(server) as client:
        loose: Any = client
        make: Any = {
            "tool": partial(loose.call_tool, "forbidden"),
            "resource": partial(loose.read_resource, "file:///x"),
            "prompt": partial(loose.get_prompt, "p"),
        }[kind]
        with pytest.raises(TaskUnsupportedError, match=rf"{kind}.*task='require'.*makes no tasks of {kind}s"):
            await make(task="require")
        assert calls(server) == 0
        task = await make(task="prefer")
        await task.result()
        assert calls(server) == 1


@modern_only
async def test_require_of_what_is_no_tool(era: Era) -> None:
    """On 2026-07-28 only calls of tools become tasks: nothing is sent."""
    server = offering(era)
    async with connected(server) as client:
        with pytest.raises(TaskUnsupportedError, match="makes no tasks of resources"):
            await client.read_resource("file:///x", task="require")
        with pytest.raises(TaskUnsupportedError, match="makes no tasks of prompts"):
            await client.get_prompt("p", task="require")
        assert calls(server) == 0


@legacy_only
async def test_require_of_a_tool_that_is_never_a_task(era: Era) -> None:
    """The tool says so itself, before anything is sent. A resource may be a task."""
    server = offering(era)
    async with connected(server) as client:
        with pytest.raises(TaskUnsupportedError, match="taskSupport 'forbidden'"):
            await client.call_tool("forbidden", task="require")
        assert calls(server) == 0
        assert not (await client.read_resource("file:///x", task="require")).returned_immediately


async def test_forbid_makes_no_task(era: Era) -> None:
    """The value comes as of a call without tasks, and the server has made none."""
    server = offering(era)
    async with connected(server) as client:
        assert (await client.call_tool("optional", task="forbid")).data == "optional"
        assert await client.read_resource("file:///x", task="forbid")
        assert (await client.get_prompt("p", task="forbid")).messages
        assert not server.tasks
        task = await client.call_tool("optional", task=True)  # It was said for those calls only.
        assert not task.returned_immediately


async def test_forbid_of_a_tool_that_must_be_a_task(era: Era) -> None:
    """The error says so, and the tool has not run."""
    server = offering(era)
    async with connected(server) as client:
        with pytest.raises(TaskUnsupportedError, match=r"task='forbid'.*as a task only"):
            await client.call_tool("required", task="forbid")
        assert not server.tasks


async def test_words_in_a_map(era: Era) -> None:
    """A map takes the same words for all of its calls."""
    server, without = offering(era), offering(era, tasks=False)
    async with connected(server) as client:
        loose: Any = client
        for word, tasks in (("forbid", 0), ("require", 2)):
            found = [result.data async for result in loose.map("optional", [{}, {}], task=word)]
            assert (found, len(server.tasks)) == (["optional"] * 2, tasks)
    async with connected(without) as client:
        with pytest.raises(TaskUnsupportedError):
            [_ async for _ in client.map("optional", [{}], task="require")]
        assert calls(without) == 0


async def test_wrong_words(server: TaskServer) -> None:
    """A word that is none of the three, and a time to live for what is no task, are refused before anything is sent."""
    async with connected(server) as client:
        loose: Any = client
        with pytest.raises(ValueError, match='task must be True, False, "prefer", "require" or "forbid"'):
            await loose.call_tool("work", task="always")
        with pytest.raises(ValueError, match="ttl= is for tasks"):
            await loose.call_tool("work", task="forbid", ttl=60)
        with pytest.raises(ValueError, match='"prefer", "require" or "forbid"; got False'):
            loose.map("work", [{}], task=False)
        assert calls(server) == 0


# --- headers=... ----------------------------------------------------------------------------------------------------


def with_secret(server: TaskServer) -> set[str]:
    """The methods of the requests that came with the call's header."""
    return {request.method for request in server.requests if request.headers.get("x-acting-for") == SECRET}


async def test_headers_stay_with_the_task(era: Era) -> None:
    """Each request about the task has them: the call, polls, the result, answers, cancelling. No other request does."""
    server = make_server(era, **POLLED)
    server.add_tool("ask", ASKS)
    with http(server) as url:
        async with connected(url, elicitation_handler=ada) as client:
            other = await client.call_tool("work", task=True)
            await other.status()
            assert not with_secret(server)
            task = await client.call_tool("ask", task=True, headers=HEADERS)
            assert (await task.result()).data == "done"
            left = await client.call_tool("work", task=True, headers=HEADERS)
            await left.cancel()
            await other.status()
            await client.list_tools()
    per_task: dict[str, set[str]] = {}
    for request in server.requests:
        if request.task_id is not None:
            per_task.setdefault(request.task_id, set()).add(request.headers.get("x-acting-for", ""))
    assert per_task == {task.task_id: {SECRET}, left.task_id: {SECRET}, other.task_id: {""}}
    about = {"modern": {"tasks/update"}, "legacy": {"tasks/result", "http:POST"}}[era]  # The POST is the answer.
    assert with_secret(server) == {"tools/call", "tasks/get", "tasks/cancel", *about}


async def test_headers_of_reads(era: Era) -> None:
    """Resources, prompts and maps take headers as well."""
    server = offering(era)
    with http(server) as url:
        async with connected(url) as client:
            await client.read_resource("file:///x", headers=HEADERS)
            await client.get_prompt("p", headers=HEADERS)
            assert with_secret(server) == {"resources/read", "prompts/get"}
            assert [each.data async for each in client.map("optional", [{}], headers=HEADERS)] == ["optional"]
            assert "tools/call" in with_secret(server)


async def test_resumed_with_headers(era: Era) -> None:
    """They are in no reference. Another client gives them again, and its first request about the task has them."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url) as client:
            reference = (await client.call_tool("work", task=True, headers=HEADERS)).reference
        assert SECRET not in reference.to_json() + repr(reference)
        before = len(server.requests.of("tasks/get"))
        async with connected(url) as client:
            await client.resume(reference, headers=HEADERS).status()
            await client.resume(reference).status()  # They stay.
        found = server.requests.of("tasks/get")[before:]
        assert [request.headers.get("x-acting-for") for request in found] == [SECRET] * 2


async def test_headers_are_not_shown(era: Era, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No text of the client, no log at any level, and no store has them."""
    caplog.set_level(logging.DEBUG)
    server = make_server(era, **POLLED)
    server.add_tool("ask", ASKS)
    place = tmp_path / "tasks.db"
    with http(server) as url:
        async with connected(url, store=place, elicitation_handler=ada) as client:
            task = await client.call_tool("ask", task=True, headers=HEADERS, key="one")
            texts = [repr(client), repr(task), repr(task.reference), str(vars(client))]
            await task.result()
            texts.append(repr(task))
    kept = b"".join([await anyio.Path(path).read_bytes() async for path in anyio.Path(tmp_path).iterdir()])
    assert "tools/call" in with_secret(server)
    assert SECRET not in caplog.text + "".join(texts)
    assert SECRET.encode() not in kept


async def test_they_replace_the_clients_own(era: Era) -> None:
    """A header of the client with the same name, in whatever case, is not sent beside the call's."""
    server = offering(era)
    with http(server) as url:
        async with connected(url, headers={"x-acting-for": "the client"}, auth="token") as client:
            await client.call_tool("optional", headers={**HEADERS, "Authorization": "Bearer of-the-caller"})
            await client.call_tool("optional")
    (first, *_), last = server.requests.of("tools/call"), server.requests.of("tools/call")[-1]
    assert (first.headers["x-acting-for"], first.headers["authorization"]) == (SECRET, "Bearer of-the-caller")
    assert (last.headers["x-acting-for"], last.headers["authorization"]) == ("the client", "Bearer token")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (["X-A"], "headers must be a mapping of strings to strings, got a list"),
        ({"X-A": 1}, "headers\\['X-A'\\] is an int"),
        ({"X A": SECRET}, "name number 1"),
        ({"X-A": f"{SECRET}\n"}, "headers\\['X-A'\\] has a newline at its end"),
        ({"Mcp-Session-Id": SECRET}, "headers\\['Mcp-Session-Id'\\]: the client sets this header itself"),
        ({"Content-Type": SECRET}, "headers\\['Content-Type'\\]: the client sets this header itself"),
    ],
)
async def test_bad_headers(era: Era, headers: Any, words: str) -> None:
    """They are refused before anything is sent, by name and without their value."""
    server = offering(era)
    with http(server) as url:
        async with connected(url) as client:
            with pytest.raises((TypeError, ValueError), match=words) as caught:
                await client.call_tool("optional", headers=headers)
            assert SECRET not in str(caught.value)
            assert calls(server) == 0


async def test_headers_need_http(server: TaskServer) -> None:
    """A server that is not reached over HTTP has no headers: the error says so, and nothing is sent."""
    async with connected(server) as client:
        loose: Any = client
        for make, name in (
            (loose.call_tool, "work"),
            (loose.read_resource, "file:///x"),
            (loose.get_prompt, "p"),
        ):
            with pytest.raises(ValueError, match="go over HTTP: they have no meaning for in-process:"):
                await make(name, headers=HEADERS)
        with pytest.raises(ValueError, match="go over HTTP"):
            loose.map("work", [{}], headers=HEADERS)
        assert calls(server) == 0


class _Auth(httpx2.Auth):
    """Sets Authorization itself."""


async def test_an_auth_object_sets_authorization(era: Era) -> None:
    """The call cannot give the header that the client's auth object sets."""
    server = offering(era)
    with http(server) as url:
        async with connected(url, auth=_Auth()) as client:
            with pytest.raises(ValueError, match="each sets Authorization"):
                await client.call_tool("optional", headers={"authorization": "Bearer x"})
            assert (await client.call_tool("optional", headers=HEADERS)).data == "optional"
            assert calls(server) == 1


@legacy_only
@async_only("one event loop")
@pytest.mark.parametrize("task", [True, False])
async def test_answers_have_the_headers(era: Era, task: bool) -> None:
    """On 2025-11-25 an answer is a message of its own, and has the headers of the call that asks. So has the message
    that cancels a plain call."""
    server = make_server(era, **POLLED)
    server.add_tool("ask", ASKS)
    sent: list[tuple[str, str | None]] = []

    async def note(request: httpx2.Request) -> None:
        if request.method == "POST":
            message = json.loads(request.content)
            sent.append((message.get("method", "an answer"), request.headers.get("x-acting-for")))

    with http(server) as url:
        async with (
            httpx2.AsyncClient(event_hooks={"request": [note]}) as mine,
            connected(url, http_client=mine, elicitation_handler=ada) as client,
        ):
            loose: Any = client
            answer = await loose.call_tool("ask", task=task, headers=HEADERS)
            assert ((await answer.result()) if task else answer).data == "done"
            async with anyio.create_task_group() as group:

                async def cancelled() -> None:
                    await server.next_call()
                    group.cancel_scope.cancel()

                if not task:
                    group.start_soon(cancelled)
                    await loose.call_tool("work", task="forbid", headers=HEADERS)
    assert ("an answer", SECRET) in sent
    assert {header for method, header in sent if method in ("tools/call", "notifications/cancelled")} == {SECRET}
    assert {header for method, header in sent if method in ("initialize", "tools/list")} == {None}


# --- context=... ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["prefer", False, "forbid"])
async def test_handlers_get_the_context(era: Era, word: Any) -> None:
    """The handler gets the very object, whether a task or a plain call asks, and no text shows it."""
    server = make_server(era)
    server.add_tool("ask", ASKS)
    mine = {"user": SECRET}
    seen: list[tuple[Any, str]] = []

    def answer(context: InputContext, params: Any) -> Any:
        seen.append((context.context, repr(context)))
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=answer) as client:
        loose: Any = client
        for given in (mine, None):
            found = await loose.call_tool("ask", task=word, context=given)
            await found.result() if word == "prefer" else found
    assert [context for context, _ in seen] == [mine, None]
    assert seen[0][0] is mine
    assert SECRET not in "".join(text for _, text in seen)


async def test_context_of_a_map_and_of_a_resumed_task(era: Era) -> None:
    """Each call of a map has the context, and so has a task that is resumed with one."""
    server = make_server(era)
    server.add_tool("ask", ASKS)
    seen: list[Any] = []

    def answer(context: InputContext, params: Any) -> Any:
        seen.append(context.context)
        return {"value": "Ada"}

    async with connected(server) as client:
        reference = (await client.call_tool("ask", task=True, context="before")).reference
    async with connected(server, elicitation_handler=answer) as client:
        await client.resume(reference, context="resumed").result()
        assert [each.data async for each in client.map("ask", [{}, {}], context="mapped")] == ["done"] * 2
    assert seen == ["resumed", "mapped", "mapped"]


@modern_only
async def test_calls_at_once_keep_their_contexts(era: Era) -> None:
    """On 2026-07-28 each of several plain calls gets its own question and context."""
    server = make_server(era)

    def asks(arguments: Mapping[str, Any]) -> list[Step | str]:
        return [NeedInput({"name": elicit(arguments["n"])}), Complete("done")]

    server.add_tool("ask", asks)
    seen: set[tuple[str, Any]] = set()

    def answer(context: InputContext, params: Any) -> Any:
        seen.add((params.message, context.context))
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=answer) as client, anyio.create_task_group() as group:

        async def call(client: Client, word: str) -> None:
            await client.call_tool("ask", {"n": word}, task="forbid", context=word)

        for word in ("a", "b", "c"):
            group.start_soon(call, client, word)
    assert seen == {("a", "a"), ("b", "b"), ("c", "c")}
