"""JSON files as editors allow them: with comments and trailing commas. Pure.

Messages name lines and columns, and not the text there: configurations may hold secrets.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Without backtracking (atomic group, possessive star): otherwise a file of comments would be tried in 2**n ways.
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<comma>,)(?=(?>\s+|//[^\n]*|/\*.*?\*/)*+[}\]])""",
    re.DOTALL,
)


def load(text: str) -> Any:
    """Return what the text holds.

    Raises:
        ValueError: The text is no JSON, or an object has a name twice.
    """
    try:
        return json.loads(_TOKEN.sub(_plain, text.removeprefix("\ufeff")), object_pairs_hook=_object)
    except json.JSONDecodeError as exc:
        raise ValueError(f"no JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from None
    except RecursionError:
        raise ValueError("no JSON: nested too deeply") from None


def _plain(match: re.Match[str]) -> str:
    """The replacement for a token: blanks for a comment, so that lines and columns stay the same."""
    if match["string"] is not None:
        return match[0]
    return re.sub(r"[^\n]", " ", match[0])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the name {twice!r:.80} twice")
    return found
