"""Every option of a client that takes a function, with a function that does nothing."""

from __future__ import annotations

from typing import Any

from mcptasks import Patience


def nothing(*arguments: Any) -> None:
    """What is never called here."""


def no_roots() -> list[str]:
    """No folders."""
    return []


FUNCTIONS: dict[str, Any] = {
    "elicitation_handler": nothing,
    "sampling_handler": nothing,
    "log_handler": nothing,
    "roots": no_roots,
    "patience": Patience(stalled_after=3600, on_stall=nothing),
}
