"""The order of what goes to the disk and what goes to the server, as the operating system sees it (strace), and what a
program without a store imports."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.support import Era, http, make_server

ROOT = Path(__file__).parents[3]
STRACE = shutil.which("strace")
SYNC = re.compile(r"\b(fsync|fdatasync)\(")
KEY = "order-42"

PROGRAM = """
import sys
import anyio
from mcptasks import Client

async def main():
    async with Client(sys.argv[1], store=sys.argv[2]) as client:
        await client.call_tool("work", task=True, key="order-42")

anyio.run(main, backend=sys.argv[3])
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


if STRACE is not None:  # On every machine test_creating.py holds the order as the server sees it.

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_the_disk_comes_before_the_wire(era: Era, backend: str, tmp_path: Path) -> None:
        """The record of a call is written, then synchronised with the disk, and only then the call leaves."""
        trace = tmp_path / "trace"
        calls = "trace=pwrite64,fsync,fdatasync,sendto,sendmsg"
        # The kernel stops the program at these calls only. Otherwise its imports take several times as long.
        strace = [str(STRACE), "--seccomp-bpf", "-f", "-s", "8192", "-e", calls, "-o", str(trace)]
        with http(make_server(era)) as url:
            subprocess.run(
                [*strace, sys.executable, "-c", PROGRAM, url, str(tmp_path / "tasks.db"), backend],
                check=True,
                cwd=ROOT,
                timeout=300,
            )
        lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
        written = next(number for number, line in enumerate(lines) if "pwrite64" in line and KEY in line)
        sent = next(number for number, line in enumerate(lines) if "send" in line and "tools/call" in line)
        assert any(SYNC.search(line) for line in lines[written:sent])


def test_without_a_store_nothing_of_it_is_imported(era: Era) -> None:
    """A client that has no store makes its calls without importing a store or a database."""
    server = make_server(era)
    server.add_tool("quick", result="done")
    with http(server) as url:
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS, url], check=True, capture_output=True, text=True, cwd=ROOT, timeout=300
        )
    assert done.stdout == "\n"
