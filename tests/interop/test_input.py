"""Real servers that ask the user in mid-task: what is the same whichever protocol they speak."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import Client, InputContext, Task, TaskInputRequiredError
from tests.interop.targets import LONG, START, FastMcp
from tests.interop.warm_servers import WarmServers

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("generation", [3, 4], indirect=True)

Asking = InputContext[Task[Any]]


@both
async def test_question_in_mid_task(fastmcp_url: str) -> None:
    """The handler is asked once, told which task it is, and the task goes on with its answer."""
    asked: list[tuple[str, Task[Any] | None]] = []

    def answer(context: Asking, params: Any) -> dict[str, str]:
        asked.append((params.message, context.task))
        return {"value": "Ada"}

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        task = await client.call_tool("ask_name", task=True)
        assert (await task.result(LONG)).data == "Hello, Ada!"
        assert asked == [("What is your name?", task)]


@both
async def test_question_that_nobody_answers(fastmcp: FastMcp) -> None:
    """Without a handler the question comes out of `result()`, nothing false is sent, and a person answers it."""
    async with Client(fastmcp.target, reconnect_timeout=START) as client:
        task = await client.call_tool("ask_name", task=True)
        with anyio.fail_after(LONG):
            with pytest.raises(TaskInputRequiredError):
                await task.result()
            # The second time shows that the first one left the question as it was.
            with pytest.raises(TaskInputRequiredError) as caught:
                await task.result()
        assert caught.value.reference == task.reference
        ((key, request),) = caught.value.input_requests.items()
        assert (request["method"], request["params"]["message"]) == ("elicitation/create", "What is your name?")
        assert task.input_requests == {key: request}
        with pytest.raises(ValueError, match="'value'"):
            await task.answer(key, {"name": "Ada"})
        await task.answer(key, {"value": "Grace"})
        assert (await task.result(LONG)).data == "Hello, Grace!"


@both
async def test_handler_that_raises(fastmcp_url: str) -> None:
    """What a handler raises comes out of `result()`; the question stays open, and a later answer is taken."""
    answers: list[dict[str, str] | Exception] = [LookupError("nobody is there"), {"value": "Ada"}]

    async def answer(context: Asking, params: Any) -> dict[str, str]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        task = await client.call_tool("ask_name", task=True)
        with pytest.raises(LookupError, match="nobody is there"):
            await task.result(LONG)
        assert len(task.input_requests) == 1
        assert (await task.result(LONG)).data == "Hello, Ada!"
        assert answers == []


@both
async def test_declined(fastmcp_url: str) -> None:
    """None declines, by a handler and by hand: the tool hears exactly that."""
    async with Client(fastmcp_url, elicitation_handler=lambda context, params: None) as client:
        by_handler = await client.call_tool("ask_name", task=True)
        assert (await by_handler.result(LONG)).data == "No name: decline"
        by_hand = await client.call_tool("ask_name", task=True)
        status = await by_hand.wait(state="input_required", timeout=LONG)
        (key,) = status.input_requests
        await by_hand.answer(key, None)
        assert (await by_hand.result(LONG)).data == "No name: decline"


@both
async def test_form_with_defaults(fastmcp_url: str, generation: int) -> None:
    """What an answer leaves out is filled in from the form."""
    fields = {"Where to?": {"city": "Rome"}, "Which city?": {"value": "Rome"}}

    async def answer(context: Asking, params: Any) -> dict[str, str]:
        return fields.get(params.message, {})

    async with Client(fastmcp_url, elicitation_handler=answer) as client:
        task = await client.call_tool("book_trip", task=True)
        if generation == 4:
            # Its last question has no default, so the empty answer is refused here and never sent.
            with pytest.raises(ValueError, match="'value'"):
                await task.result(LONG)
            ((key, request),) = task.input_requests.items()
            assert request["params"]["message"] == "Sure: Rome window?"
            await task.answer(key, {"value": "yes"})
            assert (await task.result(LONG)).data == "accept: Rome window"
        else:
            trip = "Trip(city='Rome', nights=2, breakfast=True, seat='window')"
            assert (await task.result(LONG)).data == trip


@both
async def test_sampling(fastmcp_url: str) -> None:
    """A task has the program's model complete a prompt; a plain function does it, on a thread of its own."""
    contexts: list[Asking] = []

    def shout(context: Asking, params: Any) -> str:
        contexts.append(context)
        text: str = params.messages[0].content.text
        return text.upper()

    async with Client(fastmcp_url, sampling_handler=shout) as client:
        task = await client.call_tool("complete", {"prompt": "once"}, task=True)
        assert (await task.result(LONG)).data == "once: ONCE"
        (context,) = contexts
        assert context.task is task


@pytest.mark.parametrize("generation", [3], indirect=True)
async def test_sampling_by_context(generation: int, warm_servers: WarmServers) -> None:
    """The request that fastmcp's own `ctx.sample` makes in a task is answered too."""
    target = warm_servers.over_stdio(generation)

    def tell(_context: object, _params: object) -> str:
        return "upon a time"

    async with Client(target, reconnect_timeout=START, sampling_handler=tell) as client:
        task = await client.call_tool("complete", {"prompt": "once", "by_context": True}, task=True)
        assert (await task.result(LONG)).data == "once: upon a time"
