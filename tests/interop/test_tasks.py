"""What a program does with tasks, on each real server, over HTTP and stdio, on asyncio and trio."""

import itertools
import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from mcptasks import (
    Client,
    Task,
    TaskCancelledError,
    TaskNotFoundError,
    TaskStateError,
    TaskStatus,
    TaskTimeoutError,
    ToolError,
    ToolResult,
    TtlIgnoredWarning,
)
from tests.interop.processes import HttpServer
from tests.interop.targets import LONG, START, FastMcp, new_key, until

pytestmark = pytest.mark.anyio

StartServer = Callable[[int], HttpServer]


async def _gated(client: Client) -> tuple[Task[ToolResult], str]:
    key = new_key("gate")
    return await client.call_tool("gated", {"key": key}, task=True), key


async def test_tool_in_the_background(client: Client) -> None:
    """A task is there at once; its result is the tool's value, the same object however often it is asked for."""
    task = await client.call_tool("slow_computation", {"duration": 0.1}, task=True)
    assert not task.returned_immediately
    assert task.task_id
    assert (task.kind, task.name) == ("tool", "slow_computation")
    result = await task.result(LONG)
    assert result.data == "computed for 0.1 seconds"
    assert not result.is_error
    assert await task.result() is result
    assert await task is result
    assert task.done


async def test_plain_call(client: Client) -> None:
    """Without `task=True` the value comes back, whether or not the server made a task of the call."""
    assert (await client.call_tool("add", {"a": 2, "b": 3}, timeout=LONG)).data == 5


@pytest.mark.parametrize("task", [False, True])
async def test_values_are_unwrapped(client: Client, task: bool) -> None:
    """`data` is the value itself, whichever way the server marks that it wrapped it; the wire's form stays readable."""
    if task:
        number = await (await client.call_tool("add", {"a": 2, "b": 3}, task=True)).result(LONG)
        record = await (await client.call_tool("measure", {"place": "Bonn"}, task=True)).result(LONG)
    else:
        number = await client.call_tool("add", {"a": 2, "b": 3})
        record = await client.call_tool("measure", {"place": "Bonn"})
    assert number.data == 5
    assert number.structured_content == {"result": 5}
    assert record.data == {"place": "Bonn", "degrees": 21.5}
    assert number.text == "5"


async def test_tool_that_is_never_a_task(client: Client) -> None:
    """A tool that cannot be a task runs all the same, and everything on its handle works."""
    task = await client.call_tool("never_a_task", {"text": "hello"}, task=True)
    assert task.returned_immediately
    over = anyio.Event()
    task.on_status_change(lambda status: over.set() if status.status == "completed" else None)
    with anyio.fail_after(LONG):
        await over.wait()
    assert (await task.status()).status == "completed"
    await task.cancel()
    assert (await task.wait(state="completed", timeout=LONG)).status == "completed"
    assert (await task).data == "at once: hello"
    assert [status.status async for status in task.updates()] == ["completed"]


@pytest.mark.parametrize("task", [False, True])
async def test_tool_that_must_be_a_task(client: Client, task: bool) -> None:
    """A tool that demands a task gets one, asked for or not."""
    if task:
        handle = await client.call_tool("must_be_task", {"text": "hello"}, task=True)
        assert not handle.returned_immediately
        result = await handle.result(LONG)
    else:
        result = await client.call_tool("must_be_task", {"text": "hello"}, timeout=LONG)
    assert result.data == "as a task: hello"


@pytest.mark.parametrize(
    ("uri", "text", "may_be_task"),
    [
        ("report://slow", "the slow report", True),
        ("report://by-name/ann", "the report on ann", True),
        ("report://plain", "the plain report", False),
    ],
)
async def test_resources(client: Client, fastmcp: FastMcp, uri: str, text: str, may_be_task: bool) -> None:
    """A resource is read in the background where the server does that, at once where not, with the same outcome."""
    task = await client.read_resource(uri, task=True)
    assert task.returned_immediately == (fastmcp.modern or not may_be_task)
    (contents,) = await task.result(LONG)
    assert getattr(contents, "text", None) == text
    (plainly,) = await client.read_resource(uri, timeout=LONG)
    assert getattr(plainly, "text", None) == text


@pytest.mark.parametrize(
    ("name", "text", "may_be_task"),
    [("slow_prompt", "Write slowly about rain.", True), ("plain_prompt", "Write about rain.", False)],
)
async def test_prompts(client: Client, fastmcp: FastMcp, name: str, text: str, may_be_task: bool) -> None:
    """The same for prompts."""
    task = await client.get_prompt(name, {"topic": "rain"}, task=True)
    assert task.returned_immediately == (fastmcp.modern or not may_be_task)
    for prompt in (await task.result(LONG), await client.get_prompt(name, {"topic": "rain"}, timeout=LONG)):
        (message,) = prompt.messages
        assert getattr(message.content, "text", None) == text


async def test_status(client: Client) -> None:
    """`status()` asks the server, and shows what the tool says of its work."""
    task, key = await _gated(client)

    async def look() -> TaskStatus | None:
        status = await task.status()
        return status if status.status_message == "waiting at the gate" else None

    status = await until(look)
    assert status.status == "working"
    assert status.taskId == status.task_id == task.task_id
    assert status.created_at is not None
    assert not task.done
    await client.call_tool("open_gate", {"key": key})
    await task.result(LONG)
    assert (await task.status()).status == "completed"


async def test_wait_for_a_state(client: Client) -> None:
    """`wait` returns in the state asked for, or when the task is over."""
    task, key = await _gated(client)
    assert (await task.wait(state="working", timeout=LONG)).status == "working"
    with pytest.raises(TaskTimeoutError) as caught:
        await task.wait(timeout=0.01)
    assert caught.value.reference == task.reference
    await client.call_tool("open_gate", {"key": key})
    assert (await task.wait(state="completed", timeout=LONG)).status == "completed"
    assert (await task.wait(timeout=LONG)).status == "completed"
    with pytest.raises(TaskStateError):
        await task.wait(state="working", timeout=LONG)


async def test_wait_for_completed_on_a_task_that_fails(client: Client) -> None:
    """Who waits for a state that cannot come any more gets an error as soon as that is clear, not at a deadline."""
    task = await client.call_tool("report_error", {"message": "refused"}, task=True)
    with anyio.fail_after(LONG), pytest.raises(TaskStateError, match="failed"):
        await task.wait(state="completed")
    with anyio.fail_after(LONG), pytest.raises(TaskStateError, match="failed"):
        await task.wait(state="completed")


@pytest.mark.parametrize("name", ["report_error", "crash"])
async def test_failing_tools(client: Client, name: str) -> None:
    """A tool that raises is a `ToolError` with its words on every server, as a task and plainly."""
    task = await client.call_tool(name, {"message": "no such city"}, task=True)
    with pytest.raises(ToolError, match="no such city") as caught:
        await task.result(LONG)
    assert caught.value.reference == task.reference
    with pytest.raises(ToolError, match="no such city"):
        await task
    with pytest.raises(ToolError, match="no such city"):
        await client.call_tool(name, {"message": "no such city"}, timeout=LONG)


@pytest.mark.parametrize("name", ["report_error", "crash"])
async def test_a_failing_tool_has_failed(client: Client, fastmcp: FastMcp, name: str) -> None:
    """The same program sees the same on every server: a status, an outcome, a repr and displays that say "failed"."""
    task = await client.call_tool(name, {"message": "no such city"}, task=True)
    told: list[TaskStatus] = []
    over = anyio.Event()

    def on_status(status: TaskStatus) -> None:
        told.append(status)
        if status.is_terminal:
            over.set()

    task.on_status_change(on_status)
    with anyio.fail_after(LONG):
        await over.wait()
    assert (await task.wait(state="failed", timeout=LONG)).status == "failed"
    assert [status.status async for status in task.updates()] == ["failed"]
    assert ((await task.status()).status, task.outcome) == ("failed", "failed")
    with pytest.raises(ToolError, match="no such city"):
        await task.result(LONG)
    assert [status.status for status in told if status.is_terminal] == ["failed"]
    listed = [known for known in await client.list_tasks() if known.task_id == task.task_id]
    for handle in (task, client.task(task.task_id), *listed):
        assert handle.outcome == "failed"
        assert repr(handle).endswith(" failed>")
        html = handle._repr_html_()
        assert ("<strong>failed</strong>" in html, "no such city" in html) == (True, True)
    if fastmcp.modern:
        assert task.last_status is not None
        assert "no such city" in (task.last_status.status_message or "")
        assert task.last_status.raw["status"] == "completed"


@pytest.mark.parametrize(("name", "arguments"), [("add", {"a": 2, "b": 3}), ("never_a_task", {"text": "hello"})])
async def test_what_succeeded(client: Client, name: str, arguments: dict[str, object]) -> None:
    """A result that reports no error is a success, also one that came at once."""
    task = await client.call_tool(name, arguments, task=True)
    await task.result(LONG)
    assert (task.outcome, task.last_status and task.last_status.status) == ("succeeded", "completed")


async def test_failing_tool_without_raising(client: Client) -> None:
    """`raise_on_error=False` gives the result of a tool that failed."""
    task = await client.call_tool("report_error", {"message": "no such city"}, task=True, raise_on_error=False)
    result = await task.result(LONG)
    assert result.is_error
    assert result.text == "no such city"


@pytest.mark.parametrize(("name", "arguments"), [("no_such_tool", {}), ("add", {"a": "x"})])
async def test_calls_that_cannot_work(client: Client, name: str, arguments: dict[str, str]) -> None:
    """An unknown tool and wrong arguments are errors of the tool, whether the server notices before or in the task."""
    task = await client.call_tool(name, arguments, task=True)
    with pytest.raises(ToolError):
        await task.result(LONG)
    assert (task.outcome, task.last_status and task.last_status.status) == ("failed", "failed")


async def test_unknown_id(client: Client) -> None:
    """A task that the server does not know is `TaskNotFoundError` at once, whatever is asked of it."""
    task = client.task("no-such-task")
    with anyio.fail_after(LONG):
        for ask in (task.status, task.result, task.wait, task.cancel):
            with pytest.raises(TaskNotFoundError):
                await ask()


async def test_cancel(client: Client) -> None:
    """A cancelled task says so to everybody; cancelling it again is no error."""
    task = await client.call_tool("endless", task=True)
    await task.cancel()
    assert (await task.wait(timeout=LONG)).status == "cancelled"
    with pytest.raises(TaskCancelledError) as caught:
        await task.result(LONG)
    assert caught.value.reference == task.reference
    await task.cancel()
    assert (await task.status()).status == "cancelled"
    assert task.outcome == "cancelled"


async def test_cancel_comes_too_late(client: Client) -> None:
    """Cancelling what is complete changes nothing, though fastmcp 2 and 3 claim in their answer that it does."""
    task = await client.call_tool("add", {"a": 2, "b": 3}, task=True)
    other = client.task(task.task_id)
    assert (await task.result(LONG)).data == 5
    await task.cancel()
    await other.cancel()
    assert (await other.status()).status == "completed"
    assert (await task.result()).data == 5


async def test_leaving_a_task_block_by_an_error_cancels(client: Client) -> None:
    """`async with task` asks the server to cancel when the block fails."""
    task = await client.call_tool("endless", task=True)
    with pytest.raises(ZeroDivisionError):
        async with task:
            raise ZeroDivisionError
    assert (await task.wait(timeout=LONG)).status == "cancelled"


async def test_callbacks(client: Client) -> None:
    """Sync and async callbacks get each change once, in order and to the end, while nobody awaits the task."""
    # If the machine stands still while the tool works, no step is seen.
    for duration in (1, 10):
        messages = await _told(client, duration)
        assert messages - {None} <= {f"step {step} of 4" for step in range(1, 5)}
        if messages - {None}:
            return
    raise AssertionError("no step was seen")


async def _told(client: Client, duration: float) -> set[str | None]:
    """The messages before the end of a task in steps."""
    task = await client.call_tool("slow_computation", {"duration": duration}, task=True)
    plainly: list[TaskStatus] = []
    slowly: list[TaskStatus] = []
    over = anyio.Event()

    async def slow(status: TaskStatus) -> None:
        await anyio.lowlevel.checkpoint()
        slowly.append(status)
        if status.is_terminal:
            over.set()

    def broken(status: TaskStatus) -> None:
        raise ZeroDivisionError

    task.on_status_change(broken)
    task.on_status_change(plainly.append)
    remove = task.on_status_change(slow)
    with anyio.fail_after(LONG):
        await over.wait()
    remove()
    assert plainly == slowly
    assert [status.status for status in plainly] == ["working"] * (len(plainly) - 1) + ["completed"]
    visible = [(status.status, status.status_message) for status in plainly]
    assert all(one != next_one for one, next_one in itertools.pairwise(visible))
    # fastmcp 2 and 3 push the state and the message of a step apart, so an empty message may come between two.
    return {message for _, message in visible[:-1]}


async def test_callback_on_a_finished_task(client: Client) -> None:
    """Who registers after the end hears of the end."""
    task = await client.call_tool("add", {"a": 2, "b": 3}, task=True)
    await task.result(LONG)
    over = anyio.Event()
    task.on_status_change(lambda status: over.set() if status.status == "completed" else None)
    with anyio.fail_after(LONG):
        await over.wait()


async def test_updates(client: Client) -> None:
    """`updates()` begins with the present status and ends with the last one, for any number of readers."""
    task = await client.call_tool("slow_computation", {"duration": 0.2}, task=True)
    read: list[list[str]] = [[], []]

    async def reader(into: list[str]) -> None:
        async for status in task.updates():
            into.append(status.status)  # noqa: PERF401 - the test cares how each one arrives

    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            for into in read:
                group.start_soon(reader, into)
    for statuses in read:
        assert statuses[-1] == "completed"
        assert set(statuses[:-1]) <= {"working"}


async def test_timeout_ends_the_waiting_only(client: Client) -> None:
    """After `TaskTimeoutError` the work goes on and the handle is good; 0 looks once."""
    task, key = await _gated(client)
    for timeout in (0, 0.05):
        with pytest.raises(TaskTimeoutError) as caught:
            await task.result(timeout)
        assert caught.value.reference == task.reference
    await client.call_tool("open_gate", {"key": key})
    assert (await task.result(LONG)).data == f"through {key}"
    assert (await task.result(0)).data == f"through {key}"


@pytest.mark.parametrize("ttl", [120, timedelta(minutes=2)])
async def test_ttl(fastmcp: FastMcp, ttl: float | timedelta) -> None:
    """A time to live is passed on to servers that take one; where it cannot hold the program is warned."""
    # A new client, since each warns once. fastmcp 2 drops the wish, and says so in its later messages only.
    granted = {2: timedelta(minutes=1), 3: timedelta(minutes=2), 4: timedelta(minutes=15)}[fastmcp.generation]
    words = {2: "keeps the task for 0:01:00, not for the ttl of 0:02:00", 4: "ttl was not sent"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TtlIgnoredWarning)
        async with Client(fastmcp.target, reconnect_timeout=START) as client:
            task = await client.call_tool("add", {"a": 2, "b": 3}, task=True, ttl=ttl)
            # The creating answer counts, since fastmcp 2 and 3 name another time in every later message.
            assert (task.reference.expires_at is None) is (fastmcp.generation == 2)
            await task.status()
            assert task.reference.expires_at in (None, task.kept_until)
            assert (await task.result(LONG)).data == 5
    assert task.kept_until is not None
    assert abs(task.kept_until - datetime.now(UTC) - granted) < timedelta(seconds=30)
    said = [str(each.message) for each in caught if each.category is TtlIgnoredWarning]
    assert len(said) == (fastmcp.generation in words)
    assert all(words[fastmcp.generation] in each for each in said)


async def test_second_handle(client: Client) -> None:
    """A handle made from an id or a reference reaches the same task."""
    task, key = await _gated(client)
    by_id, by_reference = client.task(task.task_id), client.resume(task.reference.to_json())
    assert (await by_id.status()).status == "working"
    assert (by_reference.kind, by_reference.name) == ("tool", "gated")
    assert task.task_id in {known.task_id for known in await client.list_tasks()}
    await client.call_tool("open_gate", {"key": key})
    assert (await by_reference.result(LONG)).data == f"through {key}"
    assert (await by_id.result(LONG)).data == f"through {key}"


async def test_pushed_status_is_faster_than_the_interval(
    client: Client, fastmcp: FastMcp, restartable: StartServer
) -> None:
    """Where the server pushes, the end is known long before its interval of five seconds is over."""
    if fastmcp.modern:
        # This generation answers subscriptions/listen with an error: nothing to show but that polling is used.
        assert client.task_support.push is not True
    if fastmcp.generation != 2:
        await _run_rarely_polled(client)
        return
    # A new server: fastmcp 2.14 pushes an end some 20 ms later for every task that it has ever run.
    target = restartable(2).url if fastmcp.transport == "http" else fastmcp.target
    async with Client(target, reconnect_timeout=START) as alone:
        await _run_rarely_polled(alone)


async def _run_rarely_polled(client: Client) -> None:
    took: list[float] = []
    # A busy machine may hold up a task; each of six would come late only without push.
    while len(took) < 6 and min(took, default=math.inf) > 4:
        task = await client.call_tool("rarely_polled", {"duration": 0.3}, task=True)
        begun = anyio.current_time()
        assert (await task.result(LONG)).data == "done"
        took.append(anyio.current_time() - begun)
    assert min(took) < 4


async def test_what_the_connection_can_do(client: Client, fastmcp: FastMcp) -> None:
    """`task_support` tells what was negotiated."""
    support = client.task_support
    assert support.era == ("2026-07-28" if fastmcp.modern else "2025-11-25")
    assert support.tools
    assert support.cancel
    # fastmcp 2.14 and 3 declare the other kinds too, with words that the specification does not have.
    assert (support.resources, support.prompts, support.list) == (not fastmcp.modern,) * 3
    assert client.server_info is not None
    assert client.server_info.name == f"fastmcp{fastmcp.generation}"
