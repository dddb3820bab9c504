"""`mcptasks result`: waits for one task if necessary, and prints its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import exits, following, naming, options, running
from mcptasks._cli.asking import Asker
from mcptasks._cli.display import Row, Silent
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, of_exception, tell
from mcptasks._cli.naming import Named
from mcptasks._cli.outcome import print_result
from mcptasks._cli.setting import Setting
from mcptasks._cli.taking_up import with_tasks

if TYPE_CHECKING:
    from mcptasks import Task
    from mcptasks.store import Store


@click.command(epilog=options.TASK)
@options.task_argument()
@click.option("--no-wait", is_flag=True, help="Do not wait: code 8 if the task is not over.")
@click.option(
    "--timeout",
    type=options.DURATION,
    help=f"How long to wait, {options.FOR_EXAMPLE} (code 124); the work goes on.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write blobs, or else the text, to a file."
)
@click.option("--raw", is_flag=True, help="Print the result as it came, also to a terminal.")
@options.setting(reaches=True, answers=True, names_server=True)
def command(setting: Setting, task: str, no_wait: bool, timeout: float | None, output: Path | None, raw: bool) -> Exit:
    """Print the result of a task; wait for it if the task is not over.

    Text is printed as it is, data as JSON. `watch` shows the progress meanwhile.
    """
    known: list[str] = []

    def goodbye() -> list[str]:
        return ["stopped; the work goes on", *(following.come_back(setting, known[0]) if known else ())]

    async def body() -> Exit:
        store = setting.open_store()
        named = await naming.find(store, task)
        known.append(named.shown)
        if named.record is not None and named.record.has_result:
            print_result(setting, named, await _kept(store, named), raw=raw, file=output)
            return Exit.OK
        asker = Asker(setting)

        async def work(handle: Task[Any], named: Named) -> Exit:
            if no_wait:
                await _look(handle, named)
            followed = await following.follow(handle, Row(named.shown, ""), Silent(), asker, timeout=timeout)
            if followed.error is not None:
                raise following.failure_of(setting, followed, named.json, named.shown)
            print_result(setting, named, followed.result, raw=raw, file=output)
            return Exit.OK

        return exits.worst(
            await with_tasks(setting, store, [named], work, lambda _, each: _tell(setting, each), **asker.handlers())
        )

    return running.run(setting, body, running.Leaving(goodbye))


def _tell(setting: Setting, failure: Failure) -> None:
    tell(setting.screen, failure)


async def _look(task: Task[Any], named: Named) -> None:
    """Check that the task is over.

    Raises:
        Failure: The task is not over.
    """
    status = await task.status()
    if not status.is_terminal:
        raise Failure(Exit.RUNNING, f"the task is not over: {status.status}", task=named.json)


async def _kept(store: Store, named: Named) -> Any:
    """The result that the store kept."""
    from mcptasks import TaskError

    assert named.record is not None
    try:
        return await store.result(named.record.id)
    except TaskError as exc:
        raise of_exception(exc, task=named.json) from None
