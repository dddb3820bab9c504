"""The blocking client against each real server: over HTTP on asyncio, and over stdio on trio.

The rules are tested with the async client (test_tasks.py) and, in both worlds, in tests/client.
"""

import concurrent.futures
import queue
from collections.abc import Iterator

import pytest

from mcptasks.sync import Client, TaskCancelledError, TaskStateError, TaskTimeoutError, ToolError
from tests.helpers.remote_workers import forkserver
from tests.interop.targets import LONG, START, new_key
from tests.interop.warm_servers import WarmServers


# Each transport with one kind of event loop: neither knows of the other, and test_tasks.py crosses them.
@pytest.fixture(scope="module", params=[("http", "asyncio"), ("stdio", "trio")], ids="-".join)
def client(request: pytest.FixtureRequest, generation: int, warm_servers: WarmServers) -> Iterator[Client]:
    """A client that the tests of this module share, since starting a server takes its time."""
    transport, backend = request.param
    target = warm_servers.over_stdio(generation) if transport == "stdio" else request.getfixturevalue("fastmcp_url")
    with Client(target, backend=backend, reconnect_timeout=START) as client:
        yield client


def test_a_task_from_start_to_end(client: Client) -> None:
    """A task is there at once, its statuses come by callback and by iteration, its result is the tool's value."""
    task = client.call_tool("slow_computation", {"duration": 0.3}, task=True)
    assert not task.returned_immediately
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    task.on_status_change(lambda status: told.put(status.status))
    assert [status.status for status in task.updates()][-1] == "completed"
    assert task.result(LONG).data == "computed for 0.3 seconds"
    assert task.result() is task.result()
    while told.get(timeout=LONG) != "completed":
        pass


def test_failed_work(client: Client) -> None:
    """A tool that fails has failed on every server, in all places where that shows."""
    task = client.call_tool("report_error", {"message": "no such city"}, task=True)
    assert task.wait(state="failed", timeout=LONG).status == "failed"
    with pytest.raises(ToolError, match="no such city"):
        task.result(LONG)
    assert [status.status for status in task.updates()] == ["failed"]
    assert (task.outcome, repr(task)[-8:]) == ("failed", " failed>")
    assert "<strong>failed</strong>" in task._repr_html_()


def test_timeout_and_cancellation(client: Client) -> None:
    """A timeout leaves the task as it is; cancelling it asks the server."""
    task = client.call_tool("gated", {"key": new_key("gate")}, task=True)
    with pytest.raises(TaskTimeoutError) as caught:
        task.result(timeout=0.05)
    assert caught.value.reference == task.reference
    assert task.status().status == "working"
    task.cancel()
    assert task.wait(timeout=LONG).status == "cancelled"
    with pytest.raises(TaskCancelledError):
        task.result()
    with pytest.raises(TaskStateError):
        task.wait(state="completed")


def test_resources_and_prompts(client: Client) -> None:
    """They are there in the background or at once, whatever the server can, with one program."""
    (contents,) = client.read_resource("report://slow", task=True).result(LONG)
    assert getattr(contents, "text", None) == "the slow report"
    (message,) = client.get_prompt("slow_prompt", {"topic": "rain"}, task=True).result(LONG).messages
    assert getattr(message.content, "text", None) == "Write slowly about rain."


def test_many_threads(client: Client) -> None:
    """Threads share a client: each gets the results of its own tasks."""

    def add(n: int) -> int:
        task = client.call_tool("add", {"a": n, "b": 1}, task=True)
        result: int = task.result(LONG).data
        return result

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(add, range(48))) == list(range(1, 49))
    futures = [client.call_tool("add", {"a": n, "b": 1}, task=True).future() for n in range(8)]
    done, pending = concurrent.futures.wait(futures, LONG)
    assert not pending
    assert sorted(future.result().data for future in done) == list(range(1, 9))


def _finish(url: str, reference: str) -> object:
    with Client(url) as client:
        return client.resume(reference).result(LONG).data


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
def test_another_process_takes_it_up(generation: int, fastmcp_url: str) -> None:
    """A reference crosses to a process of a pool, which waits there for the result."""
    with Client(fastmcp_url) as client, concurrent.futures.ProcessPoolExecutor(1, forkserver(__name__)) as pool:
        task = client.call_tool("slow_computation", {"duration": 1.0}, task=True)
        text = task.reference.to_json()
        assert pool.submit(_finish, fastmcp_url, text).result(LONG) == "computed for 1.0 seconds"
        assert task.result(LONG).data == "computed for 1.0 seconds"
