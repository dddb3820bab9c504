"""The protocol versions that a client offers, and the errors if a server speaks none of them. Pure.

Up to 2025-11-25, the client offers a version in its `initialize` request, and the server answers with the same or
another version (specification 2025-11-25, basic/lifecycle, "Version Negotiation"). From 2026-07-28 on there is no such
handshake.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attrs import field, frozen
from mcp_types import INVALID_REQUEST, ErrorData
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    KNOWN_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)

from mcptasks._core import safe_text

_MODES = ("auto", "legacy", *KNOWN_PROTOCOL_VERSIONS)


@frozen(kw_only=True)
class Terms:
    """How a connection is to negotiate its protocol version."""

    mode: str
    """The `mode` for `mcp.Client`, which can be told to make the handshake, but not which version to offer."""
    offered: str | None = None
    """The version to offer in the handshake; None for the newest."""
    prior: Any = field(default=None, repr=False)
    """The result of `server/discover` on an earlier connection; None without one."""

    @property
    def older(self) -> bool:
        """Whether the handshake is to offer another version than the newest."""
        return self.offered is not None and self.offered != LATEST_HANDSHAKE_VERSION


def terms_of(mode: Any) -> Terms:
    """The terms that a program's `mode` means.

    Raises:
        TypeError: The mode is not a string.
        ValueError: The mode is unknown; the message lists the known modes.
    """
    if not isinstance(mode, str):
        raise TypeError(f"mode must be one of {', '.join(_MODES)}; got {type(mode).__name__}")
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}; got {safe_text.short(mode, 80)}")
    if mode in HANDSHAKE_PROTOCOL_VERSIONS:
        return Terms(mode="legacy", offered=mode)
    return Terms(mode=mode)


def is_modern(version: str | None) -> bool:
    """Whether a protocol version is 2026-07-28 or later. These have no `initialize` handshake."""
    return version in MODERN_PROTOCOL_VERSIONS


def believed(terms: Terms, era: str | None) -> Terms | None:
    """The terms to try first with a server whose protocol an earlier client has learned; None for the program's terms.

    If the server spoke 2025-11-25 or earlier, the handshake is tried at once; "auto" would first ask for 2026-07-28.
    For a 2026-07-28 server nothing is saved: its answer to that question is needed, since it says what the server can
    do.

    Args:
        terms: The program's terms.
        era: The task protocol that the server spoke; None if that is not known.
    """
    if terms.mode != "auto" or era is None or is_modern(era):
        return None
    return Terms(mode="legacy")


def agreed(version: str, discovered: Any) -> Terms:
    """The terms of later connections: the version of the first. Another probe could be misled by an outage."""
    if is_modern(version):
        return Terms(mode=version, prior=discovered)
    return Terms(mode="legacy", offered=version)


def unspeakable(result: Mapping[str, Any]) -> ErrorData | None:
    """The error for an answer to `initialize` that names a version without such a handshake; None for other answers."""
    version = result.get("protocolVersion")
    if not isinstance(version, str) or version in HANDSHAKE_PROTOCOL_VERSIONS:
        return None
    words = (
        f"the server answers with the protocol version {safe_text.short(version, 80)}, which this client does not speak"
    )
    if is_modern(version):
        words = f"the server answers initialize with {version}, which has no such handshake; give mode={version!r}"
    return ErrorData(code=INVALID_REQUEST, message=words)


def hint(cause: BaseException) -> str:
    """Ends an error with the mode to use instead, if the error is a server's refusal of a version; else empty."""
    data: Any = getattr(getattr(cause, "error", None), "data", None)
    supported: Any = cast("Mapping[str, Any]", data).get("supported") if isinstance(data, Mapping) else None
    if not isinstance(supported, list):
        return ""
    named = cast("list[object]", supported)
    known = [version for version in reversed(KNOWN_PROTOCOL_VERSIONS) if version in named]
    if not known:
        return " (the server names no version that this client speaks)"
    return f" (the server speaks {', '.join(known)}: give mode={known[0]!r})"
