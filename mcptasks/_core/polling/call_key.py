"""The key under which run times are kept: the tool of a task, and a short hash of its arguments. Pure.

The hash tells equal arguments from others. It does not hide the arguments: whoever guesses them can compute the hash. A
client with a store therefore mixes a secret key into it (`Journal.keyed`) before the store writes it to disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

from attrs import frozen

from mcptasks._core.models import Kind

_BYTES = 8
"""Length of the hash in bytes. A collision among the few dozen arguments that are kept of a tool is most unlikely, and
would only place polls worse."""

Tool: TypeAlias = tuple[Kind, str]
"""What was run, and its name."""


@frozen
class CallKey:
    """A tool with the arguments of one call."""

    tool: Tool
    arguments: str
    """Hash of the arguments, in hexadecimal digits."""
    size: int
    """Size class of the arguments: the number of bits in the length of their JSON text."""


def call_key(tool: Tool, arguments: Mapping[str, Any] | None) -> CallKey:
    """Return the key of a call. The order of the arguments does not matter.

    Args:
        tool: What is run.
        arguments: What is sent to run it: plain JSON.
    """
    text = json.dumps(arguments or {}, sort_keys=True, separators=(",", ":"), default=repr)
    return CallKey(tool, blake2b(text.encode(), digest_size=_BYTES).hexdigest(), len(text).bit_length())
