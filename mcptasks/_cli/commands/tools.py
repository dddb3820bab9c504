"""`mcptasks tools`: the tools of a server, and for one of them a command line to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import connecting, options, results, running, schemas, tables, untrusted
from mcptasks._cli.completing import complete_targets, complete_tools
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.nearest import unknown_tool
from mcptasks._cli.setting import Setting, program
from mcptasks._cli.targets import Target
from mcptasks._cli.values import mapping

if TYPE_CHECKING:
    from mcp_types import Tool

_DEEPEST = 5
"""How many levels of arrays inside arrays are described. A schema may contain itself, so there must be a bound."""
_HEAD = ("TOOL", "TASK", "DESCRIPTION")


@click.command(cls=options.TargetCommand)
@click.argument("target", metavar="TARGET", required=False, shell_complete=complete_targets)
@click.argument("tool", metavar="[TOOL]", required=False, shell_complete=complete_tools)
@options.setting(reaches=True, stores=False)
def command(setting: Setting, target: str | None, tool: str | None, after: list[str] | None) -> Exit:
    """List the tools of a server, and whether their calls become tasks. With TOOL: its arguments, and a line to copy.

    TARGET is a URL, a script (.py, .js), FILE.json[:entry], a configured name or source:name (`servers` lists both); or
    a command after --.

    \b
    always  a call is a task
    yes     a call is a task if the client asks for one, as `call` does
    maybe   the server decides with each call
    no      a call is answered at once
    """
    if after is not None:
        if tool is not None:
            raise click.UsageError("with a command after --, give a tool only")
        target, tool = None, target
    if target is None and after is None:
        raise click.UsageError("name the server: mcptasks tools TARGET [TOOL]")
    found = connecting.target_of(setting, target, after)

    async def body() -> Exit:
        async with connecting.client_of(setting, found, None, {}) as client:
            tools = await client.list_tools()
            supports = client.task_support.tools
        if tool is None:
            _show_all(setting, tools, supports)
            return Exit.OK
        one = next((each for each in tools if each.name == tool), None)
        if one is None:
            raise Failure(Exit.USAGE, unknown_tool(tool, [each.name for each in tools]))
        _show_one(setting, one, found, after, supports)
        return Exit.OK

    return running.run(setting, body)


def support(tool: Tool, server: bool | None) -> str:
    """Return whether a call of a tool can become a task, in one word. Pure.

    Args:
        tool: The tool.
        server: Whether the server declares that calls can become tasks.
    """
    if server is False:
        return "no"
    found = mapping(results.plain(tool).get("execution")).get("taskSupport")
    return {"required": "always", "optional": "yes", "forbidden": "no"}.get(str(found), "maybe")


def signature(tool: Tool) -> list[str]:
    """Return the arguments of a tool, as words to copy; those that may be left out are in brackets. Pure."""
    shape = schemas.shape_of(tool.input_schema, tool.input_schema)
    needed = schemas.required(shape)
    words: list[str] = []
    # A server's names are quoted if a shell could read more than a word in them, since people copy the line.
    for name, schema in schemas.properties(shape).items():
        one = schemas.shape_of(schema, tool.input_schema)
        known = _quoted(name, 80)
        kind = _kind(one, tool.input_schema, _DEEPEST)
        text = f"{known}{':=' if set(one.types) == {'object'} else '='}{kind}"
        words.append(text if name in needed else f"[{text}]")
    return sorted(words, key=lambda word: word.startswith("["))


def _quoted(text: object, limit: int) -> str:
    return shlex.quote(untrusted.line(text, limit))


def _kind(shape: schemas.Shape, root: object, left: int) -> str:
    if shape.choices is not None:
        return "|".join(
            _quoted(choice if isinstance(choice, str) else json.dumps(choice), 40) for choice in shape.choices[:10]
        )
    if shape.types == ("array",) and left:
        return f"{_kind(schemas.shape_of(schemas.items(shape), root), root, left - 1).removesuffix('...')}..."
    names = {"string": "TEXT", "integer": "INTEGER", "number": "NUMBER", "boolean": "true|false"}
    known = [names.get(kind, "JSON") for kind in shape.types if kind != "null"]
    return "|".join(dict.fromkeys(known)) or "VALUE"


def _show_all(setting: Setting, tools: Sequence[Tool], supports: bool | None) -> None:
    screen = setting.screen
    if setting.manner.json:
        screen.print_json({"schema": 1, "tools": [_as_json(each, supports) for each in tools]})
    elif setting.manner.quiet:
        for each in tools:
            screen.print(untrusted.line(each.name))
    else:
        rows = [
            (untrusted.line(each.name, 80), support(each, supports), untrusted.line(_first(each.description), 200))
            for each in tools
        ]
        width = screen.width if screen.out_is_terminal else None
        head, *lines = tables.table(_HEAD, rows, width)
        screen.print(screen.styled(head, "bold"))
        for line in lines:
            screen.print(line)


def _show_one(setting: Setting, tool: Tool, target: Target, after: list[str] | None, supports: bool | None) -> None:
    screen = setting.screen
    if setting.manner.json:
        screen.print_json({"schema": 1, "tool": _as_json(tool, supports)})
        return
    words = [_quoted(tool.name, 80), *signature(tool)]
    line = shlex.join(after) if after is not None else ""
    where = [] if after is not None else [shlex.quote(target.again or target.shown)]
    screen.print(" ".join([program(), "call", *where, *words, *(["--", line] if line else [])]))
    screen.print()
    kind = support(tool, supports)
    screen.print(f"as a task: {kind}{' (the server decides with each call)' if kind == 'maybe' else ''}")
    if tool.description:
        screen.print(untrusted.lines(tool.description.strip()))
    shape = schemas.shape_of(tool.input_schema, tool.input_schema)
    for name, schema in schemas.properties(shape).items():
        told = mapping(schema).get("description")
        default = schemas.default(schema)
        notes = [untrusted.line(told)] if isinstance(told, str) else []
        notes += [f"default {untrusted.line(default, 80)}"] if default is not None else []
        if notes:
            screen.print(f"  {untrusted.line(name, 80)}: {'; '.join(notes)}")


def _as_json(tool: Tool, supports: bool | None) -> dict[str, Any]:
    return {"task": support(tool, supports), **results.plain(tool)}


def _first(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
