"""Values that a program gives to one call, and that stay with its task: HTTP headers, and a context for handlers.

Both live in the memory of one client. Neither is written to a store, to a log or into a `repr`: headers may hold
credentials, and a context may be any object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@frozen(eq=False)
class Carried:
    """The values of one call."""

    headers: Mapping[str, str] = field(default=NO_HEADERS, repr=False)
    """Sent with each request of the call and of its task, beside the client's own; the names are in lower case."""
    context: Any = field(default=None, repr=False)
    """Handed to input handlers as `InputContext.context`."""


NOTHING = Carried()
"""Shared by all calls that were given nothing, to save their memory."""


def common(several: Sequence[Carried]) -> Carried:
    """The headers, and the context, that all of these calls share: for a question that may come from any of them."""
    if not several:
        return NOTHING
    first, *others = several
    return Carried(
        first.headers if all(each.headers == first.headers for each in others) else NO_HEADERS,
        first.context if all(each.context is first.context for each in others) else None,
    )
