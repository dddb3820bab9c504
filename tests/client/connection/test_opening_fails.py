"""A client that cannot be opened: one error of ours with one cause, few lines, the program's own among them."""

from __future__ import annotations

import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import mcptasks
import mcptasks.sync
from mcptasks import Client, TaskConnectionError
from mcptasks._engine.connection.connection import Connection
from mcptasks.testing import TaskServer, serve_http
from tests.helpers.support import (
    LIMIT,
)
from tests.helpers.worlds import both_worlds, make_client

MOST = 25
"""Lines that an uncaught error may print."""


@contextmanager
def closed_port() -> Generator[Any]:
    """A URL where nobody listens."""
    with socket.socket() as taken:  # Kept from others: without `listen`, connections are refused.
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"


@contextmanager
def wrong_url() -> Generator[Any]:
    """A URL of a web server that has no MCP server there."""
    with serve_http(TaskServer()) as url:
        yield url.replace("/mcp", "/elsewhere")


@contextmanager
def ends_at_once() -> Generator[Any]:
    """A command that ends at once."""
    yield [sys.executable, "-c", "raise SystemExit(3)"]


@contextmanager
def no_program() -> Generator[Any]:
    """A command that is not there."""
    yield ["/no/such/program"]


WRONG = pytest.mark.parametrize("wrong", [closed_port, wrong_url, ends_at_once, no_program])


def chain(error: BaseException | None) -> list[BaseException]:
    """An error, and all that it refers to."""
    found = list[BaseException]()
    left = [error]
    while left:
        error = left.pop()
        if error is not None and error not in found:
            found.append(error)
            left += [error.__context__, error.__cause__]
    return found


def check(error: TaskConnectionError) -> None:
    """Complain of whatever is not about the program."""
    here, cause = chain(error)
    assert here is error
    assert error.__cause__ is cause
    assert not isinstance(cause, BaseExceptionGroup)
    files = {Path(frame.filename) for each in (error, cause) for frame in traceback.extract_tb(each.__traceback__)}
    # Those of this file, and of the tools that it uses: of our own none.
    assert not [file for file in files if Path(mcptasks.__file__).parent in file.parents]


@pytest.mark.anyio
@WRONG
@pytest.mark.parametrize("how", ["open", "async with"])
async def test_one_error_with_one_cause(wrong: Callable[[], Any], how: str) -> None:
    """`async with` and `open()` fail with one error that has one cause: no groups, none of our own lines."""
    with anyio.fail_after(LIMIT), wrong() as target:
        client = Client(target, reconnect_timeout=40)
        with pytest.raises(TaskConnectionError) as caught:
            await (client.open() if how == "open" else client.__aenter__())
        check(caught.value)


@pytest.mark.anyio
async def test_what_the_program_was_at(server: TaskServer) -> None:
    """The program's own error, in whose handling a client is opened, stays in the chain."""
    with anyio.fail_after(LIMIT), closed_port() as url:
        mistake = ZeroDivisionError("the program's own")
        try:
            raise mistake
        except ZeroDivisionError:
            with pytest.raises(TaskConnectionError) as caught:
                await Client(url).open()
    assert caught.value.__context__ is mistake or mistake in chain(caught.value)


@pytest.mark.anyio
async def test_the_programs_own_fault() -> None:
    """Where the program's own code is the cause, such as a transport of its own, its lines are shown."""

    @asynccontextmanager
    async def broken() -> AsyncGenerator[Any]:
        if mistakes:
            raise ZeroDivisionError  # the program's mistake
        yield

    mistakes = 1
    with anyio.fail_after(LIMIT):
        with pytest.raises(TaskConnectionError) as caught:
            await Client(broken(), reconnect_timeout=40).open()
        check(caught.value)
        words = "".join(traceback.format_exception(caught.value))
        assert "# the program's mistake" in words


@WRONG
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_blocking(wrong: Callable[[], Any], backend: Any) -> None:
    """So does the blocking client."""
    with wrong() as target:
        with pytest.raises(TaskConnectionError) as caught:
            mcptasks.sync.Client(target, reconnect_timeout=40, backend=backend).open()
        check(caught.value)


MAIN = {
    "asyncio": "asyncio.run(main())",
    "trio": "trio.run(main)",
    "blocking": "blocking()",
}


SCRIPT = """
import asyncio, os, sys, trio, mcptasks, mcptasks.sync

async def main():
    async with mcptasks.Client({url!r}):  # the program's line
        pass

def blocking():
    with mcptasks.sync.Client({url!r}):  # the program's line
        pass
"""
ONE = """
if os.fork() == 0:
    {main}  # its main line
assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
print({mark!r}, file=sys.stderr)
"""
MARK = "-- the end --"


@pytest.mark.slow
def test_what_a_script_prints(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """An uncaught error prints few lines, and those of the program are there."""
    with closed_port() as url:
        script = tmp_path / "script.py"
        # Each is a process of its own, all of which share the imports.
        parts = [ONE.format(main=each, mark=MARK) for each in MAIN.values()]
        script.write_text(SCRIPT.format(url=url) + "".join(parts))
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    *printed, _ = done.stderr.split(f"{MARK}\n")
    for world, text in zip(MAIN, printed, strict=True):
        with subtests.test(world):
            lines = text.splitlines()
            assert len(lines) <= MOST, text
            for words in ("# the program's line", "# its main line"):
                assert any(words in line for line in lines), text
            assert lines[-1].startswith("mcptasks.TaskConnectionError: cannot reach")


@both_worlds
@pytest.mark.anyio
async def test_a_failure_to_connect_is_no_group() -> None:
    """A client that cannot connect raises the error itself, in no exception group."""
    with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError, match=r"127\.0\.0\.1:9"):
        async with make_client("http://127.0.0.1:9/mcp"):
            raise AssertionError("connected")


@pytest.mark.anyio
async def test_a_connection_that_ends_before_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose connection ends without being made, as one does when its event loop ends, never counts as open."""

    async def end(_connection: Connection, _connected: Callable[[], None]) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(Connection, "run", end)
    with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError, match="closed while it was being opened"):
        await Client(TaskServer()).open()
