"""The demonstration: one tool, in the background, from its start to its result."""

from __future__ import annotations

import sys
from signal import SIGINT
from typing import Any, TextIO

import anyio

from mcptasks import (
    Client,
    Task,
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskStatus,
)
from mcptasks._cli.demo_target import place_of
from mcptasks._cli.stopping import Ended, Leaving, until_stopped
from mcptasks._cli.words import SHOWN, Course, Place, fate, questions, stopped, uncallable
from mcptasks._core.safe_text import WORDS, line, short

EMBEDDED_TOOL = "slow_computation"
"""The tool that is called if none is named."""


class _CallRefused(Exception):
    """The server's list of tools shows that the call would fail."""


class Demo:
    """One demonstration. The constructor checks the arguments; `run` shows the demonstration.

    Args:
        where: The target: a URL or path, or a command and its arguments; an empty one for the embedded server.
        tool: The tool; None for the tool of the embedded server, which other servers may have too.
        arguments: The tool's arguments; None for arguments that suit the embedded server's tool.
        backend: "asyncio" or "trio".
        mode: How to negotiate.
        wait: Seconds to wait for a server that is not up yet; URLs only.

    Raises:
        TypeError: The target is of no kind that can be connected to.
        ValueError: The target, the mode or the time is invalid.
        FileNotFoundError: The target is a path that leads to no file.
    """

    def __init__(
        self,
        where: str | list[str],
        tool: str | None,
        arguments: dict[str, Any] | None,
        *,
        backend: str,
        mode: str,
        wait: float | None = None,
    ) -> None:
        target = where or [sys.executable, "-m", "mcptasks.testing", "--transport", "stdio"]
        self._client = Client(target, mode=mode)
        endpoint, lasting = place_of(target)
        if wait is not None and not lasting:
            raise ValueError("--wait is for URLs: other servers are started by this command")
        if wait is not None:
            self._client = Client(target, mode=mode, wait_for_server=wait)
        self._named = tool
        self._arguments = arguments
        self._backend = backend
        place = Place(given=where, endpoint=endpoint, lasting=lasting, mode=mode)
        self._course = Course(place=place, tool=tool or EMBEDDED_TOOL)
        self._told: set[tuple[str, str]] = set()

    def run(self) -> int:
        """Call the tool as a task and print what happens.

        Returns:
            The exit status: 0; 1 if the demonstration failed; 130 after Ctrl-C, and 128 + N after another signal N.
        """
        try:
            return self._run()
        except KeyboardInterrupt as exc:
            if not self._number:
                for text in self._goodbye():
                    say(text, sys.stderr)
            return 128 + (self._number or (exc.number if isinstance(exc, Ended) else SIGINT))

    def _run(self) -> int:
        course = self._course
        try:
            anyio.run(self._guarded, backend=self._backend)
        except BrokenPipeError:
            raise
        except _CallRefused as exc:
            say(str(exc), sys.stderr)
        except TaskInputRequiredError as exc:
            status = self._status
            for text in questions(exc.input_requests, status.status_message if status else None):
                say(text, sys.stderr)
            say("this command cannot answer", sys.stderr)
            self._say_fate(list(exc.input_requests.values()) or [None])
        except (TaskError, ValueError, TypeError, OSError) as exc:
            say(f"{type(exc).__name__}: {exc.message if isinstance(exc, TaskError) else exc}", sys.stderr)
            if isinstance(exc, TaskConnectionError) and course.reference is not None and course.place.lasting:
                self._say_fate([])
        else:
            return 128 + self._number if self._number else 0
        return 1

    _status: TaskStatus | None = None
    """The latest status that was seen."""
    _left = False
    """Whether the command was interrupted. If so, the end of a plain call comes from closing the client, and is not
    shown."""
    _number = 0
    """The signal that has ended the demonstration; 0 if there was none."""

    def _say_fate(self, answer: list[Any]) -> None:
        for text in fate(self._course, answer=answer):
            say(text, sys.stderr)

    async def _guarded(self) -> None:
        """Show the demonstration. A signal cancels it, so that closing the client is never interrupted halfway."""
        leaving = Leaving(self._goodbye, limit=0)
        self._number = await until_stopped(self._demo, leaving, lambda text: say(text, sys.stderr))

    def _goodbye(self) -> list[str]:
        self._left = True
        return stopped(self._course)

    async def _demo(self) -> None:
        course, place = self._course, self._course.place
        say(f"{'connecting to' if place.lasting else 'starting'} {place.name}")
        failure: TaskError | None = None
        async with self._client as client:
            server = line(client.server_info.name, SHOWN) if client.server_info else "a server without a name"
            say(f"connected to {server}, MCP {client.protocol_version}")
            course.connected = True
            if place.given and not place.lasting and place.mode == "auto" and client.protocol_version < "2026":
                say("this server speaks the older protocol; if it complained above, give --mode legacy")
            arguments = await self._checked(client)
            course.called = True
            task = await client.call_tool(course.tool, arguments, task=True)
            try:
                self._say_start(task)
                known = task.last_status  # The callback gets the later statuses only.
                if known is not None and known.status_message and not known.is_terminal:
                    self._show(known)
                task.on_status_change(self._show)
                result = await task.result()
                say(f"result: {short(result.data, WORDS)}")
                course.shown = True
            except TaskError as exc:
                failure = exc  # A client that is left by an error does not wait until the last status is shown.
                self._status = task.last_status
                course.shown = not isinstance(exc, TaskInputRequiredError | TaskConnectionError)
            except BaseException:
                self._left = True  # Needed on Windows, where no signal can be waited for.
                raise
        if failure is not None:
            raise failure

    async def _checked(self, client: Client) -> dict[str, Any]:
        """The arguments of the call, checked with the server's list of tools.

        Raises:
            _CallRefused: The call would fail.
        """
        arguments = self._arguments
        if arguments is None:
            arguments = {"duration": 3.0} if self._course.tool == EMBEDDED_TOOL else {}
        try:
            tools = await client.list_tools()
        except TaskFailedError:
            return arguments  # The server has no list of tools, so its answer to the call is shown.
        named = self._named
        if named is None and any(tool.name == EMBEDDED_TOOL for tool in tools):
            named = EMBEDDED_TOOL
        if reason := uncallable(tools, named, arguments):
            raise _CallRefused(reason)
        return arguments

    def _say_start(self, task: Task[Any]) -> None:
        course = self._course
        course.plain, course.over = task.returned_immediately, task.done
        if not course.plain:
            course.reference = task.reference
            say(f"{course.tool} runs in the background as task {line(task.task_id, SHOWN)}")
        elif course.over:
            say(f"{course.tool} was answered at once: the server has no task for it")
            return
        else:
            say(f"{course.tool} is a plain call in the background of this program: the server has no task for it")
        say("meanwhile this program is free to do something else")

    def _show(self, status: TaskStatus) -> None:
        course = self._course
        if self._left:
            return
        course.over = course.over or status.is_terminal
        # The words of a question are shown once, at the end.
        words = "" if status.status == "input_required" else line(status.status_message or "", SHOWN)
        if words or (status.status, words) not in self._told:
            say(f"  {status.status:<14} {words}".rstrip())
        self._told.add((status.status, words))


def say(text: str, file: TextIO | None = None) -> None:
    """Print one line: what a server says is harmless, and what the terminal cannot write is spelled out."""
    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    print(line(text, 2 * WORDS).encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)
