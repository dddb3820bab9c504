"""A person at the terminal: lines that are typed, with the event loop free meanwhile, and confirmations."""

from __future__ import annotations

import getpass
import os
import sys

from mcptasks._cli.screen import Screen

_LONGEST = 65536
"""Bytes of one line. A terminal in its usual mode hands out lines of at most 4,096."""


class NoAnswer(Exception):
    """Somebody ended the input (Ctrl-D), so the question stays open."""


async def read_line(screen: Screen, prompt: str) -> str:
    """Ask for a line, and return it without its end. Can be cancelled at any time.

    No thread waits for the line, so Ctrl-C need not wait for a thread.

    Raises:
        NoAnswer: The input has ended.
    """
    import anyio

    screen.ask(prompt)
    number = sys.stdin.fileno()
    found = b""
    while not found.endswith(b"\n") and len(found) < _LONGEST:
        await anyio.wait_readable(number)
        piece = os.read(number, 4096)
        if not piece:
            if found:
                break  # Ctrl-D at the end of what was typed.
            screen.say("")
            raise NoAnswer
        found += piece
    return found.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\r\n")


def ask_line(screen: Screen, prompt: str) -> str:
    """Ask for a line before an event loop runs.

    Raises:
        ValueError: The input has ended.
    """
    screen.ask(prompt)
    line = sys.stdin.readline()
    if not line:
        raise ValueError("nothing was entered")
    return line.rstrip("\r\n")


def ask_secret(screen: Screen, prompt: str) -> str:
    """Ask for a line that is not shown.

    Raises:
        ValueError: The input has ended.
    """
    try:
        return getpass.getpass(prompt, screen.err)
    except EOFError:
        raise ValueError("nothing was entered") from None


def confirm(screen: Screen, question: str) -> bool:
    """Ask a question that is answered with no unless somebody types yes."""
    try:
        return ask_line(screen, f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except ValueError:
        return False
