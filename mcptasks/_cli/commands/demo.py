"""`mcptasks demo`: the demonstration."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import click

from mcptasks._cli.demo_target import misread, no_target, target_of
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.options import ParamType
from mcptasks._core.safe_text import line

if TYPE_CHECKING:
    from mcptasks._cli.demo import Demo

_TRIO = "pip install trio, or '.[trio]' where mcptasks is installed from its folder"


class _Seconds(ParamType):
    """A number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not 0 <= found < math.inf:
            self.fail(f"not a number of seconds: {value}", param, ctx)
        return found


class _Object(ParamType):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError) as exc:
            self.fail(f"not JSON: {exc}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"not a JSON object: {value}", param, ctx)
        return cast("dict[str, Any]", found)


@click.command()
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[URL | FILE | -- COMMAND...]")
@click.option("--tool", help="Which tool to call (default: slow_computation).")
@click.option(
    "--arguments",
    type=_Object(),
    metavar="JSON",
    help='The tool\'s arguments as a JSON object (default: {"duration": 3} for slow_computation, else none).',
)
@click.option("--backend", type=click.Choice(["asyncio", "trio"]), default="asyncio", help=f"For trio: {_TRIO}.")
@click.option(
    "--mode",
    default="auto",
    help='"auto", "legacy" or a protocol version. Asked by "auto", some servers, such as fastmcp 2 and 3, print a page '
    'of validation errors, which do no harm; "legacy" does not ask.',
)
@click.option(
    "--wait", type=_Seconds(), metavar="SECONDS", help="How long to wait for a server that is not up yet (URLs only)."
)
def command(
    words: Sequence[str],
    tool: str | None,
    arguments: dict[str, Any] | None,
    backend: str,
    mode: str,
    wait: float | None,
) -> int:
    """Start a long-running tool in the background and follow it to its result. Without a target, the tool is on a
    server that comes with this package.

    \b
    mcptasks demo
    mcptasks demo https://example.com/mcp --tool slow_computation --arguments '{"duration": 3}'
    mcptasks demo server.py --tool slow_computation
    mcptasks demo --tool slow_computation -- npx my-server --its-own-option
    """
    if fault := misread(words):
        raise click.UsageError(fault)
    if backend == "trio" and not _has_trio():
        raise Failure(Exit.FAILED, f"--backend trio needs trio, which is not installed: {_TRIO}")
    return prepared(target_of(words), tool, arguments, backend=backend, mode=mode, wait=wait).run()


def prepared(target: str | list[str], tool: str | None, arguments: dict[str, Any] | None, **options: Any) -> Demo:
    """Return the demonstration of a server.

    Raises:
        click.UsageError: The target or an option is invalid.
    """
    # Imported here, since the SDK takes half a second, and `--help` does not need it.
    from mcptasks._cli.demo import Demo

    try:
        return Demo(target, tool, arguments, **options)
    except TypeError as exc:
        # Its words are about the arguments of Python's `Client`.
        raise click.UsageError(no_target(exc) if isinstance(target, str) else line(str(exc))) from None
    except (ValueError, OSError) as exc:
        raise click.UsageError(line(str(exc))) from None


def _has_trio() -> bool:
    try:
        return find_spec("trio") is not None
    except ValueError:
        return False
