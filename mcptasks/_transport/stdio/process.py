"""One process of a server on stdio, in a session of its own: started, watched, and ended with its children.

The process is reaped only after its group was told to end: until then the system gives its number to no other process.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import anyio
from attrs import define, field
from mcp.client.stdio import StdioServerParameters, get_default_environment

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._transport.stdio.pipes import Inlet, Outlet, make_pipe

GRACE_SECONDS = 2.0
"""Seconds that a server has to end after its stdin was closed, before SIGTERM; then once more, before SIGKILL. The
SDK's figure."""
_UNUSED_SECONDS = 0.2
"""Seconds before SIGTERM for a server that has never sent a message. The caller has already waited for a first message,
so this is short."""
_KILL_SECONDS = 2.0
"""Seconds to wait for the end of a process after SIGKILL; then `stop` returns. Only a process stuck in the kernel
takes longer."""
_POLL_SECONDS = 0.01
"""Seconds between two checks of a process or group whose end the system does not report."""


@define(eq=False)
class Process:
    """A server's process."""

    stdin: Outlet
    stdout: Inlet
    stderr: Inlet
    _popen: subprocess.Popen[bytes]
    ended: anyio.Event = field(factory=anyio.Event, init=False)
    """Set by `watch` when the process has ended; its children may still run."""
    status: int | None = field(default=None, init=False)
    """The exit status, or minus the number of the signal that ended the process. None as long as the process runs, or
    if another part of this program has reaped the process."""

    async def watch(self) -> None:
        """Wait for the end of the process, and set `ended`."""
        try:
            fd = os.pidfd_open(self._popen.pid)
        except (AttributeError, OSError):  # pidfd_open exists on Linux only, and some containers forbid it.
            while not self._has_ended():  # noqa: ASYNC110 - there is no event to wait for
                await anyio.sleep(_POLL_SECONDS)
        else:
            try:
                while not self._has_ended():
                    await anyio.wait_readable(fd)
            finally:
                os.close(fd)
        self.ended.set()

    async def stop(self, *, used: bool = True) -> None:
        """End the process and its group, within bounded time. `watch` must run meanwhile.

        Closes stdin, and gives the server 2 s to end by itself. Then sends SIGTERM to the group, and after another 2 s
        SIGKILL (2025-11-25, basic/lifecycle, "Shutdown"; the times are the SDK's). Children that the server has left
        behind get SIGTERM as soon as the server has ended.

        Args:
            used: Whether the server has ever sent a message. If not, SIGTERM follows after 0.2 s: there is nothing to
                save.
        """
        self.stdin.close()
        with anyio.move_on_after(GRACE_SECONDS if used else min(_UNUSED_SECONDS, GRACE_SECONDS)):
            await self.ended.wait()
        self._signal(signal.SIGTERM)
        with anyio.move_on_after(GRACE_SECONDS):
            await self.ended.wait()
            self._popen.poll()  # A process that is not reaped would keep its group alive.
            while self._signal(0):  # noqa: ASYNC110 - there is no event for the end of a group
                await anyio.sleep(_POLL_SECONDS)
            return
        self._signal(signal.SIGKILL)
        with anyio.move_on_after(_KILL_SECONDS):
            await self.ended.wait()
        self._popen.poll()

    def close(self) -> None:
        """Close the pipes, on which no task may be waiting. Kill the group if `stop` did not run to its end."""
        if self._popen.returncode is None:
            self._signal(signal.SIGKILL)
            self._popen.poll()
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            self.status = self._popen.poll()
            return self.status is not None
        try:
            found = os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        if found is not None:
            self.status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        return found is not None

    def _signal(self, number: int) -> bool:
        """Send a signal to the group; returns whether the group still exists."""
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # Some processes of the group run as another user.
        return True


def start(parameters: StdioServerParameters) -> Process:
    """Start a server.

    Raises:
        TaskConnectionError: The server cannot be started; the message says why.
    """
    with ExitStack() as on_failure, ExitStack() as always:

        def pipe(*, to_child: bool) -> tuple[int, int]:
            ours, its = make_pipe(to_child=to_child)
            on_failure.callback(os.close, ours)
            always.callback(os.close, its)
            return ours, its

        try:
            stdin, stdout, stderr = pipe(to_child=True), pipe(to_child=False), pipe(to_child=False)
            popen = subprocess.Popen(
                [parameters.command, *parameters.args],
                stdin=stdin[1],
                stdout=stdout[1],
                stderr=stderr[1],
                env=get_default_environment() | (parameters.env or {}),
                cwd=parameters.cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            raise TaskConnectionError(f"cannot start {_name(parameters.command)}: {_why(exc, parameters)}") from exc
        on_failure.pop_all()
        return Process(Outlet(stdin[0]), Inlet(stdout[0]), Inlet(stderr[0]), popen)


def _name(command: str) -> str:
    """The program's name alone: the words after it, if somebody gave a whole command line, may hold secrets."""
    return safe_text.short(Path((command.split() or [""])[0]).name, 80)


def _why(exc: OSError | ValueError, parameters: StdioServerParameters) -> str:
    if isinstance(exc, ValueError):
        return "its command, arguments or environment hold a character that no program can be given, such as NUL"
    folder = parameters.cwd
    if folder is not None and exc.filename is not None and os.fspath(exc.filename) == os.fspath(folder):
        return (
            "its folder (cwd) does not exist"
            if isinstance(exc, FileNotFoundError)
            else f"its folder (cwd) cannot be used: {exc.strerror}"
        )
    program = Path(parameters.command)
    if isinstance(exc, FileNotFoundError):
        if program.is_file():
            return "the program that its first line names does not exist"
        if len(parameters.command.split()) > 1:
            return "no such program; the program and each argument are strings of their own"
        if program.name == "node":
            return "no such program; Node.js runs .js files: install it, or put it into PATH"
        return "no such program"
    if exc.errno == errno.ENOEXEC:
        return "it is not executable: the file is not a program, and has no first line (#!) that names an interpreter"
    if isinstance(exc, PermissionError):
        if program.is_dir():
            return "it is a folder"
        return "it is not executable; run `chmod +x`, or put its interpreter before it in the list"
    return exc.strerror or type(exc).__name__
