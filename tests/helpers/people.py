"""Handlers that answer questions like people, and the answers that a server got."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import anyio

from mcptasks import (
    InputContext,
)
from mcptasks.testing import ServerTask

ADA = {"action": "accept", "content": {"value": "Ada"}}


class Oracle:
    """An async handler that chooses its answer by the question's words, and keeps the contexts that it got."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {"Who?": {"value": "Ada"}, "How old?": {}, **answers}
        self.contexts: list[InputContext[Any]] = []
        self.asked: list[str] = []

    async def __call__(self, context: InputContext[Any], params: Any) -> Any:
        """Answer, or raise."""
        await anyio.lowlevel.checkpoint()
        self.contexts.append(context)
        words = params.message if hasattr(params, "message") else params.messages[0].content.text
        self.asked.append(words)
        answer: Any = self.answers[words]
        if isinstance(answer, Exception):
            raise answer
        if inspect.iscoroutinefunction(answer):
            answer = await answer()
        return answer


async def answered(steered: ServerTask) -> list[Mapping[str, Any]]:
    """The answers, in order, once the server has all of them."""
    await steered.wait_for(lambda task: task.status != "input_required")
    return list(steered.answers.values())
