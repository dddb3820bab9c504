"""Which known word is meant by a mistyped one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mcptasks._cli import untrusted

_SHOWN = 20
"""How many tools are listed for a name that the server does not have."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like `word`; None if none is near."""
    from difflib import get_close_matches  # Only a mistake takes the time of this import.

    return next(iter(get_close_matches(word, list(known), 1)), None)


def unknown_tool(tool: str, names: list[str]) -> str:
    """Return the message for a tool that the server does not list."""
    near = nearest(tool, names)
    if near:
        return f"the server lists no tool {tool!r:.80}; did you mean {untrusted.line(near, 80)}?"
    listed = ", ".join(untrusted.line(name, 80) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"the server lists no tool {tool!r:.80}; it has: {listed}{more}"
