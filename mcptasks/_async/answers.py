"""A program's handlers as one thing: a server's question goes in, the JSON of its answer comes out.

A question is a server's request as it is on the wire, `{"method": ..., "params": ...}`, whichever way it came. What a
handler returns, and what a program answers by hand, is brought into form and checked before anything is sent.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any, cast

import anyio
import attrs
import mcp_types as types
from pydantic import BaseModel, Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from mcptasks import _forms, _plain
from mcptasks._async.handlers import Grip, InputContext, call, roots_of
from mcptasks._exceptions import TaskProtocolError
from mcptasks._json import as_object
from mcptasks._outcome import first_problem

ELICITATION = "elicitation/create"
SAMPLING = "sampling/createMessage"
ROOTS = "roots/list"

_THREADS = 64
"""Plain handlers of one client that work at once, those included that nobody waits for any more. anyio's own limit is
the program's, and must not be used up by people who take their time."""


class RefusalError(Exception):
    """The program's handler refuses to answer, with a JSON-RPC error for the server."""

    def __init__(self, error: types.ErrorData) -> None:
        super().__init__(error.message)
        self.error = error


_MODES = ("form", "url")
_ELICIT_PARAMS: TypeAdapter[types.ElicitRequestParams] = TypeAdapter(types.ElicitRequestParams)


class Answerer:
    """The program's handlers.

    Args:
        elicitation: Answers `elicitation/create`; None for no handler.
        sampling: Answers `sampling/createMessage`.
        roots: Answers `roots/list`: a list, or a function that returns one.
    """

    def __init__(self, elicitation: Any = None, sampling: Any = None, roots: Any = None) -> None:
        self._elicitation = elicitation
        self._sampling = sampling
        self._roots = roots
        self._threads: anyio.CapacityLimiter | None = None
        if roots is not None and not callable(roots):
            roots_of(roots)  # complains where it is nonsense

    @property
    def empty(self) -> bool:
        """Whether there is no handler at all."""
        return self._elicitation is None and self._sampling is None

    def handles(self, method: Any) -> bool:
        """Whether there is a handler for that kind of question."""
        handlers = {ELICITATION: self._elicitation, SAMPLING: self._sampling, ROOTS: self._roots}
        return isinstance(method, str) and handlers.get(method) is not None

    def fits(self, request: Any) -> bool:
        """Whether there is a handler for a server's question."""
        return self.handles((as_object(request) or {}).get("method"))

    async def answer(self, request: Any, context: InputContext[Any], grip: Grip | None = None) -> dict[str, Any]:
        """Have the program's handler answer; the result as it goes on the wire.

        Args:
            request: The server's request: its method and params.
            context: What the handler is told beside the question.
            grip: What the handler may be stopped by.

        Raises:
            TaskProtocolError: The request makes no sense.
            TypeError: The handler returned something that is no answer.
            ValueError: The answer does not keep to the request's schema; names the field.
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
            raise RefusalError(found)
        return formed(request, found)

    async def _call(self, handler: Callable[..., Any], *arguments: Any, grip: Grip | None) -> Any:
        self._threads = self._threads or anyio.CapacityLimiter(_THREADS)  # Made where the event loop runs.
        return await call(handler, *arguments, threads=self._threads, grip=grip)


def parse(request: Any) -> tuple[str, Any]:
    """The method of a server's question, and its params as the SDK's model.

    Raises:
        TaskProtocolError: It is none of the three, or its params are not what the method has.
    """
    found = as_object(request) or {}
    method = found.get("method")
    try:
        # A program may change what it is given; the question itself must stay as the server asked it.
        params = deepcopy(found.get("params"))
        if method == ELICITATION:
            return ELICITATION, _ELICIT_PARAMS.validate_python(params, by_name=False)
        if method == SAMPLING:
            return SAMPLING, types.CreateMessageRequestParams.model_validate(params, by_name=False)
    except (ValidationError, RecursionError) as exc:
        mode = (as_object(found.get("params")) or {}).get("mode", "form")
        if method == ELICITATION and mode not in _MODES:
            words = f"the server asks by the mode {_plain.short(mode, 80)}; known are {' and '.join(_MODES)}"
            raise TaskProtocolError(words) from None
        why = first_problem(exc) if isinstance(exc, ValidationError) else "nested too deeply"
        raise TaskProtocolError(f"the server's {method} makes no sense: {why}") from None
    if method == ROOTS:
        return ROOTS, None
    words = f"{method!r:.80}" if found else "no request"
    raise TaskProtocolError(f"the server asks by {words}; known are {ELICITATION}, {SAMPLING} and {ROOTS}")


def meta_of(request: Any) -> Mapping[str, Any]:
    """The `_meta` of a server's question; empty where there is none."""
    params = as_object((as_object(request) or {}).get("params")) or {}
    return as_object(params.get("_meta")) or {}


def formed(request: Any, value: Any) -> dict[str, Any]:
    """What a program answers by hand, as it goes on the wire; see `Answerer.answer` for the errors."""
    return _form(*parse(request), value)


def _form(method: str, params: Any, value: Any) -> dict[str, Any]:
    make: Mapping[str, Callable[[Any, Any], BaseModel]] = {ELICITATION: _elicited, SAMPLING: _sampled, ROOTS: _rooted}
    answer = make[method](params, value).model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        to_json(answer)
    except ValueError:
        # Found out while it is sent it would end the connection: a text with half a character, say.
        raise ValueError("the answer has a text or a number that cannot be sent") from None
    return answer


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
            raise ValueError(f"a question by URL takes no fields, got {', '.join(content):.200}; accept it with {{}}")
        return types.ElicitResult(action="accept")
    filled = _forms.filled_in(params.requested_schema, content)
    _forms.check(params.requested_schema, filled)
    try:
        return types.ElicitResult(action="accept", content=filled)
    except ValidationError as exc:
        raise TypeError(f"the answer has a field that no form can have: {_where(exc)}") from None


def _content(value: Any) -> dict[str, Any] | None:
    """An object's fields in JSON's own types."""
    kind = cast("type[Any]", type(value))
    # Serialized, a secret is a row of asterisks; what it holds is looked up beside that.
    fields: Any
    held: dict[str, Any]
    try:
        if isinstance(value, BaseModel):
            fields, held = value, value.model_dump(by_alias=True)
        elif is_dataclass(kind):
            fields, held = value, {field.name: getattr(value, field.name) for field in dataclass_fields(kind)}
        elif attrs.has(kind):
            fields = held = attrs.asdict(value)
        elif isinstance(value, Mapping) and all(isinstance(name, str) for name in cast("Mapping[Any, Any]", value)):
            fields = held = dict(cast("Mapping[str, Any]", value))
        else:
            return None
        plain = cast("dict[str, Any]", to_jsonable_python(fields))
        for name in plain.keys() & held.keys():
            opened = _opened(held[name])
            if opened is not held[name]:
                plain[name] = to_jsonable_python(opened)
    except (PydanticSerializationError, UnicodeDecodeError):
        raise TypeError("the answer has a field whose value JSON cannot hold") from None
    # No field of a form can be null: it is the way of typed objects to leave a field out.
    return {name: held for name, held in plain.items() if held is not None}


def _opened(value: Any) -> Any:
    """The value that a pydantic secret holds, also in a list of several; any other value as it is."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return _opened(cast("Secret[Any]", value).get_secret_value())
    if isinstance(value, list | tuple | set | frozenset):
        items = list(cast("Sequence[Any]", value))
        opened = [_opened(item) for item in items]
        return cast("Any", value) if all(map(operator.is_, opened, items)) else opened
    return value


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
    return ", ".join(sorted({repr(error["loc"][1]) for error in exc.errors() if len(error["loc"]) > 1})) or "unknown"
