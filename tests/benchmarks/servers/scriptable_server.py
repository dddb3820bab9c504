"""The benchmarks' server on `mcptasks.testing`, which pushes: the tools `work` and `answer`; it names an interval of
5 s.

Over HTTP, with the number of more names of the tool as the argument (see `fastmcp_server.py`), or with `--stdio` over
stdio. `make_server` gives it to a client of the same process.
"""

from __future__ import annotations

import sys
import time

import anyio

from mcptasks.testing import Options, TaskServer, TaskServerApp, ToolContext, serve_stdio
from tests.benchmarks.servers.serving import serve


async def work(ctx: ToolContext, seconds: float) -> float:
    """Work for some seconds, and return the time of day at which it was done."""
    await anyio.sleep(seconds)
    return time.time()


async def answer(ctx: ToolContext) -> str:
    """Answer at once."""
    del ctx
    return "answered"


def make_server(more_names: int = 0) -> TaskServer:
    """A new server."""
    server = TaskServer("bench", options=Options(poll_interval_ms=5000, name_header="ignored"))
    for name in ("work", *(f"work_{number}" for number in range(more_names))):
        server.tool(name)(work)
    server.tool("answer", support="forbidden")(answer)
    return server


if __name__ == "__main__":
    if "--stdio" in sys.argv:
        serve_stdio(make_server(1))
    else:
        serve(TaskServerApp(make_server(int(sys.argv[1]))))
