# Generated from mcptasks/_async/displays.py by `nox -s generate`. Do not edit: change the source and run that again.
"""`progress`: shows tasks while they run."""

from __future__ import annotations

from typing import Any, TextIO

from mcptasks._async.displays import progress as async_progress
from mcptasks._portal.facade import blocking
from mcptasks._portal.groups import Group
from mcptasks._sync.task import Task


@blocking
def progress(*tasks: Task[Any], file: TextIO | None = None) -> None:
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
    group = Group("progress", tasks)
    group.call(lambda: async_progress(*group.tasks, file=file), answers=True)
