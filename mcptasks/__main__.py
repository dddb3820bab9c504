"""The command line: `python -m mcptasks demo`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; complaints end the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m mcptasks", description="Long-running work over MCP.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="start a long-running tool in the background and follow it to its result")
    demo.add_argument(
        "target", nargs="*", help="a server of your own: a URL, a path or a command; by default an embedded one"
    )
    demo.add_argument("--tool", default="slow_computation", help="which tool to call (default: %(default)s)")
    demo.add_argument(
        "--arguments",
        type=_json_object,
        metavar="JSON",
        help='the tool\'s arguments as a JSON object (default: {"duration": 3} for slow_computation, else none)',
    )
    demo.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="default: %(default)s")
    demo.add_argument("--mode", default="auto", help='"auto", "legacy" or a protocol version (default: %(default)s)')
    return parser.parse_args(arguments)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text}")
    return {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 where it failed."""
    options = parse(arguments)
    if options.arguments is None:
        options.arguments = {"duration": 3.0} if options.tool == "slow_computation" else {}
    from mcptasks import _demo

    return _demo.run(options.target, options.tool, options.arguments, backend=options.backend, mode=options.mode)


if __name__ == "__main__":
    sys.exit(main())
