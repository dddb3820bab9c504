"""What tells tasks apart: the arguments that this program sent, and a label of its own."""

from __future__ import annotations

import gc
import json
import pickle
from typing import Any

import pytest
from pydantic import SecretStr

from mcptasks import BY_HAND, TaskReference, TaskTimeoutError
from mcptasks._engine.notebook.task_list import TaskList
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from tests.helpers.support import Era, asked, connected, make_server
from tests.helpers.worlds import World, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


async def test_three_calls_of_one_tool(server: TaskServer) -> None:
    """They differ in `repr`, in tables and in their pages, by arguments or by label."""
    async with connected(server) as client:
        tasks = [await client.call_tool("work", {"n": n}, task=True) for n in range(3)]
        tasks += [await client.call_tool("work", {"n": 0}, task=True, label=f"2026-{n}") for n in (10, 11)]
        for n, task in enumerate(tasks[:3]):
            assert repr(task) == f"<Task {task.task_id!r} tool 'work' {{'n': {n}}} working>"
            assert (task.arguments, task.label) == ({"n": n}, None)
        assert repr(tasks[4]) == f"<Task {tasks[4].task_id!r} label '2026-11' tool 'work' {{'n': 0}} working>"
        assert (tasks[4].label, tasks[4].reference.label) == ("2026-11", "2026-11")
        listed: Any = await client.list_tasks()
        assert {task.label for task in listed} == {None, "2026-10", "2026-11"}
        calls = [request for request in server.requests if request.method == "tools/call"]
        assert "2026-1" not in json.dumps([request.params for request in calls])


async def test_pages(server: TaskServer, world: World) -> None:
    """Label and arguments stand on a task's page."""
    async with connected(server) as client:
        task = await client.call_tool("work", {"month": "November"}, task=True, label="<2026>")
        page = world.inner(task)._repr_html_()
        assert "&lt;2026&gt;" in page
        assert "{&#x27;month&#x27;: &#x27;November&#x27;}" in page


async def test_arguments_are_a_copy(server: TaskServer) -> None:
    """They are what was sent, whatever the program does with its own, or with what it got here."""
    mine: dict[str, Any] = {"list": [1]}
    server.add_resource("file:///x", [Complete("x")])
    server.add_prompt("p", [Complete("x")])
    async with connected(server) as client:
        task = await client.call_tool("work", mine, task=True)
        mine["list"].append(2)
        found: Any = task.arguments
        assert found == {"list": [1]}
        found["list"].append(3)
        assert task.arguments == {"list": [1]}
        assert (await client.call_tool("work", task=True)).arguments == {}
        assert (await client.read_resource("file:///x", task=True, label="r")).label == "r"
        prompt = await client.get_prompt("p", {"a": "b"}, task=True, label="p")
        assert (prompt.label, prompt.arguments) == ("p", {"a": "b"})


async def test_resumed(era: Era) -> None:
    """The label stays in the reference, in each of its forms; the arguments do not."""
    server = make_server(era)
    async with connected(server) as client:
        task = await client.call_tool("work", {"n": "private"}, task=True, label="2026-11")
        reference = task.reference
    texts = (reference.to_json(), repr(reference), repr(pickle.dumps(reference)), str(reference.to_dict()))
    assert all("2026-11" in text and "private" not in text for text in texts)
    async with connected(server) as client:
        for form in (reference, reference.to_json(), reference.to_dict(), pickle.loads(pickle.dumps(reference))):
            task = client.resume(form)
            assert (task.label, task.arguments) == ("2026-11", None)
            assert "label '2026-11'" in repr(task)
        early = {name: value for name, value in reference.to_dict().items() if name not in ("label", "task_id")}
        assert client.resume({**early, "task_id": "other"}).label is None
        assert client.task("another").arguments is None


async def test_a_handle_that_was_dropped(server: TaskServer) -> None:
    """A client that made a call knows its arguments and label as long as it knows the task."""
    async with connected(server) as client:
        task = await client.call_tool("work", {"n": 1}, task=True, label="mine")
        await task.status()
        task_id = task.task_id
        del task
        gc.collect()
        (again,) = await client.list_tasks()
        assert (again.task_id, again.label, again.arguments) == (task_id, "mine", {"n": 1})


async def test_secrets_are_not_shown(server: TaskServer, world: World) -> None:
    """Secrets among the arguments are sent and are in `arguments`, and no text shows them."""
    secrets = {"api_key": "hunter2", "opaque": SecretStr("hunter2"), "url": "https://a:hunter2@example.com"}
    async with connected(server) as client:
        task = await client.call_tool("work", {"month": "2026-11", **secrets}, task=True)
        assert task.arguments == {"month": "2026-11", **secrets, "opaque": "hunter2"}
        inner = world.inner(task)
        texts = (repr(task), inner._repr_html_(), repr(task.reference), repr(inner._watch))
        assert not [text for text in texts if "hunter2" in text]
        assert "'month': '2026-11'" in repr(task)


async def test_an_open_question(server: TaskServer, world: World) -> None:
    """The text of a question that a task asks stands in its `repr`, on its page and in the table, until it is
    answered."""
    server.add_tool("ask", [NeedInput({"name": elicit("Who is there?")}), Complete("hello")])
    async with connected(server, elicitation_handler=BY_HAND) as client:
        task = await client.call_tool("ask", task=True)
        status = await task.wait(state="input_required")
        listed: Any = TaskList([world.inner(task)])
        for text in (repr(task), world.inner(task)._repr_html_(), listed._repr_html_(), status._repr_html_()):
            assert "Who is there?" in text
        (key,) = task.input_requests
        await task.answer(key, {"value": "Ada"})
        assert (await task.result()).data == "hello"
        assert "Who is there?" not in repr(task)


async def test_errors_have_the_label(server: TaskServer) -> None:
    """An error's reference says which task it is about."""
    async with connected(server) as client:
        task = await client.call_tool("work", task=True, label="2026-11")
        with pytest.raises(TaskTimeoutError) as caught:
            await task.result(timeout=0)
        assert caught.value.reference is not None
        assert caught.value.reference.label == "2026-11"


async def test_bad_labels(server: TaskServer) -> None:
    """A label is a text; what is none is refused before anything is sent."""
    async with connected(server) as client:
        anything: Any = client
        seen = asked(server)
        for wrong in (3, b"x", ["x"]):
            with pytest.raises(TypeError, match="label must be a string"):
                await anything.call_tool("work", label=wrong)
        for text in ("", "\ud83d"):
            with pytest.raises(ValueError, match="label"):
                await anything.get_prompt("work", label=text)
        with pytest.raises(ValueError, match="not a task reference: label must be a string or null"):
            client.resume(TaskReference(task_id="t", label=3))  # type: ignore[arg-type]
        assert asked(server) == seen
