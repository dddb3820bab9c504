"""The three standard streams of a command, and the rules for what goes where.

Only results go to standard output; progress, hints and errors go to standard error. A server's text is made legible
before it is written to a terminal, and always on standard error.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

from attrs import frozen

from mcptasks._cli import untrusted

Color = Literal["auto", "always", "never"]

STYLES: Mapping[str, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
"""The styles of text, as parameters of the escape sequence (ECMA-48, SGR)."""
_NARROWEST = 20
"""The fewest cells that a line counts as having. Some terminals report a width of 0 before they know their width."""


class OutputError(Exception):
    """Standard output cannot be written, for another reason than a reader that has gone away; a full disk, for
    example."""


@frozen
class Manner:
    """The options for the output of a command."""

    color: Color = "auto"
    json: bool = False
    quiet: bool = False
    asks: bool = True
    """Whether a person at the terminal may be asked."""


def is_colored(choice: Color, environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to color what goes to a stream. Pure.

    Sources: no-color.org (`NO_COLOR`, not empty); bixense.com/clicolors (`CLICOLOR_FORCE`); `FORCE_COLOR` as in Node.

    Args:
        choice: What `--color` says.
        environ: The environment.
        terminal: Whether the stream is a terminal.
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name) not in (None, "", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return terminal and environ.get("TERM") != "dumb"


class Screen:
    """The streams of one command.

    Args:
        manner: The options for the output.
        environ: The environment.
    """

    def __init__(self, manner: Manner, environ: Mapping[str, str]) -> None:
        self.manner = manner
        self._environ = environ
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        for stream in (self._out, self._err):
            # Characters that a terminal without UTF-8 cannot show are spelled out.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")

    @property
    def out_is_terminal(self) -> bool:
        """Whether somebody reads standard output on a terminal."""
        return self._out.isatty()

    @property
    def err_is_terminal(self) -> bool:
        """Whether somebody reads standard error on a terminal."""
        return self._err.isatty()

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask: standard input and standard error are terminals, and asking is allowed."""
        return self.manner.asks and sys.stdin.isatty() and self.err_is_terminal

    @property
    def is_live(self) -> bool:
        """Whether standard error can show a display that is redrawn."""
        dull = self._environ.get("TERM") in ("dumb", None) or bool(self._environ.get("CI"))
        return self.err_is_terminal and not dull and not self.manner.json and not self.manner.quiet

    @property
    def width(self) -> int:
        """How many cells a line of the terminal has."""
        import shutil  # A shell that completes waits for each import, and prints no table.

        return max(shutil.get_terminal_size().columns, _NARROWEST)

    @property
    def err(self) -> TextIO:
        """Standard error, for a live display."""
        return self._err

    def print(self, text: str = "") -> None:
        """Write a line to standard output. Any text of a server in it must have been made legible before.

        Raises:
            BrokenPipeError: Nobody reads any more.
            OutputError: The line cannot be written.
        """
        self._write(text + "\n")

    def print_text(self, text: str, *, raw: bool = False) -> None:
        """Write a server's text to standard output: as it is to a pipe, legible to a terminal.

        Raises:
            BrokenPipeError: Nobody reads any more.
            OutputError: The text cannot be written.
        """
        shown = text if raw or not self.out_is_terminal else untrusted.lines(text)
        self._write(shown if shown.endswith("\n") else shown + "\n")

    def print_json(self, value: Any) -> None:
        """Write one JSON value on one line, in ASCII, which is legible on every terminal.

        Raises:
            BrokenPipeError: Nobody reads any more.
            OutputError: The line cannot be written.
        """
        self._write(json.dumps(value, default=str).replace("\x7f", "\\u007f") + "\n")

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            if exc.errno == errno.EPIPE:
                raise BrokenPipeError from exc
            raise OutputError(f"cannot write to standard output: {exc.strerror}") from exc

    def say(self, text: str, style: str | None = None) -> None:
        """Write a line for people to standard error. A line that cannot be written is dropped; the exit code
        remains."""
        try:
            self._err.write(self.styled(text, style, self._err) + "\n")
            self._err.flush()
        except OSError:
            return

    def hint(self, text: str) -> None:
        """Write a line for people, unless only ids are asked for."""
        if not self.manner.quiet:
            self.say(text)

    def ask(self, text: str) -> None:
        """Write a prompt, after which somebody types on the same line."""
        self._err.write(text)
        self._err.flush()

    def styled(self, text: str, style: str | None, stream: TextIO | None = None) -> str:
        """Return a text in a style, if the stream (standard output by default) is to have colors."""
        to = self._out if stream is None else stream
        if style is None or not is_colored(self.manner.color, self._environ, terminal=to.isatty()):
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def open_standard_streams() -> None:
    """Give the command the standard streams that its caller has closed, so that no file gets their numbers."""
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Open until the process ends.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def drop_output() -> None:
    """Redirect standard output to nowhere after it has failed, since Python would otherwise print an error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
