"""Guards a transport of the program's own, which may deliver values that are not JSON, and may raise anything.

Our own transports parse JSON and need no guard. An answer that is not JSON becomes a JSON-RPC parse error for the
request that it answers. A request or notification that is not JSON is dropped. An object that is not a message, or an
answer without an id, ends the connection: nobody can tell which request it belongs to. Lone surrogates in texts are
replaced by U+FFFD, as everywhere else.
"""

from __future__ import annotations

import logging
import math
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, cast

import anyio
from attrs import define, field
from mcp.shared.message import SessionMessage
from mcp_types import (
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptasks._core.faults import Fault

logger = logging.getLogger("mcptasks")

_DEPTH = 200
"""How many levels of objects and arrays a message may have. A deeper one is not JSON to us: it could exhaust Python's
stack."""
_BITS = 1024
"""How many bits an integer may have; a longer one is not JSON to us. No double is larger (RFC 8259, 6)."""
_CLOSED = (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError)


class _NotJsonError(ValueError):
    """A message holds a value that is not JSON; says which, and where."""


def mended(item: Any) -> SessionMessage | Exception | None:
    """The item that a transport delivered, as a message of pure JSON; None if the item is to be dropped.

    Raises:
        ValueError: The item is not a message, or is an answer without a valid id.
    """
    if isinstance(item, Exception):
        return item
    message: Any = item.message if isinstance(item, SessionMessage) else item
    try:
        found = _message(message)
    except _NotJsonError as exc:
        if isinstance(message, JSONRPCRequest | JSONRPCNotification):
            logger.debug("the transport delivered a message that is not JSON: %s", exc)
            return None
        if not (isinstance(message, JSONRPCResponse | JSONRPCError) and _is_id(message.id)):
            raise
        error = ErrorData(code=PARSE_ERROR, message=f"the transport delivered a message that is not JSON: {exc}")
        found = JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
    return SessionMessage(found, metadata=item.metadata)


def _message(message: Any) -> JSONRPCResponse | JSONRPCError | JSONRPCRequest | JSONRPCNotification:
    match message:
        case JSONRPCResponse() if _is_id(message.id):
            return JSONRPCResponse(jsonrpc="2.0", id=message.id, result=_object(message.result, "result"))
        case JSONRPCError() if message.id is None or _is_id(message.id):
            return JSONRPCError(jsonrpc="2.0", id=message.id, error=_error(message.error))
        case JSONRPCRequest() if _is_id(message.id):
            params = None if message.params is None else _object(message.params, "params")
            return JSONRPCRequest(jsonrpc="2.0", id=message.id, method=_text(message.method, "method"), params=params)
        case JSONRPCNotification():
            params = None if message.params is None else _object(message.params, "params")
            return JSONRPCNotification(jsonrpc="2.0", method=_text(message.method, "method"), params=params)
        case _:
            raise _NotJsonError(f"a {type(message).__name__}, which is no JSON-RPC message or has no valid id")


def _is_id(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() <= _BITS
    return isinstance(value, str)


def _error(error: Any) -> ErrorData:
    if not isinstance(error, ErrorData) or not isinstance(cast("Any", error).code, int):
        raise _NotJsonError("error: it has no code")
    # The program may also hand in a transport of this package, whose errors carry a `Fault`.
    data = error.data if isinstance(error.data, Fault) else _value(error.data, "error.data", 1)
    return ErrorData(code=error.code, message=_text(error.message, "error.message"), data=data)


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _NotJsonError(f"{place} is a {type(value).__name__}, not an object")
    return cast("dict[str, Any]", _value(value, place, 1))


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _NotJsonError(f"{place} is a {type(value).__name__}, not a string")
    return _whole(value)


def _whole(text: str) -> str:
    """The text, with U+FFFD in place of lone surrogates."""
    if text.isascii():
        return str.__str__(text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _value(value: Any, place: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, int):
        if value.bit_length() > _BITS:
            raise _NotJsonError(f"{place} is a number with more than 300 digits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJsonError(f"{place} is {value}")
        return float(value)
    if depth > _DEPTH:
        raise _NotJsonError("it is nested too deeply")
    if isinstance(value, dict):
        return {
            _text(key, f"a key in {place}"): _value(inner, f"{place}.{key!s:.40}", depth + 1)
            for key, inner in cast("dict[Any, Any]", value).items()
        }
    if isinstance(value, list | tuple):
        return [_value(inner, f"{place}[]", depth + 1) for inner in cast("list[Any]", value)]
    raise _NotJsonError(f"{place} is a {type(value).__name__}")


@define
class _Reader:
    _inner: Any = field(repr=False)

    @property
    def last_context(self) -> Any:
        """The sender's context variables, which the SDK looks for."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: The transport has ended, or raised any other exception.
        """
        while True:
            try:
                found = mended(await self._inner.receive())
            except _CLOSED:
                raise
            except Exception as exc:
                logger.warning("the transport ended with %s", type(exc).__name__, exc_info=exc)
                raise anyio.EndOfStream from exc
            if found is not None:
                return found

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()


@define
class _Writer:
    _inner: Any = field(repr=False)

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message.

        Raises:
            anyio.BrokenResourceError: The transport has ended, or raised any other exception.
        """
        try:
            await self._inner.send(item)
        except _CLOSED:
            raise
        except Exception as exc:
            logger.warning("the transport did not send a message: %s", type(exc).__name__, exc_info=exc)
            raise anyio.BrokenResourceError from exc

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()


@define
class ForeignTransport(AbstractAsyncContextManager[tuple[_Reader, _Writer]]):
    """A transport of the program's own, guarded."""

    _inner: Any = field(repr=False)

    async def __aenter__(self) -> tuple[_Reader, _Writer]:
        reader, writer = await self._inner.__aenter__()
        return _Reader(reader), _Writer(writer)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        try:
            swallowed: bool | None = await self._inner.__aexit__(exc_type, exc_val, exc_tb)
        except Exception as exc:
            if exc_val is not None:
                # The transport may have wrapped `exc_val`: a cancellation, above all, must not be lost.
                raise
            logger.warning("the transport failed when it was closed: %s", type(exc).__name__, exc_info=exc)
            return None
        return swallowed
