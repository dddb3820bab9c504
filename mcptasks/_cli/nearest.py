"""Which known word is meant by a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like `word`; None if none is near. Pure."""
    from difflib import get_close_matches  # Only a mistake takes the time of this import.

    return next(iter(get_close_matches(word, list(known), 1)), None)
