"""The words of errors that end a wait. Of a deadline: how the task stands, or why the client does not know that. Of a
question that nobody answers: what the task asks. Pure."""

from __future__ import annotations

from mcptasks._core import safe_text
from mcptasks._core.models import TaskStatus

_SAID = 200
"""How many characters of a server's words go into another message; the rest is cut off, to keep errors readable."""


def said(status: TaskStatus) -> str:
    """The status message in brackets, as `quoted` shows it, to follow the status in another message."""
    return quoted(status.status_message)


def quoted(words: str | None) -> str:
    """A server's words for another message: a literal in brackets, cut to a bounded length; empty if there are none."""
    return f" ({safe_text.short(words, _SAID)})" if words else ""


def late(status: TaskStatus | None, trouble: str | None, silence: float | None, *, owned: bool = False) -> str:
    """The words for a task whose deadline passed.

    Args:
        status: The latest status; None if the client knows none.
        trouble: Why the server cannot be reached at present; None if the client knows of no trouble.
        silence: Seconds since the server last said something about the task; None if it never did.
        owned: Whether the task is cancelled with the wait, so that nobody can ask for the result later.
    """
    then = "the server is asked to cancel it" if owned else "the work goes on"
    if status is not None and status.is_terminal:
        why = "" if trouble is None else f": {trouble}"
        again = "" if owned else "; ask for it again"
        return f"the task is {status.status}{said(status)}, but its result has not come yet{why}{again}"
    if trouble is not None:
        if status is None or silence is None:
            return f"no word of the task yet: {trouble}"
        return (
            f"no word of the task for {silence:.3g} s: {trouble}; it was {status.status}{said(status)} when last seen"
        )
    if status is None:
        return f"the server has not said yet how the task stands; {then}"
    return f"the task is still {status.status}{said(status)}; {then}"


def unanswered(keys: str, question: str | None, status: TaskStatus | None, *, owned: bool) -> str:
    """The words for a task that waits for input which no handler gives.

    Args:
        keys: The keys of the requests.
        question: The words of a request; None if there are none. Then the status message is shown.
        status: The latest status; None if the client knows none.
        owned: Whether the task is cancelled with the wait, so that nobody can answer later.
    """
    more = quoted(question or (None if status is None else status.status_message))
    who, then = ("the", "the server is asked to cancel the task") if owned else ("this", "use answer()")
    return f"the task waits for input ({keys}){more}, and {who} client has no handler for it; {then}"
