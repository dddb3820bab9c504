"""Programs' handlers for what servers ask (elicitation, sampling, roots, logs), in the form that the SDK calls.

Sync handlers run in a worker thread, since they tend to block.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import anyio.to_thread
import mcp_types as types
from mcp.client import ClientRequestContext
from pydantic import FileUrl

logger = logging.getLogger("mcptasks")

ElicitationAnswer: TypeAlias = "types.ElicitResult | types.ErrorData | Mapping[str, Any] | None"
ElicitationHandler: TypeAlias = Callable[
    [ClientRequestContext, types.ElicitRequestParams], "ElicitationAnswer | Awaitable[ElicitationAnswer]"
]
"""Gets the request's context and params. A mapping accepts with that content; None declines."""

SamplingAnswer: TypeAlias = "types.CreateMessageResult | types.CreateMessageResultWithTools | types.ErrorData | str"
SamplingHandler: TypeAlias = Callable[
    [ClientRequestContext, types.CreateMessageRequestParams], "SamplingAnswer | Awaitable[SamplingAnswer]"
]
"""Gets the request's context and params. A string is the assistant's text."""

Root: TypeAlias = "str | os.PathLike[str] | types.Root"
Roots: TypeAlias = "Sequence[Root] | Callable[[], Sequence[Root] | Awaitable[Sequence[Root]]]"
"""Folders (paths, file:// URIs or `Root` objects), or a function that returns them."""

LogHandler: TypeAlias = Callable[[types.LoggingMessageNotificationParams], "Awaitable[None] | None"]
"""Gets each log message of the server."""


async def call(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Call a sync or async handler; a sync one in a worker thread."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(*arguments)
    # In a list, since trio takes a coroutine that comes out of a thread for a mistake.
    (answer,) = await anyio.to_thread.run_sync(lambda: [handler(*arguments)], abandon_on_cancel=True)
    return await answer if inspect.isawaitable(answer) else answer


def contained(name: str) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
    """Tell the server that the program's handler failed. On 2026-07-28 connections the SDK would let the exception out
    of the program's own call, in an exception group; on 2025-11-25 ones it would not."""

    def decorate(callback: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(*arguments: Any) -> Any:
            try:
                return await callback(*arguments)
            except Exception as exc:
                logger.exception("the %s failed", name)
                words = f"the client's {name} failed: {type(exc).__name__}"
                return types.ErrorData(code=types.INTERNAL_ERROR, message=words)

        return guarded

    return decorate


def elicitation_callback(handler: ElicitationHandler) -> Any:
    """The SDK's callback for `elicitation/create`."""

    @contained("elicitation handler")
    async def callback(
        context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        answer = await call(handler, context, params)
        if answer is None:
            return types.ElicitResult(action="decline")
        if isinstance(answer, types.ElicitResult | types.ErrorData):
            return answer
        if isinstance(answer, Mapping):
            return types.ElicitResult(action="accept", content=dict(cast("Mapping[str, Any]", answer)))
        raise TypeError(f"an elicitation handler returns a mapping, an ElicitResult or None; got {answer!r}")

    return callback


def sampling_callback(handler: SamplingHandler) -> Any:
    """The SDK's callback for `sampling/createMessage`."""

    @contained("sampling handler")
    async def callback(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> Any:
        answer = await call(handler, context, params)
        if isinstance(answer, str):
            content = types.TextContent(type="text", text=answer)
            return types.CreateMessageResult(role="assistant", content=content, model="handler")
        if isinstance(answer, types.CreateMessageResult | types.CreateMessageResultWithTools | types.ErrorData):
            return answer
        raise TypeError(f"a sampling handler returns a string or a CreateMessageResult; got {answer!r}")

    return callback


def roots_callback(roots: Roots) -> Any:
    """The SDK's callback for `roots/list`."""
    source = roots if callable(roots) else None
    fixed = [] if callable(roots) else _roots(roots)

    @contained("roots function")
    async def callback(context: ClientRequestContext) -> types.ListRootsResult:
        del context
        return types.ListRootsResult(roots=fixed if source is None else _roots(await call(source)))

    return callback


def log_callback(handler: LogHandler) -> Any:
    """The SDK's callback for `notifications/message`."""

    async def callback(params: types.LoggingMessageNotificationParams) -> None:
        answer = handler(params)
        if inspect.isawaitable(answer):
            await answer

    return callback


def _roots(roots: Sequence[Root]) -> list[types.Root]:
    if isinstance(roots, str | bytes) or not isinstance(roots, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"roots must be a list of paths, file:// URIs or Root objects, got {roots!r}")
    return [_root(item) for item in roots]


def _root(item: Root) -> types.Root:
    if isinstance(item, types.Root):
        return item
    if not isinstance(item, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"roots must be paths, file:// URIs or Root objects, got {item!r}")
    place = os.fspath(item)
    uri = place if place.startswith("file://") else Path(place).resolve().as_uri()
    return types.Root(uri=FileUrl(uri))
