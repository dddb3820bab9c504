"""What mypy and pyright make of both surfaces: the same types, and the same mistakes found.

Not a test of the ordinary run, which has no type checkers: `nox -s types` runs it.
"""

from __future__ import annotations

import re

import pytest

import mcptasks
from tests.helpers.type_checkers import RUNS, Found

ASYNC_ONLY = {"as_session"}  # The SDK's session is async.
SPECIAL = {"__aenter__": "__enter__", "__aexit__": "__exit__"}

HEAD = """
from concurrent.futures import Future
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, TypedDict, assert_type

import mcp_types
import mcptasks
import mcptasks.sync
from mcptasks import ResourceContents, TaskStatus, ToolResult
"""

# In both worlds, as people write it.
RIGHT = """
async def ask(
    context: mcptasks.InputContext[mcptasks.Task[Any]], params: mcp_types.ElicitRequestParams
) -> dict[str, str] | None:
    assert_type(context.task, mcptasks.Task[Any] | None)
    return {} if context.key else None


def ask_blocking(
    context: mcptasks.InputContext[mcptasks.sync.Task[Any]], params: mcp_types.ElicitRequestParams
) -> mcptasks.ElicitResult:
    if context.task is not None:
        assert_type(context.task.status(), TaskStatus)
    return mcptasks.ElicitResult(action="decline")


async def ask_unparametrized(context: mcptasks.InputContext, params: mcp_types.ElicitRequestParams) -> None:
    assert_type(context.task, mcptasks.Task[Any] | None)
    assert_type(context.candidates, Sequence[mcptasks.Task[Any]])


def ask_blocking_unparametrized(
    context: mcptasks.sync.InputContext, params: mcp_types.CreateMessageRequestParams
) -> str:
    assert_type(context.task, mcptasks.sync.Task[Any] | None)
    return ""


@dataclass
class Fit:
    slope: float


class Row(TypedDict):
    slope: float


async def typed(client: mcptasks.Client, blocking: mcptasks.sync.Client, flag: bool, some: type[Fit] | None) -> None:
    assert_type(await client.call_tool("x", as_type=Fit), ToolResult[Fit])
    task = await client.call_tool("x", task=True, as_type=Fit)
    assert_type(task, mcptasks.Task[ToolResult[Fit]])
    assert_type((await task).data, Fit)
    assert_type((await task.result(3)).data.slope, float)
    assert_type((await client.call_tool("x", as_type=list[Fit])).data, list[Fit])
    assert_type((await client.call_tool("x", as_type=dict[str, int])).data, dict[str, int])
    assert_type((await client.call_tool("x", as_type=Row)).data, Row)
    assert_type((await client.call_tool("x", as_type=str)).data, str)
    assert_type((await client.call_tool("x", as_type=Fit | None)).data, Any)
    assert_type((await client.call_tool("x", as_type=Annotated[int, "m"])).data, Any)
    assert_type((await client.call_tool("x", as_type=None)).data, Any)
    assert_type((await client.call_tool("x", as_type=Fit, raise_on_error=False)).data, Any)
    assert_type((await client.call_tool("x")).data, Any)
    print((await client.call_tool("x", as_type=some)).data)
    either = await client.call_tool("x", task=flag, as_type=Fit)
    assert_type(either, ToolResult[Fit] | mcptasks.Task[ToolResult[Fit]])
    assert_type([one.data async for one in client.map("x", [{"a": 1}], as_type=Fit)], list[Fit])
    assert_type([one.data for one in blocking.map("x", [{"a": 1}], as_type=Fit)], list[Fit])
    either_way = blocking.map("x", [{"a": 1}], as_type=Fit, return_exceptions=True)
    assert_type([one for one in either_way], list[ToolResult[Fit] | Exception])
    assert_type(blocking.call_tool("x", as_type=Fit).data, Fit)
    assert_type(blocking.call_tool("x", task=True, as_type=Fit).result().data, Fit)
    assert_type(await mcptasks.gather(task, task), list[ToolResult[Fit]])
    plain: ToolResult = await client.call_tool("x", as_type=Fit)
    handle: mcptasks.Task[ToolResult] = task
    wide: mcptasks.Task[ToolResult[object]] = task
    print(plain, handle, wide)
    mcptasks.Client("x", elicitation_handler=ask_unparametrized)
    mcptasks.sync.Client("x", sampling_handler=ask_blocking_unparametrized)


async def items() -> AsyncIterator[dict[str, int]]:
    yield {"a": 1}


async def in_async(client: mcptasks.Client, task: mcptasks.Task[ToolResult], flag: bool) -> None:
    async with client as entered:
        assert_type(entered, mcptasks.Client)
    assert_type(await client.open(), mcptasks.Client)
    assert_type(await client.call_tool("x", {"a": 1}), ToolResult)
    assert_type(await client.call_tool("x", task=True), mcptasks.Task[ToolResult])
    assert_type(await client.call_tool("x", task=flag), ToolResult | mcptasks.Task[ToolResult])
    assert_type(await client.read_resource("x", task=True), mcptasks.Task[list[ResourceContents]])
    assert_type(await client.get_prompt("x", task=True), mcptasks.Task[mcp_types.GetPromptResult])
    assert_type(await client.list_tasks(), list[mcptasks.Task[Any]])
    assert_type(client.resume("x"), mcptasks.Task[Any])
    assert_type(await task, ToolResult)
    assert_type(task.kept_until, datetime | None)
    assert_type(client.task_support.resources, bool | None)
    assert_type(await task.result(3), ToolResult)
    assert_type(await task.wait(state="working"), TaskStatus)
    assert_type([status async for status in task.updates()], list[TaskStatus])
    assert_type(task.outcome, mcptasks.TaskOutcome | None)
    prompt = await client.get_prompt("x", task=True)
    assert_type(await mcptasks.gather(task, task), list[ToolResult])
    assert_type(await mcptasks.gather(task, return_exceptions=True), list[ToolResult | Exception])
    assert_type(await mcptasks.gather(task, return_exceptions=False, cancel_on_error=True), list[ToolResult])
    call = client.call_tool("x", task=True)
    assert_type(await mcptasks.gather(call, client.call_tool("y", task=True)), list[ToolResult])
    assert_type(await mcptasks.gather(task, client.call_tool("y", task=True)), list[ToolResult])
    started, _ = await mcptasks.wait([client.call_tool("y", task=True)])
    assert_type(started, set[mcptasks.Task[ToolResult]])
    async for early in mcptasks.as_completed([client.call_tool("y", task=True)]):
        assert_type(early, mcptasks.Task[ToolResult])
    mixed = await mcptasks.gather(task, prompt)
    print(len(mixed))
    assert_type([one async for one in mcptasks.as_completed([task], 3)], list[mcptasks.Task[ToolResult]])
    done, pending = await mcptasks.wait({task}, return_when="FIRST_COMPLETED")
    assert_type(done, set[mcptasks.Task[ToolResult]])
    assert_type(pending, set[mcptasks.Task[ToolResult]])
    assert_type([one.data async for one in client.map("x", [{"a": 1}, None], limit=3)], list[Any])
    assert_type([one async for one in client.map("x", items())], list[ToolResult])
    either = client.map("x", items(), return_exceptions=True, label=lambda index, item: f"{index}: {item}")
    assert_type([one async for one in either], list[ToolResult | Exception])
    await either.aclose()
    assert_type(await mcptasks.gather(task, timeout=timedelta(seconds=3)), list[ToolResult])
    assert_type(task.arguments, dict[str, Any] | None)
    await task.answer(next(iter(task.input_requests)), {"name": "Ada"})
    mcptasks.Client("x", elicitation_handler=ask, host_tasks=mcptasks.HostTasks(limit=3))
    mcptasks.Client("x", elicitation_handler=mcptasks.BY_HAND, sampling_handler=mcptasks.BY_HAND, endpoint="name")
    async with task as same:
        assert_type(same, mcptasks.Task[ToolResult])


def in_blocking(client: mcptasks.sync.Client, task: mcptasks.sync.Task[ToolResult], flag: bool) -> None:
    with client as entered:
        assert_type(entered, mcptasks.sync.Client)
    assert_type(client.open(), mcptasks.sync.Client)
    assert_type(client.call_tool("x", {"a": 1}), ToolResult)
    assert_type(client.call_tool("x", task=True), mcptasks.sync.Task[ToolResult])
    assert_type(client.call_tool("x", task=flag), ToolResult | mcptasks.sync.Task[ToolResult])
    assert_type(client.read_resource("x", task=True), mcptasks.sync.Task[list[ResourceContents]])
    assert_type(client.get_prompt("x", task=True), mcptasks.sync.Task[mcp_types.GetPromptResult])
    assert_type(client.list_tasks(), list[mcptasks.sync.Task[Any]])
    assert_type(client.resume("x"), mcptasks.sync.Task[Any])
    assert_type(task.result(3), ToolResult)
    assert_type(task.kept_until, datetime | None)
    assert_type(task.wait(state="working"), TaskStatus)
    assert_type([status for status in task.updates()], list[TaskStatus])
    assert_type(task.outcome, mcptasks.sync.TaskOutcome | None)
    assert_type(task.future(), Future[ToolResult])
    prompt = client.get_prompt("x", task=True)
    assert_type(mcptasks.sync.gather(task, task), list[ToolResult])
    assert_type(mcptasks.sync.gather(task, return_exceptions=True), list[ToolResult | Exception])
    assert_type(mcptasks.sync.gather(task, return_exceptions=False, cancel_on_error=True), list[ToolResult])
    mixed = mcptasks.sync.gather(task, prompt)
    print(len(mixed))
    assert_type([one for one in mcptasks.sync.as_completed([task], 3)], list[mcptasks.sync.Task[ToolResult]])
    done, pending = mcptasks.sync.wait({task}, return_when="FIRST_COMPLETED")
    assert_type(done, set[mcptasks.sync.Task[ToolResult]])
    assert_type(pending, set[mcptasks.sync.Task[ToolResult]])
    assert_type([one for one in client.map("x", [{"a": 1}, None], limit=3)], list[ToolResult])
    either = client.map("x", [], return_exceptions=flag, label="all", timeout=timedelta(minutes=1))
    assert_type([one for one in either], list[ToolResult | Exception])
    either.close()
    assert_type(mcptasks.sync.gather(task, timeout=timedelta(seconds=3)), list[ToolResult])
    with task as same:
        assert_type(same, mcptasks.sync.Task[ToolResult])
    mcptasks.sync.Client("x", backend="trio")
    mcptasks.sync.Client("x", elicitation_handler=ask_blocking, host_tasks=True)
    mcptasks.sync.Client("x", elicitation_handler=mcptasks.sync.BY_HAND, sampling_handler=mcptasks.BY_HAND)
    task.answer("key", None)
    task.on_status_change(print)
"""

# Each line after the first is a mistake of its own.
WRONG = """
@dataclass
class Fit:
    slope: float


def of_other_world(context: mcptasks.InputContext, params: mcp_types.CreateMessageRequestParams) -> str:
    return ""


async def wrong(client: mcptasks.sync.Client, task: mcptasks.sync.Task[ToolResult], other: mcptasks.Client) -> None:
    await client.call_tool("x")
    await task.result()
    await task
    async with client: pass
    async with task: pass
    async for status in task.updates(): print(status)
    with other: pass
    for changed in other.task("x").updates(): print(changed)
    other.call_tool("x").data
    mcptasks.Client("x", backend="trio")
    mcptasks.Client("x", elicitation_handler=lambda context: None)
    mcptasks.Client("x", host_tasks=3)
    mcptasks.Client("x", log_handler=mcptasks.BY_HAND)
    task.answer("key")
    await task.answer("key", None)
    mcptasks.sync.Client("x", backend="curio")
    client.call_tool("x", task="yes")
    client.call_tool("x", task=None)
    client.call_tool("x", task=True).data
    client.call_tool("x").result()
    client.call_tool(3)
    client.call_tool("x", ttl="long")
    client.call_tool("x", wrong=1)
    client.call_tool("x", as_type=Fit).data.nothing
    client.call_tool("x", task=True, as_type=Fit).result().data.nothing
    mcptasks.sync.Client("x", sampling_handler=of_other_world)
    client.call_tool("x", None, True)
    client.get_prompt("x", {"a": 1})
    client.resume(task)
    client.tasks
    task.wait(state="finished")
    task.wait("completed")
    task.result("soon")
    task.result().nothing
    task.done()
    task.done = True
    task.on_status_change(lambda: None)
    task.future().result().nothing
    mcptasks.sync.gather(other.task("x"))
    mcptasks.sync.gather([task])
    await mcptasks.gather(task)
    await mcptasks.gather(other.call_tool("x"))
    mcptasks.sync.wait(task)
    mcptasks.sync.wait([task], return_when="SOON")
    mcptasks.sync.wait([task], 3)
    mcptasks.sync.gather(task)[0].nothing
    mcptasks.sync.gather(task, return_exceptions=True)[0].data
    await mcptasks.sync.wait([task])
    for late in mcptasks.as_completed([other.task("x")]): print(late)
    client.map("x", [1])
    client.map("x", items())
    client.map("x", [], limit="many")
    client.map("x", [], label=3)
    client.map("x", [], return_exceptions=True).__next__().data
    client.call_tool("x", label=3)
    wrong_world: mcptasks.Task[ToolResult] = client.call_tool("x", task=True)
    wrong_type: int = task.result()
"""


# What a member is called in either world, and the expressions that show its type.
MEMBERS = {
    f"{kind}.{name}": (f"async_{kind}.{name}", f"blocking_{kind}.{SPECIAL.get(name, name)}")
    for kind, owner in (("client", mcptasks.Client), ("task", mcptasks.Task))
    for name in dir(owner)
    if name in SPECIAL or not name.startswith("_")
    if name not in ASYNC_ONLY
} | {
    name: (f"mcptasks.{name}", f"mcptasks.sync.{name}")
    for name in ("Client", "as_completed", "gather", "progress", "wait")
}
REVEALED = f"""{HEAD}

def reveal(
    async_client: mcptasks.Client,
    async_task: mcptasks.Task[ToolResult],
    blocking_client: mcptasks.sync.Client,
    blocking_task: mcptasks.sync.Task[ToolResult],
) -> None:
"""


NAMES = "import mcptasks\nimport mcptasks.sync\n"
PUBLIC = [f"{module}.{name}" for module in ("mcptasks", "mcptasks.sync") for name in mcptasks.__all__]
"""Every public name of both modules."""

STARS = """
from mcptasks.sync import *

print(Client, Task, gather, TaskError, InputContext, ElicitResult)
"""


@pytest.fixture(scope="module", params=sorted(RUNS))
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What one checker says of the files above, and of one that reveals every member's type."""
    folder = tmp_path_factory.mktemp("surfaces")
    lines = [f"    reveal_type({expression})\n" for pair in MEMBERS.values() for expression in pair]
    (folder / "revealed.py").write_text(REVEALED + "".join(lines))
    (folder / "names.py").write_text(NAMES + "".join(f"reveal_type({name})\n" for name in PUBLIC))
    (folder / "stars.py").write_text(STARS)
    (folder / "right.py").write_text(HEAD + RIGHT)
    (folder / "wrong.py").write_text(HEAD + WRONG)
    return RUNS[request.param](folder)


def blocking_form(text: str) -> str:
    """A type of the async world as it is to be in the blocking one."""
    text = text.replace("mcptasks._async.client.Client", "mcptasks._sync.client.Client")
    text = text.replace("mcptasks._async.task.Task", "mcptasks._sync.task.Task").replace("AsyncIterator[", "Iterator[")
    text = re.sub(r"\bResults\[", "BlockingResults[", text)
    while coroutine := re.search(r"(?:typing\.)?Coroutine(?P<pyright>Type)?\[Any, Any, ", text):
        start = end = coroutine.end()
        depth = 1
        union = False
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            union |= depth == 1 and text[end] == "|"
            end += 1
        value = text[start : end - 1]
        # pyright puts a union that is returned into brackets.
        text = text[: coroutine.start()] + (f"({value})" if union and coroutine["pyright"] else value) + text[end:]
    # mypy says nothing of a function that returns None.
    return re.sub(r"(?<=^\"def)(.*) -> None\"$", r'\1"', text)


def revealed(found: list[Found]) -> dict[str, tuple[str, str]]:
    """The types of each member in the async and in the blocking world."""
    texts = {one.line: one.message for one in found if one.file == "revealed.py" and " is " in one.message}
    first = len(REVEALED.splitlines()) + 1
    lines = [texts.pop(first + number).partition(" is ")[2] for number in range(2 * len(MEMBERS))]
    assert not texts
    return dict(zip(MEMBERS, zip(lines[::2], lines[1::2], strict=True), strict=True))


def test_types_are_the_same(found: list[Found]) -> None:
    """Every member has the same type in both worlds, but for what makes a world."""
    for name, (one, other) in revealed(found).items():
        if name == "Client":
            other = re.sub(r", \*?backend: .*?(?=\) ->)", "", other)
        if name == "client.map":
            one = re.sub(r" \| (?:typing\.)?AsyncIterable\[(?:[^\[\]]|\[[^\[\]]*\])*\]", "", one)
        if name in ("as_completed", "gather", "wait"):
            # Calls in the place of their tasks: a blocking call has nothing to be awaited.
            one = re.sub(r" \| (?:typing\.)?Awaitable\[(?:[^\[\]]|\[[^\[\]]*\])*\]", "", one)
        if name.endswith("__aexit__"):
            # mypy takes the parameters of `__exit__` as positional ones.
            one = re.sub(r"\b(exc_type|exc|traceback): ", "", one)
            other = re.sub(r"\b(exc_type|exc|traceback): ", "", other)
        assert blocking_form(one) == blocking_form(other), name


def test_types_are_known(found: list[Found]) -> None:
    """No member's type is unknown, and nothing of the async world is in a type of the blocking one."""
    for name, (_, other) in revealed(found).items():
        assert "Unknown" not in other, name
        assert "Coroutine" not in other, name
        assert "AsyncI" not in other, name
        assert not re.search(r"_async\.(client|calls|task)\.", other.replace("ProgressHandler", "")), name


def test_every_name_is_seen(found: list[Found]) -> None:
    """Strict programs see each public name of both modules with a type of its own."""
    said = [one for one in found if one.file == "names.py"]
    assert not [one for one in said if one.is_error]
    assert len(said) == len(PUBLIC)
    assert not [one for one in said if re.search(r'is "(Any|Unknown)"$', one.message)]


def test_stars_bring_the_names(found: list[Found]) -> None:
    """`from mcptasks.sync import *` brings the public names."""
    assert not [one for one in found if one.file == "stars.py"]


def test_correct_programs_pass(found: list[Found]) -> None:
    """Programs as people write them have the types that they expect."""
    assert not [one for one in found if one.file == "right.py"]


def test_mistakes_are_found(found: list[Found]) -> None:
    """Each mistake is an error of its own, and nothing else is."""
    errors = {one.line for one in found if one.file == "wrong.py" and one.is_error}
    lines = f"{HEAD}{WRONG}".splitlines()
    first = next(number for number, line in enumerate(lines, 1) if line.startswith("async def")) + 1
    missed = [lines[number - 1] for number in range(first, len(lines) + 1) if number not in errors]
    assert not missed
    assert min(errors) == first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def () -> typing.Coroutine[Any, Any, list[str]]", "def () -> list[str]"),
        (
            "Overload(def () -> Coroutine[Any, Any, A], def () -> CoroutineType[Any, Any, B])",
            "Overload(def () -> A, def () -> B)",
        ),
        ("def () -> typing.AsyncIterator[A]", "def () -> typing.Iterator[A]"),
    ],
)
def test_forms_correspond(one: str, other: str) -> None:
    """The comparison takes coroutines for their values and iterators for iterators, and nothing more."""
    assert blocking_form(one) == other
