"""Real servers that ask the user in mid-task."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from mcptasks import Client, TaskInputRequiredError
from tests.interop.targets import LONG, FastMcp

pytestmark = pytest.mark.anyio


def _recorder(asked: list[str]) -> Callable[[Any, Any], dict[str, str]]:
    def answer(context: Any, params: Any) -> dict[str, str]:
        asked.append(params.message)
        return {"value": "Ada"}

    return answer


@pytest.mark.parametrize("generation", [3], indirect=True)
async def test_question_in_mid_task(fastmcp: FastMcp) -> None:
    """The handler is asked once, and the task goes on with its answer."""
    asked: list[str] = []
    async with Client(fastmcp.target, elicitation_handler=_recorder(asked)) as client:
        task = await client.call_tool("ask_name", task=True)
        assert (await task.result(LONG)).data == "Hello, Ada!"
    assert asked == ["What is your name?"]


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
async def test_question_that_nobody_answers(fastmcp: FastMcp) -> None:
    """Without a handler there is no hang: the error says that input is missing."""
    async with Client(fastmcp.target) as client:
        task = await client.call_tool("ask_name", task=True)
        with anyio.fail_after(LONG):
            if fastmcp.modern:
                with pytest.raises(TaskInputRequiredError) as caught:
                    await task.result()
                assert caught.value.reference == task.reference
                return
            # fastmcp 3 does not wait but takes the refusal of a client that cannot ask anybody for the user's, so its
            # question and its result race for who is seen first.
            with suppress(TaskInputRequiredError):
                assert (await task.result()).data == "No name: cancel"
