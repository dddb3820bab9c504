"""The program: its commands, imported when they are used, and how every run of it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli.exits import MEANINGS, Exit
from mcptasks._cli.failures import Failure, tell
from mcptasks._cli.nearest import nearest
from mcptasks._cli.screen import Manner, OutputError, Screen, drop_output, open_standard_streams
from mcptasks._cli.setting import program
from mcptasks._cli.stopping import Ended, end_in_silence
from mcptasks._version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, str] = {
    "call": "Call a tool as a task, and wait for its result.",
    "watch": "Follow tasks until they are over.",
    "wait": "Wait for tasks in silence.",
    "result": "Print the result of a task.",
    "list": "List the tasks of the store.",
    "show": "Print everything that is known of a task.",
    "answer": "Answer what a task asks.",
    "cancel": "Ask servers to cancel tasks.",
    "forget": "Delete tasks from the store; servers go on with them.",
    "adopt": "Take a task into the store that another program started.",
    "recover": "List what a crash has left: tasks that nobody holds, and uncertain calls.",
    "settle": "Record what became of an uncertain call.",
    "tools": "List the tools of a server.",
    "servers": "List the configured servers.",
    "store": "Inspect and maintain the store: info, check, migrate, backup, purge.",
    "completion": "Print the script that completes commands in a shell.",
    "demo": "Start a long-running tool in the background and follow it to its result.",
}
"""Every command with its short description, so that `--help` imports none of them."""

GROUPS: Mapping[str, Sequence[str]] = {
    "Tasks": ("call", "watch", "wait", "result", "list", "show", "answer", "cancel"),
    "After a crash": ("recover", "settle", "adopt", "forget"),
    "Servers": ("tools", "servers"),
    "The program": ("store", "completion", "demo"),
}
"""The commands under the titles of the help and of the reference page."""


COMPLETES = "_MCPTASKS_COMPLETE"
"""The variable by which a shell asks the program for completions."""


class Program(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"mcptasks._cli.commands.{cmd_name}").command
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without importing them, and the program's own options."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=words) for name, words in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            hint = f"; did you mean {near}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r:.80}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their short descriptions, without importing them."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`mcptasks COMMAND --help` has the options and examples of a command.",
)
@click.version_option(__version__, message="mcptasks %(version)s")
def cli() -> None:
    """Long-running work over the Model Context Protocol: start it, watch it, answer it, fetch it, cancel it.

    Tasks are kept in a store, so that another terminal, or tomorrow's, finds them again.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code.

    Args:
        arguments: The words after the program's name; None for those of this process.
    """
    open_standard_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    screen = Screen(Manner(json="--json" in words), os.environ)
    try:
        with _ended_by_signals():
            code = _run(words)
            sys.stdout.flush()
            return code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except Failure as exc:
        return tell(screen, exc)
    except click.exceptions.NoArgsIsHelpError as exc:
        screen.say(exc.format_message())
        return Exit.USAGE
    except click.ClickException as exc:
        return _usage(screen, exc)
    except BrokenPipeError:
        drop_output()
        return Exit.PIPE
    except (OutputError, OSError) as exc:
        drop_output()
        screen.say(f"error: {exc}")
        return Exit.FAILED
    except Ended as exc:
        return 128 + exc.number
    except (KeyboardInterrupt, click.Abort):
        screen.say("stopped; nothing was sent")
        return Exit.INTERRUPTED
    finally:
        if arguments is None:
            end_in_silence()


def _run(words: list[str]) -> int:
    """Run a command. Not by `Group.main`, which exits with code 1 if the reader of the output has gone away."""
    asked = os.environ.get(COMPLETES)
    if asked:
        return _complete(asked)
    with cli.make_context(program(), words) as context:
        return int(cli.invoke(context) or 0)


def _complete(asked: str) -> int:
    """Print the completions for a shell. Prints no error, since somebody is typing at that terminal."""
    from mcptasks._cli.shells import SHELLS

    shell = SHELLS.get(asked.removesuffix("_complete"))
    if shell is None:
        return Exit.USAGE
    try:
        click.echo(shell(cli, {}, program(), COMPLETES).complete())
    except Exception:  # noqa: BLE001 - an error message would cover the text that somebody is typing
        return Exit.FAILED
    return Exit.OK


def _usage(screen: Screen, exc: click.ClickException) -> int:
    """Print the error for an invalid command line, in click's words and on one line."""
    context = getattr(exc, "ctx", None)
    hint = (f"for help: {context.command_path} --help",) if isinstance(context, click.Context) else ()
    return tell(screen, Failure(Exit.USAGE, exc.format_message(), kind="UsageError", hints=hint))


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """While the program prepares its work: SIGTERM and SIGHUP end it as Ctrl-C does."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise Ended(number)

    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # A signal that the caller ignores, as nohup does, stays ignored.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
