"""What a task runs, as a key to how long that takes: the tool, and a short hash of the arguments. Pure.

The hash tells equal arguments from others. It is no secret and hides none: whoever can guess the arguments can compute
it. A client with a store keys it (`Journal.keyed`), since the store writes it to disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

from attrs import frozen

from mcptasks._core.models import Kind

_BYTES = 8
"""Length of the hash. Among the few dozen arguments that are kept of a tool, two that collide are out of the question;
if two did, polls would be placed worse."""

Tool: TypeAlias = tuple[Kind, str]
"""What was run, and its name."""


@frozen
class CallKey:
    """A tool with the arguments of one call."""

    tool: Tool
    arguments: str
    """Hash of the arguments, in hexadecimal digits."""
    size: int
    """Size class of the arguments: how many bits it takes to write the length of their JSON."""


def call_key(tool: Tool, arguments: Mapping[str, Any] | None) -> CallKey:
    """Return the key of a call. The order of the arguments does not matter.

    Args:
        tool: What is run.
        arguments: What is sent to run it: plain JSON.
    """
    text = json.dumps(arguments or {}, sort_keys=True, separators=(",", ":"), default=repr)
    return CallKey(tool, blake2b(text.encode(), digest_size=_BYTES).hexdigest(), len(text).bit_length())
