"""Whatever a server makes of a result: success, or an error of ours, in time, in one line and without its values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any, cast

import anyio
import pytest
import trio.testing
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcptasks import Client, TaskCancelledError, TaskError, TaskFailedError, ToolError
from mcptasks._core import retries
from mcptasks.testing import Complete, Garbage, RawResult, TaskServer
from tests.helpers.support import ERAS, QUICK, Era

SECRET, NUMBER = "S3CRET", 918_273_645
SERVERS_WORDS = (TaskFailedError, TaskCancelledError, ToolError)
"""Errors whose message is what the server said."""

RESULT: dict[str, Any] = {
    "content": [
        {"type": "text", "text": "x", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource_link", "name": "x", "uri": "file:///x"},
        {"type": "resource", "resource": {"uri": "file:///x", "text": "x"}},
    ],
    "structuredContent": {"result": {"n": [1]}},
    "isError": False,
    "_meta": {"fastmcp": {"wrap_result": True}},
}
CONTENTS = {"contents": [{"uri": "file:///x", "text": "x"}, {"uri": "file:///x", "blob": "AAAA", "mimeType": "a/b"}]}
PROMPT = {"messages": [{"role": "user", "content": {"type": "text", "text": "x"}}], "description": "x"}
TEMPLATES = {"resourceTemplates": [{"name": "x", "uriTemplate": "file:///{x}"}]}

nonsense: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, NUMBER, -NUMBER - 0.5, 10**400, SECRET, "", [], {}, [SECRET], {SECRET: SECRET}, [[[NUMBER]]], [None]]
)
mutations = st.lists(
    st.tuples(st.lists(st.integers(0, 6), max_size=5), st.sampled_from(["set", "drop", "add", "wrap"]), nonsense),
    min_size=1,
    max_size=3,
)


@frozen
class Mutated(Garbage):
    """The honest result with some of its parts changed."""

    steps: list[tuple[list[int], str, Any]] = field(factory=list[tuple[list[int], str, Any]])

    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        """The nonsense for this honest result."""
        spoilt = deepcopy(result)
        for path, how, value in self.steps:
            mutate(spoilt, path, how, value)
        return spoilt


def mutate(node: Any, path: list[int], how: str, value: Any) -> None:
    """Change one part, as deep as the path leads."""
    value = deepcopy(value)  # A later step may lead into it, and put the same value there: that would be a circle.
    while node:
        keys: list[Any] = list(cast("dict[Any, Any]", node) if isinstance(node, dict) else range(len(node)))
        key = keys[(path[0] if path else 0) % len(keys)]
        inner: Any = cast("Any", node)[key]
        path = path[1:]
        if path and isinstance(inner, dict | list) and inner:
            node = cast("Any", inner)
            continue
        if how == "set":
            node[key] = value
        elif how == "drop":
            del node[key]
        elif how == "wrap":
            node[key] = [inner]
        elif isinstance(node, dict):
            node[SECRET] = value
        else:
            node.append(value)
        return


async def call(client: Client) -> None:
    """Call a tool that is never a task."""
    await client.call_tool("at-once", timeout=20)


async def follow(client: Client) -> None:
    """Call a tool as a task, and wait for its end."""
    task = await client.call_tool("quick", task=True, timeout=20)
    await task.result(timeout=20)


def listing(name: str) -> Callable[[Client], Awaitable[None]]:
    """Fetch a list, by the name of the client's method, and call a tool."""

    async def converse(client: Client) -> None:
        await getattr(client, name)()
        await call(client)

    return converse


async def read(client: Client) -> None:
    """Read a resource, plainly and as a task."""
    await client.read_resource("file:///x", timeout=20)
    await (await client.read_resource("file:///x", task=True, timeout=20)).result(timeout=20)


async def prompt(client: Client) -> None:
    """Get a prompt, plainly and as a task."""
    await client.get_prompt("ask", timeout=20)
    await (await client.get_prompt("ask", task=True, timeout=20)).result(timeout=20)


SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
LEGACY_ONLY = ("tasks/result", "tasks/list")
CONVERSATIONS: dict[str, tuple[Callable[[Client], Awaitable[None]], ...]] = {
    "tools/call": (call, follow),
    "tasks/get": (follow,),
    "tasks/result": (follow, read, prompt),
    "resources/read": (read,),
    "prompts/get": (prompt,),
    "tools/list": (listing("list_tools"), follow),
    "resources/list": (listing("list_resources"),),
    "resources/templates/list": (listing("list_resource_templates"),),
    "prompts/list": (listing("list_prompts"),),
    "tasks/list": (listing("list_tasks"),),
}
PAIRS = [(era, method) for era in ERAS for method in CONVERSATIONS if era == "legacy" or method not in LEGACY_ONLY]


def make(era: Era) -> TaskServer:
    """A server with something of everything."""
    server = TaskServer(era=era)
    server.add_tool("at-once", [Complete(RawResult(RESULT))], support="none")
    server.add_tool("quick", [Complete(RawResult(RESULT))])
    server.add_resource("file:///x", [Complete(RawResult(CONTENTS))])
    server.add_prompt("ask", [Complete(RawResult(PROMPT))])
    return server


async def converse(era: Era, method: str, steps: list[Any]) -> None:
    """Have the conversations about a method with a server that spoils its answers."""
    server = make(era)
    if method == "resources/templates/list":
        hints = {} if era == "legacy" else {"ttlMs": 0, "cacheScope": "private"}
        server.faults.add(method, Mutated(replace=TEMPLATES | hints, steps=steps), times=None)
    else:
        server.faults.add(method, Mutated(steps=steps), times=None)
    with anyio.fail_after(300):
        async with Client(server, polling=QUICK, reconnect_timeout=5.0) as client:
            for conversation in CONVERSATIONS[method]:
                try:
                    await conversation(client)
                except TaskError as exc:
                    check(exc)


def at_once(_failures: int, *, retry_after: float | None, spread: float) -> float:
    """No pause before a read is repeated."""
    assert retry_after is None
    return spread * 0


def check(error: TaskError) -> None:
    """An error is one line, and shows no value but where it is the server's own word."""
    words = str(error)
    assert words
    if not isinstance(error, SERVERS_WORDS):
        assert len(words.splitlines()) == 1, words
        assert len(words) < 500, words
        assert SECRET not in words, words
        assert str(NUMBER) not in words, words


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize(("era", "method"), PAIRS)
def test_mutated_results(era: Era, method: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Types, absence, nesting and further keys: a mutated result is a success or an error of ours. On trio time is
    virtual; on asyncio reads are repeated without a pause, and there are fewer examples."""
    if backend == "asyncio":
        monkeypatch.setattr(retries, "retry_delay", at_once)

    @settings(max_examples=28 if backend == "trio" else 4, suppress_health_check=SLOW)
    @given(mutations)
    def run(steps: list[Any]) -> None:
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)} if backend == "trio" else {}
        anyio.run(converse, era, method, steps, backend=backend, backend_options=options)

    run()
