"""What mypy and pyright make of both surfaces: the same types, and the same mistakes found.

Not a test of the ordinary run, which has no type checkers: `nox -s types` runs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import mcptasks

ROOT = Path(__file__).parent.parent.parent
SPECIAL = {"__aenter__": "__enter__", "__aexit__": "__exit__"}

HEAD = """
from concurrent.futures import Future
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

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
    assert_type(await task.result(3), ToolResult)
    assert_type(await task.wait(state="working"), TaskStatus)
    assert_type([status async for status in task.updates()], list[TaskStatus])
    prompt = await client.get_prompt("x", task=True)
    assert_type(await mcptasks.gather(task, task), list[ToolResult])
    assert_type(await mcptasks.gather(task, return_exceptions=True), list[ToolResult | Exception])
    assert_type(await mcptasks.gather(task, return_exceptions=False, cancel_on_error=True), list[ToolResult])
    mixed = await mcptasks.gather(task, prompt)
    print(len(mixed))
    assert_type([one async for one in mcptasks.as_completed([task], 3)], list[mcptasks.Task[ToolResult]])
    done, pending = await mcptasks.wait({task}, return_when="FIRST_COMPLETED")
    assert_type(done, set[mcptasks.Task[ToolResult]])
    assert_type(pending, set[mcptasks.Task[ToolResult]])
    assert_type([one.data async for one in client.map("x", [{"a": 1}, None], limit=3)], list[Any])
    assert_type([one async for one in client.map("x", items())], list[ToolResult])
    await task.answer(next(iter(task.input_requests)), {"name": "Ada"})
    mcptasks.Client("x", elicitation_handler=ask, host_tasks=mcptasks.HostTasks(limit=3))
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
    assert_type(task.wait(state="working"), TaskStatus)
    assert_type([status for status in task.updates()], list[TaskStatus])
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
    with task as same:
        assert_type(same, mcptasks.sync.Task[ToolResult])
    mcptasks.sync.Client("x", backend="trio")
    mcptasks.sync.Client("x", elicitation_handler=ask_blocking, host_tasks=True)
    task.answer("key", None)
    task.on_status_change(print)
"""

# Each line after the first is a mistake of its own.
WRONG = """
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
    await mcptasks.gather(other.call_tool("x", task=True))
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
    wrong_world: mcptasks.Task[ToolResult] = client.call_tool("x", task=True)
    wrong_type: int = task.result()
"""


@dataclass(frozen=True)
class Found:
    """What a checker says of one line: its number, from 1."""

    file: str
    line: int
    is_error: bool
    message: str


def run_mypy(folder: Path) -> list[Found]:
    """Run mypy, strict, over a folder's files."""
    options = ["--strict", "--python-version", "3.11", "--output", "json", "--config-file", os.devnull]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", str(folder / ".cache"), "."],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return [Found(Path(one["file"]).name, one["line"], one["severity"] == "error", one["message"]) for one in found]


def run_pyright(folder: Path) -> list[Found]:
    """Run pyright over a folder's files."""
    settings = {"typeCheckingMode": "standard", "pythonVersion": "3.11", "extraPaths": [str(ROOT)], "include": ["*.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return [
        Found(Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["severity"] == "error", one["message"])
        for one in json.loads(run.stdout)["generalDiagnostics"]
    ]


RUNS: dict[str, Callable[[Path], list[Found]]] = {"mypy": run_mypy, "pyright": run_pyright}


# What a member is called in either world, and the expressions that show its type.
MEMBERS = {
    f"{kind}.{name}": (f"async_{kind}.{name}", f"blocking_{kind}.{SPECIAL.get(name, name)}")
    for kind, owner in (("client", mcptasks.Client), ("task", mcptasks.Task))
    for name in dir(owner)
    if not name.startswith("_") or name in SPECIAL
} | {name: (f"mcptasks.{name}", f"mcptasks.sync.{name}") for name in ("Client", "as_completed", "gather", "wait")}
REVEALED = f"""{HEAD}

def reveal(
    async_client: mcptasks.Client,
    async_task: mcptasks.Task[ToolResult],
    blocking_client: mcptasks.sync.Client,
    blocking_task: mcptasks.sync.Task[ToolResult],
) -> None:
"""


@pytest.fixture(scope="module", params=sorted(RUNS))
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What one checker says of the files above, and of one that reveals every member's type."""
    folder = tmp_path_factory.mktemp("surfaces")
    lines = [f"    reveal_type({expression})\n" for pair in MEMBERS.values() for expression in pair]
    (folder / "revealed.py").write_text(REVEALED + "".join(lines))
    (folder / "right.py").write_text(HEAD + RIGHT)
    (folder / "wrong.py").write_text(HEAD + WRONG)
    return RUNS[request.param](folder)


def blocking_form(text: str) -> str:
    """A type of the async world as it is to be in the blocking one."""
    text = text.replace("mcptasks._async.client.Client", "mcptasks._sync.client.Client")
    text = text.replace("mcptasks._async.task.Task", "mcptasks._sync.task.Task").replace("AsyncIterator[", "Iterator[")
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
