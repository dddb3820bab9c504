"""Which exceptions of the HTTP libraries are faults of the server or the network."""

from __future__ import annotations

import inspect
from types import ModuleType

import httpx
import httpx2
import pytest

from mcptasks._transport.http.faults import is_fault, never_sent

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


def classes(library: ModuleType, base: type[Exception]) -> list[type[Exception]]:
    """The exceptions of a library that are of one kind."""
    return [each for each in vars(library).values() if inspect.isclass(each) and issubclass(each, base)]


@LIBRARIES
def test_whatever_a_request_may_raise(library: ModuleType) -> None:
    """Every exception by which a request fails is a fault, and so are those of a bad URL and of a stream."""
    found = [*classes(library, library.RequestError), *classes(library, library.StreamError), library.InvalidURL]
    assert len(found) > 20
    missed = [each.__name__ for each in found if not is_fault(each.__new__(each))]
    assert missed == []


@LIBRARIES
def test_what_the_server_cannot_have_seen(library: ModuleType) -> None:
    """A request was never sent if there was no connection for it; after any other fault it may have arrived."""
    unsent = {each.__name__ for each in classes(library, Exception) if never_sent(each.__new__(each))}
    assert unsent == {"ConnectError", "ConnectTimeout", "InvalidURL", "PoolTimeout", "UnsupportedProtocol"}


def test_other_exceptions() -> None:
    """An exception of the program is no fault, whatever its name is."""
    assert not is_fault(ValueError("x"))
    assert not is_fault(type("RequestError", (Exception,), {})("x"))
