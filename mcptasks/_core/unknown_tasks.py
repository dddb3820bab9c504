"""Guesses why a server does not know a task, from the differences between the task's reference and the client. Pure."""

from __future__ import annotations

from attrs import frozen

from mcptasks._core.models import Era, TaskReference, is_immediate_id
from mcptasks._core.safe_text import line

_SHOWN = 200
"""How many characters of an endpoint an error shows; the rest is cut off."""

_OWN_PROCESS = "stdio:"
"""The beginning of endpoints of servers in subprocesses, which end with the client that started them."""

_TIED = "2.14."
"""The beginning of the version of fastmcp that ties tasks to the HTTP session (docs/protocols.md, "Dialects"). A server
made with fastmcp reports fastmcp's version unless its author sets another."""


@frozen(kw_only=True)
class Asked:
    """The server and connection that were asked for the task."""

    endpoint: str
    """The server that the client is connected to."""
    era: Era | None = None
    """The task protocol of the connection; None if there was none yet."""
    tasks: bool | None = None
    """Whether the server declares tasks; None if it does not say."""
    version: str | None = None
    """The version that the server reports of itself."""
    in_session: bool = False
    """Whether the connection has an HTTP session."""


def unknown(message: str, reference: TaskReference, asked: Asked) -> str:
    """The error message for a task that a server does not know: the server's words, and the likely reason if any.

    Args:
        message: The server's words, or ours.
        reference: The task.
        asked: The server and connection that were asked.
    """
    reason = _reason(reference, asked)
    return message if reason is None else f"{message}; {reason}"


def _reason(reference: TaskReference, asked: Asked) -> str | None:
    if is_immediate_id(reference.task_id):
        return "the id is of a call without a task at the server: it was answered at once, or it ran in its client"
    made_at, made_in = reference.endpoint, reference.era
    if made_at is not None and made_at != asked.endpoint:
        return f"the task is of {line(made_at, _SHOWN)}, and this client is connected to {line(asked.endpoint, _SHOWN)}"
    if asked.tasks is False:
        return "the server declares no tasks"
    if made_in is not None and asked.era is not None and made_in != asked.era:
        return f"the task was made in the protocol of {made_in}, and this client speaks {asked.era}"
    if reference.kind is None:
        return None  # The program gave the id alone, so we do not know where it comes from.
    if made_at is not None and made_at.startswith(_OWN_PROCESS):
        return "perhaps it was a task of an earlier process of this server: tasks usually end with the process"
    if asked.in_session and (asked.version or "").startswith(_TIED):
        return "perhaps it was made in another session: fastmcp 2.14 shows a task only to the session that made it"
    return None
