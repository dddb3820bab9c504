"""Turns exceptions of the HTTP libraries into faults."""

from __future__ import annotations

from mcp import MCPError
from mcp_types import INTERNAL_ERROR

from mcptasks._core import safe_text
from mcptasks._core.faults import Fault

_FAULTS = frozenset({"RequestError", "InvalidURL", "StreamError"})
_LONGEST = 300
"""How many characters of an exception's text go into an error; the rest is cut off."""
_DEPTH = 10
"""How many causes of an exception are searched for a text. The HTTP libraries chain only a few."""
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "InvalidURL", "UnsupportedProtocol"})


def failure(fault: Fault) -> MCPError:
    """The error that carries a fault to the sender of a request, also through the SDK."""
    return MCPError(code=INTERNAL_ERROR, message=fault.reason, data=fault)


def is_fault(exc: BaseException) -> bool:
    """Whether an exception is one that httpx2 or httpx raises for a fault of the server or the network.

    Goes by names, since httpx need not be installed.
    """
    return any(cls.__name__ in _FAULTS and cls.__module__.startswith("httpx") for cls in type(exc).__mro__)


def words_of(exc: BaseException) -> str:
    """The type and text of an exception. On trio its own text is empty, and the system's or OpenSSL's is in a cause."""
    below: BaseException | None = exc
    for _ in range(_DEPTH):
        if below is None or (str(below) and (below is exc or isinstance(below, OSError))):
            break
        below = below.__cause__ or below.__context__
    text = "" if below is None else safe_text.cut(str(below), _LONGEST)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def never_sent(exc: BaseException) -> bool:
    """Whether no connection was made, so that the server cannot have seen the request."""
    return any(cls.__name__ in _UNSENT for cls in type(exc).__mro__)
