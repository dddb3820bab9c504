"""How far a call has come, and the words about it when the command is stopped. Pure."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from mcptasks._cli import untrusted


@define(kw_only=True)
class Course:
    """The course of one call. The command changes the fields; `goodbye` reads them."""

    tool: str
    server: str
    is_lasting: bool
    """Whether the server outlives the command."""
    sent: bool = False
    """Whether the call was sent, or may have been."""
    plain: bool = False
    """Whether the call runs in this command, without a task at the server."""
    known: str | None = None
    """The name of the task for later commands; None before there is a task."""
    over: bool = False


def goodbye(course: Course, command: Callable[..., str]) -> list[str]:
    """Return the lines that say what becomes of a call when the command is stopped.

    Args:
        course: How far the call has come.
        command: Makes a command line from words.
    """
    tool, server = untrusted.line(course.tool, 80), untrusted.line(course.server, 200)
    if not course.sent:
        return ["stopped; nothing was sent"]
    if course.over:
        return ["stopped; the work was over"]
    if course.plain:
        return [f"stopped; {tool} was a plain call of this command, and was cancelled with it"]
    if course.known is None:
        return [
            f"stopped; the call of {tool} may exist: {server} had not answered yet",
            f"look:       {command('recover')}",
        ]
    if not course.is_lasting:
        first = f"stopped; {ends_with_command(server)}"
    else:
        first = f"stopped; {tool} is still running at {server}"
    return [
        first,
        f"watch it:   {command('watch', course.known)}",
        f"cancel it:  {command('cancel', course.known)}",
    ]


def ends_with_command(server: str) -> str:
    """Return the words about a server that ends with the command. Pure."""
    return f"{untrusted.line(server, 200)} was started by this command and ends with it, and so may the work there"
