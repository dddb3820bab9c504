"""Calls the program's handlers: a server's question goes in, the JSON of its answer comes out.

A question is an input request as it is on the wire, `{"method": ..., "params": ...}`, in both protocols. A handler's
value, and an answer by hand, are converted and checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import is_dataclass
from typing import Any, cast

import anyio
import attrs
import mcp_types as types
from pydantic import BaseModel, TypeAdapter, ValidationError

from mcptasks._core import forms, safe_text
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_object
from mcptasks._core.problems import first_problem
from mcptasks._core.sendable import sendable
from mcptasks._engine.input.handlers import BY_HAND, Grip, call, roots_of

ELICITATION = "elicitation/create"
SAMPLING = "sampling/createMessage"
ROOTS = "roots/list"

_NAME = "answer"
"""The name of a handler's value, or of an answer by hand, in errors."""

_THREADS = 64
"""How many synchronous handlers of one client may run at once, counting those that nobody waits for any more. A further
handler waits for a free thread. Not anyio's default limiter (40 threads): the program shares that limiter, and handlers
that wait for a human would exhaust it."""


class RefusalError(Exception):
    """A handler refuses to answer, with a JSON-RPC error for the server."""

    def __init__(self, error: types.ErrorData) -> None:
        super().__init__(error.message)
        self.error = error


_MODES = ("form", "url")
_ELICIT_PARAMS: TypeAdapter[types.ElicitRequestParams] = TypeAdapter(types.ElicitRequestParams)


class Answerer:
    """The program's handlers.

    Args:
        elicitation: Answers `elicitation/create`; None for no handler, `BY_HAND` for answers by `task.answer()`.
        sampling: Answers `sampling/createMessage`; None or `BY_HAND` as for `elicitation`.
        roots: Answers `roots/list`: a list, or a function that returns one.
        make_context: Makes the `InputContext` that handlers get beside the question.
    """

    def __init__(
        self, elicitation: Any = None, sampling: Any = None, roots: Any = None, *, make_context: Callable[..., Any]
    ) -> None:
        self.context = make_context
        self._by_hand = {
            method for method, given in ((ELICITATION, elicitation), (SAMPLING, sampling)) if given is BY_HAND
        }
        self._elicitation: Any = None if ELICITATION in self._by_hand else elicitation
        self._sampling: Any = None if SAMPLING in self._by_hand else sampling
        self._roots = roots
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no handler at all."""
        return self._elicitation is None and self._sampling is None

    def handles(self, method: Any) -> bool:
        """Whether there is a handler for this kind of question."""
        handlers = {ELICITATION: self._elicitation, SAMPLING: self._sampling, ROOTS: self._roots}
        return isinstance(method, str) and handlers.get(method) is not None

    def by_hand(self, method: str) -> bool:
        """Whether this kind of question is answered by hand only."""
        return method in self._by_hand

    def declares(self, method: str) -> bool:
        """Whether the client declares to the server that somebody answers this kind of question."""
        return self.handles(method) or self.by_hand(method)

    def declared(self, capabilities: dict[str, Any]) -> dict[str, Any]:
        """Return the capabilities that the client declares: without the kinds of questions that nobody answers."""
        kinds = {"elicitation": ELICITATION, "sampling": SAMPLING}
        return {name: each for name, each in capabilities.items() if name not in kinds or self.declares(kinds[name])}

    def fits(self, request: Any) -> bool:
        """Whether there is a handler for a server's question."""
        return self.handles((as_object(request) or {}).get("method"))

    async def answer(self, request: Any, context: Any, grip: Grip | None = None) -> dict[str, Any]:
        """Call the program's handler, and return its answer as it goes on the wire.

        Args:
            request: The server's request: its method and params.
            context: The `InputContext` for the handler.
            grip: Stops the handler.

        Raises:
            TaskProtocolError: The request is invalid.
            TypeError: The handler returned a value that is no answer.
            ValueError: The answer does not match the request's schema; the message names the field.
            RefusalError: The handler returned an `ErrorData`.
            Exception: Whatever the handler raises.
        """
        method, params = parse(request)
        if method == ELICITATION:
            found = await self._call(self._elicitation, context, params, grip=grip)
        elif method == SAMPLING:
            found = await self._call(self._sampling, context, params, grip=grip)
        else:
            found = await self._call(self._roots, grip=grip) if callable(self._roots) else self._roots
        if isinstance(found, types.ErrorData):
            raise RefusalError(types.ErrorData.model_validate(to_send(found)))
        return formed(request, found)

    async def _call(self, handler: Callable[..., Any], *arguments: Any, grip: Grip | None) -> Any:
        self._threads = self._threads or anyio.CapacityLimiter(_THREADS)  # Made where the event loop runs.
        return await call(handler, *arguments, threads=self._threads, grip=grip)


def parse(request: Any) -> tuple[str, Any]:
    """Return the method of a question, and its params as the SDK's model.

    Raises:
        TaskProtocolError: The method is none of the three, or its params are invalid.
    """
    found = as_object(request) or {}
    method = found.get("method")
    try:
        # A copy, since a handler may change its params, and the question must stay as the server asked it.
        params = deepcopy(found.get("params"))
        if method == ELICITATION:
            return ELICITATION, _ELICIT_PARAMS.validate_python(params, by_name=False)
        if method == SAMPLING:
            return SAMPLING, types.CreateMessageRequestParams.model_validate(params, by_name=False)
    except (ValidationError, RecursionError) as exc:
        mode = (as_object(found.get("params")) or {}).get("mode", "form")
        if method == ELICITATION and mode not in _MODES:
            words = f"the server asks in the mode {safe_text.short(mode, 80)}; known are {' and '.join(_MODES)}"
            raise TaskProtocolError(words) from None
        why = first_problem(exc) if isinstance(exc, ValidationError) else "nested too deeply"
        raise TaskProtocolError(f"the server's {method} makes no sense: {why}") from None
    if method == ROOTS:
        return ROOTS, None
    words = safe_text.short(method, 80) if found else "no request"
    raise TaskProtocolError(f"the server asks with {words}; known are {ELICITATION}, {SAMPLING} and {ROOTS}")


def meta_of(request: Any) -> Mapping[str, Any]:
    """Return the `_meta` of a question; empty if there is none."""
    params = as_object((as_object(request) or {}).get("params")) or {}
    return as_object(params.get("_meta")) or {}


def formed(request: Any, value: Any) -> dict[str, Any]:
    """Return an answer by hand as it goes on the wire; see `Answerer.answer` for the errors."""
    return _form(*parse(request), value)


def _form(method: str, params: Any, value: Any) -> dict[str, Any]:
    make: Mapping[str, Callable[[Any, Any], BaseModel]] = {ELICITATION: _elicited, SAMPLING: _sampled, ROOTS: _rooted}
    return to_send(make[method](params, value))


def to_send(answer: BaseModel) -> dict[str, Any]:
    """Return the SDK's model of an answer as it goes on the wire; see `sendable` for the errors."""
    told: dict[str, Any] = sendable(answer, _NAME, exclude_none=True)
    return told


def _elicited(params: types.ElicitRequestParams, value: Any) -> types.ElicitResult:
    if value is None:
        return types.ElicitResult(action="decline")
    if isinstance(value, types.ElicitResult):
        if value.action != "accept":
            return types.ElicitResult(action=value.action)
        value = value.content or {}
    content = _content(value)
    if content is None:
        raise TypeError(
            "an elicitation is answered with a mapping (or a dataclass, attrs or pydantic object) of its fields, with "
            f"an ElicitResult, or with None to decline; got {type(value).__name__}"
        )
    if isinstance(params, types.ElicitRequestURLParams):
        if content:
            raise ValueError(
                f"a question by URL takes no fields, got {safe_text.several(content)}; accept it with {{}}"
            )
        return types.ElicitResult(action="accept")
    filled = forms.filled_in(params.requested_schema, content)
    forms.check(params.requested_schema, filled)
    try:
        return types.ElicitResult(action="accept", content=filled)
    except ValidationError as exc:
        raise TypeError(f"the answer has a field that no form can have: {_where(exc)}") from None


def _content(value: Any) -> dict[str, Any] | None:
    """Return the fields of an object in JSON's types; None if the value is not an object."""
    kind = cast("type[Any]", type(value))
    if not isinstance(value, BaseModel | Mapping) and not is_dataclass(kind) and not attrs.has(kind):
        return None
    plain = as_object(sendable(value, _NAME))
    # No field of a form can be null, so None in a typed object means that the field is left out.
    return None if plain is None else {name: held for name, held in plain.items() if held is not None}


def _sampled(
    _params: types.CreateMessageRequestParams, value: Any
) -> types.CreateMessageResult | types.CreateMessageResultWithTools:
    if isinstance(value, str):
        content = types.TextContent(type="text", text=value)
        return types.CreateMessageResult(role="assistant", content=content, model="handler")
    if isinstance(value, types.CreateMessageResult | types.CreateMessageResultWithTools):
        return value
    got = type(value).__name__
    raise TypeError(f"a sampling request is answered with a string or a CreateMessageResult; got {got}")


def _rooted(_params: None, value: Any) -> types.ListRootsResult:
    return types.ListRootsResult(roots=roots_of(value))


def _where(exc: ValidationError) -> str:
    return (
        safe_text.several(sorted({str(error["loc"][1]) for error in exc.errors() if len(error["loc"]) > 1}))
        or "unknown"
    )
