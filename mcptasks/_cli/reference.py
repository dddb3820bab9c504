"""The reference page of the command line, made from the commands themselves.

`python -m mcptasks._cli.reference docs/reference/cli.md` writes the made part of the page anew, and
tests/cli/test_shell_page.py holds the page equal to the commands.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from mcptasks._cli.app import COMMANDS, GROUPS, cli
from mcptasks._cli.exits import MEANINGS

MARK = "<!-- What follows is made from the commands: `python -m mcptasks._cli.reference docs/reference/cli.md`. -->"
"""Where the made part of the page begins."""


def made() -> str:
    """Return the part of the page that is made: the exit codes and the commands, as Markdown."""
    lines = [MARK, "", "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    several = "7, 4, 5, 9, 2, 1, 3, 6, 8 and 124"
    lines += ["", f"If a command is about several tasks, its code is the first of {several} that a task has.", ""]
    for title, names in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _command(name)
    return "\n".join(lines).rstrip() + "\n"


def _command(name: str) -> Iterator[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    yield from _section(command, name, "###")
    if isinstance(command, click.Group):
        for below, inner in command.commands.items():
            yield from _section(inner, f"{name} {below}", "####")


def _section(command: click.Command, name: str, level: str) -> Iterator[str]:
    context = click.Context(command, info_name=f"mcptasks {name}")
    yield f"{level} {name}"
    yield ""
    yield "```text"
    yield " ".join([f"mcptasks {name}", *command.collect_usage_pieces(context)])
    yield "```"
    yield ""
    yield from _paragraphs(command.help or COMMANDS.get(name, ""))
    if command.epilog:
        yield from _paragraphs(command.epilog)
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if options:
        yield "| option | |"
        yield "| --- | --- |"
        for option in options:
            names, told = cast("tuple[str, str]", option.get_help_record(context))
            yield " | ".join(["", *(cell.replace("|", "\\|") for cell in (f"`{names}`", told)), ""]).strip()
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click leaves as they are (after a line with \\b) are code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield "```text"
            yield paragraph.removeprefix("\b\n")
            yield "```"
        else:
            yield paragraph
        yield ""


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(path.read_text(encoding="utf-8").partition(MARK)[0] + made(), encoding="utf-8")
