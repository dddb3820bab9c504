"""JSON files as people write them: with comments and a comma too many, as editors allow. Pure.

Messages name lines and columns, never what stands there: configurations hold secrets.
"""

from __future__ import annotations

import json
import re
from typing import Any

# A group and a star that give nothing back: a file of comments would be tried in 2**n ways otherwise.
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
    """What stands in the place of a token: blanks for a comment, so that lines and columns stay."""
    if match["string"] is not None:
        return match[0]
    return re.sub(r"[^\n]", " ", match[0])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r:.80} stands there twice")
    return found
