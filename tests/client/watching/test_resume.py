"""One task, many handles: by its id, by its reference, in this client, in another one, in another process."""

from __future__ import annotations

import gc
import pickle
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks import TaskNotFoundError, TaskReference, ToolError
from mcptasks.testing import TaskServer
from tests.helpers.backends import ASYNCIO, TRIO
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.helpers.support import LIMIT, Era, begin, connected, http, legacy_only, make_server, modern_only, settle
from tests.helpers.worlds import ASYNC, World, both_worlds

__all__ = ["stand_ins", "warm"]

pytestmark = [pytest.mark.anyio, both_worlds]

Form = Callable[[TaskReference], TaskReference | str | Mapping[str, Any]]
FORMS: dict[str, Form] = {
    "reference": lambda reference: reference,
    "json": lambda reference: reference.to_json(),
    "mapping": lambda reference: reference.to_dict(),
    "pickled": lambda reference: pickle.loads(pickle.dumps(reference)),
}


@pytest.mark.parametrize("form", FORMS)
async def test_in_a_new_client(server: TaskServer, form: str) -> None:
    """A reference in any form, taken up by another client, leads to the same task with its kind and name."""
    server.add_tool("work", ttl_ms=3_600_000)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        assert task.reference.expires_at is not None
        carried = FORMS[form](task.reference)
    async with connected(server) as client:
        resumed = client.resume(carried)
        assert resumed.reference == task.reference
        assert (resumed.kind, resumed.name, resumed.last_status) == ("tool", "work", None)
        assert (await resumed.status()).status == "working"
        steered.complete({"n": 1})
        assert (await resumed).data == {"n": 1}


async def test_one_handle_for_one_task(server: TaskServer) -> None:
    """A client has one handle on a task, whichever way it is asked for."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        assert client.task(task.task_id) is task
        assert client.resume(task.reference) is task
        assert client.resume(task.reference.to_json()) is task
        unknown = client.task("another")
        assert unknown is not task
        assert client.task("another") is unknown
        steered.complete()
        await task


async def test_by_its_id_alone(server: TaskServer, era: Era) -> None:
    """A task whose kind is not known gives its result in the form that it has; a tool's error is a tool's error."""
    async with connected(server) as client:
        done, steered = await begin(client, server)
        steered.complete({"n": 1})
        bad, steered = await begin(client, server)
        steered.fail("out of paper")
    async with connected(server) as client:
        by_id = client.task(done.task_id)
        assert (by_id.kind, by_id.name) == (None, None)
        assert (await by_id).data == {"n": 1}
        with pytest.raises(ToolError, match="out of paper"):
            await client.task(bad.task_id)


@legacy_only
async def test_other_kinds_by_id(server: TaskServer) -> None:
    """A resource's and a prompt's task give their own results, also by the id alone."""
    server.add_resource("file:///x")
    server.add_prompt("ask")
    async with connected(server) as client:
        resource = await client.read_resource("file:///x", task=True)
        (await server.next_task()).complete("contents")
        prompt = await client.get_prompt("ask", task=True)
        (await server.next_task()).complete("words")
    async with connected(server) as client:
        assert (await client.task(resource.task_id))[0].text == "contents"
        assert (await client.task(prompt.task_id)).messages[0].content.text == "words"
        assert (await client.resume(resource.reference))[0].text == "contents"


async def test_not_a_task(server: TaskServer) -> None:
    """What cannot be a reference is refused with words; a call that was answered at once cannot be resumed."""
    server.add_tool("quick", support="none", result=1)
    async with connected(server) as client:
        bad: list[Any] = ["", "{", "[]", "7", "{}", {"task_id": ""}, {"task_id": "t", "kind": "tale"}, {"task_id": 1}]
        for wrong in bad:
            with pytest.raises(ValueError, match="not a task reference"):
                client.resume(wrong)
        quick = await client.call_tool("quick", task=True)
        with pytest.raises(TaskNotFoundError, match="at once"):
            client.resume(quick.reference)


# --- list_tasks ---------------------------------------------------------------------------------------------------


@legacy_only
async def test_listed_by_the_server(era: Era) -> None:
    """On 2025-11-25 every page of the server's list is read, and what is known already keeps its handle."""
    server = make_server(era, page_size=2)
    async with connected(server) as other:
        theirs = [(await begin(other, server))[0].task_id for _ in range(4)]
        async with connected(server) as client:
            mine, steered = await begin(client, server)
            steered.complete()
            listed = await client.list_tasks()
            assert {task.task_id for task in listed} == {*theirs, mine.task_id}
            assert mine in listed
            assert {task.last_status.status for task in listed if task.last_status} == {"working", "completed"}
            assert server.requests.count("tasks/list") == 3


async def test_known_to_this_client(era: Era) -> None:
    """Where the server lists nothing, `list_tasks` has what this client knows, and asks nobody."""
    server = make_server(era, list_tasks=False)
    async with connected(server) as client:
        mine, _ = await begin(client, server)
        taken_up = client.task("from-elsewhere")
        assert {task.task_id for task in await client.list_tasks()} == {mine.task_id, taken_up.task_id}
        assert server.requests.count("tasks/list") == 0
        assert client.task_support.list is False


@modern_only
async def test_forgotten_handles_are_remembered(server: TaskServer) -> None:
    """A task that is not over stays in the list though the program let go of its handle."""
    async with connected(server) as client:
        task_id = (await begin(client, server))[1].task_id
        assert [task.task_id for task in await client.list_tasks()] == [task_id]


@modern_only
async def test_what_the_server_forgot_is_not(server: TaskServer) -> None:
    """A task that the server does not know any more goes with its handle; nothing of it is kept until the end."""

    async def lose() -> None:
        task, steered = await begin(client, server)
        steered.forget()
        with pytest.raises(TaskNotFoundError):
            await task.result()

    async with connected(server) as client:
        await lose()
        with anyio.fail_after(LIMIT):
            while await client.list_tasks():
                gc.collect()
                await settle()


# --- processes ----------------------------------------------------------------------------------------------------

STARTER = """
import anyio, os, sys, warnings
from mcptasks import Client

warnings.simplefilter("ignore")  # 2026-07-28 takes no `ttl`.

async def main():
    async with Client(sys.argv[1]) as client:
        task = await client.call_tool("work", {"n": 1}, task=True, ttl=3600)
        task.on_status_change(print)
        print(task.reference.to_json(), flush=True)
        os._exit(3)

anyio.run(main, backend=sys.argv[2])
"""
BLOCKING_STARTER = """
import os, sys, warnings
from mcptasks.sync import Client

warnings.simplefilter("ignore")

client = Client(sys.argv[1], backend=sys.argv[2]).open()
task = client.call_tool("work", {"n": 1}, task=True, ttl=3600)
task.on_status_change(print)
print(task.reference.to_json(), flush=True)
os._exit(3)
"""
RESUMER = """
import anyio, sys
from mcptasks import Client

async def main():
    async with Client(sys.argv[1]) as client:
        task = client.resume(sys.argv[3])
        print(task.kind, task.name, (await task.result(timeout=200)).data)

anyio.run(main, backend=sys.argv[2])
"""
BLOCKING_RESUMER = """
import sys
from mcptasks.sync import Client

with Client(sys.argv[1], backend=sys.argv[2]) as client:
    task = client.resume(sys.argv[3])
    print(task.kind, task.name, task.result(timeout=200).data)
"""


# The backend and the era do not depend on each other here: each has its turn.
@pytest.mark.parametrize(
    ("anyio_backend", "era"), [pytest.param(ASYNCIO, "modern", id="asyncio"), pytest.param(TRIO, "legacy", id="trio")]
)
def test_a_program_that_dies_and_one_that_resumes(
    server: TaskServer, world: World, anyio_backend_name: str, tmp_path: Path, stand_ins: StandIns
) -> None:
    """A program that is gone in mid-task leaves its printed reference; another process gets the result with it."""
    starter, resumer = (STARTER, RESUMER) if world is ASYNC else (BLOCKING_STARTER, BLOCKING_RESUMER)

    def run(name: str, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*stand_ins.script(tmp_path / name, source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)

    with http(server) as url:
        begun = run("starter.py", starter, url, anyio_backend_name)
        assert begun.returncode == 3, begun.stderr
        server.next_task_blocking().complete("got it")
        taken_up = run("resumer.py", resumer, url, anyio_backend_name, begun.stdout.strip())
    assert (taken_up.stdout.strip(), taken_up.stderr) == ("tool work got it", "")
