"""`mcptasks watch`: follows tasks until they are over, and prints the result if there is only one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import exits, following, naming, options, results, running, untrusted
from mcptasks._cli.asking import Asker
from mcptasks._cli.display import Display, Row, display_of
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, as_json, tell
from mcptasks._cli.naming import Named
from mcptasks._cli.outcome import print_result
from mcptasks._cli.setting import Setting
from mcptasks._cli.taking_up import with_tasks

if TYPE_CHECKING:
    from mcptasks import Task, TaskStatus
    from mcptasks.store import Store


@click.command(epilog=options.TASK)
@options.tasks_argument(required=False)
@click.option(
    "--timeout",
    type=options.DURATION,
    help=f"How long to watch, {options.FOR_EXAMPLE} (code 124); the work goes on.",
)
@options.setting(reaches=True, answers=True, names_server=True)
def command(setting: Setting, tasks: Sequence[str], timeout: float | None) -> Exit:
    """Follow tasks until they are over, and answer their questions in the terminal.

    Without TASK, the command follows all tasks of the store that are not over. With a single TASK, it prints the
    result. With --json, each change is one line.
    """
    return Watch(setting, timeout).run(tasks)


class Watch:
    """Tasks that are followed together."""

    def __init__(self, setting: Setting, timeout: float | None) -> None:
        self._setting = setting
        self._timeout = timeout
        self._display: Display = display_of(setting.screen)
        self._asker = Asker(setting, self._display.still)
        self._watched: list[Named] = []
        self._codes: list[Exit] = []

    def run(self, words: Sequence[str]) -> Exit:
        """Follow, and return how the command ends."""
        return running.run(self._setting, lambda: self._body(words), running.Leaving(self._goodbye))

    def _goodbye(self) -> Iterable[str]:
        self._display.close()
        known = [each.shown for each in self._watched]
        if not known:
            return ["stopped; nothing was sent"]
        again = self._setting.command("watch", *known[:20])
        stop = self._setting.command("cancel", *known[:20])
        return ["stopped; the work goes on", f"watch it:   {again}", f"cancel it:  {stop}"]

    async def _body(self, words: Sequence[str]) -> Exit:
        setting = self._setting
        store = setting.open_store()
        if words:
            self._watched = await naming.find_all(store, words)
        else:
            self._watched = [naming.of_record(each) for each in await store.tasks(phase="created")]
        if not self._watched:
            setting.screen.hint("no task of the store is open")
            return Exit.OK
        alone = len(self._watched) == 1 and bool(words)

        async def work(task: Task[Any], named: Named) -> Exit:
            return await self._one(store, task, named, alone=alone)

        try:
            codes = await with_tasks(setting, store, self._watched, work, self._failed, **self._asker.handlers())
        finally:
            self._display.close()
        return exits.worst(codes)

    async def _one(self, store: Store, task: Task[Any], named: Named, *, alone: bool) -> Exit:
        setting = self._setting
        name = untrusted.line(task.name or "", 80)

        def told(status: TaskStatus) -> None:
            if setting.manner.json:
                setting.screen.print_json(change(named, status))

        row = Row(named.shown, task.name or "")
        followed = await following.follow(task, row, self._display, self._asker, timeout=self._timeout, told=told)
        named = await naming.refreshed(store, named)
        if followed.error is not None:
            raise following.failure_of(setting, followed, named.json, named.shown)
        if alone:
            self._display.close()
            print_result(setting, named, followed.result)
        elif setting.manner.json:
            setting.screen.print_json({"schema": 1, "task": named.json, "result": results.as_json(followed.result)})
        elif setting.manner.quiet:
            setting.screen.print(named.shown)
        else:
            self._display.end(Row(named.shown, name, "completed"))
        return followed.code

    def _failed(self, named: Named, failure: Failure) -> None:
        with self._display.still():
            if len(self._watched) == 1:
                tell(self._setting.screen, failure)
            elif self._setting.manner.json:
                self._setting.screen.print_json(as_json(failure))
            else:
                self._setting.screen.say(f"{named.shown}  {untrusted.line(failure.message)}", "red")


def change(named: Named, status: TaskStatus) -> dict[str, Any]:
    """Return one change as `watch --json` has it. Pure."""
    return {
        "schema": 1,
        "task": {"id": None if named.record is None else named.record.id, "task_id": status.task_id},
        "status": status.status,
        "message": status.status_message,
        "questions": dict(status.input_requests),
    }
