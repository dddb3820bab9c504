"""The error of a command, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcptasks._cli import untrusted
from mcptasks._cli.exits import Exit, of_error
from mcptasks._cli.screen import Screen

_CREDENTIALS = (
    'a token:    the variable MCPTASKS_TOKEN, --auth-env VAR, or "headers" of a configured server; '
    "`mcptasks servers --help` shows one",
)
"""The hints for credentials that are missing, or that a server refuses."""


class Failure(Exception):
    """A command has failed.

    Args:
        code: The exit code.
        message: The fault, for people. The message may have text of a server in it.
        kind: The name of the error in JSON.
        hints: Lines of our own that say what to do.
        task: The task in question, in the form of `records.as_json`.
    """

    def __init__(
        self,
        code: Exit,
        message: str,
        *,
        kind: str | None = None,
        hints: Sequence[str] = (),
        task: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind or code.name.lower()
        self.hints = tuple(hints)
        self.task = task


def of_exception(error: Exception, *, task: Mapping[str, Any] | None = None, hints: Sequence[str] = ()) -> Failure:
    """Return the failure that an error of the library, of the file system or of an argument stands for."""
    words = getattr(error, "message", None)
    code = of_error(error)
    return Failure(
        code,
        words if isinstance(words, str) else str(error) or type(error).__name__,
        kind=type(error).__name__,
        task=task,
        hints=hints or (_CREDENTIALS if code is Exit.CREDENTIALS else ()),
    )


def tell(screen: Screen, failure: Failure) -> Exit:
    """Print a failure, and return the exit code."""
    if screen.manner.json:
        screen.print_json(as_json(failure))
    else:
        screen.say(f"error: {untrusted.message(failure.message)}", "red")
    for hint in failure.hints:
        screen.hint(hint)
    return failure.code


def as_json(failure: Failure) -> dict[str, Any]:
    """Return the failure in the form of `--json`."""
    return {"schema": 1, "error": {"type": failure.kind, "message": failure.message, "task": failure.task}}
