"""Options and arguments that several commands share, and their types."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from mcptasks._cli import durations
from mcptasks._cli.completing import complete_targets, complete_tasks
from mcptasks._cli.screen import Manner
from mcptasks._cli.setting import Setting

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # A click before 8.4 has no type parameter here.
    ParamType = click.ParamType


class Duration(ParamType):
    """A duration, such as `90s`, `5m` or `1h30m`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the duration."""
        if isinstance(value, float):
            return value
        try:
            return durations.seconds(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class Pair(ParamType):
    """Two texts with a sign between them, such as `key=value`."""

    def __init__(self, sign: str, name: str) -> None:
        self._sign = sign
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take the two texts apart."""
        if isinstance(value, tuple):
            return cast("Any", value)
        first, sign, second = str(value).partition(self._sign)
        if not sign or not first.strip():
            self.fail(f"{value!r:.80} is not of the form {self.name}", param, ctx)
        return first.strip(), second.strip()


DURATION = Duration()
LABEL = Pair("=", "k=v")
HEADER = Pair(":", "K: V")

FOR_EXAMPLE = "such as 90s, 5m or 1h30m"
"""Examples of durations, for help texts."""
TASK = (
    "TASK is the id of a task or its beginning (4 digits or more), @last for the newest task, key:KEY, or a reference "
    "as JSON (- reads it from standard input)."
)
"""The forms in which a task can be named, for the help of commands."""

_HYPHENED = re.compile(r"-[A-Za-z0-9_-]{20,}")
"""An id that begins with a hyphen. Commands that take such ids have no options of that length."""

_SPEAKING: Sequence[Callable[[Any], Any]] = (
    click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output; errors are JSON, too."),
    click.option("-q", "--quiet", is_flag=True, help="Print ids or results only: no progress and no hints."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colors."),
)
_STORING: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--store",
        metavar="PATH|DSN",
        help="The store: a path, or a postgresql:// URL. Else MCPTASKS_STORE, else ~/.local/state/mcptasks/tasks.db.",
    ),
)
_REACHING: Sequence[Callable[[Any], Any]] = (
    click.option("-H", "--header", "headers", type=HEADER, multiple=True, help="Send an HTTP header; repeatable."),
    click.option(
        "--auth-env", metavar="VAR", help="The environment variable that holds the bearer token; else MCPTASKS_TOKEN."
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A file with servers, instead of your own; see `servers`.",
    ),
    click.option(
        "--mode", metavar="MODE", help='The protocol: "auto" (asks the server), "legacy" (2025-11-25) or a version.'
    ),
    click.option("--trust", is_flag=True, help="Use a server that a file of this folder configures, without asking."),
)
_ANSWERING: Sequence[Callable[[Any], Any]] = (
    click.option("--yes", is_flag=True, help="Answer questions with yes and forms with their defaults."),
    click.option("--no-input", is_flag=True, help="Ask nobody; a question ends the command with code 6."),
    click.option(
        "--sampling-command", metavar="CMD", help="Answers the server's requests to a model: JSON in, text out."
    ),
)
_NAMING: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--server",
        metavar="TARGET",
        shell_complete=complete_targets,
        help="The server of the task, if the store cannot say.",
    ),
)


def setting(
    *, stores: bool = True, reaches: bool = False, answers: bool = False, names_server: bool = False
) -> Callable[[F], F]:
    """Give a command the options that it shares with others; it gets them as its first argument, a `Setting`.

    Args:
        stores: Whether the command uses the store.
        reaches: Whether the command connects to a server.
        answers: Whether the command may ask a person.
        names_server: Whether `--server` names the server.
    """
    groups = [
        (answers, _ANSWERING),
        (names_server, _NAMING),
        (reaches, _REACHING),
        (stores, _STORING),
        (True, _SPEAKING),
    ]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            shared = {name: given.pop(name) for name in names}
            return function(_setting_of(shared), **given)

        found: Any = command
        for option in reversed(chosen):
            found = option(found)
        return cast("F", found)

    chosen = [option for wanted, several in groups if wanted for option in several]
    names = [name for wanted, several in groups if wanted for name in _NAMES[several]]
    return decorate


_NAMES: Mapping[Sequence[Callable[[Any], Any]], Sequence[str]] = {
    _SPEAKING: ("as_json", "quiet", "color"),
    _STORING: ("store",),
    _REACHING: ("headers", "auth_env", "config", "mode", "trust"),
    _ANSWERING: ("yes", "no_input", "sampling_command"),
    _NAMING: ("server",),
}
"""The parameters of each group of options."""


def _setting_of(shared: dict[str, Any]) -> Setting:
    manner = Manner(
        color=shared.pop("color"),
        json=shared.pop("as_json"),
        quiet=shared.pop("quiet"),
        asks=not shared.pop("no_input", False),
    )
    return Setting(manner=manner, headers=dict(shared.pop("headers", ())), **shared)


def tasks_argument(*, required: bool) -> Callable[[F], F]:
    """The argument for any number of tasks."""
    return click.argument(
        "tasks",
        nargs=-1,
        required=required,
        metavar="TASK..." if required else "[TASK]...",
        shell_complete=complete_tasks,
    )


def task_argument() -> Callable[[F], F]:
    """The argument for one task."""
    return click.argument("task", metavar="TASK", shell_complete=complete_tasks)


class IdCommand(click.Command):
    """A command whose last argument may be the id of a task at a server, which may begin with a hyphen (fastmcp 4)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `--` before such an id, since click would read the id as an option."""
        ids = [word for word in args if _HYPHENED.fullmatch(word)]
        if ids and "--" not in args:
            args = [*(word for word in args if word not in ids), "--", *ids]
        return super().parse_args(ctx, args)


class TargetCommand(click.Command):
    """A command whose server may be a command line of its own, after `--`.

    What follows `--` is `after`, a list of words; None if there is no `--`. Words that begin with a hyphen are no
    command: they are arguments of the tool that look like options.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set aside what follows `--`."""
        after: list[str] | None = None
        if "--" in args:
            place = args.index("--")
            if not args[place + 1 : place + 2] or not args[place + 1].startswith("-"):
                args, after = args[:place], args[place + 1 :]
        rest = super().parse_args(ctx, args)
        ctx.params["after"] = after
        return rest

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage with the form that has a command line."""
        pieces = [piece for piece in self.collect_usage_pieces(ctx) if piece != "TARGET"]
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)))
        formatter.write_usage(ctx.command_path, " ".join([*pieces, "-- COMMAND..."]))
