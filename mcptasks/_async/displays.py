"""`progress`: shows tasks while they run."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from mcptasks._async.task import Task, waiter_of
from mcptasks._core.public_names import live_in
from mcptasks._engine.notebook.stop_button import in_kernel
from mcptasks._engine.notebook.task_list import TaskList, show_tasks
from mcptasks._engine.waiting.live_display import show


async def progress(*tasks: Task[Any], file: TextIO | None = None) -> None:
    """Show tasks while they run, and wait until all are over. The clients' handlers answer input requests.

    In a terminal there is a line for each task, or for each tool if there are many tasks: a bar if the server reports
    progress, the status, its message or the open question, the elapsed time, and the remaining time by earlier runs. A
    file or pipe gets a line for each change, at most one every 10 s. A notebook shows a table that follows the tasks,
    and the cell goes on at once.

    `progress` does not raise if a task fails, is cancelled or waits for input that no handler gives. `Task.result`
    does.

    Args:
        tasks: The tasks, of any number of clients. A task may be given twice.
        file: Where to write; None for a table in a notebook, and for `sys.stderr` everywhere else.

    Raises:
        TypeError: An argument is not a task.
    """
    given: tuple[Any, ...] = tasks
    for one in given:
        if not isinstance(one, Task):
            raise TypeError(f"progress() takes tasks, got {one!r:.200}; pass tasks one by one: progress(*tasks)")
    if file is None and in_kernel():
        show_tasks(TaskList(dict.fromkeys(tasks)))
        return
    await show(map(waiter_of, tasks), sys.stderr if file is None else file)


live_in("mcptasks", progress)
