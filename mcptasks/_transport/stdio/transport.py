"""The transport for `mcp.Client` that runs a server as a subprocess and talks to it over stdin and stdout.

One task owns the subprocess from its start to its end. The task is shielded from cancellation: it ends when the
transport is closed, and each of its waits after that is bounded.

Some servers (rmcp before 3) exit when they get `server/discover`. The transport starts such a server again, and answers
`server/discover` with an error itself, so that the SDK goes on with the older protocol.
"""

from __future__ import annotations

import json
import signal
from codecs import getincrementaldecoder, lookup
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import define, field
from mcp.client.stdio import StdioServerParameters
from mcp.shared.message import SessionMessage
from mcp_types import METHOD_NOT_FOUND, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCRequest

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.faults import Fault, broken, no_connection
from mcptasks._transport.stdio.conversation import Conversation
from mcptasks._transport.stdio.lines import Overlong
from mcptasks._transport.stdio.open_requests import OpenRequests
from mcptasks._transport.stdio.process import Process, start
from mcptasks._transport.stdio.stderr import Stderr

_FLUSH_SECONDS = 0.5
"""Seconds that the writer has, after the transport was closed, to write pending messages; then they are lost. A server
that no longer reads must not delay the end."""
_STATUS_SECONDS = 1.0
"""Seconds to wait for the exit status of a server that has closed its output; then the error does without a status."""
_TURN = 64
"""How many lines are handled before other tasks get their turn: a server may write many lines in one chunk."""

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
"""The stream from the server, and the stream to the server."""


@asynccontextmanager
async def stdio_transport(parameters: StdioServerParameters, *, max_size: int) -> AsyncGenerator[Streams]:
    """Start a server and talk to it. The server's stderr appears on this program's stderr.

    The server counts as ended when its output is closed, or when its process exits with another status than 0. Exit
    status 0 alone is not the end: a launcher may start the server, leave its pipes to it, and exit. At the end, each
    open request fails with an error that says how the server ended.

    Args:
        parameters: The command, its arguments, environment and folder.
        max_size: How many bytes an answer may have; a larger answer becomes an error.

    Raises:
        TaskConnectionError: The server cannot be started; the message says why.
    """
    codec = _Codec(parameters)
    process = start(parameters)
    incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    transport = _Transport(parameters, incoming[0], outgoing[1], Conversation(max_size), codec)
    async with anyio.create_task_group() as group:
        group.start_soon(transport.run, process)
        try:
            yield incoming[1], outgoing[0]
        finally:
            incoming[1].close()
            outgoing[0].close()
            transport.leave()


class _Codec:
    """Converts from and to the encoding of a server's pipes, nearly always UTF-8."""

    def __init__(self, parameters: StdioServerParameters) -> None:
        try:
            self._name = lookup(parameters.encoding).name
        except LookupError:
            raise TaskConnectionError(f"there is no encoding {safe_text.short(parameters.encoding, 80)}") from None
        self._errors = parameters.encoding_error_handler.replace("strict", "replace")
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the state of the decoder: the output of another process follows."""
        self._decoder = None if self._name == "utf-8" else getincrementaldecoder(self._name)(self._errors)

    def decode(self, chunk: bytes) -> bytes:
        """A chunk of the server's output, in UTF-8."""
        return chunk if self._decoder is None else self._decoder.decode(chunk).encode("utf-8", errors="replace")

    def encode(self, message: JSONRPCMessage) -> bytes:
        """A message as a line.

        Raises:
            ValueError: The message holds a value that cannot be written as JSON.
        """
        line = message.model_dump_json(by_alias=True, exclude_unset=True)
        if self._decoder is not None:
            line = json.dumps(json.loads(line))  # ASCII only, which nearly every encoding includes.
        return f"{line}\n".encode(self._name)


@define(eq=False)
class _Transport:
    _parameters: StdioServerParameters
    _incoming: MemoryObjectSendStream[SessionMessage | Exception]
    _outgoing: MemoryObjectReceiveStream[SessionMessage]
    _conversation: Conversation
    _codec: _Codec
    _over: anyio.Event = field(factory=anyio.Event, init=False)
    """Set when the current process has ended, or nobody needs it any more."""
    _left: bool = field(default=False, init=False)
    _heard: bool = field(default=False, init=False)
    """Whether the server has ever sent a message."""
    _initialize: bytes = field(default=b"", init=False)
    """The line of the `initialize` request, to send again to a second process."""

    @property
    def _requests(self) -> OpenRequests:
        return self._conversation.requests

    def leave(self) -> None:
        """End `run`: nobody needs the server any more."""
        self._left = True
        self._over.set()

    async def run(self, process: Process) -> None:
        """Talk to the server until `leave` is called or the server has ended."""
        with anyio.CancelScope(shield=True):
            try:
                if await self._serve(process):
                    try:
                        process = start(self._parameters)
                    except TaskConnectionError as exc:
                        await self._fail(str(exc))
                    else:
                        await self._serve(process, again=True)
            finally:
                self._close()

    async def _serve(self, process: Process, *, again: bool = False) -> bool:
        """Talk to one process until it ends or `leave` is called; returns whether to start a second process."""
        stderr = Stderr(process.stderr)
        words, repeats = "", False
        try:
            async with anyio.create_task_group() as group:
                reading, writing = _Job(), _Job()
                group.start_soon(stderr.run)
                group.start_soon(self._watch, process)
                group.start_soon(reading.run, self._read, process)
                group.start_soon(writing.run, self._write, process)
                await self._over.wait()
                if self._left:
                    with anyio.move_on_after(_FLUSH_SECONDS):
                        await writing.done.wait()
                else:
                    with anyio.move_on_after(_STATUS_SECONDS):
                        await process.ended.wait()
                    process.stdout.finish()
                    await reading.done.wait()
                await writing.stop()
                stderr.catch_up()
                words = _words(process, stderr.last_words)
                repeats = not (again or self._left or process.stdin.is_untouched) and self._requests.only_probed
                if not (repeats or self._left):
                    await self._fail(words)
                await process.stop(used=self._heard)
                stderr.catch_up()
                await stderr.flush()
                group.cancel_scope.cancel()
        finally:
            process.close()
            stderr.close()
        if repeats:
            await self._begin_anew(words)
        return repeats and not self._left

    async def _begin_anew(self, words: str) -> None:
        """Prepare for a second process, and make the SDK use the older protocol with that process."""
        self._conversation.begin_anew()
        self._codec.begin_anew()
        if not self._left:
            self._over = anyio.Event()
        probe = self._requests.find_method("server/discover")
        if probe is not None:
            self._requests.answered(probe)
            refusal = ErrorData(code=METHOD_NOT_FOUND, message=words)
            await self._deliver([JSONRPCError(jsonrpc="2.0", id=probe, error=refusal)])

    async def _watch(self, process: Process) -> None:
        await process.watch()
        if process.status != 0:
            self._over.set()

    async def _read(self, process: Process) -> None:
        while chunk := await process.stdout.read():
            await self._take(self._conversation.lines(self._codec.decode(chunk)))
        await self._take(self._conversation.end())
        self._over.set()

    async def _take(self, lines: Iterable[bytes | Overlong]) -> None:
        for count, line in enumerate(lines, 1):
            if self._left:
                return  # The output is still read, lest a full pipe stop the server, but not delivered.
            messages = self._conversation.received(line)
            self._heard = self._heard or bool(messages)
            await self._deliver(messages)
            if count % _TURN == 0:
                await anyio.lowlevel.checkpoint()

    async def _deliver(self, messages: Iterable[JSONRPCMessage]) -> None:
        with suppress(anyio.BrokenResourceError):  # The SDK has closed its end of the stream.
            for message in messages:
                await self._incoming.send(SessionMessage(message))

    async def _write(self, process: Process) -> None:
        try:
            if self._requests.find_method("initialize") is not None:
                await process.stdin.send(self._initialize)
            async for item in self._outgoing:
                await self._send(process, item.message)
        except OSError:
            self._over.set()

    async def _send(self, process: Process, message: JSONRPCMessage) -> None:
        self._requests.sent(message)
        try:
            line = self._codec.encode(message)
        except ValueError:
            unsent = Fault(
                action="raise", meaning="protocol", reason="the message cannot be written as JSON", sent=False
            )
            await self._refuse(message, unsent)
            return
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._initialize = line
        await process.stdin.send(line)

    async def _refuse(self, message: JSONRPCMessage, fault: Fault) -> None:
        if isinstance(message, JSONRPCRequest):
            await self._deliver([self._conversation.fail(message.id, fault)])

    async def _fail(self, words: str) -> None:
        """Fail each open request, and each request that is about to be sent, with an error that says why."""
        # If `server/discover` fails, the SDK sends `initialize`, and the program sees the error of the latter.
        more = self._requests.is_negotiating and self._requests.find_method("initialize") is None
        with suppress(anyio.BrokenResourceError):
            await self._incoming.send(TaskConnectionError(words))
        await self._deliver(self._conversation.fail_all(broken(words)))
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            if more:
                with anyio.move_on_after(_STATUS_SECONDS):
                    await self._refuse((await self._outgoing.receive()).message, no_connection(words))
            while True:
                await self._refuse(self._outgoing.receive_nowait().message, no_connection(words))
        self._close()

    def _close(self) -> None:
        self._incoming.close()
        self._outgoing.close()


class _Job:
    """A task that others can stop, and whose end they can await."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self._scope = anyio.CancelScope()

    async def run(self, function: Callable[[Process], Awaitable[None]], process: Process) -> None:
        try:
            with self._scope:
                await function(process)
        finally:
            self.done.set()

    async def stop(self) -> None:
        self._scope.cancel()
        await self.done.wait()


def _words(process: Process, last_words: str) -> str:
    """Says how a server has ended, with its last words on stderr."""
    status = process.status
    if not process.ended.is_set():
        how = "closed the connection"
    elif status is None:
        how = "ended"
    elif status >= 0:
        how = f"ended with exit status {status}"
    else:
        names = {number.value: number.name for number in signal.Signals}
        how = f"was ended by {names.get(-status, f'signal {-status}')}"
    return f"the server {how}" + (f"; the last on its stderr: {last_words}" if last_words else "")
