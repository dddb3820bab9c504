"""A real Jupyter kernel for tests: runs cells, presses stop, answers `input()`, restarts, and keeps what was shown.

It does what a frontend does and nothing more. Updates of a display reach the cell that showed it, whichever cell runs
by then; what belongs to no known cell is kept in `strays`. All waits are bounded, and the kernel is killed at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import attrs
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from tests.helpers.stand_ins import StandIns

ROOT = Path(__file__).parent.parent.parent
FORKED = Path(__file__).with_name("forked_kernel.py")
LIMIT = 180.0
"""The longest that a cell may take, which none should come near."""
SETTLED = 0.4
"""Seconds until a cell that waits does nothing else any more. To stop it earlier would only be easier for it."""

T = TypeVar("T")


@attrs.define
class Output:
    """One thing that a cell shows."""

    kind: str
    """"stdout", "stderr", "result" or "display"."""
    text: str
    html: str = ""
    display_id: str | None = None


@attrs.define
class Cell:
    """One cell that was run, and what it shows now."""

    outputs: list[Output] = attrs.field(factory=list[Output])
    error: str | None = None
    """The name of the exception that ended it."""
    message: str = ""
    """What that exception says."""
    stopped_at: float = 0.0
    """When the stop button was pressed, by `time.time()`."""
    prompts: list[str] = attrs.field(factory=list[str])
    """What `input()` asked."""

    def of(self, kind: str) -> str:
        """All text of one kind."""
        return "".join(output.text for output in self.outputs if output.kind == kind)

    @property
    def printed(self) -> str:
        """What the cell printed."""
        return self.of("stdout").strip()

    @property
    def value(self) -> str:
        """The plain text of the cell's last expression."""
        return self.of("result")

    @property
    def html(self) -> str:
        """The HTML of all that the cell shows."""
        return "".join(output.html for output in self.outputs)


def shown(cell: Cell) -> str:
    """The HTML of a cell that shows one thing and nothing else."""
    (output,) = cell.outputs
    return output.html


class Kernel:
    """One kernel process and the frontend's end of it. Blocking, for tests without an event loop of their own.

    Args:
        place: A folder for what belongs to the kernel.
        stand_ins: What forks it.
    """

    def __init__(self, place: Path, stand_ins: StandIns) -> None:
        self.strays: list[str] = []
        self._runner = asyncio.Runner()
        self._shown: dict[str, list[Output]] = {}
        self._cells: dict[str, Cell] = {}
        self._manager: Any = manager(place, stand_ins)  # jupyter_client does not annotate all of it
        self._client: AsyncKernelClient | None = None
        self._environment = environment(place)
        self._news = asyncio.Event()

    def __enter__(self) -> Kernel:
        """Start the kernel."""
        self._runner.run(self._start())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.run(self._end())
        self._runner.close()

    @property
    def client(self) -> AsyncKernelClient:
        """The frontend's channels."""
        assert self._client is not None
        return self._client

    # --- what a person does ---------------------------------------------------------------------------------------

    def run(self, code: str, *, answers: Iterable[str] | None = None) -> Cell:
        """Run a cell to its end. It must not fail.

        Args:
            code: The cell.
            answers: What to answer `input()`; None for a frontend that has no way to ask.
        """
        cell = self.try_(code, answers=answers)
        assert cell.error is None, f"{cell.error}: {cell.message}"
        assert not cell.of("stderr"), cell.of("stderr")
        return cell

    def try_(self, code: str, *, answers: Iterable[str] | None = None) -> Cell:
        """Run a cell to its end, however it ends."""
        return self._bounded(self._execute(code, answers))

    def stop(self, code: str, *, asking: bool = False, after: Callable[[], object] | None = None) -> Cell:
        """Run a cell that prints something and then waits, or asks something; press stop while it does.

        Args:
            code: The cell.
            asking: Press it when `input()` asks something.
            after: Returns when what the cell does on its way to the wait has happened. Called in a thread.
        """
        return self._bounded(self._execute(code, None, stop="asked" if asking else "printed", after=after))

    def restart(self) -> None:
        """Have the kernel end by itself, and start another: all variables are gone."""
        self._bounded(self._restart(now=False))

    def until(self, found: Callable[[], bool]) -> None:
        """Look at what comes from the kernel until something is found."""
        self._bounded(self._until(found))

    # --- within ---------------------------------------------------------------------------------------------------

    def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(asyncio.wait_for(work, LIMIT))
        except TimeoutError:
            # The tests that follow get a kernel that answers.
            self._runner.run(self._restart(now=True))
            raise

    async def _start(self) -> None:
        await self._manager.start_kernel(cwd=str(ROOT), env=self._environment)
        await self._connect()

    async def _connect(self) -> None:
        client: AsyncKernelClient = self._manager.client()
        self._client = client
        client.start_channels()
        await client.wait_for_ready(timeout=LIMIT)

    async def _restart(self, *, now: bool) -> None:
        self.client.stop_channels()
        await self._manager.restart_kernel(now=now)
        self._cells.clear()
        self._shown.clear()
        await self._connect()

    async def _end(self) -> None:
        if self._client is not None:
            self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    async def _execute(
        self, code: str, answers: Iterable[str] | None, stop: str = "", after: Callable[[], object] | None = None
    ) -> Cell:
        cell = Cell()
        # A cell that follows a failed one at once would else be passed over.
        asks = answers is not None or stop == "asked"
        request = self.client.execute(code, allow_stdin=asks, stop_on_error=False)
        self._cells[request] = cell
        answering = asyncio.create_task(self._answer(cell, answers))
        stopping = asyncio.create_task(self._stop(cell, stop, after)) if stop else None
        try:
            while not await self._over(request):
                self._news.set()
                self._news = asyncio.Event()
        finally:
            answering.cancel()
            if stopping is not None:
                stopping.cancel()
        # The reply is there at the same time; left unread, it would pass for the next cell's.
        while (await self.client.get_shell_msg(timeout=LIMIT))["parent_header"].get("msg_id") != request:
            pass
        return cell

    async def _over(self, request: str) -> bool:
        """Take the next message; whether it says that the cell is over."""
        message = await self._next()
        if message["parent_header"].get("msg_id") != request or message["msg_type"] != "status":
            return False
        return bool(message["content"]["execution_state"] == "idle")

    async def _stop(self, cell: Cell, when: str, after: Callable[[], object] | None) -> None:
        while not (cell.prompts if when == "asked" else cell.printed):
            await self._news.wait()
        if after is not None:
            await asyncio.to_thread(after)
        if when == "printed":
            await asyncio.sleep(SETTLED)
        cell.stopped_at = time.time()
        await self._manager.interrupt_kernel()

    async def _answer(self, cell: Cell, answers: Iterable[str] | None) -> None:
        given = list(answers or ())
        while True:
            question = await self.client.get_stdin_msg(timeout=None)
            cell.prompts.append(question["content"]["prompt"])
            self._news.set()
            self._news = asyncio.Event()
            if given:
                self.client.input(given.pop(0))

    async def _until(self, found: Callable[[], bool]) -> None:
        while not found():
            await self._next()

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.client.get_iopub_msg(timeout=None)
        self._take(message)
        return message

    def _take(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        cell = self._cells.get(message["parent_header"].get("msg_id"))
        if kind == "update_display_data":
            for output in self._shown.get(content["transient"]["display_id"], []):
                output.text, output.html = _texts(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if cell is None:
                self.strays.append(f"{kind}: {content!s:.500}")
            elif kind == "stream":
                cell.outputs.append(Output(content["name"], content["text"]))
            elif kind == "error":
                cell.error, cell.message = content["ename"], content["evalue"]
            else:
                output = Output("result" if kind == "execute_result" else "display", *_texts(content))
                cell.outputs.append(output)
                display_id = content.get("transient", {}).get("display_id")
                if display_id is not None:
                    output.display_id = display_id
                    self._shown.setdefault(display_id, []).append(output)


def manager(place: Path, stand_ins: StandIns | None = None) -> AsyncKernelManager:
    """A manager for kernels that run on this very Python, whatever is installed for the user.

    Args:
        place: A folder for what belongs to the kernel.
        stand_ins: What forks the kernel; None for a fresh Python, which imports everything for 2 s of processor time.
    """
    folder = place / "kernels" / "this"
    folder.mkdir(parents=True, exist_ok=True)
    if stand_ins is None:
        start = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"]
    else:
        start = [sys.executable, "-IS", "-c", stand_ins.program(FORKED)]
    command = [*start, "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(folder.parent)], ensure_native_kernel=False)
    return AsyncKernelManager(
        kernel_name="this",
        kernel_spec_manager=specs,
        connection_file=str(place / "connection.json"),
        transport="ipc",
        # A kernel that does not end by itself is to make a test fail, and not to be killed unseen.
        shutdown_wait_time=2 * LIMIT,
    )


def environment(place: Path) -> dict[str, str]:
    """The environment variables of a kernel that sees no settings of the user's."""
    folders = {name: str(place / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    return {**os.environ, **folders, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def _texts(content: dict[str, Any]) -> tuple[str, str]:
    data = content["data"]
    return data.get("text/plain", ""), data.get("text/html", "")
