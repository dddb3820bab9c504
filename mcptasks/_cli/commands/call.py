"""`mcptasks call`: calls a tool as a task, follows it, and prints its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import options
from mcptasks._cli.completing import complete_targets, complete_tools

if TYPE_CHECKING:
    from mcptasks._cli.exits import Exit
    from mcptasks._cli.setting import Setting


@click.command(cls=options.TargetCommand)
@click.argument("target", metavar="TARGET", required=False, shell_complete=complete_targets)
@click.argument("tool", metavar="TOOL", required=False, shell_complete=complete_tools)
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Print the task's id, and do not wait; for servers that run on, such as those of URLs.",
)
@click.option("--key", help="A key of your own: a second call with the same key is the same task.")
@click.option("--send-again", is_flag=True, help="Send the call even if an earlier one with this key is uncertain.")
@click.option("--label", "labels", type=options.LABEL, multiple=True, help="Write a label on the task; repeatable.")
@click.option("--ttl", type=options.DURATION, help="How long the server should keep the task, such as 1d.")
@click.option(
    "--timeout",
    type=options.DURATION,
    help=f"How long to wait, {options.FOR_EXAMPLE} (code 124); the work goes on.",
)
@click.option("--cancel-on-interrupt", is_flag=True, help="Let Ctrl-C cancel the task.")
@click.option("--raw", is_flag=True, help="Print the result as it came, also to a terminal.")
@options.setting(reaches=True, answers=True)
def command(
    setting: Setting,
    target: str | None,
    tool: str | None,
    words: Sequence[str],
    after: list[str] | None,
    labels: Sequence[tuple[str, str]],
    **given: Any,
) -> Exit:
    """Call a tool as a task, show its progress, and print its result.

    TARGET is a URL, a script (.py, .js), FILE.json[:entry], a configured name or source:name (`servers` lists both); or
    a command after --. `tools TARGET TOOL` prints a tool's arguments.

    \b
    key=value       typed by the tool's schema; repeat the key for the entries of an array
    a.b=1           inside an object
    key:=JSON       a value as JSON
    key=@FILE       a value from a file (key:=@FILE for JSON)
    @FILE.json, -   all arguments from a file, or from standard input

    The terminal asks the questions of the tool. Ctrl-C leaves the task: the work goes on at the server, and the command
    prints how to come back. But a server that this command has started (a script, or a command after --) ends with the
    command.

    \b
    mcptasks call https://example.com/mcp report month=11 format=pdf
    mcptasks call TOOL key=value -- python server.py
    """
    from mcptasks._cli import calling, connecting  # Completion, which reads the options only, has no time for them.

    if after is not None:
        # The command after -- is the target, so the first word is the tool.
        target, tool, words = None, target, [*([tool] if tool is not None else []), *words]
    if tool is None or (target is None and after is None):
        raise click.UsageError("name the server and the tool: mcptasks call TARGET TOOL [key=value]...")
    found = connecting.target_of(setting, target, after)
    request = calling.Request(target=found, tool=tool, words=words, labels=dict(labels), **given)
    return calling.Call(setting, request).run()
