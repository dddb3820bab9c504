"""Forks while a client is open, uses what the child has inherited, and shows that the parent does not mind.

Arguments: the URL of a server with the tool `work`; the backend, and the child's; how the child leaves ("exit" or
"_exit"); where the stdio server writes its pid.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any

from mcptasks import TaskConnectionError
from mcptasks.sync import Client, Task
from tests.helpers.threads import is_running
from tests.portal.scripts.talk import make_client, say

# Python 3.12 warns of every fork beside threads; here it is the subject.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

url, backend, others, leaving, pid_file = sys.argv[1:]
tiny = str(Path(__file__).with_name("tiny_server.py"))


def in_child(client: Client, task: Task[Any], updates: Any, future: Future[Any]) -> None:
    """Use everything that was inherited, and then what is new."""
    inherited: dict[str, Callable[[], object]] = {
        "list_tools": client.list_tools,
        "call_tool": lambda: client.call_tool("work", task=True),
        "plain": lambda: client.call_tool("work"),
        "resume": lambda: client.resume(task.reference),
        "task": lambda: client.task("x"),
        "with": client.__enter__,
        "open": client.open,
        "result": task.result,
        "look": lambda: task.result(timeout=0),
        "status": task.status,
        "wait": task.wait,
        "updates": task.updates,
        "next": lambda: next(updates),
        "future": task.future,
        "outstanding": lambda: future.result(timeout=120),
        "completed": lambda: next(as_completed([future], timeout=120)).result(),
        "cancel": task.cancel,
        "callback": lambda: task.on_status_change(print),
        "block": task.__enter__,
    }
    for name, use in inherited.items():
        try:
            use()
        except TaskConnectionError as exc:
            words = str(exc)
            say("refused", name, "open a new" in words and "resume(task.reference)" in words)
        else:
            say("allowed", name)
    say("known", task.task_id == task.reference.task_id, task.done, task.last_status is not None)
    client.close()
    gc.collect()
    with make_client(url, others) as new:
        again = new.resume(task.reference)
        say("new", again.status().status, len(new.list_tools()))
        again.on_status_change(lambda status: say("callback", status.status))
        say("called", new.call_tool("quick").data)


async def fork_inside() -> int:
    """Fork on the background thread, as an async callback may that starts a process; the child's id."""
    child = os.fork()
    if child == 0:
        with make_client(url, others) as new:
            say("inside", new.call_tool("quick").data)
        os._exit(0)
    return child


stdio = make_client([sys.executable, tiny, pid_file, "gentle"], backend)
with make_client(url, backend) as client, stdio:
    task = client.call_tool("work", task=True)
    updates = task.updates()
    next(updates)
    future = task.future()
    task.on_status_change(lambda status: say("parent's callback", status.status))
    child = os.fork()
    if child == 0:
        in_child(client, task, updates, future)
        del client, task, updates, future, stdio
        gc.collect()
        say("leaving")
        if leaving == "_exit":
            os._exit(0)
        raise SystemExit(0)
    say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    server = int(Path(pid_file).read_text(encoding="utf-8"))
    say("stdio", is_running(server), len(stdio.list_tools()))
    say("child", os.waitstatus_to_exitcode(os.waitpid(client.run(fork_inside), 0)[1]))
    say("tools", len(client.list_tools()))
    say("next", next(updates).status)
    say("future", future.result(timeout=120).data)
    say("result", task.result(timeout=120).data)
say("closed")
