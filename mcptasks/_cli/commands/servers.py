"""`mcptasks servers`: the configured servers, of our own configuration and of other programs. Reads files only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from mcptasks._cli import options, sources, tables, untrusted
from mcptasks._cli.entries import Entry
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.setting import Setting

_HEAD = ("TARGET", "KIND", "PLACE", "FILE")


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="A file with servers, instead of your own."
)
@options.setting(stores=False)
def command(setting: Setting, config: Path | None) -> Exit:
    """List the configured servers: your own, and those of Claude Code, Claude Desktop, Cursor, VS Code, Gemini and
    Windsurf as `source:name`. No server is started.

    Your own servers are in ~/.config/mcptasks/servers.json, or in the file that MCPTASKS_CONFIG or --config names:

    \b
    {"mcpServers": {"reports": {"url": "https://example.com/mcp",
                                "headers": {"Authorization": "Bearer ${REPORTS_TOKEN}"}},
                    "local": {"command": "python", "args": ["server.py"]}}}

    ${NAME} stands for a variable of the environment.
    """
    scene, screen = setting.scene, setting.screen
    try:
        found: list[Entry] = sources.own_entries(scene, config)
    except (ValueError, OSError) as exc:
        raise Failure(Exit.USAGE, str(exc)) from None
    problems: list[str] = []
    for source in sources.SOURCES:
        for each in sources.entries_of(source, scene):
            if isinstance(each, Entry):
                found.append(each)
            else:
                problems.append(each.words)
    if setting.manner.json:
        servers = [
            {"target": target_of(each), "kind": each.kind, "place": each.place, "file": str(each.path)}
            for each in found
        ]
        screen.print_json({"schema": 1, "servers": servers, "problems": problems})
        return Exit.OK
    show(setting, found)
    for words in problems:
        screen.hint(f"left out: {untrusted.line(words)}")
    return Exit.OK


def show(setting: Setting, found: Sequence[Entry]) -> None:
    """Print servers as a table, or their names only."""
    screen = setting.screen
    if setting.manner.quiet:
        for each in found:
            screen.print(untrusted.line(target_of(each)))
    elif not found:
        screen.hint(f"no servers are configured; write {setting.scene.own}, as `mcptasks servers --help` shows")
    else:
        rows = [[untrusted.line(cell, 200) for cell in row(each)] for each in found]
        width = screen.width if screen.out_is_terminal else None
        head, *lines = tables.table(_HEAD, rows, width)
        screen.print(screen.styled(head, "bold"))
        for line in lines:
            screen.print(line)


def target_of(entry: Entry) -> str:
    """Return the word that names a server on the command line. Pure."""
    return entry.name if entry.source == "mcptasks" else f"{entry.source}:{entry.name}"


def row(entry: Entry) -> tuple[str, ...]:
    """Return the cells of one server; none holds a secret. Pure."""
    asks = " (asks first)" if entry.project else ""
    return target_of(entry), entry.kind, entry.place, f"{entry.path}{asks}"
