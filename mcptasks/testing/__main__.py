"""The command `python -m mcptasks.testing`: the demonstration server over stdio or HTTP."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcptasks.testing._server import TaskServer


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mcptasks.testing",
        description="Run a test server with long-running tools (slow_computation, failing_computation, add), "
        "a resource and a prompt.",
    )
    parser.add_argument("--transport", choices=("stdio", "http"), default="stdio")
    parser.add_argument("--era", choices=("modern", "legacy", "dual"), default="dual", help="default: %(default)s")
    parser.add_argument(
        "--backend", choices=("asyncio", "trio"), default="asyncio", help="event loop for stdio; HTTP has asyncio"
    )
    parser.add_argument("--host", default="127.0.0.1", help="for HTTP (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="for HTTP; 0 for a free one (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=5, help="steps of slow_computation (default: %(default)s)")
    parser.add_argument("--poll-interval", type=int, default=100, metavar="MS", help="suggested to clients")
    parser.add_argument("--push", choices=("on", "off", "twice", "late"), default="on", help="status notifications")
    parser.add_argument("--no-listen", action="store_true", help="answer subscriptions/listen with -32601")
    parser.add_argument(
        "--refuse-result", action="store_true", help="refuse tasks/result before the end, as some servers do"
    )
    parser.add_argument("--no-tasks", action="store_true", help="be a server that knows no tasks")
    arguments = parser.parse_args(argv)
    if arguments.transport == "http" and arguments.backend == "trio":
        parser.error("--transport http runs on uvicorn, which runs on asyncio only")
    if arguments.steps < 1:
        parser.error("--steps must be at least 1")
    return arguments


def make_server(arguments: argparse.Namespace) -> TaskServer:
    """The server that the command line asks for."""
    from mcptasks.testing._demo_server import demo_server
    from mcptasks.testing._engine import Options

    options = Options(
        tasks=not arguments.no_tasks,
        push=arguments.push,
        listen="unsupported" if arguments.no_listen else "on",
        result_mode="refuse" if arguments.refuse_result else "block",
        poll_interval_ms=arguments.poll_interval,
    )
    return demo_server(arguments.era, options, steps=arguments.steps)


def serve_until_told(server: TaskServer, host: str, port: int) -> None:
    """Serve over HTTP until SIGINT or SIGTERM."""
    from mcptasks.testing._http import serve_http

    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell)
    with serve_http(server, host=host, port=port) as url:
        print(url, flush=True)
        told.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = read_arguments(argv)
    server = make_server(arguments)
    if arguments.transport == "stdio":
        from mcptasks.testing._stdio import serve_stdio

        serve_stdio(server, arguments.backend)
    else:
        serve_until_told(server, arguments.host, arguments.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
