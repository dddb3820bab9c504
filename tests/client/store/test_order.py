"""The order of what goes to the disk and what goes to the server, as the operating system sees it (strace), and what a
program without a store imports."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.support import ERAS, Era, http, make_server

ROOT = Path(__file__).parents[3]
STRACE = shutil.which("strace")
SYNC = re.compile(r"\b(fsync|fdatasync)\(")

PROGRAM = """
import sys
import anyio
from mcptasks import Client

async def main(url, key):
    async with Client(url, store=sys.argv[1]) as client:
        await client.call_tool("work", {"called": key}, task=True, key=key)

for n, url in enumerate(sys.argv[2:]):
    for backend in ("asyncio", "trio"):
        anyio.run(main, url, f"order-{n}-{backend}", backend=backend)
"""

IMPORTS = """
import sys
import anyio
from mcptasks import Client

async def main():
    async with Client(sys.argv[1]) as client:
        task = await client.call_tool("quick", task=True)
        await task
        print(*(name for name in sys.modules if name.startswith(("mcptasks._store", "mcptasks.store", "sqlite3"))))

anyio.run(main)
"""


def first(lines: list[str], *words: str, after: int = 0) -> int:
    """The number of the first line that holds all of these words."""
    return next(number for number, line in enumerate(lines) if number >= after and all(word in line for word in words))


if STRACE is not None:  # On every machine test_creating.py holds the order as the server sees it.

    def test_the_disk_comes_before_the_wire(tmp_path: Path, subtests: pytest.Subtests) -> None:
        """The record of a call is written, then synchronised with the disk, and only then the call leaves. One program
        calls in both eras and on both event loops, since its imports take ten times as long as its calls."""
        trace = tmp_path / "trace"
        calls = "trace=pwrite64,fsync,fdatasync,sendto,sendmsg"
        # The kernel stops the program at these calls only. Otherwise its imports take several times as long.
        strace = [str(STRACE), "--seccomp-bpf", "-f", "-s", "8192", "-e", calls, "-o", str(trace)]
        with ExitStack() as servers:
            urls = [servers.enter_context(http(make_server(era))) for era in ERAS]
            subprocess.run(
                [*strace, sys.executable, "-c", PROGRAM, str(tmp_path / "tasks.db"), *urls],
                check=True,
                cwd=ROOT,
                timeout=300,
            )
        lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
        before = 0
        for key in (f"order-{n}-{backend}" for n in range(len(ERAS)) for backend in ("asyncio", "trio")):
            with subtests.test(key):
                written = first(lines, "pwrite64", key)
                sent = first(lines, "send", "tools/call", after=before)
                assert any(SYNC.search(line) for line in lines[written:sent])
            before = first(lines, "send", key) + 1


def test_without_a_store_nothing_of_it_is_imported(era: Era) -> None:
    """A client that has no store makes its calls without importing a store or a database."""
    server = make_server(era)
    server.add_tool("quick", result="done")
    with http(server) as url:
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS, url], check=True, capture_output=True, text=True, cwd=ROOT, timeout=300
        )
    assert done.stdout == "\n"
